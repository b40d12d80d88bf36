package nanobus

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nanofront/nanobus/link"
)

// mute is a server that answers only when it ends.
func mute(t *testing.T) Instance {
	t.Helper()
	ended := make(chan struct{})
	t.Cleanup(func() { close(ended) })
	_, in := server(t, "1", Options{Window: 4096, Bodies: true, Serve: func(batch []*Request) {
		for _, r := range batch {
			go func() {
				<-ended
				r.ReplyError(CodeInternal, "")
			}()
		}
	}}, tcp)
	return in
}

// Nothing is to be looked for every 10 ms where nothing can end: neither
// without calls nor with calls whose time is far from up.
func TestSweep_LooksOnlyWhenSomethingMayEnd(t *testing.T) {
	b := caller(t, mute(t))
	looks := func() uint64 {
		before, began := b.sweeper.looks.Load(), time.Now()
		waitFor(t, "three more looks", func() bool { return b.sweeper.looks.Load() >= before+3 })
		return uint64(time.Since(began) / (10 * time.Millisecond)) // what ticks of 10 ms would have made
	}
	if n := looks(); n < 50 {
		t.Errorf("without calls there were 3 looks in the time of %d ticks", n)
	}
	calls := make([]*Call, 10)
	for i := range calls {
		calls[i] = NewCall()
		if err := b.Service("s").Go(calls[i], Bytes("x"), patience); err != nil {
			t.Fatal(err)
		}
	}
	if n := looks(); n < 50 {
		t.Errorf("with calls that have a minute there were 3 looks in the time of %d ticks", n)
	}
	for _, c := range calls {
		b.Abort(c.ID())
		c.Wait()
	}
}

// A deadline is noticed within its interval, also when nothing was under way
// for long and the next look is far off. On a busy machine some are late for
// other reasons: the least late ones count.
func TestSweep_NoticesADeadlineAfterIdleness(t *testing.T) {
	b := caller(t, mute(t))
	far := func() bool { return b.node.Schedule.At.Load()-b.node.Nanos() > int64(link.PingInterval/2) }
	for _, budget := range []time.Duration{time.Millisecond, 25 * time.Millisecond, 200 * time.Millisecond} {
		var late []time.Duration
		for range 8 {
			waitFor(t, "the next look is far off", far)
			began := time.Now()
			if _, err := call(t, b, "x", budget); !errors.Is(err, ErrTimeout) {
				t.Fatalf("%v, want ErrTimeout", err)
			}
			late = append(late, time.Since(began)-budget)
		}
		slices.Sort(late)
		if late[0] < 0 || late[1] > 2*link.SweepInterval {
			t.Errorf("a budget of %v was noticed late by %v; want at most %v", budget, late, link.SweepInterval)
		}
	}
}

// The same for a call whose request has a body: its time begins when that is
// complete.
func TestSweep_NoticesADeadlineAfterABody(t *testing.T) {
	b := newBus(t, Options{Service: "caller", Instance: "c", Bodies: true})
	linkUp(t, b, mute(t))
	var late []time.Duration
	const budget = 30 * time.Millisecond
	for range 8 {
		c := NewCall()
		c.SendMore = true
		if err := b.Service("s").Go(c, Bytes("x"), budget); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the next look is far off", func() bool { return b.node.Schedule.At.Load()-b.node.Nanos() > int64(link.PingInterval/2) })
		began := time.Now()
		if err := c.Upload.Close(); err != nil {
			t.Fatal(err)
		}
		c.Wait()
		if !errors.Is(c.Err, ErrTimeout) {
			t.Fatalf("%v, want ErrTimeout", c.Err)
		}
		late = append(late, time.Since(began)-budget)
		c.Release()
	}
	slices.Sort(late)
	if late[1] > 2*link.SweepInterval {
		t.Errorf("late by %v; want at most %v", late, link.SweepInterval)
	}
}

// Whatever the deadlines and however many come at once, the next look is never
// after the earliest of them.
func TestSweep_NoDeadlineIsOverlooked(t *testing.T) {
	b := caller(t, mute(t))
	s := b.Service("s")
	var missed atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 60 {
				budget := time.Duration(1 + rand.Int64N(int64(40*time.Millisecond)))
				if rand.IntN(4) == 0 {
					time.Sleep(budget / 4) // so that the sweep is met at all its points
				}
				c := NewCall()
				if err := s.Go(c, Bytes("x"), budget); err != nil {
					t.Error(err)
					return
				}
				// A look under way has to end first. What stays so was overlooked.
				id, due, began := c.ID(), b.node.Nanos()+int64(budget+link.SweepInterval), time.Now()
				for b.node.Schedule.At.Load() > due && b.node.Calls.Table.At(id).Awaited() == id {
					if time.Since(began) > link.PingInterval/3 {
						missed.Add(1)
						break
					}
					time.Sleep(100 * time.Microsecond)
				}
				c.Wait()
				if !errors.Is(c.Err, ErrTimeout) {
					t.Errorf("%v, want ErrTimeout", c.Err)
				}
				c.Release()
			}
		})
	}
	wg.Wait()
	if n := missed.Load(); n > 0 {
		t.Errorf("%d calls had the sweep's next look after their deadline", n)
	}
}
