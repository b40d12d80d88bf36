package report

import (
	"cmp"
	"fmt"
	"slices"

	"nanofront/bench/result"
)

// throughputPlot shows how much each subject answered in a closed loop.
func throughputPlot(g *group) *plot {
	rows := slices.Clone(g.rows)
	slices.SortStableFunc(rows, func(a, b *result.Summary) int { return cmp.Compare(b.Rate.Median, a.Rate.Median) })
	styled := styles(g.subjects())
	bars := make([]bar, len(rows))
	for i, s := range rows {
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
			b.note += ", " + count(lost) + " failed"
		}
		b.parts = []part{{value: s.Rate.Median, paint: styled[s.Subject].paint, tip: fmt.Sprintf("%s: %s req/s, rounds from %s to %s", b.name, rate(s.Rate.Median), rate(s.Rate.Low), rate(s.Rate.High))}}
		bars[i] = b
	}
	caption := fmt.Sprintf("Requests that succeeded per second with all connections always busy (closed loop, %s): the bar is the median, the whisker goes from the slowest to the fastest of %s.", g.driver, plural(g.rounds, "round"))
	if g.rounds == 1 {
		caption = fmt.Sprintf("Requests that succeeded per second with all connections always busy (closed loop, %s), in one round: how much of a difference is chance can't be told.", g.driver)
	}
	return &plot{
		name: "throughput-" + g.scenario + "-" + g.driver, title: g.scenario + ": " + throughputTitle(rows), caption: caption,
		draw: func(width float64) *drawing {
			d := &drawing{width: width}
			d.bars(bars, nil, "requests per second", shortRate)
			return d
		},
	}
}

// throughputTitle says who is where, of rows by falling rate.
func throughputTitle(rows []*result.Summary) string {
	var own, next *result.Summary
	for _, s := range rows {
		switch {
		case s.Subject == result.Nanofront && own == nil:
			own = s
		case s.Subject != result.Nanofront && s.Subject != result.Plain && next == nil:
			next = s
		}
	}
	switch {
	case own == nil:
		return fmt.Sprintf("%s answers %s requests a second", rows[0].Subject, rate(rows[0].Rate.Median))
	case next != nil && next.Rate.Median > 0:
		return fmt.Sprintf("nanofront answers %s requests a second, %.1f × %s", rate(own.Rate.Median), own.Rate.Median/next.Rate.Median, next.Subject)
	}
	return fmt.Sprintf("nanofront answers %s requests a second", rate(own.Rate.Median))
}
