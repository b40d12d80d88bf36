package report

import "math"

// scale maps values to places, from a for lo to b for hi.
type scale struct {
	lo, hi, a, b float64
	log          bool
}

func (s scale) at(v float64) float64 {
	lo, hi := s.lo, s.hi
	if s.log {
		lo, hi, v = math.Log10(lo), math.Log10(hi), math.Log10(max(v, s.lo/10))
	}
	if hi == lo {
		return s.a
	}
	return s.a + (v-lo)/(hi-lo)*(s.b-s.a)
}

// linear returns a scale from 0 to a round number at or above hi, and its ticks, about n of them.
func linear(hi float64, n int) (scale, []float64) {
	if hi <= 0 || math.IsNaN(hi) || math.IsInf(hi, 0) {
		hi = 1
	}
	step := niceStep(hi / float64(max(n, 1)))
	var ticks []float64
	// Counted, since added up steps drift.
	for i := 0; ; i++ {
		v := float64(i) * step
		ticks = append(ticks, v)
		if v >= hi*(1-1e-9) || i > 100 {
			return scale{lo: 0, hi: v}, ticks
		}
	}
}

// niceStep is the round number at or above a step: 1, 2, 2.5 or 5 times a power of ten.
func niceStep(step float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(step)))
	for _, f := range []float64{1, 2, 2.5, 5} {
		if f*unit >= step*(1-1e-9) {
			return f * unit
		}
	}
	return 10 * unit
}

// logarithmic returns a scale that reaches over all of lo to hi, both above 0, and its ticks.
func logarithmic(lo, hi float64) (scale, []float64) {
	if !(lo > 0) || math.IsInf(lo, 0) {
		lo = 0.1
	}
	if !(hi >= lo) || math.IsInf(hi, 0) {
		hi = lo
	}
	steps := []float64{1, 2, 5, 10}
	below := func(v float64) float64 {
		unit := math.Pow(10, math.Floor(math.Log10(v)+1e-9))
		best := unit
		for _, f := range steps {
			if f*unit <= v*(1+1e-9) {
				best = f * unit
			}
		}
		return best
	}
	lo = below(lo)
	top := below(hi)
	if top < hi*(1-1e-9) {
		unit := math.Pow(10, math.Floor(math.Log10(top)+1e-9))
		for _, f := range steps {
			if f*unit > top*(1+1e-9) {
				top = f * unit
				break
			}
		}
	}
	if top <= lo {
		top = lo * 10
	}
	// All of 1, 2, 5 within two and a half decades, else powers of ten; and more within one.
	decades := math.Log10(top / lo)
	all, between := decades <= 2.5, []float64{1, 2, 5}
	if decades < 1.01 {
		between = []float64{1, 1.5, 2, 3, 4, 5, 7}
	}
	var ticks []float64
	for e := math.Floor(math.Log10(lo) + 1e-9); e <= math.Ceil(math.Log10(top)); e++ {
		for _, f := range between {
			v := f * math.Pow(10, e)
			if v < lo*(1-1e-9) || v > top*(1+1e-9) || f != 1 && !all {
				continue
			}
			ticks = append(ticks, v)
		}
	}
	return scale{lo: lo, hi: top, log: true}, ticks
}
