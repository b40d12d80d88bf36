package report

import (
	"fmt"
	"strings"

	"nanofront/bench/result"
)

// Headline says in plain words what a report shows: its own headline, or one made of its figures. Where
// there are [result.Doubts] it says first that it is no result.
func Headline(rep *result.Report) string {
	if len(result.Doubts(rep)) > 0 {
		return "Provisional: " + claim(rep)
	}
	return claim(rep)
}

// claim is the headline of a report that can be relied on.
func claim(rep *result.Report) string {
	if rep.Headline != "" {
		return rep.Headline
	}
	all := result.Summarize(rep.Runs)
	scenario := mainScenario(all)
	if scenario == "" {
		return "nothing was measured"
	}
	var closed, open, best *result.Summary
	for _, s := range all {
		switch {
		case s.Subject == result.Nanofront && s.Scenario == scenario && s.Loop == result.Closed && closed == nil:
			closed = s
		case s.Subject == result.Nanofront && s.Scenario == scenario && s.Loop == result.Open && s.P99.N > 0:
			open = s // the last is the highest
		case s.Subject != result.Nanofront && s.Subject != result.Plain && s.Loop == result.Closed && (best == nil || s.Rate.Median > best.Rate.Median):
			best = s
		}
	}
	var parts []string
	if closed != nil {
		parts = append(parts, fmt.Sprintf("%s req/s in a closed loop", rate(closed.Rate.Median)))
	}
	if open != nil {
		parts = append(parts, fmt.Sprintf("p99 %s at %s req/s offered", latency(open.P99.Median), rate(open.Offered)))
		if lost := open.RefusedShare() + open.BrokenShare(); lost > 0 {
			parts = append(parts, percent(lost)+" of them not answered as they should")
		}
	}
	if closed != nil && best != nil && best.Rate.Median > 0 && best.Scenario == closed.Scenario {
		parts = append(parts, fmt.Sprintf("%.2f × %s", closed.Rate.Median/best.Rate.Median, best.Subject))
	}
	if len(parts) == 0 {
		s := all[0]
		parts = append(parts, fmt.Sprintf("%s of %s: %s req/s", s.Subject, s.Loop+" loop", rate(s.Rate.Median)))
	}
	return scenario + ": " + strings.Join(parts, ", ")
}

// mainScenario is the one to speak of first: profile if it was run, else the first one of nanofront.
func mainScenario(all []*result.Summary) string {
	first := ""
	for _, s := range all {
		if s.Subject != result.Nanofront {
			continue
		}
		if s.Scenario == "profile" {
			return s.Scenario
		}
		if first == "" {
			first = s.Scenario
		}
	}
	if first == "" && len(all) > 0 {
		first = all[0].Scenario
	}
	return first
}

// BannerTitle stands above the reasons not to rely on a report.
const BannerTitle = "Unreliable run: don't build on these figures"
