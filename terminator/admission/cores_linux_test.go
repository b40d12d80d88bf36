package admission

import (
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// The threads' times are of all threads, and grow as they run.
func TestThreadTimes(t *testing.T) {
	before, _, ok := threadTimes()
	if !ok {
		testutil.Skip(t, "this kernel has no schedstat of threads: needs CONFIG_SCHED_INFO")
	}
	for began := time.Now(); ; {
		if ran, waited, ok := threadTimes(); !ok || ran < before || waited < 0 {
			t.Fatalf("ran %v, after %v; waited %v, %v", ran, before, waited, ok)
		} else if ran > before+5*time.Millisecond {
			return
		}
		if time.Since(began) > 10*time.Second {
			t.Fatal("reading for 10 s counts as less than 5 ms")
		}
	}
}

func BenchmarkThreadTimes(b *testing.B) {
	for b.Loop() {
		threadTimes()
	}
}
