package main

import (
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"nanofront/internal/testutil"
	"nanofront/metrics"
	"nanofront/nanobus"
)

// bytesPayload is a nanobus.Payload that costs no allocation to pass.
type bytesPayload struct{ b []byte }

// AppendTo implements nanobus.Payload.
func (p *bytesPayload) AppendTo(dst []byte) []byte { return append(dst, p.b...) }

var echoPayloads = sync.Pool{New: func() any { return new(bytesPayload) }}

func echoBatch(batch []*nanobus.Request) {
	p := echoPayloads.Get().(*bytesPayload) //nolint:forcetypeassert // the pool has nothing else
	for _, r := range batch {
		p.b = r.Payload()
		_ = r.Reply(p) // a peer that has gone needs no answer
	}
	p.b = nil
	echoPayloads.Put(p)
}

// startNanobus is ours: one link. It also reports the mean batch.
func startNanobus(b *testing.B, _, _ int) func() exchange {
	server, err := nanobus.New(nanobus.Options{Service: "echo", Instance: "1", Serve: echoBatch, Window: 2048})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = server.Close() })
	addr, err := server.Listen("tcp://127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	set := metrics.New(metrics.Handler, "")
	caller, err := nanobus.New(nanobus.Options{Service: "caller", Instance: "c", Metrics: set})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = caller.Close() })
	if err := caller.SetInstances([]nanobus.Instance{{Service: "echo", ID: "1", Address: addr}}); err != nil {
		b.Fatal(err)
	}
	s := caller.Service("echo")
	testutil.Eventually(b, "the link is up", func() bool { return s.Live() == 1 })
	b.Cleanup(func() { // before the buses close
		frames, messages := set.Counter(metrics.BusFramesOut).Value(), set.Counter(metrics.BusMessagesOut).Value()
		b.ReportMetric(float64(frames)/float64(messages), "frames/msg")
	})
	return func() exchange {
		call, payload := nanobus.NewCall(), new(bytesPayload)
		return func(body []byte) ([]byte, error) {
			call.Release() // the reply before this one
			payload.b = body
			for {
				err := s.Go(call, payload, 10*time.Second)
				if err == nil {
					break
				}
				if !errors.Is(err, nanobus.ErrNoCredit) {
					return nil, err
				}
				runtime.Gosched() // pushed back: more is gathered than a link holds
			}
			call.Wait()
			return call.Payload, call.Err
		}
	}
}
