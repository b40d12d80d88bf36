package nanobus

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"
)

// hung makes the caller's link to an instance as one to a process that was stopped: nothing that it
// sends is read, until the result is called.
func hung(t *testing.T, srv *Bus) (goOn func()) {
	t.Helper()
	var hangs atomic.Bool
	gate := make(chan struct{})
	for _, l := range srv.snapshotLinks() {
		l.Mu.Lock() // its reader and its writer stop at the lock
		go func() {
			<-gate
			l.Mu.Unlock()
		}()
	}
	hangs.Store(true)
	goOn = func() {
		if hangs.Swap(false) {
			close(gate)
		}
	}
	t.Cleanup(goOn)
	return goOn
}

// load calls with so many callers until the test ends, and counts how calls have ended.
func load(t *testing.T, b *Bus, callers int, budget time.Duration) (ok, failed *atomic.Int64) {
	t.Helper()
	ok, failed = new(atomic.Int64), new(atomic.Int64)
	quit, done := make(chan struct{}), make(chan struct{}, callers)
	for range callers {
		go func() {
			defer func() { done <- struct{}{} }()
			for {
				select {
				case <-quit:
					return
				case <-time.After(time.Millisecond):
				}
				switch _, err := call(t, b, "x", budget); {
				case err == nil:
					ok.Add(1)
				case !errors.Is(err, ErrClosed):
					failed.Add(1)
				}
			}
		}()
	}
	t.Cleanup(func() {
		close(quit)
		for range callers {
			<-done
		}
	})
	return ok, failed
}

func stalledLinks(b *Bus) (ids []string) {
	for _, l := range b.Links() {
		if l.Stalled {
			ids = append(ids, l.Instance)
		}
	}
	return ids
}

// An instance that is silent with requests under way gets no more of them, keeps its link, and is
// back with its first message.
func TestWatch_StalledInstance(t *testing.T) {
	var instances []Instance
	var servers []*Bus
	for _, id := range []string{"1", "2", "3"} {
		srv, in := server(t, id, Options{Serve: echo}, tcp)
		servers, instances = append(servers, srv), append(instances, in)
	}
	b := caller(t, instances...)
	s := b.Service("s")
	load(t, b, 16, patience)
	goOn := hung(t, servers[0])
	began := time.Now()
	waitFor(t, "the stopped instance is out of choice", func() bool { return s.Live() == 2 })
	t.Logf("found silent after %v", time.Since(began))
	if ids := stalledLinks(b); len(ids) != 1 || ids[0] != "1" {
		t.Errorf("stalled: %v, want 1", ids)
	}
	before := b.node.Metrics.Calls.Value()
	waitFor(t, "the others serve", func() bool { return b.node.Metrics.Calls.Value() > before+500 })
	goOn()
	waitFor(t, "it is back", func() bool { return s.Live() == 3 })
	if n := b.node.Metrics.Stalled.Value(); n != 1 {
		t.Errorf("%d links were counted as stalled, want 1", n)
	}
	if n := b.node.Metrics.Opened.Value(); n != 3 && time.Since(began) < 4*time.Second { // later the pings end it
		t.Errorf("%d links were opened, want 3: the link stays", n)
	}
}

// An instance that takes long over its requests, but is there, isn't stalled.
func TestWatch_SlowIsNotStalled(t *testing.T) {
	release := make(chan struct{})
	_, slow := server(t, "slow", Options{Serve: func(batch []*Request) {
		for _, r := range batch {
			go func() {
				<-release
				_ = r.Reply(Bytes(nil))
			}()
		}
	}}, tcp)
	_, quick := server(t, "quick", Options{Serve: echo}, tcp)
	b := caller(t, slow, quick)
	load(t, b, 8, patience)
	// Of the two one has calls under way all the time.
	waitFor(t, "it was asked, and more than once", func() bool {
		for _, l := range b.snapshotLinks() {
			if l.Instance.ID == "slow" && l.InFlight() > 0 && b.node.Nanos()-l.Attached > int64(3*time.Second) {
				return true
			}
		}
		return false
	})
	if n := b.node.Metrics.Stalled.Value(); n != 0 {
		t.Errorf("a slow instance was taken for a stalled one %d times", n)
	}
	close(release)
}

// If all are silent nobody is to blame, nor when they come back.
func TestWatch_AllSilent(t *testing.T) {
	var instances []Instance
	var servers []*Bus
	for _, id := range []string{"1", "2", "3"} {
		srv, in := server(t, id, Options{Serve: echo}, tcp)
		servers, instances = append(servers, srv), append(instances, in)
	}
	b := caller(t, instances...)
	ok, _ := load(t, b, 16, patience)
	waitFor(t, "traffic", func() bool { return ok.Load() > 100 })
	var goOn []func()
	for _, srv := range servers {
		goOn = append(goOn, hung(t, srv))
	}
	looks := b.sweeper.looks.Load()
	waitFor(t, "the sweep has looked often", func() bool { return b.sweeper.looks.Load() > looks+12 })
	for _, f := range goOn {
		f()
	}
	before := ok.Load()
	waitFor(t, "traffic goes on", func() bool { return ok.Load() > before+500 })
	if n := b.node.Metrics.Stalled.Value(); n != 0 {
		t.Errorf("%d links were taken for stalled, want 0", n)
	}
}
