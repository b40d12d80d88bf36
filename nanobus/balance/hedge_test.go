package balance

import (
	"testing"
	"time"
)

// Slow requests are sent twice, within the budget; and none while the service refuses.
func TestHedge_Budget(t *testing.T) {
	h := Hedging{rate: 4000}
	now := int64(time.Second)
	taken := 0
	for range 1000 { // 10 s of looks at which all would be sent twice
		now += int64(10 * time.Millisecond)
		for range 40 {
			if h.Take(now) {
				taken++
			}
		}
	}
	if share := float64(taken) / 40_000; share > 0.03 || share < 0.02 {
		t.Errorf("%.1f %% were sent twice, want at most 3 %%", 100*share)
	}
	h.pushed.Store(now)
	if now += int64(hedgePause) - 1; h.Take(now) {
		t.Error("a copy was sent while the service refuses")
	}
	if now += 2; !h.Take(now) {
		t.Error("no copy is sent after that")
	}
	quiet := Hedging{rate: 1}
	for taken = 0; quiet.Take(now); taken++ {
	}
	if taken != hedgeFew {
		t.Errorf("a quiet service may have %d copies at once, want %d", taken, hedgeFew)
	}
}
