package terminator

import (
	"bytes"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"nanofront/httpmsg"
	"nanofront/internal/testutil"
	"nanofront/metrics"
	"nanofront/nanobus"
	"nanofront/terminator/exchange"
	"nanofront/terminator/forwarded"
	"nanofront/terminator/http1"
)

const benchRequest = "GET /hello?a=b HTTP/1.1\r\nHost: h.example\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n"

var benchResponse = func() *httpmsg.Response {
	r := &httpmsg.Response{Body: make([]byte, 512)}
	r.Set("content-type", "text/plain")
	return r
}()

// asker answers requests without a connection.
type asker struct {
	status int
	done   chan struct{}
}

func (a *asker) end(x *exchange.Exchange) bool {
	a.status = x.Response.Status
	x.Finish(0, int64(len(x.Response.Body)), exchange.Complete)
	a.done <- struct{}{}
	return false
}

func (a *asker) Answer(x *exchange.Exchange) bool { return a.end(x) }
func (a *asker) Begin(x *exchange.Exchange) bool  { return a.end(x) }
func (a *asker) Drop(x *exchange.Exchange) bool   { return a.end(x) }
func (*asker) Held(*exchange.Exchange)            {}
func (*asker) Next()                              {}

// asker returns a function that takes the request through all steps, over the bus and back, and
// returns the status.
func (f *front) asker(request string) func() int {
	a := &asker{done: make(chan struct{}, 1)}
	peer := forwarded.NewPeer(netip.MustParseAddr("127.0.0.1"), nil)
	var note atomic.Uint64
	raw := []byte(request)
	var at http1.Head
	var s http1.Scanner
	s.Init(&http1.Limits{Head: 16 << 10, Fields: 100, Target: maxTarget, Body: 1 << 20})
	return func() int {
		_, _ = s.ScanOne(raw, &at) // it is in order
		f.front.Take(a, &peer, &note, f.front.Now()).Serve(nil, raw, &at, 0)
		<-a.done
		return a.status
	}
}

// helloNode adds an instance that answers each request at once, on the
// goroutine that reads the link, with 512 bytes.
func (f *front) helloNode(t testing.TB) {
	t.Helper()
	bus, err := nanobus.New(nanobus.Options{Service: "work", Instance: "hello", Window: 4096, Serve: func(batch []*nanobus.Request) {
		for _, r := range batch {
			_, _ = r.TryReply(benchResponse)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bus.Close() })
	address, err := bus.Listen("tcp://127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.link(t, "work", "hello", address)
}

// A request through all steps, over the bus and back, allocates nothing.
func TestServe_NoAllocations(t *testing.T) {
	testutil.SkipIfRace(t)
	for name, accessLog := range map[string]int{"no access log": -1, "access log": 100_000} {
		t.Run(name, func(t *testing.T) {
			f := startFront(t, Options{AccessLog: accessLog})
			f.logs.discard.Store(true)
			f.helloNode(t)
			ask := f.asker(benchRequest)
			one := func() {
				if got := ask(); got != 200 {
					t.Errorf("got %d", got)
				}
			}
			for range 500 {
				one()
			}
			runtime.GC()
			if n := testing.AllocsPerRun(2000, one); n > 0 {
				t.Errorf("%v allocations a request: want 0", n)
			}
		})
	}
}

// Refusing a request because the front has too much to do allocates nothing, and says all that a
// response must.
func TestTurnAway(t *testing.T) {
	testutil.SkipIfRace(t)
	f := startFront(t, Options{AccessLog: -1})
	eventually(t, "routes", f.routed)
	ask := f.turner(benchRequest)
	if status := ask(); status != 503 {
		t.Fatalf("got %d", status)
	}
	if n := testing.AllocsPerRun(2000, func() { ask() }); n > 0 {
		t.Errorf("%v allocations: want 0", n)
	}
	if f.count(metrics.HTTPTurnedAway) < 2000 || f.count(metrics.HTTPShed) != 0 || f.admission.InFlight() != 0 {
		t.Error("not counted, or counted as something else")
	}
}

// turner is asker with TurnAway.
func (f *front) turner(request string) func() int {
	a := &asker{done: make(chan struct{}, 1)}
	peer := forwarded.NewPeer(netip.MustParseAddr("127.0.0.1"), nil)
	var note atomic.Uint64
	raw := []byte(request)
	var at http1.Head
	var s http1.Scanner
	s.Init(&http1.Limits{Head: 16 << 10, Fields: 100, Target: maxTarget, Body: 1 << 20})
	return func() int {
		_, _ = s.ScanOne(raw, &at)
		f.front.Take(a, &peer, &note, f.front.Now()).TurnAway(raw, &at, 0)
		<-a.done
		return a.status
	}
}

// BenchmarkTurnAway is what refusing costs, but for the system's part; hello is an answer with all
// that the front, the bus and a handler that does nothing do for it.
func BenchmarkTurnAway(b *testing.B) {
	for _, name := range []string{"refused", "hello"} {
		b.Run(name, func(b *testing.B) {
			f := startFront(b, Options{AccessLog: -1})
			f.helloNode(b)
			ask := f.turner(benchRequest)
			if name == "hello" {
				ask = f.asker(benchRequest)
			}
			b.ReportAllocs()
			for b.Loop() {
				ask()
			}
		})
	}
}

// BenchmarkTerminator is everything in one process: 64 keep-alive connections
// over loopback, the loops, the bus, and a backend that answers at
// once.
func BenchmarkTerminator(b *testing.B) {
	b.Run("hello", func(b *testing.B) {
		f := startFront(b, Options{AccessLog: -1, MaxInFlight: 4096, MinInFlight: 4096})
		f.helloNode(b)
		const conns = 64
		b.ReportAllocs()
		b.ResetTimer()
		var wg sync.WaitGroup
		for i := range conns {
			n := b.N / conns
			if i < b.N%conns {
				n++
			}
			wg.Go(func() { benchClient(b, f.addr, n) })
		}
		wg.Wait()
		b.StopTimer()
	})
}

// benchClient sends n requests, one after the other. Responses are all of one
// length, which the first tells.
func benchClient(b *testing.B, addr string, n int) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Error(err)
		return
	}
	defer func() { _ = c.Close() }()
	buf := make([]byte, 4096)
	request := []byte(benchRequest)
	for range n {
		if _, err := c.Write(request); err != nil {
			b.Error(err)
			return
		}
		for have, want := 0, 1; have < want; {
			m, err := c.Read(buf[have:])
			if err != nil {
				b.Error(err)
				return
			}
			have += m
			want = len(buf)
			if head := bytes.Index(buf[:have], []byte("\r\n\r\n")); head >= 0 {
				want = head + 4 + len(benchResponse.Body)
			}
		}
		if string(buf[9:12]) != "200" {
			b.Errorf("got %q", buf[:12])
			return
		}
	}
}
