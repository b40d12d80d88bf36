package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"nanofront/bench/result"
	"nanofront/internal/terminal"
)

// against is what nanofront's cost is held against beside plain fasthttp: the hop that most know.
const against = "nginx"

func isCost(g *group) bool { return g.loop == result.Open && g.scenario == result.ScenarioCost }

// byRate puts neighbours together that had the same to do.
func byRate(rows []*result.Summary) {
	slices.SortStableFunc(rows, func(a, b *result.Summary) int { return cmp.Compare(a.Offered, b.Offered) })
}

// costColumns are what is asked of a system that has little to do, in place of the usual ones.
func costColumns(g *group) []column {
	return []column{
		{Head: "CPU µs", Help: "CPU time per request of all processes of the subject, in microseconds", Cell: func(s *result.Summary) cell {
			return cell{known(s.CPU, "%.1f").Text, strongIf(s)}
		}},
		{Head: "± %", rank: 4, Help: "half of what lies between the least and the greatest round", Cell: func(s *result.Summary) cell { return spread(s.CPU) }},
		{Head: "× plain", rank: 3, Help: "CPU time per request in that of plain fasthttp in the same round, median", Cell: func(s *result.Summary) cell { return known(s.CPURatio, "%.2f") }},
		{Head: "× " + against, Help: "CPU time per request in that of " + against + " in the same round, median", Cell: func(s *result.Summary) cell {
			return known(s.Against(g.at(against, s.Step), (*result.Run).CPUPerRequest), "%.2f")
		}},
		{Head: "switches", rank: 1, Help: "context switches per request of all processes of the subject", Cell: func(s *result.Summary) cell {
			return known(s.Stat((*result.Run).SwitchesPerRequest), "%.2f")
		}},
		{Head: "calls", rank: 2, Help: "system calls per request of all processes of the subject, counted in a load of its own", Cell: func(s *result.Summary) cell {
			return known(s.Stat((*result.Run).CallsPerRequest), "%.2f")
		}},
		{Head: "p50", rank: 6, Help: "half of the requests were answered within this", Cell: func(s *result.Summary) cell { return latencyCell(s.P50) }},
		{Head: "p99", rank: 5, Help: "99 of 100 requests were answered within this", Cell: func(s *result.Summary) cell { return latencyCell(s.P99) }},
		{Head: "late", rank: 7, Help: "requests that left later than planned", Cell: func(s *result.Summary) cell { return countCell(s.SentLate, terminal.Yellow) }},
		{Head: "refused", Help: "turned away with 503 or 429", Cell: func(s *result.Summary) cell { return countCell(s.Refused, terminal.Yellow) }},
		{Head: "failed", Help: "failed in any other way, or never sent", Cell: func(s *result.Summary) cell { return countCell(s.Broken, terminal.Red) }},
	}
}

// idleColumns are those of processes that nobody asked.
func idleColumns() []column {
	return []column{
		{Head: "subject", Left: true, Help: "whose process it is", Cell: func(s *result.Summary) cell { return cell{s.Subject, strongIf(s)} }},
		{Head: "process", Left: true, Help: "with its workers, if it has any", Cell: func(s *result.Summary) cell { return cell{Text: s.Step} }},
		{Head: "% of a core", Help: "CPU time in the time that it was watched, in percent of one core", Cell: func(s *result.Summary) cell {
			return known(s.Stat(func(r *result.Run) float64 { return r.Busy() * 100 }), "%.3f")
		}},
		{Head: "switches/s", Help: "context switches of all its threads per second", Cell: func(s *result.Summary) cell {
			return known(s.Stat((*result.Run).SwitchesPerSecond), "%.1f")
		}},
		{Head: "calls/s", Help: "its system calls per second", Cell: func(s *result.Summary) cell {
			return known(s.Stat((*result.Run).CallsPerSecond), "%.1f")
		}},
	}
}

// at is the measurement of a subject at a step, nil if there is none.
func (g *group) at(subject, step string) *result.Summary {
	for _, s := range g.Rows {
		if s.Subject == subject && s.Step == step {
			return s
		}
	}
	return nil
}

// costClaim says what a hop costs in what nginx's does, at each rate.
func costClaim(all []*result.Summary) string {
	for _, g := range groupsOf(all) {
		if !isCost(g) {
			continue
		}
		var parts, alone []string
		for _, s := range g.of(result.Nanofront) {
			if ratio := s.Against(g.at(against, s.Step), (*result.Run).CPUPerRequest); ratio.N > 0 {
				parts = append(parts, fmt.Sprintf("%.2f at %s/s", ratio.Median, rate(s.Offered)))
			}
			if s.CPU.N > 0 {
				alone = append(alone, fmt.Sprintf("%.0f µs at %s/s", s.CPU.Median, rate(s.Offered)))
			}
		}
		switch {
		case len(parts) > 0:
			return "a request's CPU time in that of " + against + ": " + strings.Join(parts, ", ")
		case len(alone) > 0:
			return "CPU time of a request: " + strings.Join(alone, ", ")
		}
	}
	return ""
}
