package report

import (
	"fmt"
	"slices"
	"strconv"

	"nanofront/bench/result"
)

// stagesPlot shows which part of its way costs a request its time, hop by hop.
func stagesPlot(s *result.Summary) *plot {
	stages := s.Typical.Stages
	timed := slices.ContainsFunc(stages, func(st result.Stage) bool { return st.P99 > 0 || st.Mean > 0 })
	if !timed || isStepOf(s) {
		return nil
	}
	type hop struct {
		name   string
		stages []result.Stage
	}
	var hops []*hop
	for _, st := range stages {
		i := slices.IndexFunc(hops, func(h *hop) bool { return h.name == st.Hop })
		if i < 0 {
			i = len(hops)
			hops = append(hops, &hop{name: st.Hop})
		}
		hops[i].stages = append(hops[i].stages, st)
	}
	var rows []bar
	var listed []listedStage
	for _, h := range hops {
		slow := bar{name: h.name + ", p99", bold: true}
		mean := bar{name: h.name + ", mean"}
		for _, st := range h.stages {
			n := len(listed)
			k := key{paint: series(n), hatch: hatch(n/2) % hatchCount}
			label := strconv.Itoa(n + 1)
			tip := fmt.Sprintf("%s, %s: p50 %s, mean %s, p99 %s", st.Hop, st.Name, latency(st.P50), latency(st.Mean), latency(st.P99))
			slow.parts = append(slow.parts, part{max(st.P99, 0), k.paint, k.hatch, label, tip})
			mean.parts = append(mean.parts, part{max(st.Mean, 0), k.paint, k.hatch, label, tip})
			listed = append(listed, listedStage{st, k, label})
		}
		slow.note, mean.note = latency(slow.total()), latency(mean.total())
		rows = append(rows, slow, mean)
	}
	title := s.Scenario
	if s.Step != "" {
		title += " at " + stepWords(s.Step)
	}
	caption := "Where a request's time goes, as the system itself timed it in the typical round. Means add up to the mean of the whole; the p99s of stages are each stage's own, rarely hit the same request, and so add up to more than the p99 of the whole."
	if outside(s, stages) {
		caption += " What passes in the load generator, in the sockets, and in the queue for a core before them is in none of them."
	}
	return &plot{
		name:    "stages-" + s.Scenario + "-" + s.Driver + "-" + s.Loop,
		title:   title + ": " + stagesTitle(s, stages),
		caption: caption,
		draw: func(width float64) *drawing {
			d := &drawing{width: width}
			d.bars(rows, nil, "milliseconds", trimZero)
			d.stageList(listed)
			return d
		},
	}
}

// listedStage is a stage with what it looks like.
type listedStage struct {
	result.Stage
	key   key
	label string
}

// stageList says what the numbers in the bars stand for.
func (d *drawing) stageList(stages []listedStage) {
	d.height += 6
	right := func(x, y float64, s string, p paint) { d.text(x, y, s, p, end) }
	d.height += sizeText * textHeight
	const swatch, column = 44.0, 68.0
	// The figures stand near their names, however wide the drawing is.
	width := min(d.width, 480)
	d.small(swatch, d.height, "stage", muted, start)
	d.small(width-column, d.height, "mean", muted, end)
	d.small(width, d.height, "p99", muted, end)
	hop := ""
	for _, st := range stages {
		if st.Hop != hop {
			hop = st.Hop
			d.height += sizeText*textHeight + 5
			d.bold(0, d.height, hop, ink, start)
		}
		d.height += sizeText*textHeight + 3
		y := d.height
		d.text(14, y, st.label, ink, end)
		d.hatched(20, y-11, 18, 13, st.key.paint, st.key.hatch, "")
		d.text(swatch, y, fitted(st.Name, width-2*column-swatch-8), ink, start)
		right(width-column, y, latency(st.Mean), ink)
		right(width, y, latency(st.P99), ink)
	}
	d.height += 10
}

// fitted cuts a text to a width in pixels.
func fitted(s string, width float64) string {
	for textWidth(s, sizeText, false) > width && letters(s) > 1 {
		s = shortened(s, letters(s)-1)
	}
	return s
}

// outside reports whether most of the time passes where the system doesn't time
// it: in the load generator, the sockets, and the queues for a core before them.
// The stages of the first hop are the whole way, those of the next are within.
// Their p99s add up to at least that of the whole, so that half of it is missing
// for certain if they don't come to half.
func outside(s *result.Summary, stages []result.Stage) bool {
	slow, mean := 0.0, 0.0
	for _, st := range stages {
		if st.Hop == stages[0].Hop {
			slow += st.P99
			mean += st.Mean
		}
	}
	d := s.Typical.Latency.Digest()
	return slow < s.P99.Median/2 || d.Mean > 0 && mean < d.Mean/2
}

// stagesTitle names what costs most in the slow requests.
func stagesTitle(s *result.Summary, stages []result.Stage) string {
	worst := slices.MaxFunc(stages, func(a, b result.Stage) int {
		switch {
		case a.P99 > b.P99:
			return 1
		case a.P99 < b.P99:
			return -1
		}
		return 0
	})
	if s.P99.N == 0 {
		return fmt.Sprintf("the slowest stage is “%s” (%s), p99 %s", worst.Name, worst.Hop, latency(worst.P99))
	}
	if outside(s, stages) {
		return fmt.Sprintf("p99 %s in all; most of it is spent outside of the stages", latency(s.P99.Median))
	}
	return fmt.Sprintf("p99 %s in all; the slowest stage is “%s” (%s), p99 %s", latency(s.P99.Median), worst.Name, worst.Hop, latency(worst.P99))
}
