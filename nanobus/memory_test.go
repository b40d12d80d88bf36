package nanobus

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"net"
	"runtime"
	"testing"

	"nanofront/nanobus/wire"
)

// A header alone takes no memory: what it announces is believed of peers that are
// known, and of others only once it is there.
func TestPipe_MemoryComesWithTheBytes(t *testing.T) {
	here, there := net.Pipe()
	defer func() { _ = there.Close() }()
	p := &busPipe{c: here, raw: here, r: bufio.NewReaderSize(here, readBufferSize)}
	got := make(chan []byte)
	receive := func() {
		m, err := p.Recv()
		if err != nil {
			got <- nil
			return
		}
		got <- bytes.Clone(m.Body)
		m.Free()
	}
	want := make([]byte, MaxMessage)
	for i := range want {
		want[i] = byte(i >> 8)
	}
	sent := 0
	send := func(b []byte) {
		t.Helper()
		if _, err := there.Write(b); err != nil { // returns when it is read
			t.Fatal(err)
		}
		sent += len(b)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	go receive()
	send(binary.BigEndian.AppendUint64(nil, MaxMessage))
	for _, n := range []int{1, 10_000, 100_000} {
		send(want[sent-8:][:n])
		send(want[sent-8:][:1]) // what came before it is out of the buffer
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > uint64(4*sent+64<<10) {
			t.Errorf("%d bytes are taken for %d that have come", grown, sent)
		}
	}
	send(want[sent-8:])
	if b := <-got; !bytes.Equal(b, want) {
		t.Errorf("%d bytes have arrived, or others than were sent", len(b))
	}
	p.known.Store(true)
	go receive()
	send(binary.BigEndian.AppendUint64(nil, MaxMessage))
	send(want)
	if b := <-got; !bytes.Equal(b, want) {
		t.Errorf("of a known peer %d bytes have arrived, or others than were sent", len(b))
	}
	for _, known := range []bool{false, true} {
		here, there := net.Pipe()
		p := &busPipe{c: here, raw: here, r: bufio.NewReader(here)}
		p.known.Store(known)
		go func() {
			_, err := p.Recv()
			if err == nil {
				got <- []byte("a message")
			}
			got <- nil
		}()
		_, _ = there.Write(binary.BigEndian.AppendUint64(nil, 100_000))
		_ = there.Close()
		if b := <-got; b != nil {
			t.Error("a message that has not come was received")
		}
	}
}

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
	if l := onlyLink(t, b); !l.conn.known.Load() {
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
	waitFor(t, "all read", func() bool { return b.metrics.eventsIn.Value() == sent })
	if bytes := len(b.events) * 1_000_000; bytes > maxLinkEvents*eventUnit {
		t.Errorf("%d bytes of one link's events wait, want %d at most", bytes, maxLinkEvents*eventUnit)
	}
	if b.metrics.droppedEvents.Value() == 0 {
		t.Error("none was counted as dropped")
	}
	n.goesOn(t)
}
