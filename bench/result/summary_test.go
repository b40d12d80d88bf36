package result_test

import (
	"math"
	"testing"
	"time"

	"nanofront/bench/result"
	"nanofront/bench/result/resulttest"
)

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(1, math.Abs(a), math.Abs(b)) }

func closedRun(scenario, subject string, round int, rate, cpuSeconds float64) result.Run {
	return result.Run{
		Scenario: scenario, Subject: subject, Driver: "wrk", Loop: result.Closed, Round: round, Duration: 10 * time.Second, Rate: rate,
		Processes: []result.Process{{Name: "server", CPUSeconds: cpuSeconds}, {Name: "wrk", Role: result.RoleLoad, CPUSeconds: 99}},
	}
}

func summaryOf(t *testing.T, all []*result.Summary, scenario, subject string) *result.Summary {
	t.Helper()
	for _, s := range all {
		if s.Scenario == scenario && s.Subject == subject {
			return s
		}
	}
	t.Fatalf("no summary of %s, %s", scenario, subject)
	return nil
}

func TestSummarize_TakesRatiosWithinRounds(t *testing.T) {
	// The machine halves its speed in round 2: ratios stay, medians of rates don't.
	all := result.Summarize([]result.Run{
		closedRun("hello", result.Plain, 1, 1000, 0.1),
		closedRun("hello", result.Nanofront, 1, 800, 0.16),
		closedRun("hello", result.Plain, 2, 500, 0.1),
		closedRun("hello", result.Nanofront, 2, 400, 0.16),
		closedRun("hello", result.Nanofront, 3, 600, 0.1), // without its counterpart
	})
	s := summaryOf(t, all, "hello", result.Nanofront)
	if s.Ratio.N != 2 || !near(s.Ratio.Median, 0.8) || !near(s.Ratio.Spread(), 0) {
		t.Errorf("ratio %+v, want 0.8 twice", s.Ratio)
	}
	if s.Rate.N != 3 || s.Rate.Median != 600 || s.Rate.Low != 400 || s.Rate.High != 800 || !near(s.Rate.Spread(), 200.0/600*100) {
		t.Errorf("rate %+v", s.Rate)
	}
	// 0.16 s for 8000 requests are 20 µs, the load generator's not among them.
	if !near(s.CPU.Low, 0.1/6000*1e6) || !near(s.Runs[0].CPUPerRequest(), 20) || !near(s.CPURatio.Median, 2) {
		t.Errorf("CPU %+v, ratio %+v", s.CPU, s.CPURatio)
	}
	if got := s.Roles[len(s.Roles)-1].Role; got != result.RoleLoad {
		t.Errorf("the last role is %q", got)
	}
	if s.Typical.Round != 3 {
		t.Errorf("the typical round is %d, want that of the median", s.Typical.Round)
	}
}

func TestSummarize_HoldsOtherScenariosAgainstTheOnlyPlain(t *testing.T) {
	runs := []result.Run{closedRun("hello", result.Plain, 1, 1000, 1), closedRun("profile", result.Nanofront, 1, 500, 1)}
	if s := summaryOf(t, result.Summarize(runs), "profile", result.Nanofront); s.Ratio.N != 1 || !near(s.Ratio.Median, 0.5) {
		t.Errorf("ratio %+v, want 0.5", s.Ratio)
	}
	runs = append(runs, closedRun("large", result.Plain, 1, 10, 1))
	if s := summaryOf(t, result.Summarize(runs), "profile", result.Nanofront); s.Ratio.N != 0 {
		t.Errorf("ratio %+v, but which of two is it to be held against?", s.Ratio)
	}
	for i := range runs {
		runs[i].Loop = result.Open
	}
	if s := summaryOf(t, result.Summarize(runs[:1]), "hello", result.Plain); s.Ratio.N != 0 {
		t.Errorf("an open loop has a ratio of rates: %+v", s.Ratio)
	}
}

func TestRun_RefusedAndBroken(t *testing.T) {
	r := result.Run{Failed: map[string]uint64{"status": 12, "timeout": 3}, Statuses: map[string]uint64{"200": 80, "503": 9, "429": 1, "500": 2}, NotSent: 5}
	if r.Failures() != 15 || r.Refused() != 10 || r.Broken() != 10 {
		t.Errorf("failures %d, refused %d, broken %d, want 15, 10, 10", r.Failures(), r.Refused(), r.Broken())
	}
	// Where 503 is expected, it is no failure.
	r = result.Run{Statuses: map[string]uint64{"503": 9}}
	if r.Broken() != 0 {
		t.Errorf("broken %d, want 0", r.Broken())
	}
}

func TestNewStat(t *testing.T) {
	if s := result.NewStat([]float64{math.NaN(), 3, 1, math.Inf(1), 2, 4}); s.N != 4 || s.Median != 2.5 || s.Low != 1 || s.High != 4 {
		t.Errorf("stat %+v", s)
	}
	if s := result.NewStat(nil); s != (result.Stat{}) || s.Spread() != 0 {
		t.Errorf("stat of nothing %+v", s)
	}
}

func TestHistogram_Percentile(t *testing.T) {
	if !result.FromHDR(nil).IsZero() {
		t.Error("nothing isn't empty")
	}
	h := result.FromDigest(result.Digest{P50: 1, P99: 5})
	for p, want := range map[float64]float64{50: 1, 99: 5} {
		if v, ok := h.Percentile(p); !ok || v != want {
			t.Errorf("p%v = %v, %v, want %v", p, v, ok, want)
		}
	}
	for _, p := range []float64{90, 99.9, 42} {
		if v, ok := h.Percentile(p); ok {
			t.Errorf("p%v = %v, though it isn't known", p, v)
		}
	}
	if v, ok := histogram(t, 1000, 2000, 3000).Percentile(60); !ok || math.Abs(v-2) > 0.01 {
		t.Errorf("p60 = %v, %v, want 2", v, ok)
	}
}

func TestKnee_IsTheLastStepThatIsFollowed(t *testing.T) {
	rep := resulttest.Report(resulttest.Options{Seed: 4})
	var steps []*result.Summary
	for _, s := range result.Summarize(rep.Runs) {
		if s.Scenario == result.ScenarioCurve {
			steps = append(steps, s)
		}
	}
	if k := result.Knee(steps, result.KneeLimits{}); k == nil || k.Offered != 70_000 {
		t.Errorf("knee %+v, want 70,000/s", k)
	}
	if k := result.Knee(steps, result.KneeLimits{P99: 5}); k == nil || k.Offered != 50_000 {
		t.Errorf("knee %+v within 5 ms, want 50,000/s", k)
	}
	if k := result.Knee(steps, result.KneeLimits{P99: 0.1}); k != nil {
		t.Errorf("knee %v within 0.1 ms", k.Offered)
	}
	if result.Knee(nil, result.KneeLimits{}) != nil {
		t.Error("a knee of nothing")
	}
}

func TestReport_AddKeepsRoundsApart(t *testing.T) {
	a := &result.Report{Name: "a", Headline: "of a", Notes: []string{"n"}, Elapsed: 1, Runs: []result.Run{closedRun("hello", result.Plain, 1, 1000, 1), closedRun("hello", result.Nanofront, 1, 500, 1)}}
	// The machine was twice as fast for the second one.
	b := &result.Report{Name: "b", Notes: []string{"n", "m"}, Elapsed: 2, Runs: []result.Run{closedRun("hello", result.Plain, 1, 2000, 1), closedRun("hello", result.Nanofront, 1, 1000, 1)}}
	a.Add(b)
	s := summaryOf(t, result.Summarize(a.Runs), "hello", result.Nanofront)
	if s.Ratio.N != 2 || s.Ratio.Low != 0.5 || s.Ratio.High != 0.5 || s.Runs[1].Round != 2 || b.Runs[0].Round != 1 {
		t.Errorf("ratio %+v, rounds %d and %d; %d in what was added", s.Ratio, s.Runs[0].Round, s.Runs[1].Round, b.Runs[0].Round)
	}
	if a.Name != "a" || a.Headline != "of a" || len(a.Notes) != 2 || a.Elapsed != 3 {
		t.Errorf("sum: name %q, headline %q, notes %q, elapsed %d", a.Name, a.Headline, a.Notes, a.Elapsed)
	}
}
