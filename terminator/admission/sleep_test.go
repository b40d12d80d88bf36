package admission

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nanofront/internal/testutil"
)

// Without requests nothing ticks; the first one ends that, and what was usual is forgotten in the
// same time.
func TestLimiter_SleepsWithoutRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		a := New(64, 4096, 50*time.Millisecond)
		g := a.Gate("s")
		go a.Run(ctx)
		busy := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); {
				if !g.Enter(Ask{}) {
					t.Fatal("refused")
				}
				time.Sleep(5 * time.Millisecond)
				g.Answered(5*time.Millisecond, 0)
			}
		}
		asleep := func(want bool) {
			t.Helper()
			synctest.Wait()
			if a.asleep.Load() != want {
				t.Errorf("asleep is %v, want %v", !want, want)
			}
		}
		usual := func() (n int) {
			synctest.Wait()
			for _, u := range g.judge.past {
				if u.answers != 0 {
					n++
				}
			}
			return n
		}
		busy(15 * time.Second)
		asleep(false)
		if usual() != 2 {
			t.Errorf("usual: %v, want two buckets of 10 s filled", g.judge.past)
		}
		time.Sleep((quietWindows + 1) * window)
		asleep(true)

		time.Sleep(20 * time.Second)
		asleep(true)
		busy(2 * window)
		asleep(false)
		if usual() != 3 {
			t.Errorf("usual after 20 s of nothing: %v, want three buckets filled", g.judge.past)
		}

		time.Sleep(time.Hour)
		asleep(true)
		busy(3 * window)
		if usual() != 1 {
			t.Errorf("usual after an hour of nothing: %v, want the last bucket only", g.judge.past)
		}
		// A request that takes long is something.
		if !g.Enter(Ask{}) {
			t.Fatal("refused")
		}
		time.Sleep(10 * time.Minute)
		asleep(false)
		g.Leave()
	})
}

// However requests and the end of a quiet time meet, Run is awake while one is under way.
func TestLimiter_LosesNoWakeUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	a := New(64, 4096, 50*time.Millisecond)
	g := a.Gate("s")
	var run sync.WaitGroup
	run.Go(func() { a.Run(ctx) })
	for range 3 {
		testutil.Eventually(t, "it goes to sleep", a.asleep.Load)
		deadline := time.Now().Add(20 * time.Second)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if !g.Enter(Ask{}) {
					t.Error("refused")
				}
				for a.asleep.Load() { // another one is about to rouse it
					if time.Now().After(deadline) {
						t.Error("asleep with a request under way")
						break
					}
					runtime.Gosched()
				}
				g.Leave()
			})
		}
		wg.Wait()
	}
	cancel()
	run.Wait()
}
