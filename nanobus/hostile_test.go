package nanobus

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"nanofront/nanobus/link"
	"nanofront/nanobus/sp"
	"nanofront/nanobus/wire"
)

// Each of these peers does something that it may not. It is refused or
// bounded, counted with the reason, and said in the log; and a well-behaved
// caller on another link notices nothing.
func TestHostile_PeersHurtOnlyThemselves(t *testing.T) {
	hello := helloOf("stranger", "s-1")
	ping := frameOf(wire.KindPing, 0, 0, make([]byte, 8)...)
	for name, c := range map[string]struct {
		act  func(t *testing.T, addr string)
		seen func(b *Bus) bool
		log  string
	}{
		"garbage in place of SP": {
			func(t *testing.T, addr string) {
				s := connectTo(t, addr)
				_ = s.raw([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
				s.closed()
			},
			func(b *Bus) bool { return refusedFor(b, "not_sp") == 1 }, "doesn't speak SP",
		},
		"another SP protocol": {
			func(t *testing.T, addr string) {
				s := connectTo(t, addr)
				req := sp.Greeting(48)
				_ = s.raw(req[:])
				s.closed()
			},
			func(b *Bus) bool { return refusedFor(b, "not_sp") == 1 }, "doesn't speak SP",
		},
		"half a greeting": {
			func(t *testing.T, addr string) {
				s := connectTo(t, addr)
				_ = s.raw([]byte{0, 'S', 'P'})
				_ = s.Close()
			},
			func(b *Bus) bool { return refusedFor(b, "handshake_broken") == 1 }, "",
		},
		"silence before SP": {
			func(t *testing.T, addr string) { connectTo(t, addr).closed() },
			func(b *Bus) bool { return refusedFor(b, "handshake_timeout") == 1 }, "handshake_timeout",
		},
		"silence before hello": {
			func(t *testing.T, addr string) { knock(t, addr).closed() },
			func(b *Bus) bool { return closedFor(b, "no_hello") == 1 }, "",
		},
		"silence after hello": {
			func(t *testing.T, addr string) {
				s := knock(t, addr)
				_ = s.say(hello)
				s.closed()
			},
			func(b *Bus) bool { return closedFor(b, "silent") == 1 }, "",
		},
		"half a message, for ever": {
			func(t *testing.T, addr string) {
				s := knock(t, addr)
				_ = s.say(hello)
				_ = s.raw([]byte{0, 0, 0, 0, 0, 0, 1, 0, 'x'})
				s.closed()
			},
			func(b *Bus) bool { return closedFor(b, "silent") == 1 }, "",
		},
		"garbage in place of frames": {
			func(t *testing.T, addr string) {
				s := knock(t, addr)
				_ = s.say([]byte("\xff\xff\xff\xff garbage, garbage, garbage"))
				s.closed()
			},
			func(b *Bus) bool {
				return closedFor(b, "malformed") == 1 && b.node.Metrics.DroppedMalformed.Value() == 1
			}, "frame length 4294967295",
		},
		"a truncated frame": {
			func(t *testing.T, addr string) {
				s := knock(t, addr)
				_ = s.say(hello, requestOf(1, "x")[:18])
				s.closed()
			},
			func(b *Bus) bool {
				return closedFor(b, "malformed") == 1 && b.node.Metrics.DroppedMalformed.Value() == 1
			}, "frame length",
		},
		"an oversized message": {
			func(t *testing.T, addr string) {
				s := knock(t, addr)
				_ = s.raw(binary.BigEndian.AppendUint64(nil, MaxMessage+1))
				s.closed()
			},
			func(b *Bus) bool {
				return closedFor(b, "malformed") == 1 && b.node.Metrics.DroppedMalformed.Value() == 1
			}, "want a size of at most 1048576",
		},
		"another version": {
			func(t *testing.T, addr string) {
				s := knock(t, addr)
				_ = s.say((&wire.Hello{Version: 2, Service: "stranger"}).AppendTo(nil))
				s.closed()
			},
			func(b *Bus) bool { return closedFor(b, "malformed") == 1 }, "speaks protocol version 2, this is version 1",
		},
		"too many topics": {
			func(t *testing.T, addr string) {
				s := knock(t, addr)
				_ = s.say(frameOf(wire.KindHello, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 65))
				s.closed()
			},
			func(b *Bus) bool { return closedFor(b, "malformed") == 1 }, "65 topics: want at most 64",
		},
		"a short credit": {
			func(t *testing.T, addr string) {
				s := knock(t, addr)
				_ = s.say(hello, frameOf(wire.KindCredit, 0, 0, 1, 2, 3))
				s.closed()
			},
			func(b *Bus) bool { return closedFor(b, "malformed") == 1 }, "credit of 3 bytes",
		},
		"a flood of pings": {
			func(t *testing.T, addr string) {
				s := knock(t, addr)
				_ = s.say(hello)
				s.flood(ping)
			},
			func(b *Bus) bool { return closedFor(b, "flood") == 1 }, "flood",
		},
		"a flood of pings, and no reader for the pongs": {
			func(t *testing.T, addr string) {
				s := knock(t, addr)
				_ = s.say(hello)
				for s.shout(ping, ping, ping, ping) == nil { //nolint:revive // until it is closed
				}
			},
			func(b *Bus) bool { return closedFor(b, "flood") == 1 }, "flood",
		},
		"a flood of hellos": {
			func(t *testing.T, addr string) { knock(t, addr).flood(hello) },
			func(b *Bus) bool { return closedFor(b, "flood") == 1 }, "flood",
		},
		"a flood of empty messages": {
			func(t *testing.T, addr string) { knock(t, addr).flood(nil) },
			func(b *Bus) bool { return closedFor(b, "flood") == 1 }, "flood",
		},
		"replies to ids never issued": {
			func(t *testing.T, addr string) {
				s := knock(t, addr)
				_ = s.say(hello)
				for id := range uint64(1000) {
					_ = s.say(frameOf(wire.KindResponse, 0, id<<48|id, make([]byte, wire.ResponseFixed)...))
				}
			},
			func(b *Bus) bool { return b.node.Metrics.DroppedStray.Value() == 1000 }, "",
		},
		"cancels of what was never asked": {
			func(t *testing.T, addr string) {
				s := knock(t, addr)
				_ = s.say(hello)
				for id := range uint64(1000) {
					_ = s.say(frameOf(wire.KindCancel, 0, id+1))
				}
			},
			func(b *Bus) bool { return b.node.Metrics.DroppedStray.Value() == 1000 }, "",
		},
		"frames of unknown kinds": {
			func(t *testing.T, addr string) {
				s := knock(t, addr)
				_ = s.say(hello)
				for range 1000 {
					_ = s.say(frameOf(200, 0xff, 0, 1, 2, 3))
				}
			},
			func(b *Bus) bool { return b.node.Metrics.DroppedUnknown.Value() == 1000 }, "",
		},
		"requests before hello": {
			func(t *testing.T, addr string) {
				s := knock(t, addr)
				_ = s.say(requestOf(1, "x"), requestOf(2, "y"))
			},
			func(b *Bus) bool { return b.node.Metrics.DroppedStray.Value() == 2 }, "",
		},
		"requests whose replies it doesn't read": {
			func(t *testing.T, addr string) {
				s := knock(t, addr)
				_ = s.say(hello)
				payload := strings.Repeat("x", 200_000)
				for id := range uint64(100) { // more than the system holds for it
					_ = s.say(requestOf(id+1, payload))
				}
				for s.say(frameOf(200, 0, 0)) == nil { // until it is closed
					time.Sleep(10 * time.Millisecond) // it is there, but not in a hurry
				}
			},
			func(b *Bus) bool { return closedFor(b, "write") == 1 }, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log journal
			b, in := server(t, "1", Options{Serve: politeEcho, Logger: log.logger()}, tcp)
			n := neighbourOf(t, in)
			c.act(t, in.Address)
			waitFor(t, "counted", func() bool { return c.seen(b) })
			n.goesOn(t)
			if text := log.String(); !strings.Contains(text, c.log) {
				t.Errorf("no %q in the log: %s", c.log, text)
			}
			waitFor(t, "nothing left to answer", func() bool { return b.Served() <= 1 })
		})
	}
}

// politeEcho is echo that never keeps the link's reader waiting, for a peer
// that doesn't read. Else that peer could seem silent before the write to it
// has run out of time.
func politeEcho(batch []*Request) {
	for _, r := range batch {
		if ok, _ := r.TryReply(Bytes(r.Payload())); !ok {
			go func() { _ = r.Reply(Bytes(r.Payload())) }()
		}
	}
}

func TestHostile_RequestsOverTheWindowAreRefused(t *testing.T) {
	var h held
	b, in := server(t, "1", Options{Serve: h.serve, Window: 32}, tcp)
	s := knock(t, in.Address)
	batch := [][]byte{helloOf("stranger", "s-1")}
	for id := range uint64(100) {
		batch = append(batch, requestOf(id+1, "x"))
	}
	if err := s.say(batch...); err != nil {
		t.Fatal(err)
	}
	for range 100 - 32 {
		f, err := s.hear(wire.KindResponse)
		if err != nil {
			t.Fatal(err)
		}
		if code := Code(binary.BigEndian.Uint16(f.Body[wire.ResponseFixed:])); f.Flags&wire.FlagError == 0 || code != CodeOverWindow {
			t.Fatalf("response to %d: flags %x, %v", f.ID, f.Flags, code)
		}
	}
	if n := b.node.Metrics.DroppedWindow.Value(); n != 100-32 || h.count() != 32 {
		t.Errorf("%d refused, %d taken; want 68 and 32", n, h.count())
	}
	h.answer()
	for range 32 {
		if f, err := s.hear(wire.KindResponse); err != nil || f.Flags != 0 {
			t.Fatalf("got flags %x, %v", f.Flags, err)
		}
	}
}

// Refusals, too, are held in memory only so far for a peer that doesn't read them.
func TestHostile_RefusalsThatNobodyReads(t *testing.T) {
	var h held
	b, in := server(t, "1", Options{Serve: h.serve, Window: 32}, tcp)
	s := knock(t, in.Address)
	_ = s.say(helloOf("stranger", "s-1"))
	var batch []byte
	for id := range uint64(10_000) {
		batch = append(batch, requestOf(id+1, "")...)
	}
	for s.say(batch) == nil { //nolint:revive // until it is closed
	}
	// On a very busy machine a write has waited for too long before so much has gathered.
	waitFor(t, "counted", func() bool { return closedFor(b, "overrun")+closedFor(b, "write") == 1 })
	h.answer()
	waitFor(t, "nothing left to answer", func() bool { return b.Served() == 0 })
}

// Who connects and says nothing takes no part of the window from others.
func TestHostile_SilentConnectionsTakeNoWindow(t *testing.T) {
	b, in := server(t, "1", Options{Serve: echo, Window: 100}, tcp)
	c := caller(t, in)
	for range 20 {
		knock(t, in.Address)
	}
	waitFor(t, "all attached", func() bool { return len(b.snapshotLinks()) == 21 })
	if w := c.Links()[0].Window; w != 100 {
		t.Errorf("window %d, want 100", w)
	}
}

// Silly credit widens the caller's own idea of the window, up to the bound,
// and nothing else.
func TestHostile_CreditIsClamped(t *testing.T) {
	l := openHouse(t)
	b := newBus(t, Options{})
	if err := b.SetInstances([]Instance{{Service: "s", ID: "evil", Address: "tcp://" + l.Addr().String()}}); err != nil {
		t.Fatal(err)
	}
	s := visitor(t, l)
	hello := wire.Hello{Version: 1, Window: 1 << 31, Service: "s", Instance: "evil"}
	_ = s.say(hello.AppendTo(nil))
	waitFor(t, "linked", func() bool { return b.Service("s").Live() == 1 })
	if w := b.Links()[0].Window; w != MaxWindow {
		t.Errorf("window %d of hello, want %d", w, MaxWindow)
	}
	_ = s.say(frameOf(wire.KindCredit, 0, 0, 0, 0, 0, 7))
	waitFor(t, "credit taken", func() bool { return b.Links()[0].Window == 7 })
	_ = s.say(frameOf(wire.KindCredit, 0, 0, 0xff, 0xff, 0xff, 0xff))
	waitFor(t, "silly credit clamped", func() bool { return b.Links()[0].Window == MaxWindow })
	// Replies to what was never asked give no credit back.
	for range 10 {
		_ = s.say(frameOf(wire.KindResponse, 0, b.node.Calls.Table.Origin<<48|5, make([]byte, wire.ResponseFixed)...))
	}
	waitFor(t, "strays counted", func() bool { return b.node.Metrics.DroppedStray.Value() == 10 })
	if n := b.Links()[0].InFlight; n != 0 {
		t.Errorf("%d in flight", n)
	}
}

// Correlation ids can be guessed: a peer must not answer for another.
func TestHostile_RepliesForAnotherLinkAreDropped(t *testing.T) {
	var h held
	_, good := server(t, "good", Options{Serve: h.serve}, tcp)
	l := openHouse(t)
	b := newBus(t, Options{})
	evil := Instance{Service: "evil", ID: "evil", Address: "tcp://" + l.Addr().String()}
	if err := b.SetInstances([]Instance{good, evil}); err != nil {
		t.Fatal(err)
	}
	s := visitor(t, l)
	hello := wire.Hello{Version: 1, Window: 10, Service: "evil", Instance: "evil"}
	_ = s.say(hello.AppendTo(nil))
	waitFor(t, "both linked", func() bool { return b.Service("s").Live() == 1 && b.Service("evil").Live() == 1 })
	asked, c := NewCall(), NewCall()
	if err := b.Service("evil").Go(asked, Bytes("x"), patience); err != nil { // a credit to give back
		t.Fatal(err)
	}
	if err := b.Service("s").Go(c, Bytes("x"), patience); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the request at the good one", func() bool { return h.count() == 1 })
	_ = s.say(frameOf(wire.KindResponse, 0, c.ID(), append(make([]byte, wire.ResponseFixed), "forged"...)...))
	waitFor(t, "the forged reply dropped", func() bool { return b.node.Metrics.DroppedLate.Value() == 1 })
	h.answer()
	c.Wait()
	if c.Err != nil || string(c.Payload) != "late" {
		t.Errorf("got %q, %v", c.Payload, c.Err)
	}
	c.Release()
	_ = s.Close()
	asked.Wait()
	if !errors.Is(asked.Err, ErrLinkDown) {
		t.Errorf("the other's own call: %v", asked.Err)
	}
	asked.Release()
}

// Figures in a reply are the peer's word only.
func TestHostile_TimingsOfAReplyAreBounded(t *testing.T) {
	l := openHouse(t)
	b := newBus(t, Options{})
	if err := b.SetInstances([]Instance{{Service: "s", ID: "evil", Address: "tcp://" + l.Addr().String()}}); err != nil {
		t.Fatal(err)
	}
	s := visitor(t, l)
	hello := wire.Hello{Version: 1, Window: 10, Service: "s", Instance: "evil"}
	_ = s.say(hello.AppendTo(nil), frameOf(wire.KindPong, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff))
	waitFor(t, "linked", func() bool { return b.Service("s").Live() == 1 })
	c := NewCall()
	if err := b.Service("s").Go(c, Bytes("x"), patience); err != nil {
		t.Fatal(err)
	}
	f, err := s.hear(wire.KindRequest)
	if err != nil {
		t.Fatal(err)
	}
	silly := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	_ = s.say(frameOf(wire.KindResponse, 0, f.ID, silly...))
	c.Wait()
	g := c.Timing
	for _, d := range []time.Duration{g.Queue, g.BusOut, g.HandlerQueue, g.Handler, g.BusBack} {
		if d < 0 || d > g.Total {
			t.Errorf("a stage is outside of the total: %+v", g)
		}
	}
	if sum := g.Queue + g.BusOut + g.HandlerQueue + g.Handler + g.BusBack; sum != g.Total {
		t.Errorf("stages add up to %v of %v", sum, g.Total)
	}
	c.Release()
}

// One peer's events don't push out another's.
func TestHostile_EventsOfOneLinkLeaveRoomForOthers(t *testing.T) {
	block, got := make(chan struct{}), make(chan string, maxEvents+1)
	b, in := server(t, "1", Options{Serve: echo, Subscriptions: map[string]func(Event){"t": func(e Event) {
		<-block
		if string(e.Payload) == "honest" {
			got <- string(e.Payload)
		}
	}}}, tcp)
	n := neighbourOf(t, in)
	s := knock(t, in.Address)
	_ = s.say(helloOf("stranger", "s-1"))
	noise := frameOf(wire.KindEvent, 0, 0, append(wire.AppendString8(nil, "t"), "noise"...)...)
	for range 2 * maxEvents {
		_ = s.say(noise)
	}
	waitFor(t, "what is too much dropped", func() bool { return b.node.Metrics.DroppedEvents.Value() >= 2*maxEvents-link.MaxLinkEvents-1 })
	honest := knock(t, in.Address)
	_ = honest.say(helloOf("honest", "h-1"), frameOf(wire.KindEvent, 0, 0, append(wire.AppendString8(nil, "t"), "honest"...)...))
	waitFor(t, "all events read", func() bool { return b.node.Metrics.EventsIn.Value() == 2*maxEvents+1 })
	close(block)
	select {
	case <-got:
	case <-time.After(patience):
		t.Error("the honest event was pushed out")
	}
	n.goesOn(t)
}

// A peer that ends each link at once is not dialled twenty times a second.
func TestHostile_UselessPeerIsDialledLessAndLess(t *testing.T) {
	l := openHouse(t)
	b := newBus(t, Options{})
	start := time.Now()
	if err := b.SetInstances([]Instance{{Service: "s", ID: "x", Address: "tcp://" + l.Addr().String()}}); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		_ = visitor(t, l).Close()
	}
	if d := time.Since(start); d < (100+200+400+800)*time.Millisecond {
		t.Errorf("five links within %v", d)
	}
	// As soon as it is of use again it is linked with.
	s := visitor(t, l)
	hello := wire.Hello{Version: 1, Window: 1, Service: "s", Instance: "x"}
	_ = s.say(hello.AppendTo(nil))
	waitFor(t, "linked", func() bool { return b.Service("s").Live() == 1 })
}
