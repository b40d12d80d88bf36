package result

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"nanofront/internal/terminal"
)

// What makes a report doubtful, see [Doubts]. Shares are of 0 to 1.
const (
	// MaxLost is the share of a spin test's time that may go to others.
	MaxLost = 0.10
	// MaxOthers is the share of the machine's CPU time that programs which aren't part of
	// the measurement may use while it runs.
	MaxOthers = 0.10
	// MaxLate is the share of an open loop's requests that may leave late.
	MaxLate = 0.01
	// MaxRateSpread and MaxP99Spread are how far rounds may lie apart, as [Stat.Spread]: of
	// the rate in closed loops, and of the p99 in open ones.
	MaxRateSpread = 15.0
	MaxP99Spread  = 50.0
)

// Doubt is a reason not to rely on a report.
type Doubt struct {
	// Reason is what was seen, with its figure and the limit.
	Reason string
	// Advice is what to do before measuring again.
	Advice string
}

// Advice of a [Doubt].
const (
	adviceMachine = "end other programs, or take a machine of its own"
	adviceLate    = "offer less, or give the load generator cores of its own"
	adviceRounds  = "run more rounds (--rounds), or longer ones (--duration)"
)

// Doubts returns why the figures of a report are not to be relied on, what weighs most first: a
// noisy machine, requests that left late, rounds that differ. None means that nothing was noticed.
func Doubts(rep *Report) []Doubt {
	all := Summarize(rep.Runs)
	var doubts []Doubt
	add := func(advice string, found []finding, reason func(finding) string) {
		if len(found) == 0 {
			return
		}
		worst := slices.MaxFunc(found, func(a, b finding) int { return cmp.Compare(a.value, b.value) })
		text := reason(worst)
		if n := len(found) - 1; n > 0 {
			text += fmt.Sprintf("; %d more like it", n)
		}
		doubts = append(doubts, Doubt{text, advice})
	}
	if lost := rep.Environment.Noise.LostPercent; lost > MaxLost*100 {
		doubts = append(doubts, Doubt{
			fmt.Sprintf("other programs took %.0f %% of the CPU from a spin test before the first run (limit: %.0f %%)", lost, MaxLost*100), adviceMachine,
		})
	}
	add(adviceMachine, find(all, others), func(f finding) string {
		return fmt.Sprintf("%s: other programs used %.0f %% of the machine's CPU meanwhile (limit: %.0f %%)", f.name(), f.value*100, MaxOthers*100)
	})
	add(adviceMachine, crooked(all), func(f finding) string {
		return fmt.Sprintf("%s: this rate was not kept up with, though a higher one was", f.name())
	})
	add(adviceLate, find(all, late(all)), func(f finding) string {
		return fmt.Sprintf("%s: %.2g %% of the requests left late (limit: %.0f %%)", f.name(), f.value*100, MaxLate*100)
	})
	add(adviceRounds, find(all, unsteady), func(f finding) string {
		return fmt.Sprintf("%s: the rounds lie ± %.0f %% apart (limit: %.0f %%)", f.name(), f.value, spreadLimit(f.Summary))
	})
	return doubts
}

// Advice is what to do about doubts, each thing once, as one sentence.
func Advice(doubts []Doubt) string {
	var parts []string
	for _, d := range doubts {
		if !slices.Contains(parts, d.Advice) {
			parts = append(parts, d.Advice)
		}
	}
	return "What to do: " + strings.Join(parts, "; ") + "; then run it again."
}

// finding is a measurement with what is odd about it.
type finding struct {
	*Summary
	value float64
}

func (f finding) name() string {
	parts := []string{f.Scenario}
	if f.Subject != Nanofront {
		parts = append(parts, f.Subject)
	}
	switch {
	case f.Loop == Open && f.Step == fmt.Sprintf("%.0f/s", f.Offered):
		parts = append(parts, terminal.Grouped(int64(f.Offered))+"/s")
	case f.Step != "":
		parts = append(parts, f.Step)
	}
	return strings.Join(append(parts, f.Loop+" loop"), ", ")
}

// find returns the measurements of which odd tells a value above 0.
func find(all []*Summary, odd func(*Summary) float64) []finding {
	var found []finding
	for _, s := range all {
		if v := odd(s); v > 0 {
			found = append(found, finding{s, v})
		}
	}
	return found
}

// others is the greatest share of the machine that was used by others in a round, 0 within the
// limit.
func others(s *Summary) float64 {
	most := 0.0
	for _, r := range s.Runs {
		most = max(most, r.CPUOthers)
	}
	if most <= MaxOthers {
		return 0
	}
	return most
}

// late tells the share of requests that left late, 0 within the limit. Above its knee, and where it
// is overloaded on purpose, a subject keeps all connections busy: that requests are late there says
// nothing of the machine. So it is for a peer that can't keep up.
func late(all []*Summary) func(*Summary) float64 {
	knees := kneesOf(all)
	own := slices.ContainsFunc(all, func(s *Summary) bool { return s.Subject == Nanofront })
	return func(s *Summary) float64 {
		part := share(s.SentLate, s.Sent)
		knee := knees[s.curve()]
		switch {
		case s.Loop != Open || IsOverload(s.Scenario) || part <= MaxLate:
			return 0
		case s.Scenario == ScenarioCurve && knee != nil && s.Offered > knee.Offered:
			return 0
		case own && s.Subject != Nanofront && s.Rate.Median < s.Offered*DefaultKneeKept:
			return 0
		}
		return part
	}
}

// curveKey is what the steps of one subject have in common.
type curveKey struct{ scenario, subject, driver string }

func (s *Summary) curve() curveKey { return curveKey{s.Scenario, s.Subject, s.Driver} }

// kneesOf returns the knees of all that was measured in open loops; nil where there is none.
func kneesOf(all []*Summary) map[curveKey]*Summary {
	steps := make(map[curveKey][]*Summary)
	for _, s := range all {
		if s.Loop == Open {
			steps[s.curve()] = append(steps[s.curve()], s)
		}
	}
	knees := make(map[curveKey]*Summary, len(steps))
	for k, list := range steps {
		knees[k] = Knee(list, KneeLimits{})
	}
	return knees
}

// crooked returns the steps of curves that weren't followed though a higher one was: only something
// else on the machine makes that. The value is how far the higher one is above.
func crooked(all []*Summary) []finding {
	var found []finding
	for _, s := range all {
		if s.Scenario != ScenarioCurve || s.Loop != Open || Knee([]*Summary{s}, KneeLimits{}) != nil {
			continue
		}
		for _, higher := range all {
			if higher.curve() == s.curve() && higher.Loop == Open && higher.Offered > s.Offered && Knee([]*Summary{higher}, KneeLimits{}) != nil {
				found = append(found, finding{s, higher.Offered - s.Offered})
				break
			}
		}
	}
	return found
}

func spreadLimit(s *Summary) float64 {
	if s.Loop == Open {
		return MaxP99Spread
	}
	return MaxRateSpread
}

// unsteady is the spread of the rounds, 0 within its limit.
func unsteady(s *Summary) float64 {
	spread := s.Rate.Spread()
	if s.Loop == Open {
		spread = s.P99.Spread()
	}
	if spread <= spreadLimit(s) || IsOverload(s.Scenario) {
		return 0
	}
	return spread
}
