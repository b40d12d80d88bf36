package diagnose

import "testing"

// What isn't all isn't called so, nor what isn't nothing.
func TestPercent_NeverRoundsToAllOrNothing(t *testing.T) {
	for share, want := range map[float64]string{
		0: "0.00 %", 0.00001: "under 0.01 %", 0.0012: "0.1 %", 0.05: "5 %", 0.42: "42 %", 0.994: "99 %", 0.997: "99.7 %", 0.9996: "99.96 %", 0.99995: "over 99.99 %", 1: "100 %",
	} {
		if got := percent(share); got != want {
			t.Errorf("%v: %q, want %q", share, got, want)
		}
	}
}
