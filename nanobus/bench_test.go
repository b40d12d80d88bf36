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

// BenchmarkBus is request/reply over loopback tcp, both ends in this process.
func BenchmarkBus(b *testing.B) {
	for _, body := range []int{128, 4096} {
		for _, callers := range []int{1, 16, 256, 1024} {
			b.Run(fmt.Sprintf("callers=%d/body=%d", callers, body), func(b *testing.B) {
				requestReply(b, callers, body, false)
			})
		}
	}
}

// BenchmarkLink_Yield is what the writer's yield is for.
func BenchmarkLink_Yield(b *testing.B) {
	for _, yield := range []bool{true, false} {
		b.Run(fmt.Sprintf("yield=%v/callers=256/body=128", yield), func(b *testing.B) {
			requestReply(b, 256, 128, !yield)
		})
	}
}

// requestReply shares b.N round trips among the callers and reports the mean
// batch.
func requestReply(b *testing.B, callers, body int, noYield bool) {
	_, in := server(b, "1", Options{Serve: echoPointer, Window: 2048, noYield: noYield}, tcp)
	c := newBus(b, Options{Service: "caller", Instance: "c", noYield: noYield})
	link(b, c, in)
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
	b.ReportMetric(float64(c.metrics.framesOut.Value())/float64(c.metrics.messagesOut.Value()), "frames/msg")
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
