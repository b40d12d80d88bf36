package conns

import (
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"nanofront/metrics"
)

// A table looks once a second while nobody is there, five times a second while there is
// somebody, and first of all when somebody comes.
func TestTable_RestsWithoutConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ticks atomic.Int32
		var last atomic.Pointer[time.Time]
		const timeout = 10 * time.Second
		table := New(Options{
			Max: 1, IdleTimeout: timeout, HeadTimeout: timeout, BodyTimeout: timeout, WriteTimeout: timeout,
			Tick: func(now time.Time) { ticks.Add(1); last.Store(&now) }, Metrics: metrics.New(metrics.Terminator, "t"),
		})
		defer table.Close()
		during := func(d time.Duration) int32 {
			before := ticks.Load()
			time.Sleep(d) // of the bubble
			synctest.Wait()
			return ticks.Load() - before
		}
		during(2 * time.Second)
		if n := during(10 * time.Second); n < 9 || n > 11 {
			t.Errorf("%d looks in 10 s without a connection, want 10", n)
		}
		time.Sleep(300 * time.Millisecond)
		c := new(Conn)
		if !table.Admit() {
			t.Fatal("no room for one")
		}
		if !last.Load().Equal(time.Now()) {
			t.Errorf("what Tick keeps is of %v before the first connection", time.Since(*last.Load()))
		}
		table.Add(c, quiet{}, netip.Addr{})
		before := table.Now()
		if n := during(10 * time.Second); n < 49 || n > 51 {
			t.Errorf("%d looks in 10 s with a connection, want 50", n)
		}
		if moved := table.Now() - before; moved < 9_500 || moved > 10_500 {
			t.Errorf("the clock moved by %d ms in 10 s", moved)
		}
		c.Leave()
		during(2 * time.Second)
		if n := during(10 * time.Second); n > 11 {
			t.Errorf("%d looks in 10 s after the last connection has gone, want 10", n)
		}
	})
}

// quiet holds a connection about which there is nothing to say.
type quiet struct{ Holder }

func (quiet) Outstanding() int         { return 0 }
func (quiet) Gone() bool               { return false }
func (quiet) Overdue(_ Phase, _ int64) {}
