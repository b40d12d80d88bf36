package main

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// exchange is one caller's way to a service that echoes: it sends body and
// returns the reply, which is valid until its next use. One goroutine uses it.
type exchange func(body []byte) ([]byte, error)

// peer is one way to do request/reply over loopback tcp, set up as its own
// documentation advises who wants it fast.
type peer struct {
	name string
	// only, if not 0, is the one number of callers that it makes sense for.
	only int
	// prepare, if set, makes ready what all its runs share, or skips them.
	prepare func(b *testing.B)
	// start sets both ends up, to end with the benchmark, and returns what
	// makes callers. Both ends are in this process, but for a broker.
	start func(b *testing.B, callers, body int) func() exchange
}

var peers = []peer{
	{name: "nanobus", start: startNanobus},
	{name: "tcp-pingpong", only: 1, start: startPingPong},
	{name: "mangos-req", start: startMangosReq},
	{name: "mangos-rawreq", start: startMangosRawReq},
	{name: "mangos-bus", start: startMangosBus},
	{name: "nats", prepare: prepareNATS, start: startNATS},
	{name: "http", start: startHTTP},
	{name: "grpc", start: startGRPC},
}

// BenchmarkRequestReply is request/reply over loopback tcp by several ways.
// Figures of different runs are comparable only as ratios to nanobus' of the
// same minute: make bench-peers interleaves them for that.
func BenchmarkRequestReply(b *testing.B) {
	for _, p := range peers {
		b.Run("peer="+p.name, func(b *testing.B) {
			if p.prepare != nil {
				p.prepare(b)
			}
			for _, callers := range []int{1, 16, 256, 1024} {
				if p.only != 0 && callers != p.only {
					continue
				}
				for _, body := range []int{128, 4096} {
					b.Run(fmt.Sprintf("callers=%d/body=%d", callers, body), func(b *testing.B) {
						compare(b, p, callers, body)
					})
				}
			}
		})
	}
}

// sampleEvery is which part of the round trips is timed: reading the clock
// twice for each would cost up to a tenth of the fastest.
const sampleEvery = 8

// compare shares b.N round trips among the callers and checks each reply.
func compare(b *testing.B, p peer, callers, body int) {
	b.ReportAllocs()
	newCaller := p.start(b, callers, body)
	var (
		next    atomic.Int64
		failed  atomic.Bool
		samples = make([]time.Duration, (b.N+sampleEvery-1)/sampleEvery)
		begin   = make(chan struct{})
		warm    sync.WaitGroup
		done    sync.WaitGroup
	)
	one := func(ex exchange, buf []byte, n uint64) bool {
		binary.LittleEndian.PutUint64(buf, n)
		reply, err := ex(buf)
		switch {
		case err != nil:
			b.Errorf("round trip %d: %v", n, err)
		case len(reply) != body:
			b.Errorf("round trip %d: reply of %d bytes, want %d", n, len(reply), body)
		case binary.LittleEndian.Uint64(reply) != n:
			b.Errorf("round trip %d: got the reply to %d", n, binary.LittleEndian.Uint64(reply))
		default:
			return true
		}
		failed.Store(true)
		return false
	}
	warm.Add(callers)
	for g := range callers {
		ex, buf := newCaller(), make([]byte, body)
		done.Go(func() {
			// One each, all at once: connections are open and pools filled
			// before it counts.
			ok := one(ex, buf, uint64(1)<<63+uint64(g))
			warm.Done()
			<-begin
			for ok && !failed.Load() {
				n := next.Add(1) - 1
				if n >= int64(b.N) {
					return
				}
				if n%sampleEvery != 0 {
					ok = one(ex, buf, uint64(n))
					continue
				}
				began := time.Now()
				ok = one(ex, buf, uint64(n))
				samples[n/sampleEvery] = time.Since(began)
			}
		})
	}
	warm.Wait()
	b.ResetTimer()
	close(begin)
	done.Wait()
	b.StopTimer()
	if failed.Load() {
		return
	}
	slices.Sort(samples)
	b.ReportMetric(float64(samples[len(samples)/2]), "p50-ns")
	b.ReportMetric(float64(samples[len(samples)*99/100]), "p99-ns")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
}
