package load

import (
	"runtime"
	"slices"
	"testing"
	"time"
)

// Workers wait in a call that the scheduler doesn't know of. That holds up neither the collector,
// which has to stop them, nor other goroutines, and leaves nothing behind.
func TestRun_WaitingWorkersHoldNobodyUp(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	url, _ := child(t, "plain")
	done := make(chan error, 1)
	go func() {
		_, err := Run(t.Context(), Options{URL: url, Rate: 1, Workers: 4, Connections: 4, Duration: 3 * time.Second}, nil)
		done <- err
	}()
	var took []time.Duration
	for {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			if after := runtime.GOMAXPROCS(0); after != before {
				t.Errorf("GOMAXPROCS was %d and is %d", before, after)
			}
			slices.Sort(took)
			if len(took) == 0 || took[len(took)/2] > longestWait/2 {
				t.Errorf("%d collections, of which half took longer than half a wait: %v", len(took), took)
			}
			return
		default:
		}
		began := time.Now()
		runtime.GC()
		took = append(took, time.Since(began))
		time.Sleep(10 * time.Millisecond)
	}
}
