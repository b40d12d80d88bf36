package admission

import (
	"sync"
	"testing"
	"time"
)

func window(a *Limiter, peak, answers int, mean time.Duration) {
	a.peak.Store(int64(peak))
	a.sum.Store(int64(mean) * int64(answers))
	a.n.Store(int64(answers))
	a.adapt()
}

func TestAdmission_EnterLeave(t *testing.T) {
	a := New(1, 3, 50*time.Millisecond)
	for i := range 3 {
		if !a.Enter() {
			t.Fatalf("%d of 3 refused", i)
		}
	}
	if a.Enter() || a.inFlight.Load() != 3 {
		t.Errorf("a fourth got in; %d in flight", a.inFlight.Load())
	}
	a.Leave(0)
	if !a.Enter() {
		t.Error("refused with a place free")
	}
	if a.n.Load() != 0 {
		t.Error("latency 0 was counted")
	}
	a.Leave(time.Millisecond)
	if a.n.Load() != 1 || a.sum.Load() != int64(time.Millisecond) {
		t.Errorf("%d answers, sum %d", a.n.Load(), a.sum.Load())
	}
}

// A body that has been gathered is worth a place a little above the limit, never above the maximum.
func TestAdmission_EnterGathered(t *testing.T) {
	a := New(1, 20, 50*time.Millisecond)
	a.limit.Store(16)
	for range 16 {
		a.Enter()
	}
	if !a.Full() || a.Enter() {
		t.Fatal("the limit isn't reached by 16")
	}
	for i, want := range []bool{true, true, false} {
		if got := a.EnterGathered(); got != want {
			t.Errorf("%d above the limit of 16: %v", i+1, got)
		}
	}
	a.limit.Store(20)
	for range 2 {
		a.Enter()
	}
	if a.EnterGathered() {
		t.Error("let in above the maximum")
	}
	if n := a.InFlight(); n != 20 {
		t.Errorf("%d in flight", n)
	}
}

func TestAdmission_Concurrent(t *testing.T) {
	const limit = 7
	a := New(1, limit, 50*time.Millisecond)
	var wg sync.WaitGroup
	at := make(chan struct{}, limit)
	for range 16 {
		wg.Go(func() {
			for range 2000 {
				if !a.Enter() {
					continue
				}
				select {
				case at <- struct{}{}:
					<-at
				default:
					t.Error("more than the limit got in")
				}
				a.Leave(time.Microsecond)
			}
		})
	}
	wg.Wait()
	if a.inFlight.Load() != 0 {
		t.Errorf("%d in flight at the end", a.inFlight.Load())
	}
}

func TestAdmission_Adapts(t *testing.T) {
	const ms = time.Millisecond
	type step struct {
		times, peak, answers int
		mean                 time.Duration
	}
	for _, c := range []struct {
		name     string
		min, max int
		steps    []step
		low, up  int64 // where the limit is to end
	}{
		{"starts in between", 64, 4096, nil, 1024, 1024},
		{"starts at the maximum", 64, 100, nil, 100, 100},
		{"starts at the minimum", 2000, 4096, nil, 2000, 2000},
		{"widens while it is used", 64, 4096, []step{{1, 1024, 1000, ms}}, 1025, 1100},
		{"no further than the maximum", 64, 4096, []step{{100, 4096, 1000, ms}}, 4096, 4096},
		{"not while it isn't used", 64, 4096, []step{{100, 500, 1000, ms}}, 1024, 1024},
		{"narrows when slow", 64, 4096, []step{{10, 1024, 1000, 10 * ms}, {1, 2000, 1000, 200 * ms}}, 1024, 1500},
		{"no further than the minimum", 64, 4096, []step{{10, 100, 1000, 10 * ms}, {100, 1024, 1000, 200 * ms}}, 64, 64},
		{"not for three times a little", 64, 4096, []step{{10, 100, 1000, ms}, {50, 1024, 1000, 3 * ms}}, 1025, 4096},
		{"not for a slow nature", 64, 4096, []step{{300, 1024, 1000, 400 * ms}}, 1024, 1024},
		{"not for a slow nature that varies", 64, 4096, []step{{50, 1024, 1000, 400 * ms}, {50, 1024, 1000, 700 * ms}}, 1024, 1024},
		{"not for what few say", 64, 4096, []step{{10, 100, 1000, ms}, {100, 1024, admissionSamples - 1, time.Second}}, 1024, 1024},
		{"not when hardly used", 64, 4096, []step{{10, 100, 1000, ms}, {100, 100, 1000, time.Second}}, 1024, 1024},
		{"forgets after a minute", 64, 4096, []step{{10, 100, 1000, 10 * ms}, {700, 100, 1000, 150 * ms}, {10, 1024, 1000, 200 * ms}}, 1024, 1024},
		{"recovers", 64, 4096, []step{{10, 100, 1000, 10 * ms}, {100, 1024, 1000, 200 * ms}, {100, 4096, 1000, 10 * ms}}, 4096, 4096},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := New(c.min, c.max, 50*ms)
			for _, s := range c.steps {
				for range s.times {
					window(a, s.peak, s.answers, s.mean)
					if l := a.limit.Load(); l < int64(c.min) || l > int64(c.max) {
						t.Fatalf("limit %d: want %d to %d", l, c.min, c.max)
					}
				}
			}
			if l := a.limit.Load(); l < c.low || l > c.up {
				t.Errorf("limit %d: want %d to %d", l, c.low, c.up)
			}
		})
	}
}
