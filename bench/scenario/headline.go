package scenario

import (
	"fmt"
	"strings"

	"nanofront/bench/result"
	"nanofront/internal/terminal"
)

// headline says in plain words what came out of a plan whose scenarios are the known ones; it is empty for others, for
// which the report has words of its own.
func headline(p *Plan, rep *result.Report) string {
	all := result.Summarize(rep.Runs)
	find := func(scenario, subject, loop string) *result.Summary {
		var found *result.Summary
		for _, s := range all {
			if s.Scenario == scenario && s.Subject == subject && s.Loop == loop && (found == nil || s.Offered > found.Offered) {
				found = s
			}
		}
		return found
	}
	two, one := find("profile", result.Nanofront, result.Closed), find("hello", result.Nanofront, result.Closed)
	open := find("profile", result.Nanofront, result.Open)
	best := bestPeer(all)
	var parts []string
	if two != nil {
		parts = append(parts, "two hops: "+grouped(two.Rate.Median)+" req/s")
		if best != nil {
			parts[0] += fmt.Sprintf(" (%.1f × %s's one hop)", two.Rate.Median/best.Rate.Median, best.Subject)
		}
	}
	if open != nil && open.P99.N > 0 {
		parts = append(parts, fmt.Sprintf("p99 %s ms at %s req/s offered%s", digits(open.P99.Median), grouped(open.Offered), lost(open)))
	}
	if one != nil {
		text := "one hop: " + grouped(one.Rate.Median) + " req/s"
		if best != nil {
			text += fmt.Sprintf(", %.1f × %s, the best of the others", one.Rate.Median/best.Rate.Median, best.Subject)
		}
		parts = append(parts, text)
	}
	if knee := result.Knee(stepsOf(all), result.KneeLimits{}); knee != nil {
		parts = append(parts, "knee at "+grouped(knee.Offered)+" req/s")
	}
	if len(parts) == 0 {
		return ""
	}
	if p.Goal != "" {
		parts = append(parts, p.Goal)
	}
	return strings.Join(parts, "; ")
}

// lost says what of a load was not answered as it should.
func lost(s *result.Summary) string {
	share := s.RefusedShare() + s.BrokenShare()
	if share == 0 {
		return ", none lost"
	}
	return fmt.Sprintf(", %.2g %% of them not answered as they should", share*100)
}

func stepsOf(all []*result.Summary) []*result.Summary {
	var steps []*result.Summary
	for _, s := range all {
		if s.Scenario == result.ScenarioCurve && s.Subject == result.Nanofront {
			steps = append(steps, s)
		}
	}
	return steps
}

// bestPeer is the fastest of those that have a hop to go.
func bestPeer(all []*result.Summary) *result.Summary {
	var best *result.Summary
	for _, s := range all {
		if s.Scenario != "hello" || s.Loop != result.Closed || s.Subject == result.Nanofront || s.Subject == result.Plain || s.Rate.Median <= 0 {
			continue
		}
		if best == nil || s.Rate.Median > best.Rate.Median {
			best = s
		}
	}
	return best
}

func grouped(v float64) string { return terminal.Grouped(int64(v + 0.5)) }

// digits is a number with three digits that count.
func digits(v float64) string {
	if v >= 100 {
		return grouped(v)
	}
	return fmt.Sprintf("%.3g", v)
}
