package report

import (
	"slices"
	"strings"

	"nanofront/bench/result"
	"nanofront/internal/terminal"
)

// group is what is comparable: the subjects and steps of a scenario under one driver and loop. What
// is exported is for page.tmpl.
type group struct {
	scenario, driver, loop string
	Rows                   []*result.Summary
	// First of its loop, where that is explained.
	First  bool
	rounds int
}

func groupsOf(all []*result.Summary) []*group {
	type key struct{ scenario, driver, loop string }
	byKey := make(map[key]*group)
	var groups []*group
	for _, s := range all {
		k := key{s.Scenario, s.Driver, s.Loop}
		g := byKey[k]
		if g == nil {
			first := !slices.ContainsFunc(groups, func(o *group) bool { return o.loop == s.Loop })
			g = &group{scenario: s.Scenario, driver: s.Driver, loop: s.Loop, First: first}
			byKey[k] = g
			groups = append(groups, g)
		}
		if s.Loop == result.Idle {
			g.Rows = append(g.Rows, s.ByProcess()...)
		} else {
			g.Rows = append(g.Rows, s)
		}
		g.rounds = max(g.rounds, len(s.Runs))
	}
	for _, g := range groups {
		if isCost(g) {
			byRate(g.Rows)
		}
	}
	return slices.DeleteFunc(groups, func(g *group) bool { return len(g.Rows) == 0 })
}

// Title is a group's line above its rows.
func (g *group) Title() string {
	parts := []string{g.scenario, g.loop + " loop", "by " + g.driver, terminal.Count(g.rounds, "round")}
	if g.loop == result.Idle {
		parts = []string{g.scenario, g.loop, terminal.Count(g.rounds, "round")}
	}
	r := g.Rows[0].Runs[0]
	if r.Connections > 0 {
		parts = append(parts, terminal.Count(r.Connections, "connection"))
	}
	return strings.Join(append(parts, span(r.Duration)+" each"), " · ")
}

// Explain says what the figures of a loop are, and what they aren't.
func (g *group) Explain() string {
	switch g.loop {
	case result.Idle:
		return "Idle: nobody asks. What is there is what waiting costs each process."
	case result.Closed:
		return "Closed loop: each connection waits for its answer. req/s is the most it gave; latency hides what a stall does to those who would have come."
	}
	return "Open loop: requests come at planned times, and latency counts from there."
}

// subjects returns who is in the group, in their order.
func (g *group) subjects() []string {
	var names []string
	seen := make(map[string]bool)
	for _, s := range g.Rows {
		if !seen[s.Subject] {
			seen[s.Subject] = true
			names = append(names, s.Subject)
		}
	}
	return names
}

// of returns the rows of a subject.
func (g *group) of(subject string) []*result.Summary {
	var rows []*result.Summary
	for _, s := range g.Rows {
		if s.Subject == subject {
			rows = append(rows, s)
		}
	}
	return rows
}

// failures writes "timeout 12, reset 3" for what failed without being refused, most frequent first,
// or nothing.
func failures(s *result.Summary) string {
	var parts []string
	for _, why := range sortedKeys(s.Failed) {
		n := s.Failed[why]
		if why == reasonStatus {
			n -= min(n, s.Refused)
		}
		if n > 0 {
			parts = append(parts, why+" "+terminal.Grouped(n))
		}
	}
	if s.NotSent > 0 {
		parts = append(parts, "not sent "+terminal.Grouped(s.NotSent))
	}
	return strings.Join(parts, ", ")
}

// reasonStatus is the reason of a failure by a status that wasn't expected, refusals among them.
const reasonStatus = "status"
