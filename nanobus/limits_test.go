package nanobus

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"nanofront/nanobus/link"
	"nanofront/nanobus/sp"
	"nanofront/nanobus/wire"
)

// However many connections say nothing, an honest one gets in, and memory and
// goroutines stay bounded.
func TestHostile_ManySilentConnections(t *testing.T) {
	b, in := server(t, "1", Options{Serve: echo, MaxLinks: 16}, tcp)
	n := neighbourOf(t, in)
	for range sp.MaxHandshakes + 20 {
		connectTo(t, in.Address)
	}
	waitFor(t, "the oldest in the handshake evicted", func() bool { return refusedFor(b, "crowded") >= 20 })
	for range 40 {
		s := connectTo(t, in.Address) // its greeting may not be answered any more
		mine := sp.Greeting(112)
		_ = s.raw(mine[:])
	}
	waitFor(t, "the oldest that have not said hello evicted", func() bool { return closedFor(b, "crowded") >= 20 })
	if links := len(b.snapshotLinks()); links > 16+link.MaxGreeting {
		t.Errorf("%d links", links)
	}
	if g := runtime.NumGoroutine(); g > 3*(sp.MaxHandshakes+link.MaxGreeting)+1000 {
		t.Errorf("%d goroutines", g)
	}
	late := caller(t, in)
	if got, err := call(t, late, "hi", patience); err != nil || got != "hi" {
		t.Errorf("the honest late-comer: %q, %v", got, err)
	}
	n.goesOn(t)
}

// Links that have introduced themselves are not evicted: then it is full.
func TestHostile_TooManyLinks(t *testing.T) {
	var log journal
	b, in := server(t, "1", Options{Serve: echo, MaxLinks: 8, Logger: log.logger()}, tcp)
	n := neighbourOf(t, in)
	for i := range 7 {
		s := knock(t, in.Address)
		_ = s.say(helloOf("stranger", fmt.Sprint(i)))
	}
	waitFor(t, "full", func() bool {
		live := 0
		for _, l := range b.snapshotLinks() {
			if l.Is(link.Live) {
				live++
			}
		}
		return live == 8
	})
	knock(t, in.Address).closed()
	waitFor(t, "counted", func() bool { return refusedFor(b, "too_many") == 1 })
	// What this process dials itself has its place kept.
	_, other := server(t, "other", Options{Serve: echo}, tcp)
	if err := b.SetInstances([]Instance{other}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "its own link", func() bool { return b.Service("s").Live() == 1 })
	if !strings.Contains(log.String(), "more than 8 links") {
		t.Errorf("log: %s", log.String())
	}
	n.goesOn(t)
}

func TestHostile_TheSameInstanceManyTimes(t *testing.T) {
	b, in := server(t, "1", Options{Serve: echo}, tcp)
	n := neighbourOf(t, in)
	for range link.MaxPeerLinks {
		_ = knock(t, in.Address).say(helloOf("stranger", "twin"))
	}
	waitFor(t, "all linked", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.callers() == link.MaxPeerLinks+1
	})
	s := knock(t, in.Address)
	_ = s.say(helloOf("stranger", "twin"))
	s.closed()
	waitFor(t, "counted", func() bool { return closedFor(b, "duplicate") == 1 })
	n.goesOn(t)

	// A process, whatever its name, is known by what it has drawn.
	one := (&wire.Hello{Version: wire.ProtocolVersion, Service: "stranger", Instance: "other", Process: link.NewProcess()}).AppendTo(nil)
	for range link.MaxPeerLinks {
		_ = knock(t, in.Address).say(one)
	}
	waitFor(t, "all linked", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.callers() == 2*link.MaxPeerLinks+1
	})
	s = knock(t, in.Address)
	_ = s.say(one)
	s.closed()
	waitFor(t, "counted, too", func() bool { return closedFor(b, "duplicate") == 2 })
	n.goesOn(t)
}

// Callers of one name, as in containers where each is process 1, are as many
// processes.
func TestLimits_ManyProcessesOfOneName(t *testing.T) {
	_, in := server(t, "1", Options{Serve: echo}, tcp)
	const n = 2*link.MaxPeerLinks + 1
	var all []*Bus
	for range n {
		b := newBus(t, Options{Service: "terminator", Instance: "terminator-1"})
		linkUp(t, b, in)
		all = append(all, b)
	}
	for i, b := range all {
		if got, err := call(t, b, "hi", patience); err != nil || got != "hi" {
			t.Fatalf("caller %d of %d of one name: %q, %v", i, n, got, err)
		}
	}
}

// A line of a kind is logged once a second at most, and what was left out is
// said.
func TestHostile_LogIsBounded(t *testing.T) {
	var log journal
	b, in := server(t, "1", Options{Serve: echo, Logger: log.logger()}, tcp)
	start := time.Now()
	for range 50 {
		s := connectTo(t, in.Address)
		_ = s.raw([]byte("not at all SP"))
		s.closed()
	}
	waitFor(t, "all counted", func() bool { return refusedFor(b, "not_sp") == 50 })
	waitFor(t, "the rest said", func() bool { return strings.Contains(log.String(), `"suppressed":`) })
	text := log.String()
	seconds := int(time.Since(start)/time.Second) + 1
	if lines := strings.Count(text, "doesn't speak SP"); lines < 1 || lines > seconds+1 {
		t.Errorf("%d lines in %d s: %s", lines, seconds, text)
	}
}

// A half-open connection, as after a power failure or behind a firewall that
// forgets, looks like a peer that neither sends nor closes: both sides find
// out by their pings.
func TestLink_HalfOpenDies(t *testing.T) {
	t.Parallel()
	_, in := server(t, "1", Options{Serve: echo}, tcp)
	l := openHouse(t)
	var cut flakyNet
	go cut.relay(l, strings.TrimPrefix(in.Address, "tcp://"))
	t.Cleanup(func() { _ = l.Close(); cut.close() })
	in.Address = "tcp://" + l.Addr().String()
	b := caller(t, in)
	if got, err := call(t, b, "hi", patience); err != nil || got != "hi" {
		t.Fatalf("before: %q, %v", got, err)
	}
	cut.drop.Store(true)
	c := NewCall()
	if err := b.Service("s").Go(c, Bytes("x"), 2*patience); err != nil {
		t.Fatal(err)
	}
	c.Wait() // its budget is far longer than pings need
	if !errors.Is(c.Err, ErrLinkDown) {
		t.Errorf("got %v", c.Err)
	}
	c.Release()
	if n := closedFor(b, "silent"); n != 1 {
		t.Errorf("%d links found silent", n)
	}
	cut.drop.Store(false)
	waitFor(t, "linked again", func() bool { return b.Service("s").Live() == 1 })
}
