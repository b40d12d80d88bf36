package result

import (
	"math"
	"slices"
)

// Stat is one figure over the rounds.
type Stat struct {
	// Median of the rounds, least and greatest of them; all 0 if N is 0.
	Median, Low, High float64
	// N is how many rounds have the figure.
	N int
}

// NewStat makes a Stat of one value for each round. What isn't a number is left out.
func NewStat(values []float64) Stat {
	known := slices.DeleteFunc(slices.Clone(values), func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
	if len(known) == 0 {
		return Stat{}
	}
	return Stat{Median: Median(known), Low: slices.Min(known), High: slices.Max(known), N: len(known)}
}

// Spread is half of the way from Low to High, in percent of the Median: the ± of a table. It is 0
// for less than two rounds, of which nothing can be said.
func (s Stat) Spread() float64 {
	if s.N < 2 || s.Median == 0 {
		return 0
	}
	return (s.High - s.Low) / 2 / math.Abs(s.Median) * 100
}

// Median of values, the mean of the middle two for an even number; 0 for none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(values))
	if n := len(v); n%2 == 0 {
		return v[n/2-1]/2 + v[n/2]/2
	}
	return v[len(v)/2]
}
