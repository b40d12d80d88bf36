package compare

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// difference is what Welch's t-test says of two samples.
type difference struct {
	// mean of the second less that of the first, and the ends of its 95 % interval.
	mean, low, high float64
	// p is how likely so large a difference is, either way, if there is none.
	p float64
}

// leastDeviation is assumed where rounds agree better than their figures are measured: 0.1 %.
// Without it two samples without any noise would differ for certain by whatever the last digit
// says.
const leastDeviation = 0.001

// welch compares two samples, the logarithms of a figure in each round, of two values or more.
func welch(a, b []float64) difference {
	na, nb := float64(len(a)), float64(len(b))
	va := max(stat.Variance(a, nil), leastDeviation*leastDeviation) / na
	vb := max(stat.Variance(b, nil), leastDeviation*leastDeviation) / nb
	// The degrees of freedom of F. E. Satterthwaite, 1946.
	student := distuv.StudentsT{Sigma: 1, Nu: (va + vb) * (va + vb) / (va*va/(na-1) + vb*vb/(nb-1))}
	se := math.Sqrt(va + vb)
	d := difference{mean: stat.Mean(b, nil) - stat.Mean(a, nil)}
	half := student.Quantile(0.975) * se
	d.low, d.high = d.mean-half, d.mean+half
	d.p = 2 * student.Survival(math.Abs(d.mean)/se)
	return d
}

// holm corrects p values for how many there are, in their order.
func holm(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p[a], p[b]) })
	out := make([]float64, len(p))
	highest := 0.0
	for rank, i := range order {
		highest = max(highest, min(1, p[i]*float64(len(p)-rank)))
		out[i] = highest
	}
	return out
}
