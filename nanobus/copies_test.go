package nanobus

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nanofront/nanobus/link"
)

// byHand is two instances that answer when they are told to, and a caller that is linked with both.
type byHand struct {
	b       *Bus
	servers map[string]*Bus
	got     map[string]chan *Request
}

func newByHand(t *testing.T) *byHand {
	t.Helper()
	h := &byHand{servers: map[string]*Bus{}, got: map[string]chan *Request{}}
	var instances []Instance
	for _, id := range []string{"1", "2"} {
		got := make(chan *Request, 8)
		srv, in := server(t, id, Options{Serve: func(batch []*Request) {
			for _, r := range batch {
				got <- r
			}
		}}, tcp)
		h.servers[id], h.got[id] = srv, got
		instances = append(instances, in)
	}
	h.b = caller(t, instances...)
	return h
}

// start starts a call, and sends a copy of its request. It returns the requests as they came.
func (h *byHand) start(t *testing.T, budget time.Duration) (c *Call, own, other *Request) {
	t.Helper()
	c = NewCall()
	c.Repeat = RepeatStalled
	if err := h.b.Service("s").Go(c, Bytes("payload"), budget); err != nil {
		t.Fatal(err)
	}
	first, second := "1", "2"
	if c.Link.Instance.ID == "2" {
		first, second = second, first
	}
	own = <-h.got[first]
	if !h.b.node.Calls.Again(c.ID()) {
		t.Fatal("no copy was sent")
	}
	if h.b.node.Calls.Again(c.ID()) {
		t.Fatal("a second copy was sent")
	}
	other = <-h.got[second]
	if string(other.Payload()) != "payload" || other.ID() == own.ID() {
		t.Fatalf("the copy has the payload %q and the id %x, the request has %x", other.Payload(), other.ID(), own.ID())
	}
	return c, own, other
}

func breakLink(r *Request) { r.Link().Close("test") }

func TestCopies(t *testing.T) {
	ok := func(r *Request) { _ = r.Reply(Bytes("from " + r.Link().Challenge.Ours.Instance)) }
	fail := func(r *Request) { r.ReplyError(CodeInternal, "no") }
	remote := errors.New("an error of the peer")
	for _, c := range []struct {
		name     string
		own, oth func(*Request) // in this order
		reversed bool           // the copy's comes first
		want     error
		winner   func(own, other *Request) *Request // nil: none
	}{
		{"the first answers first", ok, ok, false, nil, func(own, _ *Request) *Request { return own }},
		{"the copy answers first", ok, ok, true, nil, func(_, other *Request) *Request { return other }},
		{"the first fails, the copy answers", fail, ok, false, nil, func(_, other *Request) *Request { return other }},
		{"the copy fails, the first answers", ok, fail, true, nil, func(own, _ *Request) *Request { return own }},
		{"both fail", fail, fail, false, remote, nil},
		{"both fail, the copy first", fail, fail, true, remote, nil},
		{"the first's link breaks, the copy answers", breakLink, ok, false, nil, func(_, other *Request) *Request { return other }},
		{"the copy's link breaks, the first answers", ok, breakLink, true, nil, func(own, _ *Request) *Request { return own }},
		{"both links break", breakLink, breakLink, false, ErrLinkDown, nil},
		{"the first fails, the copy's link breaks", fail, breakLink, false, ErrLinkDown, nil},
		{"neither answers", nil, nil, false, ErrTimeout, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newByHand(t)
			budget := patience
			if c.own == nil {
				budget = 300 * time.Millisecond
			}
			call, own, other := h.start(t, budget)
			links := map[*Request]string{own: own.Link().Challenge.Ours.Instance, other: other.Link().Challenge.Ours.Instance}
			steps := []struct {
				do func(*Request)
				r  *Request
			}{{c.own, own}, {c.oth, other}}
			if c.reversed {
				steps[0], steps[1] = steps[1], steps[0]
			}
			id := own.ID()
			awaited := func() bool { return h.b.node.Calls.Table.At(id).Awaited() == id }
			for i, s := range steps {
				if s.do == nil {
					continue
				}
				l := h.b.linkTo(links[s.r])
				before := l.Target.InFlight()
				s.do(s.r)
				if i == 0 { // it has to have come before the other is sent
					waitFor(t, "the first of the two has come", func() bool { return l.Target.InFlight() < before || l.Is(link.Down) || !awaited() })
				}
			}
			call.Wait()
			var is *RemoteError
			if good := errors.Is(call.Err, c.want) || errors.Is(c.want, remote) && errors.As(call.Err, &is); !good {
				t.Errorf("the call ended with %v, want %v", call.Err, c.want)
			}
			if c.winner != nil {
				want := links[c.winner(own, other)]
				if string(call.Payload) != "from "+want || call.Link.Instance.ID != want {
					t.Errorf("answered %q by %s, want it from %s", call.Payload, call.Link.Instance.ID, want)
				}
			}
			if c.own == nil {
				own.ReplyError(CodeCancelled, "")
				other.ReplyError(CodeCancelled, "")
			}
			waitFor(t, "nothing is left of it", func() bool {
				left := int(h.b.node.Calls.Table.Used.Load())
				for _, l := range h.b.snapshotLinks() {
					left += l.InFlight()
				}
				return left == 0
			})
		})
	}
}

// linkTo is the caller's link to an instance.
func (b *Bus) linkTo(id string) *Link {
	for _, l := range b.snapshotLinks() {
		if l.Instance != nil && l.Instance.ID == id {
			return l
		}
	}
	return nil
}

// The loser is told, and what it answers counts for nothing.
func TestCopies_TheLoserIsCancelled(t *testing.T) {
	h := newByHand(t)
	call, own, other := h.start(t, patience)
	loser := call.Link
	replies := loser.Target.Replies()
	_ = other.Reply(Bytes("x"))
	call.Wait()
	waitFor(t, "the loser is cancelled", own.Cancelled)
	_ = own.Reply(Bytes("y"))
	waitFor(t, "its credit is back", func() bool { return loser.InFlight() == 0 })
	if n := loser.Target.Replies(); n != replies || loser.Target.Recent().Failed != 0 {
		t.Errorf("the loser's answer was counted: %d replies, want %d, and %v errors/s", n, replies, loser.Target.Recent().Failed)
	}
	if n := h.b.node.Metrics.CopiesWon.Value(); n != 1 {
		t.Errorf("%d copies have won, want 1", n)
	}
}

// Whatever races with whatever, each call ends once, and nothing is left over.
func TestCopies_Races(t *testing.T) {
	var instances []Instance
	for _, id := range []string{"1", "2", "3"} {
		_, in := server(t, id, Options{Serve: func(batch []*Request) {
			for _, r := range batch {
				if rand.IntN(4) == 0 {
					r.ReplyError(CodeInternal, "")
				} else {
					_ = r.Reply(Bytes(r.Payload()))
				}
			}
		}}, tcp)
		instances = append(instances, in)
	}
	b := caller(t, instances...)
	var wg sync.WaitGroup
	quit := make(chan struct{})
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-quit:
					return
				default:
					runtime.Gosched()
				}
				for i := range b.node.Calls.Table.InUse() {
					s := &b.node.Calls.Table.Slots[i]
					if id := s.Awaited(); id != 0 {
						b.node.Calls.Again(id)
					}
				}
			}
		})
	}
	var callers sync.WaitGroup
	var answered atomic.Int64
	for range 8 {
		callers.Go(func() {
			var ended atomic.Int32
			done := make(chan struct{}, 2)
			c := NewCall()
			c.Done = func(*Call) { ended.Add(1); done <- struct{}{} }
			for i := range 200 {
				c.Repeat = RepeatStalled
				err := b.Service("s").Go(c, Bytes("some payload"), patience)
				if errors.Is(err, ErrNoCredit) || errors.Is(err, ErrNoInstance) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if i%16 == 0 {
					b.Abort(c.ID())
				}
				<-done
				if c.Err == nil {
					answered.Add(1)
				}
				if n := ended.Swap(0); n != 1 {
					t.Errorf("a call ended %d times", n)
				}
				c.Release()
			}
		})
	}
	callers.Wait()
	close(quit)
	wg.Wait()
	waitFor(t, "nothing is left", func() bool {
		left := int(b.node.Calls.Table.Used.Load())
		for _, l := range b.snapshotLinks() {
			left += l.InFlight()
		}
		return left == 0
	})
	if answered.Load() == 0 || b.node.Metrics.CopiesWon.Value() == 0 {
		t.Errorf("%d calls answered, %d by copies: nothing was tested", answered.Load(), b.node.Metrics.CopiesWon.Value())
	}
}

// What may be repeated doesn't wait for a stopped instance.
func TestCopies_StalledInstance(t *testing.T) {
	var instances []Instance
	var servers []*Bus
	for _, id := range []string{"1", "2", "3"} {
		srv, in := server(t, id, Options{Serve: echo}, tcp)
		servers, instances = append(servers, srv), append(instances, in)
	}
	b := caller(t, instances...)
	load(t, b, 8, patience)
	goOn := hung(t, servers[0])
	l := b.linkTo("1")
	waitFor(t, "requests wait for the stopped instance", func() bool { return l.InFlight() > 0 })
	// Those are of callers that don't repeat; the next ones do.
	var calls []*Call
	for range 64 {
		c := NewCall()
		c.Repeat = RepeatStalled
		if err := b.Service("s").Go(c, Bytes("x"), patience); err != nil {
			t.Fatal(err)
		}
		calls = append(calls, c)
	}
	for _, c := range calls {
		c.Wait()
		if c.Err != nil {
			t.Errorf("a call that may be repeated ended with %v", c.Err)
		}
		c.Release()
	}
	if l.Is(link.Down) {
		t.Error("the link was ended first")
	}
	goOn()
	waitFor(t, "its late answers have come", func() bool { return l.InFlight() == 0 || l.Is(link.Down) })
}

// One instance becomes slow: its requests are answered by the others.
func TestHedge_SlowInstance(t *testing.T) {
	var slow atomic.Bool
	const pause = 2 * time.Second
	var instances []Instance
	for _, id := range []string{"1", "2", "3"} {
		_, in := server(t, id, Options{Serve: func(batch []*Request) {
			for _, r := range batch {
				if id == "1" && slow.Load() {
					time.AfterFunc(pause, func() { _ = r.Reply(Bytes("late")) })
				} else {
					_ = r.Reply(Bytes("x"))
				}
			}
		}}, tcp)
		instances = append(instances, in)
	}
	b := caller(t, instances...)
	s := b.Service("s")
	var worst atomic.Int64
	var n atomic.Int64
	quit := make(chan struct{})
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for {
				select {
				case <-quit:
					return
				case <-time.After(2 * time.Millisecond):
				}
				c := NewCall()
				c.Repeat = RepeatSlow
				began := time.Now()
				if err := s.Go(c, Bytes("x"), patience); err != nil {
					t.Error(err)
					return
				}
				c.Wait()
				if took := int64(time.Since(began)); slow.Load() && took > worst.Load() {
					worst.Store(took)
				}
				n.Add(1)
				c.Release()
			}
		})
	}
	t.Cleanup(func() { close(quit); callers.Wait() })
	waitFor(t, "what is usual is known", func() bool { return s.hedging.Wait() != 0 })
	slow.Store(true)
	waitFor(t, "copies have answered", func() bool { return b.node.Metrics.CopiesWon.Value() >= 3 })
	waitFor(t, "who was overtaken is known", func() bool {
		outrun := map[string]float64{}
		for _, l := range b.Links() {
			outrun[l.Instance] = l.Outrun
		}
		return outrun["1"] > 0 && outrun["1"] > 2*max(outrun["2"], outrun["3"])
	})
	before := n.Load()
	waitFor(t, "more calls", func() bool { return n.Load() > before+200 })
	if w := time.Duration(worst.Load()); w >= pause {
		t.Errorf("a call took %v, as long as the slow instance", w)
	}
	if sent, all := b.node.Metrics.CopiesSlow.Value(), b.node.Metrics.Calls.Value(); float64(sent) > 0.03*float64(all)+2 {
		t.Errorf("%d copies of %d requests, at most 3 %% are allowed", sent, all)
	}
}
