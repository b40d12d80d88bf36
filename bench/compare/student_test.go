package compare

import (
	"math"
	"slices"
	"testing"
)

// The half width of the interval, in standard errors, is Student's quantile of the usual tables.
func TestWelch_IntervalIsThatOfTheTables(t *testing.T) {
	for _, c := range []struct {
		n    int
		want float64 // 0.975 with 2n-2 degrees of freedom
	}{{2, 4.303}, {3, 2.776}, {5, 2.306}, {16, 2.042}} {
		a, b := make([]float64, c.n), make([]float64, c.n)
		for i := range a {
			a[i], b[i] = float64(i), float64(i)+1
		}
		// Both have the variance n(n+1)/12.
		se := math.Sqrt(2 * float64(c.n+1) / 12)
		d := welch(a, b)
		if got := (d.high - d.mean) / se; math.Abs(got-c.want) > 0.001 || math.Abs(d.mean-1) > 1e-9 || math.Abs(d.mean-d.low-(d.high-d.mean)) > 1e-9 {
			t.Errorf("%d values: %.4f standard errors, want %.3f, of %+v", c.n, got, c.want, d)
		}
	}
}

// Two samples of different spread.
func TestWelch_AgreesWithNumericalIntegration(t *testing.T) {
	a := []float64{27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4}
	b := []float64{27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 30.5, 24.4}
	// By numerical integration of the density: t, degrees of freedom and p are 2.853, 27.89 and
	// 0.00807.
	if d := welch(a, b); math.Abs(d.p-0.008072) > 0.00001 || d.low <= 0 || d.high <= d.mean {
		t.Errorf("welch = %+v, want p 0.00807", d)
	}
	if d := welch([]float64{1, 1, 1}, []float64{1, 1, 1}); d.p != 1 || d.mean != 0 {
		t.Errorf("the same without noise: %+v", d)
	}
}

func TestHolm(t *testing.T) {
	got := holm([]float64{0.04, 0.01, 0.03, 0.5})
	want := []float64{0.09, 0.04, 0.09, 0.5}
	if !slices.EqualFunc(got, want, func(a, b float64) bool { return math.Abs(a-b) < 1e-12 }) {
		t.Errorf("holm = %v, want %v", got, want)
	}
	if len(holm(nil)) != 0 {
		t.Error("holm of nothing")
	}
}
