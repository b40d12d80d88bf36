package nanobus

import (
	"runtime"
	"testing"

	"nanofront/internal/testutil"
)

// Once warm, a request allocates nothing, in the caller, the links and the
// responder together. The allocations of all goroutines are counted, so the
// bound is on their mean: the pings of a second may fall into the run.
func TestBus_NoAllocationPerRequest(t *testing.T) {
	testutil.SkipIfRace(t)
	_, in := server(t, "1", Options{Serve: echoPointer}, tcp)
	b := caller(t, in)
	s, c := b.Service("s"), NewCall()
	payload := &bytesPayload{b: make([]byte, 128)}
	one := func() {
		if err := s.Go(c, payload, patience); err != nil {
			t.Fatal(err)
		}
		c.Wait()
		if c.Err != nil {
			t.Fatal(c.Err)
		}
		c.Release()
	}
	for range 1000 {
		one()
	}
	const n = 5000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range n {
		one()
	}
	runtime.ReadMemStats(&after)
	if per := float64(after.Mallocs-before.Mallocs) / n; per > 0.1 {
		t.Errorf("%.2f allocations per request", per)
	}
}
