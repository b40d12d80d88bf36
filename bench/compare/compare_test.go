package compare

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"nanofront/bench/result"
	"nanofront/bench/result/resulttest"
)

// world makes reports of which the truth is known.
type world struct {
	rng *rand.Rand
	// noise of a round's figures, drift that all subjects of a round share; standard deviations.
	noise, drift float64
	subjects     []string
}

// report has so many rounds in a closed loop; factor is what nanofront's truth is multiplied by:
// its rate, and inversely its p99 and CPU.
func (w *world) report(rounds int, factor float64) *result.Report {
	rep := &result.Report{Format: result.Format}
	for round := range rounds {
		machine := math.Exp(w.drift * w.rng.NormFloat64())
		for i, subject := range w.subjects {
			truth := 100_000 / float64(i+1)
			if subject == result.Nanofront {
				truth *= factor
			}
			near := func() float64 { return machine * math.Exp(w.noise*w.rng.NormFloat64()) }
			rate := truth * near()
			rep.Runs = append(rep.Runs, result.Run{
				Scenario: "hello", Subject: subject, Driver: "wrk", Loop: result.Closed, Round: round + 1, Duration: 10 * time.Second,
				Rate: rate, Latency: result.FromDigest(result.Digest{P99: 1e6 / truth / near()}),
				Processes: []result.Process{{Name: subject, CPUSeconds: rate * 10 * (1 / truth) / near()}},
			})
		}
	}
	return rep
}

func newWorld(seed uint64) *world {
	return &world{rng: rand.New(rand.NewPCG(seed, 2)), noise: 0.03, subjects: []string{result.Plain, result.Nanofront, "nginx"}}
}

func run(t *testing.T, before, after *result.Report, opts Options) *Outcome {
	t.Helper()
	out, err := Run(before, after, opts)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// The same program twice: at most one comparison in twenty may see a change in any of its figures.
func TestRun_RarelySeesAChangeWhereThereIsNone(t *testing.T) {
	for _, rounds := range []int{3, 5, 10} {
		const seeds = 400
		wrong := 0
		for seed := range uint64(seeds) {
			w := newWorld(seed)
			w.drift = 0.05
			out := run(t, w.report(rounds, 1), w.report(rounds, 1), Options{})
			if out.count(Worse)+out.count(Better) > 0 {
				wrong++
			}
		}
		// 5 % of 400 are 20; the bound leaves room for two standard deviations of the count itself.
		if wrong > 29 {
			t.Errorf("%d rounds: %d of %d comparisons of a program with itself saw a change, want 5 %% at most", rounds, wrong, seeds)
		}
		t.Logf("%d rounds: %.1f %% false alarms", rounds, float64(wrong)/seeds*100)
	}
}

// A tenth less at 3 % noise is to be seen with five rounds.
func TestRun_FindsATenth(t *testing.T) {
	const seeds = 300
	found, gated, wrongWay := 0, 0, 0
	for seed := range uint64(seeds) {
		w := newWorld(seed)
		w.subjects = []string{result.Nanofront}
		out := run(t, w.report(5, 1), w.report(5, 0.9), Options{MaxRegression: 0.05})
		c := find(t, out, result.Nanofront, Rate)
		switch c.Verdict {
		case Worse:
			found++
		case Better:
			wrongWay++
		}
		if out.ExitCode() == 1 {
			gated++
		}
	}
	if found < seeds*90/100 || wrongWay > 0 {
		t.Errorf("found %d of %d real losses of a tenth, want 90 %%; took %d for a gain", found, seeds, wrongWay)
	}
	if gated < seeds*90/100 {
		t.Errorf("the gate of 5 %% saw %d of %d losses of 10 %%", gated, seeds)
	}
	t.Logf("found %.0f %%, gate %.0f %%", float64(found)/seeds*100, float64(gated)/seeds*100)
}

// A machine that is half as fast today is no regression, if plain fasthttp was there to show it.
func TestRun_RatiosCancelTheMachine(t *testing.T) {
	w := newWorld(7)
	before, after := w.report(5, 1), w.report(5, 1)
	for i := range after.Runs {
		after.Runs[i].Rate /= 2
		after.Runs[i].Processes[0].CPUSeconds *= 1 // the same CPU for half of the requests
	}
	out := run(t, before, after, Options{MaxRegression: 0.1})
	for _, m := range []Metric{Rate, CPU} {
		c := find(t, out, result.Nanofront, m)
		if !c.Relative || c.Verdict != NoDifference {
			t.Errorf("%s: relative %v, verdict %v, want relative and no difference", m, c.Relative, c.Verdict)
		}
	}
	if c := find(t, out, result.Plain, Rate); c.Relative || c.Verdict != Worse {
		t.Errorf("plain fasthttp itself: relative %v, verdict %v, want absolute and worse", c.Relative, c.Verdict)
	}
	// Without it, there is no telling.
	for _, rep := range []*result.Report{before, after} {
		rep.Runs = slices.DeleteFunc(rep.Runs, func(r result.Run) bool { return r.Subject == result.Plain })
	}
	if c := find(t, run(t, before, after, Options{}), result.Nanofront, Rate); c.Relative || c.Verdict != Worse {
		t.Errorf("without plain fasthttp: relative %v, verdict %v, want absolute and worse", c.Relative, c.Verdict)
	}
}

func TestRun_SaysThatFewRoundsTellNothing(t *testing.T) {
	for _, rounds := range []int{1, 2} {
		w := newWorld(3)
		out := run(t, w.report(rounds, 1), w.report(10, 0.3), Options{MaxRegression: 0.1})
		for _, c := range out.Changes {
			if c.Verdict != Unclear || !math.IsNaN(c.Low) {
				t.Errorf("%d rounds: %s %s is %v, want can't tell", rounds, c.Subject, c.Metric, c.Verdict)
			}
		}
		if out.ExitCode() != 0 {
			t.Errorf("%d rounds: exit code %d, want 0", rounds, out.ExitCode())
		}
		var b bytes.Buffer
		if err := out.Print(&b, 80, false); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"Too few rounds", "can't tell", "at least 3 rounds"} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%d rounds: no %q in\n%s", rounds, want, b.String())
			}
		}
	}
}

func TestOutcome_GateNamesWhatRegressed(t *testing.T) {
	w := newWorld(5)
	out := run(t, w.report(5, 1), w.report(5, 0.5), Options{MaxRegression: 0.1})
	if out.ExitCode() != 1 {
		t.Errorf("exit code %d for half of the rate, want 1", out.ExitCode())
	}
	var b bytes.Buffer
	if err := out.Print(&b, 120, false); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "regression: hello, nanofront (wrk, closed loop): req/s got ") || strings.Contains(b.String(), "\x1b") {
		t.Errorf("printed\n%s", b.String())
	}
	for _, c := range out.Regressions() {
		if c.Subject != result.Nanofront {
			t.Errorf("%s %s regressed, only nanofront changed", c.Subject, c.Metric)
		}
	}
	if out := run(t, w.report(5, 1), w.report(5, 0.5), Options{}); out.ExitCode() != 0 {
		t.Error("without a limit the exit code must be 0")
	}
	if out := run(t, w.report(5, 0.5), w.report(5, 1), Options{MaxRegression: 0.1}); out.ExitCode() != 0 {
		t.Errorf("twice the rate is no regression:\n%v", out.Sentences())
	}
}

// All requests failing is the worst of regressions, though it has no logarithm.
func TestRun_SeesThatNothingSucceeds(t *testing.T) {
	w := newWorld(9)
	before, after := w.report(5, 1), w.report(5, 1)
	for i := range after.Runs {
		if after.Runs[i].Subject == result.Nanofront {
			after.Runs[i].Rate, after.Runs[i].Latency = 0, result.Histogram{}
		}
	}
	out := run(t, before, after, Options{MaxRegression: 0.5})
	if out.ExitCode() != 1 {
		t.Errorf("exit code 0 though nothing succeeds any more")
	}
}

// In an open loop the rates of both sides are the offered one, to the last digit or nearly.
func TestRun_TakesNoTriflesForChanges(t *testing.T) {
	w := newWorld(11)
	before, after := w.report(5, 1), w.report(5, 1)
	for i := range before.Runs {
		before.Runs[i].Loop, before.Runs[i].Rate = result.Open, 50_000
		after.Runs[i].Loop, after.Runs[i].Rate = result.Open, 49_990
	}
	if c := find(t, run(t, before, after, Options{}), result.Nanofront, Rate); c.Verdict != NoDifference {
		t.Errorf("50,000 and 49,990 req/s: %v", c.Verdict)
	}
	for i := range after.Runs {
		after.Runs[i].Rate = 40_000
	}
	if c := find(t, run(t, before, after, Options{}), result.Nanofront, Rate); c.Verdict != Worse {
		t.Errorf("50,000 and 40,000 req/s: %v", c.Verdict)
	}
}

func TestRun_ReportsOfASideCountTogether(t *testing.T) {
	w := newWorld(13)
	side := func() *result.Report {
		sum := w.report(1, 1)
		sum.Add(w.report(1, 1))
		sum.Add(w.report(1, 1))
		return sum
	}
	out, err := Run(side(), side(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if c := find(t, out, result.Nanofront, Rate); c.OldRounds != 3 || c.NewRounds != 3 || !c.Relative || c.Verdict == Unclear {
		t.Errorf("three reports of a round each: %+v", c)
	}
}

func TestRun_Errors(t *testing.T) {
	w := newWorld(1)
	a, b := w.report(3, 1), w.report(3, 1)
	for i := range b.Runs {
		b.Runs[i].Scenario = "other"
	}
	if _, err := Run(a, b, Options{}); !errors.Is(err, ErrNothing) {
		t.Errorf("nothing in common: %v", err)
	}
	for _, bad := range []float64{-0.1, math.NaN(), math.Inf(1)} {
		if _, err := Run(a, a, Options{MaxRegression: bad}); !errors.Is(err, ErrOptions) || !strings.Contains(err.Error(), "--max-regression") {
			t.Errorf("--max-regression %v: %v", bad, err)
		}
	}
	b.Runs = append(b.Runs, a.Runs...)
	out := run(t, a, b, Options{Subject: result.Nanofront})
	if len(out.OnlyNew) != 1 || len(out.OnlyOld) != 0 || len(out.Changes) != 3 {
		t.Errorf("only new %v, only old %v, %d changes", out.OnlyNew, out.OnlyOld, len(out.Changes))
	}
}

func TestOutcome_PrintFits(t *testing.T) {
	a, b := resulttest.Report(resulttest.Options{Seed: 1, Rounds: 5}), resulttest.Report(resulttest.Options{Seed: 2, Rounds: 5})
	out := run(t, a, b, Options{MaxRegression: 0.1})
	for _, width := range []int{80, 120} {
		var buf bytes.Buffer
		if err := out.Print(&buf, width, false); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(buf.String()) {
			if n := len([]rune(strings.TrimRight(line, "\n"))); n > width {
				t.Errorf("width %d: %d columns in %q", width, n, line)
			}
		}
		if width == 80 {
			t.Log("\n" + buf.String())
		}
	}
}

// A side that isn't to be relied on is named above the headline, which is then no bold claim.
func TestOutcome_PrintsDoubts(t *testing.T) {
	quiet, noisy := resulttest.Report(resulttest.Options{Seed: 1}), resulttest.Report(resulttest.Options{Seed: 2})
	noisy.Environment.Noise.LostPercent = 44
	for name, tc := range map[string]struct {
		old, new *result.Report
		want     string // empty: no banner
	}{
		"none": {quiet, quiet, ""},
		"old":  {noisy, quiet, "don't build on the old result"},
		"new":  {quiet, noisy, "don't build on the new result"},
	} {
		out := run(t, tc.old, tc.new, Options{})
		var b bytes.Buffer
		if err := out.Print(&b, 100, true); err != nil {
			t.Fatal(err)
		}
		text := b.String()
		if tc.want == "" {
			if strings.Contains(text, "Unreliable") || !strings.HasPrefix(text, "\x1b[1m"+out.Headline()[:10]) {
				t.Errorf("%s:\n%.600s", name, text)
			}
			continue
		}
		if at := strings.Index(text, tc.want); at < 0 || at > strings.Index(text, out.Headline()[:10]) || !strings.Contains(text, "44 % of the CPU") || strings.Contains(text, "\x1b[1m"+out.Headline()[:10]) {
			t.Errorf("%s:\n%.600s", name, text)
		}
	}
}

func find(t *testing.T, out *Outcome, subject string, m Metric) Change {
	t.Helper()
	for _, c := range out.Changes {
		if c.Subject == subject && c.Metric == m {
			return c
		}
	}
	t.Fatalf("no %s of %s in %+v", m, subject, out.Changes)
	return Change{}
}
