package metrics

import (
	"runtime/debug"
	"testing"
	"time"
)

// The runtime tells when pauses ended by the wall clock, which may be set in between.
func TestProcess_PausesWhenTheClockIsSet(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		what string
		ends []time.Duration // before now, most recent first
		want float64
	}{
		{"two recent ones, and an old one", []time.Duration{time.Second, 2 * time.Second, time.Minute}, 2},
		{"set back by an hour", []time.Duration{-time.Hour, -time.Hour}, 0},
		{"set back, and one after it", []time.Duration{time.Second, -time.Hour}, 1},
		{"set ahead by an hour", []time.Duration{time.Hour}, 0},
	} {
		var gc debug.GCStats
		for i, ago := range c.ends {
			gc.PauseEnd = append(gc.PauseEnd, now.Add(-ago))
			gc.Pause = append(gc.Pause, time.Duration(i+1)*time.Millisecond)
		}
		if got := longestPause(now, &gc); got != c.want {
			t.Errorf("%s: %v ms, want %v", c.what, got, c.want)
		}
	}
}
