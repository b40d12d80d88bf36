package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"nanofront/bench/result"
	"nanofront/internal/terminal"
)

// stagesPlot shows which part of its way costs a request its time, hop by hop. Each stage is timed
// by itself, so that nothing is known of which ones were slow for the same request: only means may
// be added up, and the p99s stand side by side.
func stagesPlot(s *result.Summary) *plot {
	stages := s.Typical.Stages
	timed := slices.ContainsFunc(stages, func(st result.Stage) bool { return st.P99 > 0 || st.Mean > 0 })
	if !timed || isStepOf(s) {
		return nil
	}
	means, slow := stageBars(stages)
	if s.P99.N > 0 {
		slow = append(slow, bar{
			name: "the whole, to the client", bold: true, note: latency(s.P99.Median),
			parts: []part{{s.P99.Median, muted, hatchNone, "", "p99 of the whole, measured by the load generator: " + latency(s.P99.Median)}},
		})
	}
	topic := s.Scenario
	if s.Step != "" {
		topic += " at " + stepWords(s.Step)
	}
	caption := "Above: the means of the stages, which add up to the mean of their hop. Below: the p99 of each stage by itself, side by side. Those don't add up, for a request that is slow in one stage is rarely slow in the others. As the system timed it in the typical round."
	if outside(s, stages) {
		caption += " What passes in the load generator, in the sockets, and in the queue for a core before them is in none of the stages."
	}
	return &plot{
		Name:  "stages-" + s.Scenario + "-" + s.Driver + "-" + s.Loop,
		topic: topic, claim: stagesTitle(s, stages), Caption: caption,
		draw: func(width float64) *drawing {
			d := &drawing{width: width}
			d.bars(fittedNames(means, width), nil, "mean in milliseconds: the stages of a hop in a row", trimZero)
			d.height += 18
			d.bars(fittedNames(slow, width), nil, "p99 in milliseconds: each stage by itself", trimZero)
			return d
		},
	}
}

// stageBars makes a bar for each hop of the means of its stages, and a bar for each stage of its
// p99. They have colour, hatch and number of a stage in common.
func stageBars(stages []result.Stage) (means, slow []bar) {
	var hops []string
	byHop := make(map[string][]result.Stage)
	for _, st := range stages {
		if byHop[st.Hop] == nil {
			hops = append(hops, st.Hop)
		}
		byHop[st.Hop] = append(byHop[st.Hop], st)
	}
	n := 0
	for _, hop := range hops {
		mean := bar{name: hop, bold: true}
		for _, st := range byHop[hop] {
			paint, hatched := series(n), hatch(n/2)%hatchCount
			n++
			label := strconv.Itoa(n)
			tip := fmt.Sprintf("%s, %s: p50 %s, mean %s, p99 %s", st.Hop, st.Name, latency(st.P50), latency(st.Mean), latency(st.P99))
			mean.parts = append(mean.parts, part{max(st.Mean, 0), paint, hatched, label, tip})
			row := bar{name: label + "  " + st.Name, note: latency(st.P99), parts: []part{{max(st.P99, 0), paint, hatched, "", tip}}}
			if len(hops) > 1 {
				row.name += " (" + st.Hop + ")"
			}
			slow = append(slow, row)
		}
		mean.note = latency(mean.total())
		means = append(means, mean)
	}
	return means, slow
}

// fittedNames cuts the names of bars to the part of a drawing that is theirs.
func fittedNames(rows []bar, width float64) []bar {
	room := width - 80 // for the note on a phone, where the name is above its bar
	if width >= wide {
		room = width * 0.4
	}
	out := slices.Clone(rows)
	for i := range out {
		for textWidth(out[i].name, sizeText, out[i].bold) > room && letters(out[i].name) > 1 {
			out[i].name = terminal.Clip(out[i].name, letters(out[i].name)-1)
		}
	}
	return out
}

// outside reports whether most of the time passes where the system doesn't time
// it: in the load generator, the sockets, and the queues for a core before them.
// The stages of the first hop are the whole way, those of the next are within.
// Means add up. Their p99s needn't, but where all of them together don't come to
// half of the p99 of the whole, none of them is what makes it.
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
	worst := slices.MaxFunc(stages, func(a, b result.Stage) int { return cmp.Compare(a.P99, b.P99) })
	if s.P99.N == 0 {
		return fmt.Sprintf("the slowest stage is “%s” (%s), p99 %s", worst.Name, worst.Hop, latency(worst.P99))
	}
	if outside(s, stages) {
		return fmt.Sprintf("p99 %s in all; most of it is spent outside of the stages", latency(s.P99.Median))
	}
	return fmt.Sprintf("p99 %s in all; the slowest stage is “%s” (%s), p99 %s", latency(s.P99.Median), worst.Name, worst.Hop, latency(worst.P99))
}
