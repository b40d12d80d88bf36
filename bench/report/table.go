package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"nanofront/bench/result"
	"nanofront/internal/terminal"
)

// cell is what a table shows, in a style where that can be.
type cell struct {
	Text  string
	style terminal.Style
}

var styleClass = map[terminal.Style]string{terminal.Bold: "strong", terminal.Faint: "faint", terminal.Yellow: "warn", terminal.Red: "bad"}

// Class is how the page's style sheet calls the style.
func (c cell) Class() string { return styleClass[c.style] }

// column of the table of results, in the terminal and in HTML; what is exported is for page.tmpl.
type column struct {
	Head string
	Left bool
	// rank is how soon the column goes when there is no room: the higher, the sooner; 0 stays.
	rank int
	// Help says what the column is.
	Help string
	Cell func(*result.Summary) cell
}

// Columns are those that say something about a group.
func (g *group) Columns() []column {
	if g.loop == result.Idle {
		return idleColumns()
	}
	open := g.loop == result.Open
	columns := []column{{Head: "subject", Left: true, Help: "who answered", Cell: func(s *result.Summary) cell { return cell{s.Subject, strongIf(s)} }}}
	// A step that is called by its rate says no more than that.
	named := slices.ContainsFunc(g.Rows, func(s *result.Summary) bool { return s.Step != "" && !stepIsRate(s) })
	if named {
		columns = append(columns, column{Head: "step", Left: true, Help: "part of the scenario", Cell: func(s *result.Summary) cell { return cell{Text: s.Step} }})
	}
	if open {
		rank := 0
		if named {
			rank = 4
		}
		columns = append(columns, column{Head: "offered/s", rank: rank, Help: "planned requests per second", Cell: func(s *result.Summary) cell { return cell{Text: rate(s.Offered)} }})
	}
	if isCost(g) {
		return append(columns, costColumns(g)...)
	}
	columns = append(columns,
		column{Head: "req/s", Help: "requests that succeeded per second, median of the rounds", Cell: func(s *result.Summary) cell { return cell{rate(s.Rate.Median), strongIf(s)} }},
		column{Head: "± %", rank: 1, Help: "half of what lies between the least and the greatest round", Cell: func(s *result.Summary) cell { return spread(s.Rate) }},
	)
	if !open {
		columns = append(columns, column{Head: "× plain", Help: "req/s in that of plain fasthttp in the same round, median", Cell: func(s *result.Summary) cell { return known(s.Ratio, "%.2f") }})
	}
	if isOverload(g) {
		return append(columns, overloadColumns(g)...)
	}
	columns = append(columns,
		column{Head: "p50", rank: 3, Help: "half of the requests were answered within this", Cell: func(s *result.Summary) cell { return latencyCell(s.P50) }},
		column{Head: "p99", Help: "99 of 100 requests were answered within this", Cell: func(s *result.Summary) cell { return latencyCell(s.P99) }},
		column{Head: "p99.9", rank: 5, Help: "999 of 1,000 requests were answered within this", Cell: func(s *result.Summary) cell { return latencyCell(s.P999) }},
		column{Head: "CPU µs", rank: 2, Help: "CPU time per request of all processes of the subject, in microseconds", Cell: func(s *result.Summary) cell { return known(s.CPU, "%.1f") }},
		column{Head: "CPU × plain", rank: 6, Help: "CPU time per request in that of plain fasthttp in the same round, median", Cell: func(s *result.Summary) cell { return known(s.CPURatio, "%.2f") }},
	)
	if open {
		columns = append(columns, column{Head: "late", rank: 7, Help: "requests that left later than planned", Cell: func(s *result.Summary) cell { return countCell(s.SentLate, terminal.Yellow) }})
	}
	return append(columns,
		column{Head: "refused", Help: "turned away with 503 or 429", Cell: func(s *result.Summary) cell { return countCell(s.Refused, terminal.Yellow) }},
		column{Head: "failed", Help: "failed in any other way, or never sent", Cell: func(s *result.Summary) cell { return countCell(s.Broken, terminal.Red) }},
	)
}

func stepIsRate(s *result.Summary) bool {
	return s.Loop == result.Open && s.Step == fmt.Sprintf("%.0f/s", s.Offered)
}

func strongIf(s *result.Summary) terminal.Style {
	if s.Subject == result.Nanofront {
		return terminal.Bold
	}
	return terminal.Plain
}

var nothing = cell{terminal.Nothing, terminal.Faint}

func spread(s result.Stat) cell {
	if s.N < 2 {
		return nothing
	}
	return cell{Text: fmt.Sprintf("%.1f", s.Spread())}
}

func known(s result.Stat, format string) cell {
	if s.N == 0 {
		return nothing
	}
	return cell{Text: fmt.Sprintf(format, s.Median)}
}

func latencyCell(s result.Stat) cell {
	if s.N == 0 {
		return nothing
	}
	return cell{Text: latency(s.Median)}
}

func countCell(n uint64, style terminal.Style) cell {
	if n == 0 {
		return cell{"0", terminal.Faint}
	}
	return cell{terminal.Grouped(n), style}
}

// sortedKeys returns the reasons of failures, most frequent first.
func sortedKeys(m map[string]uint64) []string {
	keys := slices.Sorted(maps.Keys(m))
	slices.SortStableFunc(keys, func(a, b string) int { return cmp.Compare(m[b], m[a]) })
	return keys
}
