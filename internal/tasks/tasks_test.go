package tasks

import (
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestGroup_WaitsForWhatIsStartedMeanwhile(t *testing.T) {
	var g Group
	g.Wait() // nothing was started yet
	var ended atomic.Int32
	begin := make(chan struct{})
	g.Go(func() {
		<-begin
		g.Go(func() { ended.Add(1) })
		ended.Add(1)
	})
	var waiting sync.WaitGroup
	for range 2 {
		waiting.Go(func() {
			g.Wait()
			if n := ended.Load(); n != 2 {
				t.Errorf("%d have ended, want both", n)
			}
		})
	}
	close(begin)
	waiting.Wait()
	g.Go(func() { ended.Add(1) })
	g.Wait()
	if n := ended.Load(); n != 3 {
		t.Errorf("%d have ended, want 3", n)
	}
}
