package terminal

import (
	"math"
	"testing"
)

func TestSparkline(t *testing.T) {
	for _, c := range []struct {
		values []float64
		width  int
		want   string
	}{
		{nil, 10, ""},
		{[]float64{0, 0}, 10, "▁▁"},
		{[]float64{0, 1, 2, 3, 4, 5, 6, 7, 8}, 10, "▁▂▃▄▅▆▇██"},
		{[]float64{8, math.NaN(), 1}, 10, "█–▂"},
		{[]float64{1, 8, math.NaN(), 2, math.NaN(), math.NaN(), 8}, 4, "█▃–█"},
		{[]float64{1, 2}, 0, "█"},
	} {
		if got := Sparkline(c.values, c.width); got != c.want {
			t.Errorf("%v in %d: %s, want %s", c.values, c.width, got, c.want)
		}
	}
}
