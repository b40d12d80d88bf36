package nanobus

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nanofront/internal/testutil"
	"nanofront/metrics"
	"nanofront/nanobus/link"
	"nanofront/nanobus/sp"
	"nanofront/nanobus/tap"
	"nanofront/nanobus/wire"
)

// heardCopy is a tap.Copy that may be kept.
type heardCopy struct {
	tap.Copy
	peer, body string
}

// ear listens in and remembers.
type ear struct {
	bus    *Bus
	mu     sync.Mutex
	copies []heardCopy
	states []tap.State
}

// listen links an ear with the instances and waits until each has said what it
// thinks of that.
func listen(t testing.TB, o tap.Options, instances ...Instance) *ear {
	t.Helper()
	e := &ear{}
	o.Copy = func(c tap.Copy) {
		e.mu.Lock()
		defer e.mu.Unlock()
		c.Peer, c.Body = bytes.Clone(c.Peer), bytes.Clone(c.Body) // valid until we return
		e.copies = append(e.copies, heardCopy{Copy: c, peer: string(c.Peer), body: string(c.Body)})
	}
	o.State = func(s tap.State) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.states = append(e.states, s)
	}
	if o.Kinds == nil {
		o.Kinds = []wire.Kind{wire.KindRequest, wire.KindResponse, wire.KindCancel}
	}
	e.bus = newBus(t, Options{Service: "tap", Instance: "tap-1", Tap: &o})
	list := append([]Instance(nil), instances...)
	for i := range list {
		list[i].EventsOnly = true
	}
	if err := e.bus.SetInstances(list); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "an answer to each tap", func() bool { return len(e.status()) >= len(instances) })
	return e
}

func (e *ear) status() []tap.State {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]tap.State(nil), e.states...)
}

func (e *ear) last() tap.State {
	s := e.status()
	if len(s) == 0 {
		return tap.State{}
	}
	return s[len(s)-1]
}

func (e *ear) heard() []heardCopy {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]heardCopy(nil), e.copies...)
}

func TestTap_SeesBothHalves(t *testing.T) {
	_, in := server(t, "1", Options{Serve: echo}, tcp)
	b := caller(t, in)
	e := listen(t, tap.Options{Payload: tap.MaxCopied}, in)
	if s := e.last(); s != (tap.State{Service: "s", Instance: "1", Status: tap.On}) {
		t.Fatalf("state %+v", s)
	}
	before := time.Now().Add(-time.Second)
	if _, err := call(t, b, "ping", patience); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "two copies", func() bool { return len(e.heard()) == 2 })
	req, resp := e.heard()[0], e.heard()[1]
	budget, payload, ok := req.Request()
	if !ok || req.Direction != tap.Received || req.peer != "c" || req.Instance != "1" || budget != patience || string(payload) != "ping" || req.Cut {
		t.Errorf("request: %+v %v %q", req, budget, payload)
	}
	if want := wire.HeaderSize + wire.RequestFixed + 4; req.Length != want {
		t.Errorf("request of %d bytes, want %d", req.Length, want)
	}
	_, _, payload, remote, ok := resp.Response()
	if !ok || resp.Direction != tap.Sent || string(payload) != "ping" || remote != nil || resp.ID != req.ID || resp.ID == 0 {
		t.Errorf("response: %+v %q %v", resp, payload, remote)
	}
	if resp.At.Before(req.At) || req.At.Before(before) || resp.At.After(time.Now().Add(time.Second)) {
		t.Errorf("request at %v, response at %v", req.At, resp.At)
	}
	if _, _, ok := resp.Request(); ok {
		t.Error("a response passes for a request")
	}
}

func TestTap_CutsPayloads(t *testing.T) {
	fail := func(batch []*Request) {
		for _, r := range batch {
			if string(r.Payload()) == "fail" {
				r.ReplyError(CodeInternal, "it broke")
				continue
			}
			_ = r.Reply(Bytes(r.Payload()))
		}
	}
	_, in := server(t, "1", Options{Serve: fail}, tcp)
	b := caller(t, in)
	e := listen(t, tap.Options{Payload: 0}, in)
	head := listen(t, tap.Options{Payload: 5}, in)
	if _, err := call(t, b, strings.Repeat("x", 2000), patience); err != nil {
		t.Fatal(err)
	}
	if _, err := call(t, b, "fail", patience); err == nil {
		t.Fatal("no error")
	}
	waitFor(t, "all copies", func() bool { return len(e.heard()) == 4 && len(head.heard()) == 4 })
	for i, c := range e.heard()[:2] {
		fixed := []int{wire.RequestFixed, wire.ResponseFixed}[i]
		if len(c.body) != fixed || !c.Cut || c.Length != wire.HeaderSize+fixed+2000 {
			t.Errorf("%v: %d bytes of %d, cut %v", c.Kind, len(c.body), c.Length, c.Cut)
		}
		if c := head.heard()[i]; len(c.body) != fixed+5 || !c.Cut {
			t.Errorf("%v: %d bytes of %d, cut %v", c.Kind, len(c.body), c.Length, c.Cut)
		}
	}
	c := e.heard()[3]
	c.Body = []byte(c.body)
	if _, _, _, remote, ok := c.Response(); !ok || remote == nil || remote.Code != CodeInternal || remote.Text != "it broke" || c.Cut {
		t.Errorf("error response: %+v %v", c, remote)
	}
}

func TestTap_SamplesByID(t *testing.T) {
	const total = 4000
	_, in := server(t, "1", Options{Serve: echo}, tcp)
	b := caller(t, in)
	e := listen(t, tap.Options{Sample: 0.25}, in)
	all := listen(t, tap.Options{}, in)
	for range total {
		if _, err := call(t, b, "x", patience); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, "all copies", func() bool { return len(all.heard()) == 2*total })
	e.bus.StopTap() // its answer comes behind the last copy
	waitFor(t, "the end of the tap", func() bool { return e.last().Status == tap.Off })
	halves := map[uint64]int{}
	for _, c := range e.heard() {
		halves[c.ID]++
	}
	for id, n := range halves {
		if n != 2 {
			t.Errorf("%d copies of %016x", n, id)
		}
	}
	// Binomial: 1000 expected, standard deviation 27.
	if n := len(halves); n < 1000-6*28 || n > 1000+6*28 {
		t.Errorf("%d of %d requests sampled, want a quarter", n, total)
	}
	if _, err := call(t, b, "x", patience); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the other's copies", func() bool { return len(all.heard()) == 2*total+2 })
	if len(e.heard()) != 2*len(halves) {
		t.Error("a copy after the end of the tap")
	}
}

func TestTap_KindsWithoutID(t *testing.T) {
	s, in := server(t, "1", Options{Serve: echo}, tcp)
	e := listen(t, tap.Options{Sample: 0.000001, Kinds: tap.Kinds()}, in)
	b := newBus(t, Options{Service: "caller", Instance: "c", Subscriptions: map[string]func(Event){"news": func(Event) {}}})
	linkUp(t, b, in)
	waitFor(t, "published to who wants it", func() bool { // whose hello may still be on its way
		n, err := s.Publish("news", []byte("extra"))
		if err != nil {
			t.Fatal(err)
		}
		return n == 1
	})
	seen := func(k wire.Kind, d tap.Direction) bool {
		for _, c := range e.heard() {
			if c.Kind == k && c.Direction == d && (c.peer == "c" || k == wire.KindHello) {
				return true
			}
		}
		return false
	}
	waitFor(t, "hello, ping, pong and event", func() bool {
		return seen(wire.KindHello, tap.Received) && seen(wire.KindHello, tap.Sent) && seen(wire.KindPing, tap.Received) && seen(wire.KindPong, tap.Sent) && seen(wire.KindEvent, tap.Sent)
	})
	for _, c := range e.heard() {
		if c.Body = []byte(c.body); c.Kind == wire.KindEvent && (c.Topic() != "news" || !c.Cut) {
			t.Errorf("event: topic %q, cut %v", c.Topic(), c.Cut)
		}
		if c.peer == "tap-1" {
			t.Errorf("the tap hears itself: %+v", c)
		}
	}
}

func TestTap_Refused(t *testing.T) {
	_, closed := server(t, "1", Options{Serve: echo, NoTap: true}, tcp)
	if s := listen(t, tap.Options{}, closed).last(); s.Status != tap.Forbidden {
		t.Errorf("where taps are forbidden: %+v", s)
	}
	s, open := server(t, "2", Options{Serve: echo}, tcp)
	var ears []*ear
	for range maxTaps {
		e := listen(t, tap.Options{}, open)
		if e.last().Status != tap.On {
			t.Errorf("tap %d: %+v", len(ears)+1, e.last())
		}
		ears = append(ears, e)
	}
	late := listen(t, tap.Options{}, open)
	if late.last().Status != tap.TooMany {
		t.Errorf("one too many: %+v", late.last())
	}
	// A tap ends with its link, and makes room.
	_ = ears[0].bus.Close()
	waitFor(t, "the first tap's end", func() bool { return len(s.taps.list()) == maxTaps-1 })
	if e := listen(t, tap.Options{}, open); e.last().Status != tap.On {
		t.Errorf("after one has gone: %+v", e.last())
	}
	for _, e := range append(ears[1:], late) {
		_ = e.bus.Close()
	}
	waitFor(t, "one tap left", func() bool { return len(s.taps.list()) == 1 })
}

// A peer that was dialled can't make its caller copy anything.
func TestTap_OnlyOfAcceptedLinks(t *testing.T) {
	_, in := server(t, "1", Options{Serve: echo}, tcp)
	set := metrics.New(metrics.Handler, "")
	b := newBus(t, Options{Service: "caller", Instance: "c", Metrics: set})
	linkUp(t, b, in)
	l := b.snapshotLinks()[0]
	if err := b.taps.frame(l, wire.TapStart(tap.Whole, math.MaxUint32, 1)); err != nil {
		t.Fatal(err)
	}
	if b.taps.list() != nil || set.Counter(metrics.BusDropped, "stray").Value() != 1 {
		t.Error("a tap of a caller")
	}
	// Nor is a copy taken by who asked for none.
	if err := b.taps.frame(l, vector("tap-copy")[wire.HeaderSize:]); err != nil || set.Counter(metrics.BusDropped, "stray").Value() != 2 {
		t.Errorf("a copy nobody asked for: %v", err)
	}
}

// A tap that doesn't read loses copies, and nobody else anything.
func TestTap_StalledLosesCopiesOnly(t *testing.T) {
	set := metrics.New(metrics.Handler, "")
	_, in := server(t, "1", Options{Serve: echo, Metrics: set}, tcp)
	b := caller(t, in)
	dropped := set.Counter(metrics.BusDropped, "tap_overflow")
	var stalled atomic.Bool
	resume := make(chan struct{})
	var state atomic.Pointer[tap.State]
	stalled.Store(true)
	in.EventsOnly = true
	tapBus := newBus(t, Options{Tap: &tap.Options{
		Kinds: []wire.Kind{wire.KindRequest, wire.KindResponse}, Payload: tap.MaxCopied,
		Copy: func(tap.Copy) {
			if stalled.Load() {
				<-resume
			}
		},
		State: func(s tap.State) { state.Store(&s) },
	}})
	defer func() {
		if stalled.Swap(false) {
			close(resume)
		}
	}()
	if err := tapBus.SetInstances([]Instance{in}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the tap", func() bool { return state.Load() != nil })
	payload := strings.Repeat("x", 30_000)
	n := uint64(0)
	for dropped.Value() < 100 {
		if _, err := call(t, b, payload, patience); err != nil {
			t.Fatal(err)
		}
		if n++; n > 20_000 {
			t.Fatal("nothing was dropped")
		}
	}
	stalled.Store(false)
	close(resume)
	waitFor(t, "the count of lost copies", func() bool { return state.Load().Dropped == dropped.Value() })
	if sent := set.Counter(metrics.BusTapCopies).Value(); sent+dropped.Value() != 2*n {
		t.Errorf("%d copies sent and %d dropped of %d requests", sent, dropped.Value(), n)
	}
}

func TestTapOptions_Validated(t *testing.T) {
	take := func(tap.Copy) {}
	for _, c := range []struct {
		o    tap.Options
		says string
	}{
		{tap.Options{Sample: 1.5, Kinds: []wire.Kind{wire.KindRequest}, Copy: take}, "1.5"},
		{tap.Options{Sample: math.NaN(), Kinds: []wire.Kind{wire.KindRequest}, Copy: take}, "NaN"},
		{tap.Options{Sample: -1, Kinds: []wire.Kind{wire.KindRequest}, Copy: take}, "-1"},
		{tap.Options{Copy: take}, "without kinds"},
		{tap.Options{Kinds: []wire.Kind{wire.KindRequest}, Payload: tap.MaxCopied + 1, Copy: take}, "65537"},
		{tap.Options{Kinds: []wire.Kind{wire.KindRequest}}, "without a function"},
	} {
		if _, err := New(Options{Tap: &c.o}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: got %v, want %q in it", c.o, err, c.says)
		}
	}
}

func TestTapFrame_Malformed(t *testing.T) {
	_, in := server(t, "1", Options{Serve: echo}, tcp)
	e := listen(t, tap.Options{}, in)
	l := e.bus.snapshotLinks()[0]
	state, copied := vector("tap-state")[wire.HeaderSize:], vector("tap-copy")[wire.HeaderSize:]
	long := bytes.Clone(copied)
	binary.BigEndian.PutUint32(long[wire.TapCopyFixed+1+12:], 17) // less than is there
	for name, body := range map[string][]byte{
		"no body": {}, "short start": {wire.TapOpStart}, "short state": state[:len(state)-1], "short copy": copied[:5],
		"cut peer": copied[:wire.TapCopyFixed+3], "cut header": copied[:wire.TapCopyFixed+1+12+15], "longer than itself": long,
	} {
		if err := e.bus.taps.frame(l, body); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := e.bus.taps.frame(l, []byte{200}); err != nil {
		t.Errorf("an unknown one: %v", err)
	}
}

// What is listened to allocates nothing for the copies, and nothing at all when
// nobody listens.
func TestTap_NoAllocationPerCopy(t *testing.T) {
	testutil.SkipIfRace(t)
	_, in := server(t, "1", Options{Serve: echoPointer}, tcp)
	b := caller(t, in)
	var copies atomic.Int64
	in.EventsOnly = true
	tapBus := newBus(t, Options{Tap: &tap.Options{Kinds: []wire.Kind{wire.KindRequest, wire.KindResponse}, Payload: 64, Copy: func(tap.Copy) { copies.Add(1) }}})
	if err := tapBus.SetInstances([]Instance{in}); err != nil {
		t.Fatal(err)
	}
	s, c, payload := b.Service("s"), NewCall(), &bytesPayload{b: make([]byte, 128)}
	one := func() {
		if err := s.Go(c, payload, patience); err != nil {
			t.Fatal(err)
		}
		c.Wait()
		c.Release()
	}
	one()
	waitFor(t, "copies", func() bool { one(); return copies.Load() > 1000 })
	const n = 5000
	was := copies.Load()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range n {
		one()
	}
	runtime.ReadMemStats(&after)
	if per := float64(after.Mallocs-before.Mallocs) / n; per > 0.1 {
		t.Errorf("%.2f allocations per request that is listened to", per)
	}
	if got := copies.Load() - was; got < n {
		t.Errorf("%d copies of %d requests: the figure means nothing", got, n)
	}
}

// BenchmarkTap is a request and its reply with so many taps, each of which
// gets everything. 0 taps is what everybody pays.
func BenchmarkTap(b *testing.B) {
	for _, taps := range []int{0, 1, 4} {
		b.Run(fmt.Sprintf("taps=%d", taps), func(b *testing.B) {
			_, in := server(b, "1", Options{Serve: echoPointer}, tcp)
			from := caller(b, in)
			in.EventsOnly = true
			for range taps {
				on := make(chan struct{}, 1)
				tapBus := newBus(b, Options{Tap: &tap.Options{
					Kinds: []wire.Kind{wire.KindRequest, wire.KindResponse}, Payload: 64, Copy: func(tap.Copy) {}, State: func(tap.State) {
						select {
						case on <- struct{}{}:
						default:
						}
					},
				}})
				if err := tapBus.SetInstances([]Instance{in}); err != nil {
					b.Fatal(err)
				}
				<-on
			}
			s, payload := from.Service("s"), &bytesPayload{b: make([]byte, 128)}
			b.ReportAllocs()
			b.SetParallelism(64)
			b.RunParallel(func(p *testing.PB) {
				c := NewCall()
				for p.Next() {
					if err := s.Go(c, payload, patience); err != nil {
						b.Error(err)
						return
					}
					c.Wait()
					c.Release()
				}
			})
		})
	}
}

// BenchmarkTap_NobodyListens is the hook itself, once for each message.
func BenchmarkTap_NobodyListens(b *testing.B) {
	bus := new(Bus)
	l := link.New(&bus.node, sp.NewPipe(nil), nil)
	for b.Loop() {
		if bus.taps.of(l) != nil {
			b.Fatal("somebody does")
		}
	}
}
