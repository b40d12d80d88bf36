package report

import (
	"fmt"
	"strconv"

	"nanofront/bench/result"
)

const (
	leastPoints = 3
	mostPoints  = 600 // of a drawn line: longer runs are drawn by their worst of several
)

// overtimePlot shows latency through the typical run of a measurement.
func overtimePlot(s *result.Summary) *plot {
	run := s.Typical
	if len(run.Series) < leastPoints || isStepOf(s) {
		return nil
	}
	points := condensed(run.Series)
	highest, most, errors, span := 0.0, 0.0, 0.0, 0.0
	worst := points[0]
	for _, p := range points {
		highest, most = max(highest, p.P99, p.P50), max(most, p.Rate, p.Offered)
		errors, span = errors+p.Errors, max(span, p.At)
		if p.P99 > worst.P99 {
			worst = p
		}
	}
	if highest <= 0 {
		return nil
	}
	p99 := curve{name: "p99", style: styleOf(0), width: 2.5, bold: true, plain: true}
	p50 := curve{name: "p50", style: style{series(1), square, dashes[1]}, width: 2, plain: true}
	answered := curve{name: "answered", style: style{good, circle, nil}, width: 2, plain: true}
	failed := curve{name: "failed", style: style{bad, circle, dashes[2]}, width: 2, plain: true}
	for _, p := range points {
		at := trimZero(p.At) + " s: "
		answered.points = append(answered.points, point{p.At, p.Rate})
		answered.tips = append(answered.tips, at+rate(p.Rate)+" req/s answered")
		failed.points = append(failed.points, point{p.At, p.Errors})
		failed.tips = append(failed.tips, at+rate(p.Errors)+" req/s failed")
		if p.P99 <= 0 {
			continue // nothing was answered, which is no latency of 0
		}
		p99.points = append(p99.points, point{p.At, p.P99})
		p99.tips = append(p99.tips, at+"p99 "+latency(p.P99)+", p50 "+latency(p.P50))
		p50.points = append(p50.points, point{p.At, p.P50})
		p50.tips = append(p50.tips, at+"p50 "+latency(p.P50))
	}
	topic := s.Scenario
	if s.Step != "" {
		topic += " at " + stepWords(s.Step)
	}
	claim := "the worst second has a p99 of " + latency(worst.P99)
	caption := "Latency of what was answered in each second of the typical round; a steady line is good, a spike is a moment in which somebody waited."
	caption += " Below: how many were answered"
	rates := []curve{answered}
	if errors > 0 {
		caption += " and how many failed"
		rates = append(rates, failed)
	}
	caption += "."
	if len(run.Events) > 0 {
		caption += " Numbered lines are what was done to the system meanwhile."
	}
	return &plot{Name: "time-" + s.Scenario + "-" + s.Driver + "-" + s.Loop, topic: topic, claim: claim, Caption: caption, draw: func(width float64) *drawing {
		d := &drawing{width: width}
		lines := []curve{p99, p50}
		roomy := width >= wide
		gutter, n := 0.0, 5
		if roomy {
			gutter, n = max(room(lines), room(rates)), 10
		} else {
			d.lineLegend(lines)
		}
		x, xs := linear(span, n)
		x.hi = span
		for len(xs) > 0 && xs[len(xs)-1] > span {
			xs = xs[:len(xs)-1]
		}
		xAxis := axis{scale: x, ticks: withLabels(xs, trimZero), label: "seconds from the start"}
		y, ys := linear(highest, 5)
		latencies := axis{scale: y, ticks: withLabels(ys, trimZero), label: "latency in ms"}
		if len(run.Events) > 0 {
			latencies.above = 18 // for the numbers of events
		}
		c := newChart(d, xAxis, latencies, 240, gutter)
		c.events(run.Events)
		c.curves(lines, roomy)
		d.height += 14
		if !roomy {
			d.lineLegend(rates)
		}
		y, ys = linear(most, 3)
		c = newChart(d, xAxis, axis{scale: y, ticks: withLabels(ys, shortRate), label: "requests per second"}, 110, gutter)
		c.curves(rates, roomy)
		d.eventList(run.Events, span)
		return d
	}}
}

// isStepOf reports whether a measurement is one of the steps of a curve or an overload, which have
// plots of their own.
func isStepOf(s *result.Summary) bool {
	return s.Scenario == result.ScenarioCurve || result.IsOverload(s.Scenario)
}

// condensed makes fewer points of many: of neighbours, the worst latencies and the mean of rates.
func condensed(series []result.Point) []result.Point {
	n := (len(series) + mostPoints - 1) / mostPoints
	if n <= 1 {
		return series
	}
	var out []result.Point
	for len(series) > 0 {
		some := series[:min(n, len(series))]
		series = series[len(some):]
		p := result.Point{At: some[len(some)-1].At}
		for _, s := range some {
			p.P50, p.P99 = max(p.P50, s.P50), max(p.P99, s.P99)
			p.Rate += s.Rate / float64(len(some))
			p.Offered += s.Offered / float64(len(some))
			p.Errors += s.Errors / float64(len(some))
		}
		out = append(out, p)
	}
	return out
}

// mostEvents is how many events are shown; more would hide what they explain.
const mostEvents = 20

// events marks what happened by numbered lines.
func (c *chart) events(events []result.Event) {
	before := 0.0
	for i, e := range events[:min(len(events), mostEvents)] {
		if e.At < c.x.lo || e.At > c.x.hi {
			continue
		}
		px := c.x.at(e.At)
		c.add(shape{points: []point{{px, c.top - 9}, {px, c.bottom}}, stroke: muted, strokeWidth: 1.2, dash: []float64{2, 3}, tip: e.Text})
		label := strconv.Itoa(i + 1)
		half := textWidth(label, sizeSmall, true)/2 + 4
		if px-half < before {
			continue // its neighbour's number is there
		}
		before = px + half
		c.add(shape{points: corners(px-half, c.top-25, 2*half, 16), closed: true, fill: muted, tip: e.Text})
		c.add(shape{points: []point{{px, c.top - 12.5}}, text: label, fill: surface, size: sizeSmall, bold: true, anchor: middle, tip: e.Text})
	}
}

// eventList says what the numbers stand for.
func (d *drawing) eventList(events []result.Event, span float64) {
	for i, e := range events[:min(len(events), mostEvents)] {
		if e.At > span {
			continue
		}
		words := fmt.Sprintf("%d  at %s s: %s", i+1, trimZero(e.At), e.Text)
		for _, l := range wrapped(words, d.width, sizeText, false) {
			d.height += sizeText * textHeight
			d.text(0, d.height, l, ink, start)
		}
	}
	if len(events) > mostEvents {
		d.height += sizeText * textHeight
		d.text(0, d.height, fmt.Sprintf("and %d more", len(events)-mostEvents), muted, start)
	}
	if len(events) > 0 {
		d.height += 8
	}
}
