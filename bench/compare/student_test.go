package compare

import (
	"math"
	"slices"
	"testing"
)

// Values of the usual tables.
func TestStudentQuantile_IsThatOfTheTables(t *testing.T) {
	for _, c := range []struct{ p, df, want float64 }{
		{0.975, 1, 12.706},
		{0.975, 2, 4.303},
		{0.975, 4, 2.776},
		{0.975, 8, 2.306},
		{0.975, 30, 2.042},
		{0.975, 1e6, 1.960},
		{0.995, 3, 5.841},
		{0.95, 10, 1.812},
		{0.9995, 8, 5.041},
	} {
		if got := studentQuantile(c.p, c.df); math.Abs(got-c.want) > 0.001 {
			t.Errorf("studentQuantile(%v, %v) = %.4f, want %.3f", c.p, c.df, got, c.want)
		}
	}
	if got := studentCDF(0, 5); math.Abs(got-0.5) > 1e-12 {
		t.Errorf("studentCDF(0, 5) = %v", got)
	}
}

// Two samples of different spread.
func TestWelch_AgreesWithNumericalIntegration(t *testing.T) {
	a := sample{27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4}
	b := sample{27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 30.5, 24.4}
	// By numerical integration of the density: t, degrees of freedom and p are 2.853, 27.89 and 0.00807.
	if d := welch(a, b); math.Abs(d.p-0.008072) > 0.00001 || d.low <= 0 || d.high <= d.mean {
		t.Errorf("welch = %+v, want p 0.00807", d)
	}
	if d := welch(sample{1, 1, 1}, sample{1, 1, 1}); d.p != 1 || d.mean != 0 {
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
