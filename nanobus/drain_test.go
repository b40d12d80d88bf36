package nanobus

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"nanofront/nanobus/wire"
)

// appendRequest appends a request as a caller sends it.
func appendRequest(dst []byte, id uint64, payload string) []byte {
	start := len(dst)
	dst = wire.Begin(dst, wire.KindRequest, 0, id)
	dst = append(dst, 0, 0x98, 0x96, 0x80) // 10 s
	dst = append(dst, payload...)
	wire.End(dst, start)
	return dst
}

func appendAck(dst []byte) []byte {
	start := len(dst)
	dst = wire.Begin(dst, wire.KindDraining, wire.FlagAck, 0)
	wire.End(dst, start)
	return dst
}

// A caller that has our hello may send requests at once, whether we have read
// its hello or not: draining has to wait for it too.
func TestBus_DrainWaitsForWhoKnowsUs(t *testing.T) {
	b, in := server(t, "1", Options{Serve: echo}, tcp)
	s := stockPeer(t)
	if err := s.Dial(in.Address); err != nil {
		t.Fatal(err)
	}
	recvFrame(t, s, wire.KindHello)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	result := make(chan error, 1)
	go func() { result <- b.Drain(ctx) }() // ends with ctx
	recvFrame(t, s, wire.KindDraining)
	select {
	case err := <-result:
		t.Fatalf("drained (%v) before the peer had understood", err)
	case <-time.After(100 * time.Millisecond): // it takes some 3 ms to come back too early
	}
	hello := wire.Hello{Version: wire.ProtocolVersion, Service: "caller", Instance: "c"}
	send(t, s, appendAck(appendRequest(hello.AppendTo(nil), 7, "ping")))
	if f := recvFrame(t, s, wire.KindResponse); f.ID != 7 || f.Flags != 0 {
		t.Errorf("got response %d with flags %d", f.ID, f.Flags)
	}
	if err := <-result; err != nil {
		t.Error(err)
	}
}

// Who connects while we drain is told at once that there is no window.
func TestBus_DrainingAnnouncesNoWindow(t *testing.T) {
	b, in := server(t, "1", Options{Serve: echo}, tcp)
	if err := b.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := stockPeer(t)
	if err := s.Dial(in.Address); err != nil {
		t.Fatal(err)
	}
	h, err := wire.DecodeHello(recvFrame(t, s, wire.KindHello).Body)
	if err != nil || h.Window != 0 {
		t.Errorf("got window %d, %v", h.Window, err)
	}
	recvFrame(t, s, wire.KindDraining)
}

// Requests and the ack behind them may come in one message: they must have been
// taken in when the ack is believed.
func TestBus_DrainAckComesAfterItsRequests(t *testing.T) {
	served := make(chan bool, 1)
	_, in := server(t, "1", Options{Serve: func(batch []*Request) {
		l := batch[0].Link()
		l.Mu.Lock()
		served <- l.DrainAck
		l.Mu.Unlock()
		echo(batch)
	}}, tcp)
	s := stockPeer(t)
	if err := s.Dial(in.Address); err != nil {
		t.Fatal(err)
	}
	recvFrame(t, s, wire.KindHello)
	hello := wire.Hello{Version: wire.ProtocolVersion, Service: "caller", Instance: "c"}
	send(t, s, appendAck(appendRequest(hello.AppendTo(nil), 7, "ping")))
	if <-served {
		t.Error("the ack was believed before the request in front of it was taken in")
	}
	recvFrame(t, s, wire.KindResponse)
}

// Whoever reads slowly, and says something meanwhile, gets all answers of a
// process that has drained and closes: a connection that is just closed would
// be reset, and what its system still has to send lost.
func TestBus_DrainedAnswersOutliveClose(t *testing.T) {
	const requests, size = 10, 40_000
	b, in := server(t, "1", Options{Serve: echo}, tcp)
	s := connectTo(t, in.Address)
	if err := s.Conn.(*net.TCPConn).SetReadBuffer(128 << 10); err != nil { // most stays at the other end
		t.Fatal(err)
	}
	s.greet()
	batch := [][]byte{helloOf("caller", "c")}
	for id := range uint64(requests) {
		batch = append(batch, requestOf(id+1, strings.Repeat("x", size)))
	}
	if err := s.say(batch...); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "all answered", func() bool { return b.node.Metrics.FramesIn.Value() > requests && b.Served() == 0 })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	drained := make(chan error, 1)
	go func() { drained <- b.Drain(ctx) }() // ends with ctx
	waitFor(t, "draining", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.draining
	})
	if err := s.say(appendAck(nil)); err != nil {
		t.Fatal(err)
	}
	if err := <-drained; err != nil {
		t.Fatal(err)
	}
	closed := make(chan struct{})
	go func() { // ends when s has
		defer close(closed)
		_ = b.Close()
	}()
	waitFor(t, "closing", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.closed
	})
	_ = s.say(frameOf(wire.KindCancel, 0, 1)) // too late, and no reason to lose anything
	for id := range uint64(requests) {
		f, err := s.hear(wire.KindResponse)
		if err != nil {
			t.Fatalf("after %d of %d answers: %v", id, requests, err)
		}
		if f.ID != id+1 || len(f.Body) != wire.ResponseFixed+size {
			t.Errorf("answer %d: to request %d, %d bytes", id+1, f.ID, len(f.Body))
		}
	}
	if _, err := s.hear(wire.KindResponse); !errors.Is(err, io.EOF) {
		t.Errorf("after the answers: %v, want the end", err)
	}
	_ = s.Close()
	<-closed
}
