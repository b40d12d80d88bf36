package e2e

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// TestReturn_AllHandlers kills all handlers: clients are told at once, and are served again soon
// after one is back.
func TestReturn_AllHandlers(t *testing.T) {
	f := startFront(t, frontOptions{echo: 3})
	l := startLoad(t, f.http, 8, hello)
	l.more(t, 500)
	for _, h := range f.echo {
		h.signal(t, syscall.SIGKILL)
	}
	for _, h := range f.echo {
		h.wait(t, testutil.Patience)
	}
	testutil.Eventually(t, "requests are refused", func() bool { return l.count(503) > 0 })
	for began := time.Now(); time.Since(began) < 3*time.Second; { // until the pauses between dials are at their longest
		n := l.count(503)
		testutil.Eventually(t, "more refusals", func() bool { return l.count(503) > n })
	}
	f.startEcho(t, 1)
	testutil.Eventually(t, "echo-2 listens", func() bool {
		_, _, err := adminGet(f.echo[1].admin, "/healthz")
		return err == nil
	})
	back := time.Now()
	l.more(t, 100)
	l.stop()
	l.onlyStatus(t, 200, 502, 503)
	l.onlyFailures(t)
	var took []time.Duration
	var last time.Time
	for _, a := range l.of(503) {
		took, last = append(took, a.took), a.at
	}
	slices.Sort(took)
	t.Logf("%d refusals, p99 %v; the last %v after echo-2 was there", len(took), took[(len(took)-1)*99/100], last.Sub(back))
	if p99, most := took[(len(took)-1)*99/100], within(5*time.Millisecond, 500*time.Millisecond); p99 > most {
		t.Errorf("the 99th percentile of refusals took %v, want at most %v", p99, most)
	}
	if most := within(500*time.Millisecond, 1500*time.Millisecond); last.Sub(back) > most {
		t.Errorf("the last refusal came %v after an instance was back, want at most %v", last.Sub(back), most)
	}
}
