package scenario

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nanofront/bench/report"
	"nanofront/bench/result"
	"nanofront/bench/system"
	"nanofront/internal/process"
	"nanofront/internal/testutil"
)

// programs is the folder of the built programs, and cache that of a store of members.
var (
	builtDir string
	build    = sync.OnceValues(func() (string, error) {
		cmd := exec.Command("go", "build", "-o", builtDir+string(filepath.Separator), "nanofront/cmd/terminator", "nanofront/cmd/handler", "nanofront/cmd/bench")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		out, err := cmd.CombinedOutput()
		return string(out), err
	})
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	var err error
	if builtDir, err = os.MkdirTemp("", "nanofront-scenario-"); err != nil {
		_, _ = os.Stderr.WriteString(err.Error())
		return 1
	}
	defer func() { _ = os.RemoveAll(builtDir) }()
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			_, _ = os.Stderr.WriteString(err.Error())
			return 1
		}
	}
	return code
}

// quick runs scenarios as short as they show anything, with the programs as they are built for
// users.
func quick(t *testing.T, change func(*Plan), names ...string) *result.Report {
	t.Helper()
	if out, err := build(); err != nil {
		t.Fatalf("building the programs: %v\n%s", err, out)
	}
	p, err := Load(names...)
	if err != nil {
		t.Fatal(err)
	}
	change(p)
	rep, err := Run(t.Context(), p, Options{Bin: builtDir, Dir: t.TempDir(), Cache: filepath.Join(builtDir, "cache"), Say: func(line string) { t.Log(line) }})
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// few is a load that any machine bears, also with the race detector in the generator.
func few(steps ...Step) func(*Plan) {
	return func(p *Plan) {
		for _, s := range p.Scenarios {
			s.Steps, s.Rounds, s.Warmup, s.Driver, s.Timeout = steps, 2, 100*time.Millisecond, DriverBench, 20*time.Second
		}
	}
}

func TestRun_RoundsAreInterleavedAndMeasured(t *testing.T) {
	rep := quick(t, func(p *Plan) {
		few(Step{Closed: 4, Duration: 300 * time.Millisecond}, Step{Rate: 200, Duration: 500 * time.Millisecond, name: "200/s"})(p)
		p.Scenarios[0].Subjects = []string{SubjectNanofront, "plain"}
	}, "hello", "profile")
	var order []string
	for _, r := range rep.Runs {
		order = append(order, r.Scenario+" "+strings.Fields(r.Subject)[0]+" "+r.Loop)
	}
	const round = "hello nanofront closed,hello nanofront open,hello plain closed,hello plain open,profile nanofront closed,profile nanofront open"
	if got := strings.Join(order, ","); got != round+","+round {
		t.Errorf("runs were %s", got)
	}
	for i := range rep.Runs {
		r := &rep.Runs[i]
		if r.Rate <= 0 || r.Failures() > 0 || r.Latency.IsZero() {
			t.Errorf("%s of %s: rate %v, failed %v", r.Scenario, r.Subject, r.Rate, r.Failed)
		}
		roles := map[string]bool{}
		for _, p := range r.Processes {
			roles[p.Role] = true
		}
		want := []string{result.RoleLoad, result.Plain}
		if r.Subject == result.Nanofront {
			want = map[string][]string{"hello": {result.RoleLoad, "terminator", "echo"}, "profile": {result.RoleLoad, "terminator", "web", "profile"}}[r.Scenario]
		}
		for _, role := range want {
			if !roles[role] {
				t.Errorf("%s of %s: no process %s among %v", r.Scenario, r.Subject, role, roles)
			}
		}
		if r.Subject != result.Nanofront {
			continue
		}
		hops := map[string]uint64{}
		for _, s := range r.Stages {
			hops[s.Hop] = max(hops[s.Hop], s.Count)
		}
		// What was counted is the run without its warm-up, give or take what was under way.
		first := map[string]string{"hello": "terminator → echo", "profile": "terminator → web"}[r.Scenario]
		if n := hops[first]; n < r.Completed/2 || n > r.Completed+uint64(r.Connections)+10 {
			t.Errorf("%s: %d requests timed in %s, %d answered", r.Scenario, n, first, r.Completed)
		}
		if r.Scenario == "profile" && hops["web → profile"] == 0 {
			t.Errorf("profile: the second hop is missing in %v", hops)
		}
	}
	if len(rep.Environment.Flags) == 0 || rep.Headline == "" {
		t.Errorf("flags %q, headline %q", rep.Environment.Flags, rep.Headline)
	}
	for _, f := range rep.Environment.Flags {
		if strings.Contains(f, builtDir) || strings.Contains(f, os.TempDir()) {
			t.Errorf("a folder of this machine in %q", f)
		}
	}
}

// What waiting and a request cost is told for each process and subject.
func TestRun_Cost(t *testing.T) {
	rep := quick(t, func(p *Plan) {
		few(Step{Idle: true, Duration: 300 * time.Millisecond}, Step{Rate: 200, Duration: 500 * time.Millisecond, name: "200/s"})(p)
		p.Scenarios[0].Subjects, p.Scenarios[0].Rounds, p.Scenarios[0].Calls = []string{SubjectNanofront, "plain"}, 1, 300*time.Millisecond
	}, "cost")
	if len(rep.Runs) != 4 {
		t.Fatalf("%d runs", len(rep.Runs))
	}
	left := strings.Contains(strings.Join(rep.Notes, " "), "system calls are left out")
	for i := range rep.Runs {
		r := &rep.Runs[i]
		if idle := i%2 == 0; idle != (r.Loop == result.Idle) || idle != (r.Planned == 0) || idle != (r.CPUPerRequest() == 0) {
			t.Errorf("%s of %s: planned %d, %v µs of CPU a request", r.Loop, r.Subject, r.Planned, r.CPUPerRequest())
		}
		if left != (r.Calls == nil) || !left && (r.Calls.Duration <= 0 || r.Loop != result.Idle && !(r.CallsPerRequest() >= 1)) {
			t.Errorf("%s of %s: calls %+v", r.Loop, r.Subject, r.Calls)
		}
		for _, p := range r.Processes {
			if p.Role != result.RoleLoad && runtime.GOOS == "linux" && p.CPUClock == "" {
				t.Errorf("%s of %s: what %s used isn't known", r.Loop, r.Subject, p.Name)
			}
		}
	}
	var text strings.Builder
	if err := report.Terminal(&text, rep, 100, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"% of a core", "terminator", "echo-1", "switches", "CPU µs"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
}

func TestRun_RestartsUnderLoad(t *testing.T) {
	rep := quick(t, func(p *Plan) {
		few(Step{Rate: 200, Duration: 5 * time.Second, name: "200/s"})(p)
		p.Scenarios[0].Rounds = 1
		p.Scenarios[0].Disturb.Restart.Pause = 50 * time.Millisecond
	}, "restart")
	r := &rep.Runs[0]
	// A request may be sent on an idle connection just when the terminator that
	// leaves closes it, and a busy machine may be late, or away for a second; that
	// nothing else is lost is for internal/e2e to show.
	if r.Failures()+r.NotSent > r.Planned/4 {
		t.Errorf("failed %v, not sent %d; events %v", r.Failed, r.NotSent, r.Events)
	}
	text := ""
	for _, e := range r.Events {
		text += e.Text + "\n"
	}
	for _, want := range []string{"web-1 is back", "web-2 is back", "terminator is back"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q among\n%s", want, text)
		}
	}
}

func TestRun_SlowsAHandler(t *testing.T) {
	rep := quick(t, func(p *Plan) {
		few(Step{Rate: 500, Duration: 2 * time.Second, name: "500/s"})(p)
		p.Scenarios[0].Rounds = 1
	}, "slow-handler")
	r := &rep.Runs[0]
	if len(r.Events) != 2 || r.Failures() > r.Planned/4 { // what is at it when it stops waits; a busy machine sheds some more
		t.Errorf("events %v, failed %v", r.Events, r.Failed)
	}
}

// Whether a request meets it is chance, since it is avoided; that it is stopped is not.
func TestDisturb_SlowStopsAndContinues(t *testing.T) {
	if runtime.GOOS != "linux" {
		testutil.Skip(t, "only Linux has /proc")
	}
	g := system.NewGroup()
	defer g.Stop()
	p, err := g.Start(process.Spec{Name: "echo-2", Path: "/bin/sleep", Args: []string{"1000"}})
	if err != nil {
		t.Fatal(err)
	}
	stopped := func() bool {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(raw), ") T ")
	}
	n := &system.Nanofront{System: system.System{Group: g}}
	d := disturb(t.Context(), n, &Disturb{Slow: &Slow{Process: "echo-2", Factor: 50, Period: 100 * time.Millisecond}}, time.Hour/1000)
	testutil.Eventually(t, "it is stopped", stopped)
	events, err := d.end()
	if err != nil || len(events) != 2 {
		t.Errorf("events %v, %v", events, err)
	}
	testutil.Eventually(t, "it runs again", func() bool { return !stopped() })
}

func TestRun_CurveAndOverload(t *testing.T) {
	rep := quick(t, func(p *Plan) {
		s := p.Scenarios[0]
		s.Warmup, s.Timeout = 100*time.Millisecond, 20*time.Second
		// Whatever the machine does meanwhile, this is followed.
		s.Curve = &Curve{From: 100, By: 100, To: 200, Refine: 1, Duration: 300 * time.Millisecond, P99: 20_000, Kept: 0.1}
		s.Overload.Duration, s.Overload.After = time.Second, time.Second
	}, "overload")
	var steps []string
	for _, r := range rep.Runs {
		steps = append(steps, r.Scenario+" "+r.Step)
	}
	if got := strings.Join(steps, ","); got != "curve 100/s,curve 200/s,overload 0.25x knee,overload 1x knee,overload 2x knee,overload 4x knee" {
		t.Errorf("steps: %s", got)
	}
	if last := rep.Runs[len(rep.Runs)-1]; last.OfferedRate != 800 {
		t.Errorf("four times the knee is %v", last.OfferedRate)
	}
	for _, r := range rep.Runs[2:] {
		if r.Service.IsZero() || r.Rate <= 0 || (len(r.After) > 0) != (r.OfferedRate > 200) {
			t.Errorf("%s: rate %v, %d latencies from sending, %d seconds after", r.Step, r.Rate, r.Service.Digest().Count, len(r.After))
		}
	}
}

// Whoever stands in front, it is the same handlers that are asked for too much: two that take 20 ms
// for a request, one at a time.
func TestRun_OverloadsHandlers(t *testing.T) {
	rep := quick(t, func(p *Plan) {
		s := p.Scenarios[0]
		s.System, s.Subjects, s.Connections, s.Warmup = Programs{Echo: 2, Workers: 1}, []string{SubjectNanofront, "plain"}, 200, 100*time.Millisecond
		s.Overload = &Overload{Capacity: 100, Times: []float64{0.25, 4}, Duration: 2 * time.Second, After: 2 * time.Second}
	}, "overload-handlers")
	if len(rep.Runs) != 4 {
		t.Fatalf("%d runs", len(rep.Runs))
	}
	for i := range rep.Runs {
		r := &rep.Runs[i]
		fast, _ := r.Service.Percentile(0)
		if r.Rate <= 0 || r.Rate > 110 || fast < 20 || r.Duration != 2*time.Second || len(r.Processes) < 2 {
			t.Errorf("%s of %s: %v a second in %v, the quickest in %v ms, %d processes", r.Step, r.Subject, r.Rate, r.Duration, fast, len(r.Processes))
		}
		if over := r.OfferedRate > 100; over != (r.Step == "4x capacity") || over != (len(r.After) > 1) {
			t.Errorf("%s of %s: %v offered, %d seconds after", r.Step, r.Subject, r.OfferedRate, len(r.After))
		}
		if lost := float64(r.Broken()) + float64(r.Refused()); r.OfferedRate > 100 && lost < 200 {
			t.Errorf("%s of %s: only %v of %d were not answered", r.Step, r.Subject, lost, r.Planned)
		}
	}
	if r := &rep.Runs[1]; r.Refusal.Digest().Count != r.Refused() {
		t.Errorf("%d refused, of %d is known how long that took", r.Refused(), r.Refusal.Digest().Count)
	}
}

// What was measured before ctrl-C is reported.
func TestRun_Interrupted(t *testing.T) {
	if out, err := build(); err != nil {
		t.Fatalf("building the programs: %v\n%s", err, out)
	}
	p, err := Load("hello")
	if err != nil {
		t.Fatal(err)
	}
	few(Step{Closed: 2, Duration: 200 * time.Millisecond})(p)
	p.Scenarios[0].Subjects = []string{"plain"}
	p.Scenarios[0].Rounds = MaxRounds
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	rounds := 0
	rep, err := Run(ctx, p, Options{Bin: builtDir, Dir: t.TempDir(), Say: func(line string) {
		if strings.HasPrefix(line, "round ") {
			if rounds++; rounds == 3 {
				cancel()
			}
		}
	}})
	if err != nil || len(rep.Runs) < 2 || len(rep.Runs) > 3 || len(rep.Notes) == 0 || !strings.Contains(rep.Notes[len(rep.Notes)-1], "interrupted") {
		t.Errorf("%d runs, notes %q, %v", len(rep.Runs), rep.Notes, err)
	}
}

func TestRun_ATargetThatRunsAlready(t *testing.T) {
	if out, err := build(); err != nil {
		t.Fatalf("building the programs: %v\n%s", err, out)
	}
	p, err := Load("hello")
	if err != nil {
		t.Fatal(err)
	}
	few(Step{Closed: 2, Duration: 200 * time.Millisecond})(p)
	if _, err := Run(t.Context(), p, Options{Target: "http://127.0.0.1:1", Dir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "nobody listens") {
		t.Errorf("a target that isn't there: %v", err)
	}
	n, err := system.StartNanofront(t.Context(), system.NanofrontOptions{Bin: builtDir, Dir: t.TempDir(), Echo: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Stop()
	rep, err := Run(t.Context(), p, Options{
		Target: n.URL + "/", Admins: []string{n.Admins["terminator"].Addr, n.Admins["echo-1"].Addr}, Dir: t.TempDir(),
	})
	if err != nil || len(rep.Runs) != 2 {
		t.Fatal(rep, err)
	}
	if r := &rep.Runs[0]; r.Subject != result.Nanofront || r.Failures() > 0 || r.Rate <= 0 || len(r.Stages) == 0 {
		t.Errorf("%s: rate %v, failed %v, %d stages", r.Subject, r.Rate, r.Failed, len(r.Stages))
	}
	if n.Process("terminator").Ended() {
		t.Error("the target was ended")
	}
}

// Whatever ends the benchmark, the system ends with it.
func TestBench_LeavesNobodyBehindWhenKilled(t *testing.T) {
	if runtime.GOOS != "linux" {
		testutil.Skip(t, "only Linux ends children whose parent dies")
	}
	if out, err := build(); err != nil {
		t.Fatalf("building the programs: %v\n%s", err, out)
	}
	dir := t.TempDir()
	cmd := exec.Command(filepath.Join(builtDir, "bench"), "run", "hello", "--subjects", "nanofront", "--driver", "bench", "--out", dir)
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "the system runs", func() bool { return started(t, dir) == 2 })
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it says that it was killed
	testutil.Eventually(t, "all are gone", func() bool { return started(t, dir) == 0 })
}

// started is how many terminators and handlers run with files in a folder.
func started(t *testing.T, dir string) int {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, name := range all {
		line, err := os.ReadFile(name)
		if err == nil && strings.Contains(string(line), dir) && strings.Contains(string(line), "--static") {
			n++
		}
	}
	return n
}
