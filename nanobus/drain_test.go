package nanobus

import (
	"context"
	"testing"
	"time"
)

// appendRequest appends a request as a caller sends it.
func appendRequest(dst []byte, id uint64, payload string) []byte {
	start := len(dst)
	dst = beginFrame(dst, kindRequest, 0, id)
	dst = append(dst, 0, 0x98, 0x96, 0x80) // 10 s
	dst = append(dst, payload...)
	endFrame(dst, start)
	return dst
}

func appendAck(dst []byte) []byte {
	start := len(dst)
	dst = beginFrame(dst, kindDraining, flagAck, 0)
	endFrame(dst, start)
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
	recvFrame(t, s, kindHello)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	result := make(chan error, 1)
	go func() { result <- b.Drain(ctx) }() // ends with ctx
	recvFrame(t, s, kindDraining)
	select {
	case err := <-result:
		t.Fatalf("drained (%v) before the peer had understood", err)
	case <-time.After(100 * time.Millisecond): // it takes some 3 ms to come back too early
	}
	hello := Hello{Version: ProtocolVersion, Service: "caller", Instance: "c"}
	send(t, s, appendAck(appendRequest(hello.appendTo(nil), 7, "ping")))
	if f := recvFrame(t, s, kindResponse); f.id != 7 || f.flags != 0 {
		t.Errorf("got response %d with flags %d", f.id, f.flags)
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
	h, err := decodeHello(recvFrame(t, s, kindHello).body)
	if err != nil || h.Window != 0 {
		t.Errorf("got window %d, %v", h.Window, err)
	}
	recvFrame(t, s, kindDraining)
}
