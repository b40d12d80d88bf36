package handlers_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"nanofront/handlers"
	"nanofront/internal/testutil"
	"nanofront/nanobus"
)

var helloBody = make([]byte, 512)

// hello is the least that a handler does.
func hello(_ context.Context, _ *handlers.Request, resp *handlers.Response) error {
	resp.Set("content-type", "text/plain")
	_, err := resp.Write(helloBody)
	return err
}

func helloBatch(batch []*handlers.Exchange) {
	for _, x := range batch {
		resp := x.Response()
		resp.Set("content-type", "text/plain")
		_, _ = resp.Write(helloBody)
		x.Done()
	}
}

// kinds are the ways to serve.
var kinds = []struct {
	name string
	opts handlers.Options
	h    any
}{
	{"handler", handlers.Options{}, handlers.HandlerFunc(hello)},
	{"batch", handlers.Options{}, handlers.BatchFunc(helloBatch)},
	{"inline", handlers.Options{Inline: true}, handlers.BatchFunc(helloBatch)},
}

// A request through the bus and the runtime, and its answer back, allocate
// nothing, either end included.
func TestRuntime_NoAllocations(t *testing.T) {
	testutil.SkipIfRace(t)
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			b := serve(t, k.opts, k.h)
			c, req := nanobus.NewCall(), request("/hello")
			one := func() {
				if err := b.svc.Go(c, req, time.Minute); err != nil {
					t.Error(err)
					return
				}
				c.Wait()
				if c.Err != nil {
					t.Error(c.Err)
				}
				c.Release()
			}
			for range 500 {
				one()
			}
			// A collection empties the pools, pings come once a second: not
			// quite zero, but it rounds to it.
			runtime.GC()
			if n := testing.AllocsPerRun(2000, one); n > 0 {
				t.Errorf("%v allocations a request: want 0", n)
			}
		})
	}
}

// BenchmarkRuntime is a request and its answer over one link on loopback,
// with 64 at a time under way.
func BenchmarkRuntime(b *testing.B) {
	for _, k := range kinds {
		b.Run(k.name, func(b *testing.B) {
			be := serve(b, k.opts, k.h)
			const callers = 64
			b.ReportAllocs()
			b.ResetTimer()
			var wg sync.WaitGroup
			for i := range callers {
				n := b.N / callers
				if i < b.N%callers {
					n++
				}
				wg.Go(func() {
					c, req := nanobus.NewCall(), request("/hello")
					for range n {
						if err := be.svc.Go(c, req, time.Minute); err != nil {
							b.Error(err)
							return
						}
						c.Wait()
						c.Release()
					}
				})
			}
			wg.Wait()
			b.StopTimer()
		})
	}
}
