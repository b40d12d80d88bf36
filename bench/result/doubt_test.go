package result_test

import (
	"strings"
	"testing"
	"time"

	"nanofront/bench/result"
	"nanofront/bench/result/resulttest"
)

// reasons are those of a report, one a line.
func reasons(rep *result.Report) string {
	var lines []string
	for _, d := range result.Doubts(rep) {
		lines = append(lines, d.Reason)
	}
	return strings.Join(lines, "\n")
}

func TestDoubts(t *testing.T) {
	open := func(rep *result.Report, scenario, step string) *result.Run {
		for i := range rep.Runs {
			if r := &rep.Runs[i]; r.Scenario == scenario && r.Loop == result.Open && (step == "" || r.Step == step) && r.Subject == result.Nanofront {
				return r
			}
		}
		t.Fatalf("no run of %s %s", scenario, step)
		return nil
	}
	for name, tc := range map[string]struct {
		change func(*result.Report)
		want   string // the beginning of the only reason; empty: none
		advice string
	}{
		"quiet":           {func(*result.Report) {}, "", ""},
		"noise before":    {func(rep *result.Report) { rep.Environment.Noise.LostPercent = 31.4 }, "other programs took 31 % of the CPU from a spin test", "end other programs"},
		"noise meanwhile": {func(rep *result.Report) { open(rep, "profile", "").CPUOthers = 0.42 }, "profile, 50,000/s, open loop: other programs used 42 %", "end other programs"},
		"late":            {func(rep *result.Report) { r := open(rep, "restart", ""); r.SentLate = r.Sent / 20 }, "restart, 30,000/s, open loop: 5 % of the requests left late", "offer less"},
		"late at the knee": {func(rep *result.Report) {
			r := open(rep, result.ScenarioCurve, "60000/s")
			r.SentLate = r.Sent / 20
		}, "curve, 60,000/s, open loop: 5 % of", "offer less"},
		"late above the knee":   {func(rep *result.Report) { r := open(rep, result.ScenarioCurve, "90000/s"); r.SentLate = r.Sent / 2 }, "", ""},
		"late under overload":   {func(rep *result.Report) { r := open(rep, result.ScenarioOverload, ""); r.SentLate = r.Sent / 2 }, "", ""},
		"a rate in vain, below": {func(rep *result.Report) { open(rep, result.ScenarioCurve, "40000/s").Rate = 30_000 }, "curve, 40,000/s, open loop: this rate was not kept up with", "end other programs"},
		"rounds apart": {func(rep *result.Report) {
			for i := range rep.Runs {
				if r := &rep.Runs[i]; r.Scenario == "hello" && r.Loop == result.Closed && r.Subject == "nginx" && r.Round == 1 {
					r.Rate /= 2
				}
			}
		}, "hello, nginx, closed loop: the rounds lie ± ", "--rounds"},
	} {
		rep := resulttest.Report(resulttest.Options{Seed: 1})
		tc.change(rep)
		got := reasons(rep)
		if tc.want == "" && got != "" || !strings.HasPrefix(got, tc.want) || strings.Contains(got, "\n") {
			t.Errorf("%s: doubts\n%s\nwant %q", name, got, tc.want)
		}
		if tc.advice != "" && !strings.Contains(result.Advice(result.Doubts(rep)), tc.advice) {
			t.Errorf("%s: advice %q, want %q", name, result.Advice(result.Doubts(rep)), tc.advice)
		}
	}
	// A single load on a URL that can't keep up is late, and that is said.
	rep := &result.Report{Runs: []result.Run{{Scenario: "load", Subject: "http://x/", Driver: "bench", Loop: result.Open, Round: 1, OfferedRate: 100, Rate: 50, Planned: 1000, Sent: 1000, SentLate: 900, Duration: 10 * time.Second}}}
	if got := reasons(rep); !strings.Contains(got, "load, http://x/, open loop: 90 % of") {
		t.Errorf("a load that is late: %q", got)
	}
	if got := reasons(&result.Report{}); got != "" {
		t.Errorf("doubts in nothing: %q", got)
	}
}
