package logging

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

func TestLimiter_SuppressesAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out buffer
		l := NewLimiter(zerolog.New(&out), 2, time.Second)
		defer l.Close()
		allowed := func(key string, n int) (got int) {
			for range n {
				if l.Allow(key) {
					got++
				}
			}
			return got
		}
		if got := allowed("a", 10); got != 2 {
			t.Errorf("%d of 10 lines passed, want 2", got)
		}
		if got := allowed("b", 2); got != 2 {
			t.Errorf("%d of 2 lines of another key passed, want 2", got)
		}
		if out.String() != "" {
			t.Errorf("said before the period's end: %s", out.String())
		}
		time.Sleep(1100 * time.Millisecond)
		if got := out.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `"key":"a","suppressed":8`) {
			t.Errorf("after the period: %q, want one line that says 8 of a", got)
		}
		if got := allowed("a", 3); got != 2 {
			t.Errorf("%d of 3 lines of the next period passed, want 2", got)
		}
		l.Close()
		if got := out.String(); !strings.Contains(got, `"suppressed":1`) {
			t.Errorf("Close doesn't say what was suppressed last: %q", got)
		}
		if got := allowed("a", 5); got != 5 {
			t.Errorf("%d of 5 lines passed after Close, want 5", got)
		}
		l.Close()
	})
}

func TestLimiter_BoundsKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(zerolog.Nop(), 1, time.Second)
		defer l.Close()
		for i := range maxKeys {
			if !l.Allow(fmt.Sprint(i)) {
				t.Fatalf("the first line of key %d did not pass", i)
			}
		}
		if !l.Allow("one too many") || l.Allow("and another") {
			t.Error("keys beyond the bound don't share one")
		}
		if len(l.keys) > maxKeys+1 {
			t.Errorf("%d keys", len(l.keys))
		}
		time.Sleep(2 * time.Second)
		if !l.Allow("later") || !l.Allow("later still") {
			t.Error("keys of the past are not forgotten")
		}
	})
}

func TestLimiter_ConcurrentUse(t *testing.T) {
	var out buffer
	l := NewLimiter(zerolog.New(&out), 5, time.Millisecond)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 5000 {
				l.Allow(fmt.Sprint((g + i) % 3))
			}
		})
	}
	wg.Wait()
	l.Close()
}

// askingWriter asks the limiter something for each line that is written.
type askingWriter struct{ ask func() }

func (w askingWriter) Write(p []byte) (int, error) {
	w.ask()
	return len(p), nil
}

// What is said is said outside the lock: the logger is somebody else's.
func TestLimiter_LogsOutsideItsLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l *Limiter
		var lines atomic.Int32
		l = NewLimiter(zerolog.New(askingWriter{func() {
			if !l.mu.TryLock() {
				t.Error("the limiter is locked while it logs")
				return
			}
			l.mu.Unlock()
			lines.Add(1)
		}}), 1, time.Second)
		for range 3 {
			l.Allow("a")
		}
		time.Sleep(2 * time.Second)
		for range 3 {
			l.Allow("b")
		}
		l.Close()
		if n := lines.Load(); n != 2 {
			t.Errorf("%d lines, want one from the timer and one from Close", n)
		}
	})
}
