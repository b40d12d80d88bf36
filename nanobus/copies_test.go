package nanobus

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
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
	if c.Link.instance.ID == "2" {
		first, second = second, first
	}
	own = <-h.got[first]
	if !h.b.calls.again(h.b.calls.table.at(c.id), c.id) {
		t.Fatal("no copy was sent")
	}
	if h.b.calls.again(h.b.calls.table.at(c.id), c.id) {
		t.Fatal("a second copy was sent")
	}
	other = <-h.got[second]
	if string(other.Payload()) != "payload" || other.id == own.id {
		t.Fatalf("the copy has the payload %q and the id %x, the request has %x", other.Payload(), other.id, own.id)
	}
	return c, own, other
}

func (r *Request) breakLink() { r.link.close("test") }

func TestCopies(t *testing.T) {
	ok := func(r *Request) { _ = r.Reply(Bytes("from " + r.link.bus.opts.Instance)) }
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
		{"the first's link breaks, the copy answers", (*Request).breakLink, ok, false, nil, func(_, other *Request) *Request { return other }},
		{"the copy's link breaks, the first answers", ok, (*Request).breakLink, true, nil, func(own, _ *Request) *Request { return own }},
		{"both links break", (*Request).breakLink, (*Request).breakLink, false, ErrLinkDown, nil},
		{"the first fails, the copy's link breaks", fail, (*Request).breakLink, false, ErrLinkDown, nil},
		{"neither answers", nil, nil, false, ErrTimeout, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newByHand(t)
			budget := patience
			if c.own == nil {
				budget = 300 * time.Millisecond
			}
			call, own, other := h.start(t, budget)
			links := map[*Request]string{own: own.link.bus.opts.Instance, other: other.link.bus.opts.Instance}
			steps := []struct {
				do func(*Request)
				r  *Request
			}{{c.own, own}, {c.oth, other}}
			if c.reversed {
				steps[0], steps[1] = steps[1], steps[0]
			}
			id := own.id
			awaited := func() bool { return h.b.calls.table.at(id).awaited() == id }
			for i, s := range steps {
				if s.do == nil {
					continue
				}
				l := h.b.linkTo(links[s.r])
				before := l.target.InFlight()
				s.do(s.r)
				if i == 0 { // it has to have come before the other is sent
					waitFor(t, "the first of the two has come", func() bool { return l.target.InFlight() < before || l.stateIs(linkDown) || !awaited() })
				}
			}
			call.Wait()
			var is *RemoteError
			if good := errors.Is(call.Err, c.want) || errors.Is(c.want, remote) && errors.As(call.Err, &is); !good {
				t.Errorf("the call ended with %v, want %v", call.Err, c.want)
			}
			if c.winner != nil {
				want := links[c.winner(own, other)]
				if string(call.Payload) != "from "+want || call.Link.instance.ID != want {
					t.Errorf("answered %q by %s, want it from %s", call.Payload, call.Link.instance.ID, want)
				}
			}
			if c.own == nil {
				own.ReplyError(CodeCancelled, "")
				other.ReplyError(CodeCancelled, "")
			}
			waitFor(t, "nothing is left of it", func() bool {
				left := int(h.b.calls.table.used.Load())
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
		if l.instance != nil && l.instance.ID == id {
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
	replies := loser.target.Replies()
	_ = other.Reply(Bytes("x"))
	call.Wait()
	waitFor(t, "the loser is cancelled", own.Cancelled)
	_ = own.Reply(Bytes("y"))
	waitFor(t, "its credit is back", func() bool { return loser.InFlight() == 0 })
	if n := loser.target.Replies(); n != replies || loser.target.Recent().Failed != 0 {
		t.Errorf("the loser's answer was counted: %d replies, want %d, and %v errors/s", n, replies, loser.target.Recent().Failed)
	}
	if n := h.b.metrics.copiesWon.Value(); n != 1 {
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
				for i := range b.calls.table.inUse() {
					s := &b.calls.table.slots[i]
					if id := s.awaited(); id != 0 {
						b.calls.again(s, id)
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
		left := int(b.calls.table.used.Load())
		for _, l := range b.snapshotLinks() {
			left += l.InFlight()
		}
		return left == 0
	})
	if answered.Load() == 0 || b.metrics.copiesWon.Value() == 0 {
		t.Errorf("%d calls answered, %d by copies: nothing was tested", answered.Load(), b.metrics.copiesWon.Value())
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
	if l.stateIs(linkDown) {
		t.Error("the link was ended first")
	}
	goOn()
	waitFor(t, "its late answers have come", func() bool { return l.InFlight() == 0 || l.stateIs(linkDown) })
}

// Slow requests are sent twice, within the budget; and none while the service refuses.
func TestHedge_Budget(t *testing.T) {
	h := hedging{rate: 4000}
	now := int64(time.Second)
	taken := 0
	for range 1000 { // 10 s of looks at which all would be sent twice
		now += int64(10 * time.Millisecond)
		for range 40 {
			if h.take(now) {
				taken++
			}
		}
	}
	if share := float64(taken) / 40_000; share > 0.03 || share < 0.02 {
		t.Errorf("%.1f %% were sent twice, want at most 3 %%", 100*share)
	}
	h.pushed.Store(now)
	if now += int64(hedgePause) - 1; h.take(now) {
		t.Error("a copy was sent while the service refuses")
	}
	if now += 2; !h.take(now) {
		t.Error("no copy is sent after that")
	}
	quiet := hedging{rate: 1}
	for taken = 0; quiet.take(now); taken++ {
	}
	if taken != hedgeFew {
		t.Errorf("a quiet service may have %d copies at once, want %d", taken, hedgeFew)
	}
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
	waitFor(t, "what is usual is known", func() bool { return s.hedging.after.Load() != 0 })
	slow.Store(true)
	waitFor(t, "copies have answered", func() bool { return b.metrics.copiesWon.Value() >= 3 })
	before := n.Load()
	waitFor(t, "more calls", func() bool { return n.Load() > before+200 })
	if w := time.Duration(worst.Load()); w >= pause {
		t.Errorf("a call took %v, as long as the slow instance", w)
	}
	if sent, all := b.metrics.copiesSlow.Value(), b.metrics.calls.Value(); float64(sent) > 0.03*float64(all)+hedgeFew {
		t.Errorf("%d copies of %d requests, at most 3 %% are allowed", sent, all)
	}
}

// TestTable_ClaimMeetsMark: a slot whose id is marked for a moment is awaited all the while.
func TestTable_ClaimMeetsMark(t *testing.T) {
	table := newTable(1, 1)
	ids, quit := make(chan uint64), make(chan struct{})
	var marking sync.WaitGroup
	for range 3 {
		marking.Go(func() {
			id := <-ids
			for s := &table.slots[0]; ; {
				select {
				case id = <-ids:
				case <-quit:
					return
				default:
				}
				table.making.Lock()
				if s.id.CompareAndSwap(id, id|copying) {
					s.id.Store(id)
				}
				table.making.Unlock()
			}
		})
	}
	for range 1500 {
		s, id := table.take()
		s.call = &Call{}
		table.arm(s, id)
		for range 3 {
			ids <- id
		}
		if c, _, ok := table.claim(id); c == nil || !ok {
			t.Error("a call that is awaited could not be claimed")
			break
		}
	}
	close(quit)
	marking.Wait()
}
