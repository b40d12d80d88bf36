package e2e

import (
	"syscall"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// TestTerminator_SecondSignal: the first drains, the second ends it at once.
func TestTerminator_SecondSignal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		first, second syscall.Signal
		code          int
	}{
		{syscall.SIGTERM, syscall.SIGTERM, 143},
		{syscall.SIGTERM, syscall.SIGINT, 130},
	} {
		t.Run(c.first.String()+", "+c.second.String(), func(t *testing.T) {
			f := startFront(t, frontOptions{})
			hanging := slept(f.http, "GET", 8*time.Second)
			inFlight(t, f.admin, 1)
			f.terminator.signal(t, c.first)
			f.terminator.says(t, `"draining"`)
			if f.terminator.ended() {
				t.Fatal("ended with a request in flight")
			}
			f.terminator.signal(t, c.second)
			// That it didn't wait shows in the code, and in the request.
			if code := f.terminator.wait(t, testutil.Patience); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			if r := <-hanging; r.failed == nil {
				t.Errorf("the hanging request got status %d", r.status)
			}
		})
	}
}

// TestTerminator_DrainTimeout: a request that takes too long doesn't keep it.
func TestTerminator_DrainTimeout(t *testing.T) {
	t.Parallel()
	f := startFront(t, frontOptions{terminator: []string{"--drain-timeout", "3s"}})
	// Stopped, the handler answers neither before both are in flight, nor before
	// the terminator drains.
	suspend(t, f.echo[0].process)
	quick, hanging := slept(f.http, "GET", time.Millisecond), slept(f.http, "GET", 9*time.Second)
	inFlight(t, f.admin, 2)
	f.terminator.signal(t, syscall.SIGTERM)
	f.terminator.says(t, `"draining"`)
	f.echo[0].signal(t, syscall.SIGCONT)
	if code := f.terminator.wait(t, testutil.Patience); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if r := <-quick; r.failed != nil || r.status != 200 {
		t.Errorf("the request that was quick enough: status %d, %v", r.status, r.failed)
	}
	if r := <-hanging; r.failed == nil {
		t.Errorf("the hanging request got status %d", r.status)
	}
}

// TestHandler_Signals: a handler finishes its requests, or ends at once when told twice.
func TestHandler_Signals(t *testing.T) {
	t.Parallel()
	f := startFront(t, frontOptions{echo: 2})
	var slow []<-chan result
	for range 8 {
		slow = append(slow, slept(f.http, "POST", 4*time.Second))
	}
	inFlight(t, f.admin, 8)
	f.echo[0].signal(t, syscall.SIGTERM)
	if code := f.echo[0].wait(t, testutil.Patience); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
	for _, done := range slow {
		if r := <-done; r.failed != nil || r.status != 200 {
			t.Errorf("a request that was at work: status %d, %v", r.status, r.failed)
		}
	}
	linked(t, f.admin, "echo", 1)
	hanging := slept(f.http, "POST", 8*time.Second)
	inFlight(t, f.admin, 1)
	f.echo[1].signal(t, syscall.SIGINT)
	f.echo[1].says(t, `"draining"`)
	f.echo[1].signal(t, syscall.SIGINT)
	if code := f.echo[1].wait(t, testutil.Patience); code != 130 {
		t.Errorf("exit code %d after the second SIGINT, want 130", code)
	}
	// Whether it was acted upon is not known: that is a 502, and at once.
	if r := <-hanging; r.failed != nil || r.status != 502 {
		t.Errorf("the request of the handler that went: status %d, %v; want 502", r.status, r.failed)
	}
}
