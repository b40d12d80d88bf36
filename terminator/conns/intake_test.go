package conns

import (
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"nanofront/metrics"
)

// idler is a connection that closes when it is told that it is overdue.
type idler struct {
	quiet
	c *Conn
}

func (h *idler) Overdue(Phase, int64) { h.c.Leave() }

// While memory is short new connections wait, but for a few, and connections are closed that have
// been idle for a while, part by part. While loops are late they wait for a moment.
func TestIntake_Pauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const timeout = time.Hour
		var short, late atomic.Bool
		var told []bool
		set := metrics.New(metrics.Terminator, "t")
		table := New(Options{
			Max: 1000, IdleTimeout: timeout, HeadTimeout: timeout, BodyTimeout: timeout, WriteTimeout: timeout, Metrics: set,
			Short: func(bool) bool { return short.Load() }, Paused: func(p bool) { told = append(told, p) }, Late: late.Load,
		})
		defer table.Close()
		for range 160 {
			if !table.Admit() {
				t.Fatal("no room")
			}
			c := new(Conn)
			table.Add(c, &idler{c: c}, netip.Addr{})
		}
		time.Sleep(3 * time.Second)
		awaits := func(what string, n int, atLeast, atMost time.Duration) {
			t.Helper()
			began := time.Now()
			got := table.Intake.Await(256)
			if took := time.Since(began); got != n || took < atLeast || took > atMost {
				t.Errorf("%s: %d may be accepted after %v, want %d after %v to %v", what, got, took, n, atLeast, atMost)
			}
		}
		awaits("at rest", 256, 0, 0)
		late.Store(true)
		awaits("loops that stay late", 256, lateMost, lateMost)
		go func() {
			time.Sleep(10 * time.Millisecond)
			late.Store(false)
		}()
		awaits("loops that were late", 256, 10*time.Millisecond, 10*time.Millisecond+lateTick)
		if open := table.Open(); open != 160 {
			t.Errorf("%d connections are left of 160, with memory for all", open)
		}
		short.Store(true)
		time.Sleep(time.Second) // five looks
		if open := table.Open(); open > 130 || open < 100 {
			t.Errorf("%d connections are left of 160", open)
		}
		awaits("without memory", pauseTakes, pauseTick, pauseTick)
		go func() {
			time.Sleep(100 * time.Millisecond)
			short.Store(false)
		}()
		awaits("with memory again", 256, 100*time.Millisecond, 500*time.Millisecond)
		short.Store(true)
		time.Sleep(time.Second)
		waits := make(chan int)
		go func() { waits <- table.Intake.Await(256) }()
		synctest.Wait()
		late.Store(true)
		table.StartDrain(time.Second)
		if n := <-waits; n != 256 {
			t.Errorf("%d may be accepted at the end", n)
		}
		time.Sleep(time.Second)
		if table.Intake.Waits() {
			t.Error("connections wait while draining")
		}
		if want := []bool{true, false, true, false}; !slices.Equal(told, want) {
			t.Errorf("told %v, want %v", told, want)
		}
		if lag, memory := set.Counter(metrics.HTTPPaused, "lag").Value(), set.Counter(metrics.HTTPPaused, "memory").Value(); lag != 2 || memory != 2 {
			t.Errorf("%d and %d pauses counted, want 2 and 2", lag, memory)
		}
	})
}
