package handlers_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nanofront/handlers"
	"nanofront/handlers/handlertest"
	"nanofront/internal/testutil"
	"nanofront/metrics"
	"nanofront/registry"
)

// hole is what a stopped process looks like from outside: connections to it stay, and nothing comes
// back.
type hole struct {
	net.Listener
	silent sync.RWMutex // write-locked while it is
	conns  sync.WaitGroup
}

// startHole passes connections on to an address until it is made silent.
func startHole(t *testing.T, to string) *hole {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &hole{Listener: l}
	var mu sync.Mutex
	var open []net.Conn
	h.conns.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", strings.TrimPrefix(to, "tcp://"))
			if err != nil {
				_ = in.Close()
				continue
			}
			mu.Lock()
			open = append(open, in, out)
			mu.Unlock()
			for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
				h.conns.Go(func() { h.pass(way[0], way[1]) })
			}
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		h.conns.Wait()
	})
	return h
}

func (h *hole) pass(from, to net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		h.silent.RLock()
		if err == nil {
			_, err = to.Write(buf[:n])
		}
		h.silent.RUnlock()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				_ = from.Close()
			}
			_ = to.Close()
			return
		}
	}
}

// TestClient_InstanceStops: of a service's two instances one falls silent, as a process does that
// is stopped. Reads are answered by the other one, at once or after it was found silent; writes are
// not sent twice.
func TestClient_InstanceStops(t *testing.T) {
	d := handlertest.NewDiscovery()
	var writes [2]atomic.Int64
	var at [2]string
	for i, id := range []string{"work-a", "work-b"} {
		own := handlertest.NewDiscovery()
		r := &recorder{own, make(chan registry.Instance, 1)}
		rt, err := handlers.New(handlers.Options{Service: "work", Instance: id, Discovery: r})
		if err != nil {
			t.Fatal(err)
		}
		testutil.Start(t, id, func(ctx context.Context) error {
			return rt.Run(ctx, handlers.HandlerFunc(func(ctx context.Context, req *handlers.Request, resp *handlers.Response) error {
				if string(req.Method) == "POST" {
					writes[i].Add(1)
				}
				return ok(ctx, req, resp)
			}))
		})
		at[i] = (<-r.in).Address
	}
	h := startHole(t, at[0])
	d.Put(registry.Instance{Service: "work", ID: "work-a", Address: "tcp://" + h.Addr().String()})
	d.Put(registry.Instance{Service: "work", ID: "work-b", Address: at[1]})
	rt, set := caller(t, d, nil)
	testutil.Eventually(t, "both are linked", func() bool {
		live := 0
		for _, l := range rt.Links() {
			if l.State == "live" {
				live++
			}
		}
		return live == 2
	})
	client := rt.Client("work")

	quit := make(chan struct{})
	var callers sync.WaitGroup
	var answered, slow, sent atomic.Int64
	for range 8 {
		callers.Go(func() {
			for {
				select {
				case <-quit:
					return
				case <-time.After(time.Millisecond):
				}
				c := newCall("/x")
				ctx, cancel := context.WithTimeout(t.Context(), testutil.Patience)
				began := time.Now()
				if err := client.Do(ctx, c); err != nil {
					t.Errorf("a read failed: %v", err)
				}
				if answered.Add(1); time.Since(began) > 3*time.Second {
					slow.Add(1)
				}
				cancel()
				c.Release()
			}
		})
	}
	stop := sync.OnceFunc(func() { close(quit); callers.Wait() })
	t.Cleanup(stop)
	more := func(n int64) {
		t.Helper()
		was := answered.Load()
		testutil.Eventually(t, "reads are answered", func() bool { return answered.Load() >= was+n })
	}
	more(1000)
	h.silent.Lock()
	silent := sync.OnceFunc(h.silent.Unlock)
	t.Cleanup(silent)
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			c := newCall("/write")
			c.Request.Method = []byte("POST")
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			sent.Add(1)
			_ = client.Do(ctx, c) // it may end with the time
			c.Release()
		})
	}
	more(2000)
	if n := set.Counter(metrics.BusCopies, "stalled").Value() + set.Counter(metrics.BusCopies, "slow").Value(); n == 0 {
		t.Error("no read was sent to the second instance")
	}
	writers.Wait()
	silent()
	more(200)
	stop()
	if slow.Load() > 0 {
		t.Errorf("%d of %d reads took more than 3 s", slow.Load(), answered.Load())
	}
	if n := writes[0].Load() + writes[1].Load(); n > sent.Load() {
		t.Errorf("%d writes were done, of %d that were sent", n, sent.Load())
	}
}
