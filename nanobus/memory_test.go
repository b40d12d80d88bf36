package nanobus

import (
	"testing"

	"nanofront/nanobus/link"
	"nanofront/nanobus/wire"
)

// A large message may come before the hello was taken in, or with it.
func TestLink_LargeFirstMessage(t *testing.T) {
	b, in := server(t, "1", Options{Serve: echo}, tcp)
	s := knock(t, in.Address)
	big := frameOf(200, 0, 0, make([]byte, 500_000)...)
	if err := s.say(big); err != nil {
		t.Fatal(err)
	}
	if err := s.say(helloOf("stranger", "s-1"), big, requestOf(1, "x")); err != nil {
		t.Fatal(err)
	}
	if f, err := s.hear(wire.KindResponse); err != nil || f.ID != 1 {
		t.Errorf("got %v, %v", f, err)
	}
	if l := onlyLink(t, b); !l.Pipe.Known() {
		t.Error("the peer is not known")
	}
}

// Events that wait are bounded in bytes, too.
func TestHostile_LargeEvents(t *testing.T) {
	block := make(chan struct{})
	b, in := server(t, "1", Options{Serve: echo, Subscriptions: map[string]func(Event){"t": func(Event) { <-block }}}, tcp)
	defer close(block)
	n := neighbourOf(t, in)
	s := knock(t, in.Address)
	_ = s.say(helloOf("stranger", "s-1"))
	big := frameOf(wire.KindEvent, 0, 0, append(wire.AppendString8(nil, "t"), make([]byte, 1_000_000)...)...)
	const sent = 64
	for range sent {
		_ = s.say(big)
	}
	waitFor(t, "all read", func() bool { return b.node.Metrics.EventsIn.Value() == sent })
	if bytes := len(b.events.c) * 1_000_000; bytes > link.MaxLinkEvents*link.EventUnit {
		t.Errorf("%d bytes of one link's events wait, want %d at most", bytes, link.MaxLinkEvents*link.EventUnit)
	}
	if b.node.Metrics.DroppedEvents.Value() == 0 {
		t.Error("none was counted as dropped")
	}
	n.goesOn(t)
}
