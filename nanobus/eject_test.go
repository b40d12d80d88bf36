package nanobus

import (
	"sync/atomic"
	"testing"
	"time"
)

// One of three that answers quickly, but only with what says that it has failed, gets next to
// nothing, and is back in steps when it is well again.
func TestEject_OneThatFails(t *testing.T) {
	var instances []Instance
	for _, id := range []string{"1", "2", "3"} {
		_, in := server(t, id, Options{Serve: echo}, tcp)
		instances = append(instances, in)
	}
	b := caller(t, instances...)
	s := b.Service("s")
	var ill atomic.Bool
	ill.Store(true)
	var to [2]atomic.Int64 // all, and the ill one
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		c := NewCall()
		for {
			select {
			case <-quit:
				return
			case <-time.After(time.Millisecond):
			}
			if err := s.Go(c, Bytes("x"), patience); err != nil {
				t.Error(err)
				return
			}
			c.Wait()
			to[0].Add(1)
			if c.Link.Instance.ID == "1" {
				to[1].Add(1)
				if ill.Load() {
					c.Link.Blame()
				}
			}
			c.Release()
		}
	}()
	t.Cleanup(func() { close(quit); <-done })
	share := func() int {
		for _, l := range b.Links() {
			if l.Instance == "1" {
				return l.Share
			}
		}
		return 0
	}
	waitFor(t, "it is ejected", func() bool { return share() == 1 })
	all, its := to[0].Load(), to[1].Load()
	waitFor(t, "more calls", func() bool { return to[0].Load() > all+500 })
	if n := to[1].Load() - its; share() == 1 && n > 50 {
		t.Errorf("%d of 500 calls went to an ejected instance", n)
	}
	ill.Store(false)
	waitFor(t, "it is back", func() bool { return share() == 100 })
	if n := b.node.Metrics.Ejected.Value(); n == 0 {
		t.Error("no ejection was counted")
	}
}
