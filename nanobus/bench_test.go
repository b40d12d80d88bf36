package nanobus

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
)

// BenchmarkLink_Yield is what the writer's yield is for. How the bus does beside
// others is BenchmarkRequestReply's to say.
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
	linkUp(b, c, in)
	s := c.Service("s")
	payload := &bytesPayload{b: make([]byte, body)}
	b.ReportAllocs()
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
				for s.Go(call, payload, patience) != nil {
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
	b.ReportMetric(float64(c.node.Metrics.FramesOut.Value())/float64(c.node.Metrics.MessagesOut.Value()), "frames/msg")
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
