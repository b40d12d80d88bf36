package nanobus

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"
)

// Once warm, a request allocates nothing, in the caller, the links and the
// responder together. The allocations of all goroutines are counted, so the
// bound is on their mean: the pings of a second may fall into the run.
func TestBus_NoAllocationPerRequest(t *testing.T) {
	_, in := server(t, "1", Options{Serve: echoPointer}, tcp)
	b := caller(t, in)
	s, c := b.Service("s"), NewCall()
	payload := &bytesPayload{b: make([]byte, 128)}
	one := func() {
		if err := s.Go(c, payload, 5*time.Second); err != nil {
			t.Fatal(err)
		}
		c.Wait()
		if c.Err != nil {
			t.Fatal(c.Err)
		}
		c.Release()
	}
	for range 1000 {
		one()
	}
	const n = 5000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range n {
		one()
	}
	runtime.ReadMemStats(&after)
	if raceEnabled {
		t.Log("the race detector allocates; run without it for the figure")
		return
	}
	if per := float64(after.Mallocs-before.Mallocs) / n; per > 0.1 {
		t.Errorf("%.2f allocations per request", per)
	}
}

// BenchmarkBus is request/reply over loopback tcp, both ends in this process.
func BenchmarkBus(b *testing.B) {
	for _, body := range []int{128, 4096} {
		for _, callers := range []int{1, 16, 256, 1024} {
			b.Run(fmt.Sprintf("callers=%d/body=%d", callers, body), func(b *testing.B) {
				_, in := server(b, "1", Options{Serve: echoPointer, Window: 2048}, tcp)
				c := caller(b, in)
				s := c.Service("s")
				payload := &bytesPayload{b: make([]byte, body)}
				b.ReportAllocs()
				b.SetBytes(int64(body))
				b.ResetTimer()
				var wg sync.WaitGroup
				for g := range callers {
					n := b.N / callers
					if g < b.N%callers {
						n++
					}
					wg.Go(func() {
						call := NewCall()
						for range n {
							for s.Go(call, payload, 10*time.Second) != nil {
								runtime.Gosched() // pushed back: more is gathered than a link holds
							}
							call.Wait()
							if call.Err != nil {
								b.Error(call.Err)
							}
							call.Release()
						}
					})
				}
				wg.Wait()
			})
		}
	}
}

// BenchmarkTCPPingPong is what one caller's round trip is to be held against:
// the same bytes over a raw connection.
func BenchmarkTCPPingPong(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = c.Close() }()
		_, _ = io.Copy(c, c) // until the other side closes
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	buf := make([]byte, 128+headerSize+requestFixed+8)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(buf); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, buf); err != nil {
			b.Fatal(err)
		}
	}
}

// bytesPayload is a Payload that costs no allocation to pass.
type bytesPayload struct{ b []byte }

func (p *bytesPayload) AppendTo(dst []byte) []byte { return append(dst, p.b...) }

var echoPayloads = sync.Pool{New: func() any { return new(bytesPayload) }}

func echoPointer(batch []*Request) {
	p := echoPayloads.Get().(*bytesPayload) //nolint:forcetypeassert // the pool has nothing else
	for _, r := range batch {
		p.b = r.Payload()
		_ = r.Reply(p)
	}
	p.b = nil
	echoPayloads.Put(p)
}
