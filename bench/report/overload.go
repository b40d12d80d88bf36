package report

import (
	"fmt"
	"strings"

	"nanofront/bench/result"
	"nanofront/internal/terminal"
)

// overloadPlot shows what becomes of requests when there are more than can be answered.
func overloadPlot(g *group) *plot {
	if !isOverload(g) {
		return nil
	}
	var rows []bar
	subjects := g.subjects()
	refusedAny, brokenAny := false, false
	for _, name := range subjects {
		for _, s := range result.ByOffered(g.of(name)) {
			refused := s.Offered * s.RefusedShare()
			broken := s.Offered * s.BrokenShare()
			refusedAny, brokenAny = refusedAny || refused > 0, brokenAny || broken > 0
			b := bar{name: s.Step, note: "p99 of answered " + latency(s.P99.Median)}
			if sent := statOf(s, func(r *result.Run) result.Histogram { return r.Service }, 99); sent.N > 0 {
				b.note += ", " + latency(sent.Median) + " from sending"
			}
			if s.P99.N == 0 {
				b.note = "none answered"
			}
			if b.name == "" {
				b.name = rate(s.Offered) + "/s"
			}
			if len(subjects) > 1 {
				b.name = name + ", " + b.name
			}
			for _, p := range []struct {
				key   key
				value float64
			}{{keyAnswered, s.Rate.Median}, {keyRefused, refused}, {keyBroken, broken}} {
				if p.value > 0 {
					b.parts = append(b.parts, part{p.value, p.key.paint, p.key.hatch, shortRate(p.value), fmt.Sprintf("%s: %s req/s %s, of %s offered", b.name, rate(p.value), p.key.name, rate(s.Offered))})
				}
			}
			rows = append(rows, b)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	keys := []key{keyAnswered}
	if refusedAny {
		keys = append(keys, keyRefused)
	}
	if brokenAny {
		keys = append(keys, keyBroken)
	}
	return &plot{
		Name: "overload-" + g.driver, topic: g.scenario, claim: overloadTitle(g),
		Caption: "Requests per second by what became of them; each bar is as long as what was offered. Good is an answered part that stays as long under overload, with the rest refused at once instead of failing late.",
		draw: func(width float64) *drawing {
			d := &drawing{width: width}
			d.bars(rows, keys, "requests per second offered", shortRate)
			return d
		},
	}
}

var (
	keyAnswered = key{"answered", good, hatchNone}
	keyRefused  = key{"refused (503)", warn, hatchRising}
	keyBroken   = key{"failed or never sent", bad, hatchCrossed}
)

// overloadClaim says what became of nanofront under the most that was offered, and of others.
func overloadClaim(scenario string, all []*result.Summary) string {
	for _, g := range groupsOf(all) {
		if !isOverload(g) || g.scenario != scenario {
			continue
		}
		var parts []string
		most := 0.0
		for _, name := range g.subjects() {
			rows := g.of(name)
			if steps := result.ByOffered(rows); bestRate(rows) > 0 {
				last := steps[len(steps)-1]
				most = max(most, last.Offered)
				parts = append(parts, fmt.Sprintf("%s gives %s of its best", name, percent(last.Rate.Median/bestRate(rows))))
			}
		}
		if len(parts) > 0 {
			return fmt.Sprintf("at %s req/s offered, %s", rate(most), strings.Join(parts, ", "))
		}
	}
	return "nothing was answered"
}

func overloadTitle(g *group) string {
	rows := g.of(g.subjects()[0])
	steps := result.ByOffered(rows)
	if len(steps) < 2 || bestRate(rows) <= 0 {
		return "what becomes of too many requests"
	}
	first, last := steps[0], steps[len(steps)-1]
	return fmt.Sprintf("at %.2g times the load, %.0f %% of the most answers that there were", last.Offered/first.Offered, last.Rate.Median/bestRate(rows)*100)
}

// bestRate is the most that the steps of a subject gave.
func bestRate(rows []*result.Summary) float64 {
	best := 0.0
	for _, s := range rows {
		best = max(best, s.Rate.Median)
	}
	return best
}

// overloadColumns are what is asked of a system that gets more than it can answer, in place of the
// usual ones.
func overloadColumns(g *group) []column {
	subjects := make(map[string][]*result.Summary)
	for _, name := range g.subjects() {
		subjects[name] = g.of(name)
	}
	sent := func(p float64) func(s *result.Summary) cell {
		return func(s *result.Summary) cell {
			return latencyCell(statOf(s, func(r *result.Run) result.Histogram { return r.Service }, p))
		}
	}
	return []column{
		{Head: "of best", rank: 1, Help: "req/s in the most that a step of this subject gave", Cell: func(s *result.Summary) cell {
			best := bestRate(subjects[s.Subject])
			if best <= 0 {
				return nothing
			}
			return cell{Text: fmt.Sprintf("%.2f", s.Rate.Median/best)}
		}},
		{Head: "p50", rank: 7, Help: "half of the answers were there within this, from the planned time", Cell: func(s *result.Summary) cell { return latencyCell(s.P50) }},
		{Head: "p50 sent", rank: 5, Help: "the same, from sending", Cell: sent(50)},
		{Head: "p99", rank: 3, Help: "99 of 100 answers were there within this, from the planned time", Cell: func(s *result.Summary) cell { return latencyCell(s.P99) }},
		{Head: "p99 sent", Help: "the same, from sending", Cell: sent(99)},
		{Head: "CPU µs", rank: 6, Help: "CPU time per answer of all processes of the subject, in microseconds", Cell: func(s *result.Summary) cell { return known(s.CPU, "%.1f") }},
		{Head: "refused", Help: "turned away with 503 or 429", Cell: func(s *result.Summary) cell { return countCell(s.Refused, terminal.Yellow) }},
		{Head: "p99 refused", rank: 2, Help: "99 of 100 refusals were there within this, from sending", Cell: func(s *result.Summary) cell {
			return latencyCell(statOf(s, func(r *result.Run) result.Histogram { return r.Refusal }, 99))
		}},
		{Head: "failed", Help: "failed in any other way, or never sent", Cell: func(s *result.Summary) cell { return countCell(s.Broken, terminal.Red) }},
		{Head: "normal after", rank: 2, Help: "time from the end of the overload to the first second that was as at the least rate", Cell: func(s *result.Summary) cell {
			took, never := s.Recovery(result.ByOffered(subjects[s.Subject])[0])
			switch {
			case took.N == 0:
				return nothing
			case never:
				return cell{fmt.Sprintf("> %.3g s", took.High), terminal.Red}
			}
			return cell{Text: fmt.Sprintf("%.3g s", took.Median)}
		}},
	}
}

// statOf is a percentile of one of a run's histograms over the rounds; N is 0 where none is known.
func statOf(s *result.Summary, of func(*result.Run) result.Histogram, p float64) result.Stat {
	var values []float64
	for _, r := range s.Runs {
		if v, ok := of(r).Percentile(p); ok {
			values = append(values, v)
		}
	}
	return result.NewStat(values)
}
