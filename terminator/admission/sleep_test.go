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

// Without requests nothing ticks; the first one ends that, and what was usual is forgotten in the same time.
func TestAdmission_SleepsWithoutRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		a := New(64, 4096, 50*time.Millisecond)
		go a.Run(ctx)
		busy := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); {
				if !a.Enter() {
					t.Fatal("refused")
				}
				time.Sleep(5 * time.Millisecond)
				a.Leave(5 * time.Millisecond)
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
			for _, u := range a.usual {
				if u != 0 {
					n++
				}
			}
			return n
		}
		busy(15 * time.Second)
		asleep(false)
		if usual() != 2 {
			t.Errorf("usual: %v, want two buckets of 10 s filled", a.usual)
		}
		time.Sleep((quietWindows + 1) * admissionWindow)
		asleep(true)

		time.Sleep(20 * time.Second)
		asleep(true)
		busy(2 * admissionWindow)
		asleep(false)
		if usual() != 3 {
			t.Errorf("usual after 20 s of nothing: %v, want three buckets filled", a.usual)
		}

		time.Sleep(time.Hour)
		asleep(true)
		busy(3 * admissionWindow)
		if usual() != 1 {
			t.Errorf("usual after an hour of nothing: %v, want the last bucket only", a.usual)
		}
		// A request that takes long is something.
		if !a.Enter() {
			t.Fatal("refused")
		}
		time.Sleep(10 * time.Minute)
		asleep(false)
		a.Leave(0)
	})
}

// However requests and the end of a quiet time meet, Run is awake while one is under way.
func TestAdmission_LosesNoWakeUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	a := New(64, 4096, 50*time.Millisecond)
	var run sync.WaitGroup
	run.Go(func() { a.Run(ctx) })
	for range 3 {
		testutil.Eventually(t, "it goes to sleep", a.asleep.Load)
		deadline := time.Now().Add(20 * time.Second)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if !a.Enter() {
					t.Error("refused")
				}
				for a.asleep.Load() { // another one is about to rouse it
					if time.Now().After(deadline) {
						t.Error("asleep with a request under way")
						break
					}
					runtime.Gosched()
				}
				a.Leave(0)
			})
		}
		wg.Wait()
	}
	cancel()
	run.Wait()
}
