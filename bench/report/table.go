package report

import (
	"fmt"
	"maps"
	"slices"

	"nanofront/bench/result"
	"nanofront/internal/terminal"
)

// tone is how a cell is to be shown where that can be.
type tone int

const (
	toneNone tone = iota
	toneStrong
	toneFaint
	toneWarn
	toneBad
)

type cell struct {
	text string
	tone tone
}

// column of the table of results, in the terminal and in HTML.
type column struct {
	head string
	left bool
	// rank is how soon the column goes when there is no room: the higher, the sooner; 0 stays.
	rank int
	// help says what the column is.
	help string
	cell func(*result.Summary) cell
}

// columnsFor returns the columns that say something about a group.
func columnsFor(g *group) []column {
	open := g.loop == result.Open
	columns := []column{{head: "subject", left: true, help: "who answered", cell: func(s *result.Summary) cell {
		if s.Subject == result.Nanofront {
			return cell{s.Subject, toneStrong}
		}
		return cell{text: s.Subject}
	}}}
	// A step that is called by its rate says no more than that.
	named := slices.ContainsFunc(g.rows, func(s *result.Summary) bool { return s.Step != "" && !stepIsRate(s) })
	if named {
		columns = append(columns, column{head: "step", left: true, help: "part of the scenario", cell: func(s *result.Summary) cell { return cell{text: s.Step} }})
	}
	if open {
		rank := 0
		if named {
			rank = 4
		}
		columns = append(columns, column{head: "offered/s", rank: rank, help: "planned requests per second", cell: func(s *result.Summary) cell { return cell{text: rate(s.Offered)} }})
	}
	columns = append(columns,
		column{head: "req/s", help: "requests that succeeded per second, median of the rounds", cell: func(s *result.Summary) cell { return cell{rate(s.Rate.Median), strongIf(s)} }},
		column{head: "± %", rank: 1, help: "half of what lies between the least and the greatest round", cell: func(s *result.Summary) cell { return spread(s.Rate) }},
	)
	if !open {
		columns = append(columns, column{head: "× plain", help: "req/s in that of plain fasthttp in the same round, median", cell: func(s *result.Summary) cell { return known(s.Ratio, "%.2f") }})
	}
	if isOverload(g) {
		return append(columns, overloadColumns(g)...)
	}
	columns = append(columns,
		column{head: "p50", rank: 3, help: "half of the requests were answered within this", cell: func(s *result.Summary) cell { return latencyCell(s.P50) }},
		column{head: "p99", help: "99 of 100 requests were answered within this", cell: func(s *result.Summary) cell { return latencyCell(s.P99) }},
		column{head: "p99.9", rank: 5, help: "999 of 1,000 requests were answered within this", cell: func(s *result.Summary) cell { return latencyCell(s.P999) }},
		column{head: "CPU µs", rank: 2, help: "CPU time per request of all processes of the subject, in microseconds", cell: func(s *result.Summary) cell { return known(s.CPU, "%.1f") }},
		column{head: "CPU × plain", rank: 6, help: "CPU time per request in that of plain fasthttp in the same round, median", cell: func(s *result.Summary) cell { return known(s.CPURatio, "%.2f") }},
	)
	if open {
		columns = append(columns, column{head: "late", rank: 7, help: "requests that left later than planned", cell: func(s *result.Summary) cell { return countCell(s.SentLate, toneWarn) }})
	}
	return append(columns,
		column{head: "refused", help: "turned away with 503 or 429", cell: func(s *result.Summary) cell { return countCell(s.Refused, toneWarn) }},
		column{head: "failed", help: "failed in any other way, or never sent", cell: func(s *result.Summary) cell { return countCell(s.Broken, toneBad) }},
	)
}

func stepIsRate(s *result.Summary) bool {
	return s.Loop == result.Open && s.Step == fmt.Sprintf("%.0f/s", s.Offered)
}

func strongIf(s *result.Summary) tone {
	if s.Subject == result.Nanofront {
		return toneStrong
	}
	return toneNone
}

var nothing = cell{terminal.Nothing, toneFaint}

func spread(s result.Stat) cell {
	if s.N < 2 {
		return nothing
	}
	return cell{text: fmt.Sprintf("%.1f", s.Spread())}
}

func known(s result.Stat, format string) cell {
	if s.N == 0 {
		return nothing
	}
	return cell{text: fmt.Sprintf(format, s.Median)}
}

func latencyCell(s result.Stat) cell {
	if s.N == 0 {
		return nothing
	}
	return cell{text: latency(s.Median)}
}

func countCell(n uint64, t tone) cell {
	if n == 0 {
		return cell{"0", toneFaint}
	}
	return cell{terminal.Grouped(n), t}
}

// sortedKeys returns the reasons of failures, most frequent first.
func sortedKeys(m map[string]uint64) []string {
	keys := slices.Sorted(maps.Keys(m))
	slices.SortStableFunc(keys, func(a, b string) int {
		switch {
		case m[a] > m[b]:
			return -1
		case m[a] < m[b]:
			return 1
		}
		return 0
	})
	return keys
}
