package report

import (
	"fmt"

	"nanofront/bench/result"
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
		name: "overload-" + g.driver, topic: g.scenario, claim: overloadTitle(g),
		caption: "Requests per second by what became of them; each bar is as long as what was offered. Good is an answered part that stays as long under overload, with the rest refused at once instead of failing late.",
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

func overloadTitle(g *group) string {
	steps := result.ByOffered(g.of(g.subjects()[0]))
	if len(steps) < 2 || steps[0].Rate.Median <= 0 {
		return "what becomes of too many requests"
	}
	first, last := steps[0], steps[len(steps)-1]
	return fmt.Sprintf("at %.2g times the load, %.0f %% as many answers as before", last.Offered/first.Offered, last.Rate.Median/first.Rate.Median*100)
}
