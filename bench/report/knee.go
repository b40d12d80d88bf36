package report

import (
	"fmt"
	"math"

	"nanofront/bench/result"
)

// leastSteps make a curve of a scenario that isn't named so.
const leastSteps = 4

func isOverload(g *group) bool { return g.loop == result.Open && result.IsOverload(g.scenario) }

func isCurve(g *group) bool {
	if g.loop != result.Open || isOverload(g) || isCost(g) {
		return false
	}
	for _, name := range g.subjects() {
		if n := len(result.ByOffered(g.of(name))); n >= leastSteps || g.scenario == result.ScenarioCurve && n > 1 {
			return true
		}
	}
	return false
}

// curvePlot shows latency against the offered rate, and where the subject can't follow any more.
func curvePlot(g *group) *plot {
	if !isCurve(g) {
		return nil
	}
	subjects := g.subjects()
	var all []curve
	lo, hi, widest := math.Inf(1), 0.0, 0.0
	var own *result.Summary
	var ownSteps []*result.Summary
	for _, name := range subjects {
		st := styles(subjects)[name]
		steps := result.ByOffered(g.of(name))
		if ownSteps == nil || name == result.Nanofront {
			own, ownSteps = result.Knee(steps, result.KneeLimits{}), steps
		}
		p99 := curve{name: "p99", style: st, width: 3, bold: true}
		p50 := curve{name: "p50", style: style{st.paint, square, dashes[1]}, width: 2}
		if len(subjects) > 1 {
			p99.name, p50.name = name+" p99", name+" p50"
		}
		for _, s := range steps {
			widest = max(widest, s.Offered)
			for _, c := range []struct {
				line *curve
				stat result.Stat
			}{{&p99, s.P99}, {&p50, s.P50}} {
				if c.stat.N == 0 || c.stat.Median <= 0 {
					continue
				}
				v := c.stat.Median
				lo, hi = min(lo, v), max(hi, v)
				c.line.points = append(c.line.points, point{s.Offered, v})
				c.line.tips = append(c.line.tips, fmt.Sprintf("%s req/s offered, %s answered: %s %s", rate(s.Offered), rate(s.Rate.Median), c.line.name, latency(v)))
			}
		}
		all = append(all, p99, p50)
	}
	if hi == 0 {
		return nil
	}
	caption := fmt.Sprintf("Latency (logarithmic) against the rate at which requests are sent, whatever the answers do. The knee is the highest rate of which %.0f %% succeed with a p99 of at most %.0f ms; right of it (shaded) the system can't follow.", result.DefaultKneeKept*100, result.DefaultKneeP99)
	return &plot{Name: "rate-latency-" + g.scenario + "-" + g.driver, topic: g.scenario, claim: kneeTitle(own, ownSteps), Caption: caption, draw: func(width float64) *drawing {
		d := &drawing{width: width}
		gutter, roomy := d.names(all)
		n := 4
		if roomy {
			n = 9
		}
		x, xs := linear(widest, n)
		y, ys := logarithmic(lo, hi)
		// What is behind the lines goes first.
		under := len(d.shapes)
		c := newChart(d, axis{scale: x, ticks: withLabels(xs, shortRate), label: "requests per second offered"}, axis{scale: y, ticks: withLabels(ys, latencyTick), label: "latency"}, 300, gutter)
		if own != nil {
			c.knee(own, ownSteps, under)
		}
		c.curves(all, roomy)
		return d
	}}
}

// knee marks the knee, and what is beyond.
func (c *chart) knee(s *result.Summary, steps []*result.Summary, under int) {
	px := c.x.at(s.Offered)
	if last := steps[len(steps)-1]; last.Offered > s.Offered {
		beyond := shape{points: corners(px, c.top, c.right-px, c.bottom-c.top), closed: true, fill: warn, opacity: 0.12}
		c.shapes = append(c.shapes[:under:under], append([]shape{beyond}, c.shapes[under:]...)...)
	}
	c.add(shape{points: []point{{px, c.top}, {px, c.bottom}}, stroke: ink, strokeWidth: 1.4, dash: []float64{5, 4}})
	words := "knee " + rate(s.Offered) + "/s"
	w := textWidth(words, sizeText, true)
	a, at := end, px-8
	if px-8-w < c.left {
		a, at = start, px+8
	}
	c.bold(at, c.top+16, words, ink, a)
}

func kneeTitle(knee *result.Summary, steps []*result.Summary) string {
	switch {
	case len(steps) == 0:
		return "latency against rate"
	case knee == nil:
		return fmt.Sprintf("%s requests a second are too many already", rate(steps[0].Offered))
	case knee == steps[len(steps)-1]:
		return fmt.Sprintf("it follows up to %s requests a second, the most that was tried", rate(knee.Offered))
	}
	return fmt.Sprintf("it follows up to %s requests a second", rate(knee.Offered))
}
