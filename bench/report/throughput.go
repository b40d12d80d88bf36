package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"nanofront/bench/result"
	"nanofront/internal/terminal"
)

// throughputPlots show how much each subject answered in closed loops, one plot for each driver.
func throughputPlots(groups []*group) []*plot {
	var drivers []string
	byDriver := make(map[string][]*group)
	for _, g := range groups {
		if g.loop != result.Closed {
			continue
		}
		if byDriver[g.driver] == nil {
			drivers = append(drivers, g.driver)
		}
		byDriver[g.driver] = append(byDriver[g.driver], g)
	}
	plots := make([]*plot, len(drivers))
	for i, name := range drivers {
		plots[i] = throughputPlot(name, byDriver[name])
	}
	return plots
}

// throughputPlot shows groups of one driver.
func throughputPlot(driver string, groups []*group) *plot {
	var bars []bar
	var claims, topics []string
	rounds := 0
	for _, g := range groups {
		rows := slices.Clone(g.Rows)
		slices.SortStableFunc(rows, func(a, b *result.Summary) int { return cmp.Compare(b.Rate.Median, a.Rate.Median) })
		styled := styles(g.subjects())
		for _, s := range rows {
			b := throughputBar(s, styled[s.Subject].paint)
			if len(groups) > 1 {
				b.name = g.scenario + ": " + b.name
			}
			bars = append(bars, b)
		}
		topics = append(topics, g.scenario)
		claims = append(claims, throughputTitle(rows))
		rounds = max(rounds, g.rounds)
	}
	caption := fmt.Sprintf("Requests that succeeded per second with all connections always busy (closed loop, %s): the bar is the median, the whisker goes from the slowest to the fastest of %s.", driver, terminal.Count(rounds, "round"))
	if rounds == 1 {
		caption = fmt.Sprintf("Requests that succeeded per second with all connections always busy (closed loop, %s), in one round: how much of a difference is chance can't be told.", driver)
	}
	topic := strings.Join(topics, ", ") + ", closed loop by " + driver
	if len(claims) > 1 {
		claims[1] = topics[1] + ": " + claims[1]
	}
	return &plot{
		Name: "throughput-" + driver, topic: topic, claim: strings.Join(claims[:min(len(claims), 2)], "; "), Caption: caption,
		draw: func(width float64) *drawing {
			d := &drawing{width: width}
			d.bars(bars, nil, "requests per second", shortRate)
			return d
		},
	}
}

func throughputBar(s *result.Summary, p paint) bar {
	b := bar{name: s.Subject, bold: s.Subject == result.Nanofront, note: rate(s.Rate.Median)}
	if s.Step != "" {
		b.name += ", " + s.Step
	}
	if s.Ratio.N > 0 && s.Subject != result.Plain {
		b.note += fmt.Sprintf("  (%.2f × plain)", s.Ratio.Median)
	}
	if s.Rate.N > 1 {
		b.low, b.high = s.Rate.Low, s.Rate.High
	}
	if lost := s.Refused + s.Broken; lost > 0 {
		b.note += ", " + terminal.Grouped(lost) + " failed"
	}
	b.parts = []part{{value: s.Rate.Median, paint: p, tip: fmt.Sprintf("%s: %s req/s, rounds from %s to %s", b.name, rate(s.Rate.Median), rate(s.Rate.Low), rate(s.Rate.High))}}
	return b
}

// throughputTitle says who is where, of rows by falling rate.
func throughputTitle(rows []*result.Summary) string {
	own, next := rivals(rows)
	switch {
	case own == nil:
		return fmt.Sprintf("%s answers %s requests a second", rows[0].Subject, rate(rows[0].Rate.Median))
	case next != nil && next.Rate.Median > 0:
		return fmt.Sprintf("nanofront answers %s requests a second, %.1f × %s", rate(own.Rate.Median), own.Rate.Median/next.Rate.Median, next.Subject)
	}
	return fmt.Sprintf("nanofront answers %s requests a second", rate(own.Rate.Median))
}
