package exchange

import (
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

func TestAccessLog_Rate(t *testing.T) {
	a := newAccessLog(zerolog.Nop(), 3)
	var lines, stands int64
	ask := func(now time.Duration) bool {
		n, ok := a.wants(now)
		if ok {
			lines++
			stands += n
		}
		return ok
	}
	for range 100 {
		ask(500 * time.Millisecond)
	}
	if lines != 3 || stands != 3 {
		t.Errorf("in the first second: %d lines for %d requests, want 3 for 3", lines, stands)
	}
	if n, ok := a.wants(1200 * time.Millisecond); !ok || n != 98 {
		t.Errorf("then: %d, %v: want a line for the 97 before and itself", n, ok)
	}
	for now := 2 * time.Second; now < 10*time.Second; now += 500 * time.Millisecond { // quiet
		if n, ok := a.wants(now); !ok || n != 1 {
			t.Errorf("at %v: %d, %v: want a line of its own", now, n, ok)
		}
	}
	for _, rate := range []int{0, -1} {
		if _, ok := newAccessLog(zerolog.Nop(), rate).wants(0); ok {
			t.Errorf("rate %d: a line", rate)
		}
	}
}

func TestAccessLog_Concurrent(t *testing.T) {
	const rate, clients, each = 50, 8, 3000
	a := newAccessLog(zerolog.Nop(), rate)
	var mu sync.Mutex
	var lines, stands int64
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range each {
				if n, ok := a.wants(time.Second); ok {
					mu.Lock()
					lines, stands = lines+1, stands+n
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if lines == 0 || lines > rate {
		t.Errorf("%d lines, want at most %d", lines, rate)
	}
	if n := stands + a.seen.Load(); n != clients*each {
		t.Errorf("%d requests are accounted for, want %d", n, clients*each)
	}
}
