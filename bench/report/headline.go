package report

import (
	"fmt"
	"strings"

	"nanofront/bench/result"
)

// Headline says in plain words what a report shows: its own headline, or one made of its figures.
// Where there are [result.Doubts] it says first that it is no result.
func Headline(rep *result.Report) string {
	text := rep.Headline
	if text == "" {
		text = Claim(rep, "")
	}
	if len(result.Doubts(rep)) > 0 {
		return "Provisional: " + text
	}
	return text
}

// oneHop is the scenario in which peers are measured beside nanofront.
const oneHop = "hello"

// Claim says what came out of the known scenarios, or of the first one if it is none of those, and
// where the knee is; goal, if there is one, is quoted at the end.
func Claim(rep *result.Report, goal string) string {
	all := result.Summarize(rep.Runs)
	if len(all) == 0 {
		return "nothing was measured"
	}
	var parts, curve []string
	for _, known := range []struct{ scenario, words string }{{"profile", "two hops"}, {oneHop, "one hop"}} {
		if text := outcome(all, known.scenario); text != "" {
			parts = append(parts, known.words+": "+text)
		}
	}
	for _, g := range groupsOf(all) {
		if g.scenario == result.ScenarioCurve {
			if knee := result.Knee(g.of(result.Nanofront), result.KneeLimits{}); knee != nil {
				curve = append(curve, "knee at "+rate(knee.Offered)+" req/s")
			}
		}
	}
	if parts = append(parts, curve...); len(parts) == 0 {
		first := all[0]
		for _, s := range all {
			if s.Subject == result.Nanofront {
				first = s
				break
			}
		}
		text := outcome(all, first.Scenario)
		if text == "" {
			text = fmt.Sprintf("%s of %s loop: %s req/s", first.Subject, first.Loop, rate(first.Rate.Median))
		}
		parts = append(parts, first.Scenario+": "+text)
	}
	if goal != "" {
		parts = append(parts, goal)
	}
	return strings.Join(parts, "; ")
}

// outcome is what nanofront did in a scenario: its rate in a closed loop, beside the fastest of
// those that have one hop to go, and its p99 at the highest rate that was offered.
func outcome(all []*result.Summary, scenario string) string {
	var closed, open, rival *result.Summary
	for _, s := range all {
		own := s.Subject == result.Nanofront
		switch {
		case own && s.Scenario == scenario && s.Loop == result.Closed && closed == nil:
			closed = s
		case own && s.Scenario == scenario && s.Loop == result.Open && s.P99.N > 0 && (open == nil || s.Offered > open.Offered):
			open = s
		case !own && s.Subject != result.Plain && s.Loop == result.Closed && s.Scenario == oneHop && (rival == nil || s.Rate.Median > rival.Rate.Median):
			rival = s
		}
	}
	if result.IsOverload(scenario) {
		return overloadClaim(scenario, all)
	}
	if scenario == result.ScenarioCost {
		return costClaim(all)
	}
	var parts []string
	if closed != nil {
		parts = append(parts, rate(closed.Rate.Median)+" req/s in a closed loop")
	}
	if closed != nil && rival != nil && rival.Rate.Median > 0 {
		text := fmt.Sprintf("%.1f × %s", closed.Rate.Median/rival.Rate.Median, rival.Subject)
		if scenario == oneHop {
			text += ", the best of the others"
		} else {
			text += "'s one hop"
		}
		parts = append(parts, text)
	}
	if open != nil {
		lost := "none lost"
		if share := open.RefusedShare() + open.BrokenShare(); share > 0 {
			lost = percent(share) + " of them not answered as they should"
		}
		parts = append(parts, fmt.Sprintf("p99 %s at %s req/s offered", latency(open.P99.Median), rate(open.Offered)), lost)
	}
	return strings.Join(parts, ", ")
}

// BannerTitle stands above the reasons not to rely on a report.
const BannerTitle = "Unreliable run: don't build on these figures"
