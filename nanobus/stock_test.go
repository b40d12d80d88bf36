package nanobus

import (
	"context"
	"encoding/binary"
	"testing"
	"time"

	"nanofront/nanobus/wire"
)

// What a stock peer says to another reaches us too, and must not be taken for
// an answer.
func TestLink_PassesOverAnswersToOthers(t *testing.T) {
	srv, in := server(t, "1", Options{Serve: echo}, tcp)
	s := stockPeer(t)
	if err := s.Dial(in.Address); err != nil {
		t.Fatal(err)
	}
	recvFrame(t, s, wire.KindHello)
	send(t, s, (&wire.Hello{Version: wire.ProtocolVersion, Service: "x"}).AppendTo(nil))
	ping := recvFrame(t, s, wire.KindPing)
	t0 := binary.BigEndian.Uint64(ping.Body)
	pong := func(t0 uint64) []byte {
		b := wire.Begin(nil, wire.KindPong, 0, 0)
		b = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, t0), t0+3_600_000_000) // an hour ahead
		wire.End(b, 0)
		return b
	}
	ack := wire.Begin(nil, wire.KindDraining, wire.FlagAck, 0)
	wire.End(ack, 0)
	send(t, s, append(pong(t0-1), ack...))
	// Behind them on the wire: when it is answered, they have been read.
	send(t, s, vector("batch"))
	recvFrame(t, s, wire.KindResponse)
	srv.mu.Lock()
	var l *Link
	for l = range srv.links {
	}
	srv.mu.Unlock()
	if l.PeerClock.Known.Load() {
		t.Errorf("a pong to another's ping is taken for the clock's offset: %v", time.Duration(l.PeerClock.Offset.Load())*time.Microsecond)
	}
	l.Mu.Lock()
	if l.DrainAck {
		t.Error("an ack that was not asked for is taken for one")
	}
	l.Mu.Unlock()

	// The same when they are asked for. A further ping may have come meanwhile.
	waitFor(t, "the offset is known", func() bool {
		send(t, s, pong(l.PeerClock.Pinged.Load()))
		return l.PeerClock.Known.Load()
	})
	drained := make(chan error, 1)
	go func() { // ends with the ack
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		drained <- srv.Drain(ctx)
	}()
	recvFrame(t, s, wire.KindDraining)
	send(t, s, ack)
	if err := <-drained; err != nil {
		t.Error(err)
	}
}
