package result

import (
	"cmp"
	"slices"
)

// KneeLimits say up to where a system follows what is offered. The zero value of each is its
// default.
type KneeLimits struct {
	// P99 in milliseconds. Default [DefaultKneeP99].
	P99 float64
	// Kept is the least share of the offered rate that succeeds, 0 to 1. Default [DefaultKneeKept].
	Kept float64
}

// Defaults of [KneeLimits].
const (
	DefaultKneeP99  = 25.0
	DefaultKneeKept = 0.99
)

// Knee returns, of the open-loop steps of one subject, the one with the highest offered rate that
// was followed: at least Kept of it succeeded, within P99, and so it was at each lower rate. Nil if
// the lowest was too much, or there are none.
func Knee(steps []*Summary, limits KneeLimits) *Summary {
	if limits.P99 == 0 {
		limits.P99 = DefaultKneeP99
	}
	if limits.Kept == 0 {
		limits.Kept = DefaultKneeKept
	}
	var knee *Summary
	for _, s := range ByOffered(steps) {
		if s.Rate.Median < s.Offered*limits.Kept || s.P99.N == 0 || s.P99.Median > limits.P99 {
			break
		}
		knee = s
	}
	return knee
}

// ByOffered returns the open-loop ones of the summaries, by rising offered rate.
func ByOffered(all []*Summary) []*Summary {
	steps := slices.DeleteFunc(slices.Clone(all), func(s *Summary) bool { return s.Loop != Open || s.Offered <= 0 })
	slices.SortStableFunc(steps, func(a, b *Summary) int { return cmp.Compare(a.Offered, b.Offered) })
	return steps
}
