package exchange

import (
	"testing"

	"nanofront/nanobus"
	"nanofront/registry"
)

func TestUpstream_Repeats(t *testing.T) {
	for _, c := range []struct {
		hedge, method string
		want          nanobus.Repeat
	}{
		{"", "GET", nanobus.RepeatSlow},
		{"", "HEAD", nanobus.RepeatSlow},
		{"", "OPTIONS", nanobus.RepeatSlow},
		{"", "POST", nanobus.RepeatNever},
		{"", "PUT", nanobus.RepeatNever},
		{registry.HedgeOff, "GET", nanobus.RepeatStalled},
		{registry.HedgeOff, "POST", nanobus.RepeatNever},
		{registry.HedgeOn, "POST", nanobus.RepeatSlow},
		{registry.HedgeOn, "GET", nanobus.RepeatSlow},
	} {
		if got := (&upstream{hedge: c.hedge}).repeats([]byte(c.method)); got != c.want {
			t.Errorf("%s, hedge %q: %d, want %d", c.method, c.hedge, got, c.want)
		}
	}
}
