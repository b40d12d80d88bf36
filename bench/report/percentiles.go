package report

import (
	"fmt"
	"math"
	"strings"

	"nanofront/bench/result"
	"nanofront/internal/terminal"
)

// nines is how far up the distribution a percentile is: 1 for 90, 2 for 99, 3 for 99.9.
func nines(percentile float64) float64 { return -math.Log10(1 - percentile/100) }

var percentileTicks = []tick{{nines(50), "50"}, {nines(90), "90"}, {nines(99), "99"}, {nines(99.9), "99.9"}, {nines(99.99), "99.99"}}

// Percentiles at which curves are drawn. Markers are at those of the ticks.
var curvePercentiles = []float64{50, 60, 70, 75, 80, 85, 90, 93, 95, 97, 98, 99, 99.5, 99.8, 99.9, 99.95, 99.98, 99.99}

// least is how many requests must lie above a percentile for it to mean something.
const least = 10

// percentilesPlot shows the distribution of latency of each subject, at the highest step that all
// of a group have. A group of many steps is a curve, and has a plot of its own.
func percentilesPlot(g *group) *plot {
	if isCurve(g) || isOverload(g) || isCost(g) || g.loop == result.Idle || g.loop == result.Closed && len(g.subjects()) < 2 {
		return nil
	}
	var all []curve
	step := ""
	lo, hi := math.Inf(1), 0.0
	for _, name := range g.subjects() {
		rows := g.of(name)
		s := rows[len(rows)-1]
		st := styles(g.subjects())[name]
		l := curve{name: name, style: st, width: 2, bold: name == result.Nanofront}
		if l.bold {
			l.width = 3
		}
		if step == "" {
			step = s.Step
		}
		total := float64(s.Answered)
		for _, p := range curvePercentiles {
			// What the table and the titles have, not what all rounds together
			// would give.
			stat := s.Percentile(p)
			if stat.N == 0 || total > 0 && total*(1-p/100) < least {
				continue
			}
			v := stat.Median
			l.points = append(l.points, point{nines(p), v})
			l.tips = append(l.tips, fmt.Sprintf("%s: %v %% within %s", name, p, latency(v)))
			lo, hi = min(lo, v), max(hi, v)
		}
		if len(l.points) > 1 {
			all = append(all, l)
		}
	}
	if len(all) == 0 {
		return nil
	}
	topic := g.scenario + ", " + g.loop + " loop by " + g.driver
	if step != "" {
		topic += " at " + stepWords(step)
	}
	caption := "Read upwards: of 100 requests, so many as the lower axis says were answered within the time at the left; both axes stretch the slow end (logarithmic)."
	if g.rounds > 1 {
		caption += fmt.Sprintf(" Each point is the median of %s, as in the table.", terminal.Count(g.rounds, "round"))
	}
	if g.loop == result.Closed {
		caption += " Closed loop: what a stall does to those who would have come meanwhile isn't in it."
	}
	return &plot{
		Name: strings.Join([]string{"latency", g.scenario, g.driver, g.loop}, "-"), topic: topic, claim: percentilesTitle(g), Caption: caption,
		draw: func(width float64) *drawing {
			d := &drawing{width: width}
			y, values := logarithmic(lo, hi)
			gutter, roomy := d.names(all)
			xs := scale{lo: nines(50), hi: nines(50)}
			var ticks []tick
			for _, l := range all {
				xs.hi = max(xs.hi, l.points[len(l.points)-1].x)
			}
			for _, t := range percentileTicks {
				if t.v <= xs.hi+1e-9 {
					ticks = append(ticks, t)
				}
			}
			xs.hi = max(ticks[len(ticks)-1].v, nines(90))
			c := newChart(d, axis{scale: xs, ticks: ticks, label: "percent of requests answered within this time"}, axis{scale: y, ticks: withLabels(values, latencyTick), label: "latency"}, 300, gutter)
			c.curves(thinned(all, xs.hi), roomy)
			return d
		},
	}
}

// thinned leaves markers at the ticks only, and nothing beyond the last tick.
func thinned(all []curve, last float64) []curve {
	out := make([]curve, len(all))
	for i, l := range all {
		n := len(l.points)
		for n > 1 && l.points[n-1].x > last+1e-9 {
			n--
		}
		l.points, l.tips = l.points[:n], l.tips[:n]
		var marks []point
		for _, p := range l.points {
			for _, t := range percentileTicks {
				if math.Abs(p.x-t.v) < 1e-9 {
					marks = append(marks, p)
				}
			}
		}
		l.markAt = marks
		out[i] = l
	}
	return out
}

// percentilesTitle says what 99 of 100 got.
func percentilesTitle(g *group) string {
	rows := g.of(result.Nanofront)
	who := result.Nanofront
	if len(rows) == 0 {
		who = g.subjects()[0]
		rows = g.of(who)
	}
	s := rows[len(rows)-1]
	if s.P99.N == 0 {
		return "how long answers take"
	}
	return fmt.Sprintf("99 of 100 answers of %s come within %s", who, latency(s.P99.Median))
}

// stepWords turns "50000/s" into "50,000 requests a second".
func stepWords(step string) string {
	var n float64
	if r, ok := strings.CutSuffix(step, "/s"); ok {
		if _, err := fmt.Sscanf(r, "%g", &n); err == nil && n > 0 {
			return rate(n) + " requests a second"
		}
	}
	return step
}
