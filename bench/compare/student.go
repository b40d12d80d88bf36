package compare

import "math"

// sample is the logarithms of a figure, one for each round.
type sample []float64

func (s sample) mean() float64 {
	sum := 0.0
	for _, v := range s {
		sum += v
	}
	return sum / float64(len(s))
}

// variance is the unbiased estimate; the sample must have two values at least.
func (s sample) variance() float64 {
	m, sum := s.mean(), 0.0
	for _, v := range s {
		sum += (v - m) * (v - m)
	}
	return sum / float64(len(s)-1)
}

// difference is what Welch's t-test says of two samples.
type difference struct {
	// mean of the second less that of the first, and the ends of its 95 % interval.
	mean, low, high float64
	// p is how likely so large a difference is, either way, if there is none.
	p float64
}

// leastDeviation is assumed where rounds agree better than their figures are measured: 0.1 %. Without it two
// samples without any noise would differ for certain by whatever the last digit says.
const leastDeviation = 0.001

// welch compares two samples of two values or more.
func welch(a, b sample) difference {
	na, nb := float64(len(a)), float64(len(b))
	va := max(a.variance(), leastDeviation*leastDeviation) / na
	vb := max(b.variance(), leastDeviation*leastDeviation) / nb
	se := math.Sqrt(va + vb)
	// The degrees of freedom of F. E. Satterthwaite, 1946.
	df := (va + vb) * (va + vb) / (va*va/(na-1) + vb*vb/(nb-1))
	d := difference{mean: b.mean() - a.mean()}
	half := studentQuantile(0.975, df) * se
	d.low, d.high = d.mean-half, d.mean+half
	d.p = 2 * (1 - studentCDF(math.Abs(d.mean)/se, df))
	return d
}

// studentCDF is the share of Student's t distribution below t, for df degrees of freedom.
func studentCDF(t, df float64) float64 {
	tail := betaRegularized(df/(df+t*t), df/2, 0.5) / 2
	if t > 0 {
		return 1 - tail
	}
	return tail
}

// studentQuantile is the t below which a share p lies, 0.5 to 1, by bisection.
func studentQuantile(p, df float64) float64 {
	lo, hi := 0.0, 1.0
	for studentCDF(hi, df) < p && hi < 1e6 {
		lo, hi = hi, hi*2
	}
	for range 50 {
		mid := (lo + hi) / 2
		if studentCDF(mid, df) < p {
			lo = mid
		} else {
			hi = mid
		}
	}
	return (lo + hi) / 2
}

// betaRegularized is the regularized incomplete beta function I_x(a, b), by its continued fraction (NIST
// Digital Library of Mathematical Functions, 8.17.22), evaluated as W. J. Lentz does, 1976.
func betaRegularized(x, a, b float64) float64 {
	if x <= 0 {
		return 0
	}
	if x >= 1 {
		return 1
	}
	// The fraction converges fast below the mean only.
	if x > (a+1)/(a+b+2) {
		return 1 - betaRegularized(1-x, b, a)
	}
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	front := math.Exp(lab-la-lb+a*math.Log(x)+b*math.Log1p(-x)) / a
	const tiny = 1e-300
	apart := func(v float64) float64 {
		if math.Abs(v) < tiny {
			return tiny
		}
		return v
	}
	c := 1.0
	d := 1 / apart(1-(a+b)*x/(a+1))
	f := d
	for m := 1.0; m <= 300; m++ {
		even := m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
		d = 1 / apart(1+even*d)
		c = apart(1 + even/c)
		f *= c * d
		odd := -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
		d = 1 / apart(1+odd*d)
		c = apart(1 + odd/c)
		f *= c * d
		if math.Abs(c*d-1) < 1e-14 {
			break
		}
	}
	return front * f
}

// holm corrects p values for how many there are, in their order.
func holm(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	sortBy(order, func(i int) float64 { return p[i] })
	out := make([]float64, len(p))
	highest := 0.0
	for rank, i := range order {
		highest = max(highest, min(1, p[i]*float64(len(p)-rank)))
		out[i] = highest
	}
	return out
}
