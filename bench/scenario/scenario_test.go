package scenario

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nanofront/bench/result"
)

func TestLoad_AllThatIsBuiltIn(t *testing.T) {
	for _, suites := range []bool{false, true} {
		names := Names(suites)
		if len(names) < 2 {
			t.Errorf("only %v", names)
		}
		for _, name := range names {
			p, err := Load(name)
			if err != nil {
				t.Error(err)
				continue
			}
			if p.Title == "" || p.About == "" || len(p.Scenarios) == 0 {
				t.Errorf("%s: %+v", name, p)
			}
		}
	}
	for _, want := range []string{"hello", "profile", "members", "mixed", "large", "churn", "curve", "overload", "overload-handlers", "cost", "slow-handler", "restart", "soak"} {
		if _, err := Load(want); err != nil {
			t.Error(err)
		}
	}
}

// What a suite says replaces what the file says, and nothing else.
func TestLoad_SuiteOverrides(t *testing.T) {
	p, err := Load("gate")
	if err != nil {
		t.Fatal(err)
	}
	s := p.Scenarios[0]
	if s.Name != "hello" || s.Driver != "bench" || len(s.Steps) != 1 || s.Steps[0].Closed != 64 || len(s.Subjects) != 2 {
		t.Errorf("%+v", s)
	}
	if s.System.Echo != 1 || s.Rounds != 3 || len(s.Requests) != 1 {
		t.Errorf("lost what the file says: %+v", s)
	}
	// The lists of the file are not changed by a suite.
	if hello, err := Load("hello"); err != nil || len(hello.Scenarios[0].Subjects) < 5 {
		t.Errorf("%+v, %v", hello, err)
	}
}

// make bench must end within ten minutes, and the gate within two.
func TestEstimate_SuitesEndInTime(t *testing.T) {
	for name, limit := range map[string]time.Duration{"default": 8 * time.Minute, "gate": time.Minute} {
		p, err := Load(name)
		if err != nil {
			t.Fatal(err)
		}
		if d := Estimate(p, Options{}); d <= 0 || d > limit {
			t.Errorf("%s takes %v", name, d)
		}
	}
}

func TestLoad_RefusesWhatItDoesNotUnderstand(t *testing.T) {
	const good = "title: x\nsystem: {echo: 1}\nrequests: [{path: /hello}]\nsteps: [{closed: 1, duration: 1s}]\n"
	for _, c := range []struct{ yaml, want string }{
		{strings.Replace(good, "title", "titel", 1), "titel"},
		{strings.Replace(good, "{path: /hello}", "", 1), "requests"},
		{strings.Replace(good, "closed: 1", "closed: 1, rate: 5", 1), "one of the two"},
		{strings.Replace(good, "closed: 1, ", "", 1), "one of the two"},
		{strings.Replace(good, "1s", "1ms", 1), "duration"},
		{strings.Replace(good, "closed: 1", "idle: true, closed: 1", 1), "idle"},
		{good + "calls: 2h\n", "calls"},
		{strings.Replace(good, "echo: 1", "echo: 0", 1), "neither echo nor web"},
		{strings.Replace(good, "echo: 1", "echo: 1, profile: 2", 1), "profile"},
		{good + "subjects: [apache]\n", "apache"},
		{good + "subjects: [plain, plain]\n", "twice"},
		{good + "rounds: 1000\n", "rounds"},
		{good + "driver: ab\n", "ab"},
		{good + "curve: {from: 10, by: 0, to: 100, duration: 1s}\n", "curve"},
		{good + "overload: {times: [1], duration: 1s}\n", "curve"},
		{good + "disturb: {slow: {process: x, factor: 0.5, period: 100ms}}\n", "factor"},
		{good + "disturb: {restart: {pause: 1s}}\n", "roles"},
		{"steps: 5", "Step"},
		{"", "requests"},
	} {
		name := filepath.Join(t.TempDir(), "mine.yaml")
		if err := os.WriteFile(name, []byte(c.yaml), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(name); !errors.Is(err, ErrScenario) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want it to say %q", c.yaml, err, c.want)
		}
	}
	if _, err := Load("helo"); !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), "hello") {
		t.Errorf("a wrong name: %v", err)
	}
	if _, err := Load("hello", "hello"); !errors.Is(err, ErrScenario) {
		t.Errorf("twice the same: %v", err)
	}
}

func TestBlocks_NeighboursOfEqualRounds(t *testing.T) {
	s := func(rounds int) *Scenario { return &Scenario{Rounds: rounds} }
	var got []int
	for _, b := range blocks([]*Scenario{s(3), s(3), s(1), s(3), s(3), s(3)}) {
		got = append(got, len(b))
	}
	if len(got) != 3 || got[0] != 2 || got[1] != 1 || got[2] != 3 {
		t.Errorf("blocks of %v", got)
	}
}

// pair is a round of plain fasthttp, and nanofront's ratio to it.
func pair(round int, scenario string, ratio float64, failed uint64) []result.Run {
	plain := 80_000. + 20_000*float64(round%3) // a machine that changes its speed
	run := func(scenario, subject string, rate float64) result.Run {
		return result.Run{Scenario: scenario, Subject: subject, Driver: DriverBench, Loop: result.Closed, Round: round, Rate: rate, Duration: time.Second}
	}
	n := run(scenario, result.Nanofront, plain*ratio)
	if failed > 0 {
		n.Failed = map[string]uint64{"reset": failed}
	}
	return []result.Run{run("hello", result.Plain, plain), n}
}

func TestVerdicts_AHalvedThroughputIsARegression(t *testing.T) {
	bounds := []Bound{{Scenario: "hello", Ratio: 0.6, Floor: 0.25}}
	for _, c := range []struct {
		name   string
		ratios []float64
		failed uint64
		holds  bool
	}{
		{"as it was", []float64{0.6, 0.6, 0.6}, 0, true},
		{"one bad round", []float64{0.6, 0.1, 0.5}, 0, true},
		{"noise", []float64{0.45, 0.4, 0.5}, 0, true},
		{"less than half", []float64{0.29, 0.28, 0.5}, 0, false},
		{"failures", []float64{0.6, 0.6, 0.6}, 1, false},
		{"nothing", nil, 0, false},
	} {
		var runs []result.Run
		for i, ratio := range c.ratios {
			runs = append(runs, pair(i+1, "hello", ratio, c.failed)...)
		}
		v := Verdicts(bounds, runs)[0]
		if v.Holds() != c.holds {
			t.Errorf("%s: %s", c.name, v.String())
		}
	}
	// Two hops are held against plain fasthttp where only one hop has it.
	if v := Verdicts([]Bound{{Scenario: "profile", Ratio: 0.4}}, pair(1, "profile", 0.3, 0))[0]; !v.Holds() || v.Got < 0.29 || v.Got > 0.31 {
		t.Errorf("profile: %s", v.String())
	}
	if b := (&Bound{Ratio: 0.4, Floor: 0.25}); b.Limit() != 0.25 {
		t.Errorf("limit %v below the floor", b.Limit())
	}
}

func TestOptions_Apply(t *testing.T) {
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Subjects: []string{"apache"}}, "apache"},
		{Options{Subjects: []string{"caddy"}}, "caddy"},
		{Options{Target: "http://127.0.0.1:1"}, "disturbs"},
	} {
		p, err := Load("slow-handler")
		if err != nil {
			t.Fatal(err)
		}
		if err := c.o.apply(p); !errors.Is(err, ErrOptions) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.o, err)
		}
	}
	p, err := Load("hello", "overload")
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Subjects: []string{"nanofront", "plain"}, Rounds: 2, Duration: 2 * time.Second, Connections: 8}
	if err := o.apply(p); err != nil {
		t.Fatal(err)
	}
	hello, overload := p.Scenarios[0], p.Scenarios[1]
	if hello.Rounds != 2 || len(hello.Subjects) != 2 || hello.Steps[0].Duration != 2*time.Second || hello.Steps[0].Closed != 8 {
		t.Errorf("hello: %+v", hello)
	}
	if overload.Overload.Duration != 2*time.Second || overload.Curve.Duration != 2*time.Second {
		t.Errorf("overload: %+v", overload)
	}
	if again, err := Load("hello"); err != nil || again.Scenarios[0].Steps[0].Duration != 5*time.Second {
		t.Error("options changed what is built in")
	}
}
