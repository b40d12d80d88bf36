package terminator

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nanofront/httpmsg"
	"nanofront/metrics"
	"nanofront/nanobus"
)

// atRest waits until nothing is under way and no connection open.
func (f *front) atRest(t testing.TB) {
	t.Helper()
	eventually(t, "no connection", func() bool { return f.table.Open() == 0 })
	eventually(t, "nothing in flight", func() bool { return f.admission.InFlight() == 0 })
	eventually(t, "no slot in use", func() bool { return f.set.Gauge(metrics.BusSlotsInUse).Value() == 0 })
	if idle, active := f.table.Counts(); idle+active != 0 {
		t.Errorf("%d idle and %d active connections are left", idle, active)
	}
}

// A client that says at once that nothing more will come gets its response,
// and then the end: not after the idle timeout.
func TestLoop_HalfClosed(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		f := startFront(t, Options{})
		f.work(t, "w1", text("ok"))
		for range 300 {
			c := f.dial(t)
			c.send("GET / HTTP/1.1\nHost: h\n\n")
			if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if r := c.read("GET"); r.StatusCode != 200 || r.body != "ok" {
				t.Fatalf("got %d %q", r.StatusCode, r.body)
			}
			ended(t, c)
			_ = c.Close()
		}
		f.atRest(t)
	})
}

// Clients that go with a request under way, in each way in which one can.
func TestLoop_Gone(t *testing.T) {
	for name, leave := range map[string]func(c *net.TCPConn) error{
		"closed": (*net.TCPConn).Close,
		"reset": func(c *net.TCPConn) error {
			_ = c.SetLinger(0)
			return c.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			bothWays(t, func(t *testing.T) {
				f := startFront(t, Options{})
				n := f.work(t, "w1", func(req *httpmsg.Request, r *nanobus.Request) {
					if string(req.Path) == "/slow" {
						<-r.Context().Done()
					}
					respond(r, &httpmsg.Response{})
				})
				for range 5 {
					c := f.dial(t)
					c.ask("GET", "/", "")
					<-n.got
					c.send("GET /slow HTTP/1.1\nHost: h\n\n")
					<-n.got
					if err := leave(c.Conn.(*net.TCPConn)); err != nil {
						t.Fatal(err)
					}
				}
				eventually(t, "five to be counted", func() bool { return f.count(metrics.HTTPCancelled) == 5 })
				f.atRest(t)
			})
		})
	}
}

func TestLoop_IdleTimeout(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		f := startFront(t, Options{IdleTimeout: 50 * time.Millisecond})
		f.work(t, "w1", text("ok"))
		silent, asked := f.dial(t), f.dial(t)
		start := time.Now()
		asked.ask("GET", "/", "")
		ended(t, asked)
		if took := time.Since(start); took < 50*time.Millisecond {
			t.Errorf("closed after %v", took)
		}
		ended(t, silent)
		if n := f.count(metrics.HTTPClosed, "idle"); n != 2 {
			t.Errorf("%d counted, want 2", n)
		}
		f.atRest(t)
	})
}

// Requests that are sent when the connection is just about to be closed get a
// whole response or none, and none is lost half-way.
func TestLoop_IdleTimeoutMeetsRequest(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		f := startFront(t, Options{IdleTimeout: 10 * time.Millisecond})
		f.work(t, "w1", func(req *httpmsg.Request, r *nanobus.Request) {
			respond(r, &httpmsg.Response{Body: bytes.Clone(req.Path)})
		})
		var late atomic.Int64
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				var c *client
				for i := range 25 {
					if c == nil {
						c = f.dial(t)
					}
					want := fmt.Sprintf("/%d/%d", g, i)
					_, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", want)
					var r *rawResponse
					if err == nil {
						r, err = readRaw(c.r, "GET")
					}
					var network *net.OpError
					switch {
					case err == nil && r.status() == 200 && r.body == want:
						time.Sleep(15*time.Millisecond + rand.N(20*time.Millisecond))
					case errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "within") || errors.As(err, &network) && !network.Timeout():
						late.Add(1)
						_ = c.Close()
						c = nil
					default:
						t.Errorf("%s: got %v, %v", want, r, err)
						return
					}
				}
			})
		}
		wg.Wait()
		t.Logf("%d of 200 came too late", late.Load())
		f.atRest(t)
	})
}

// A client that doesn't take its responses, which are more than the system
// does: in the end they are all there, or the write timeout has come.
func TestLoop_SlowReader(t *testing.T) {
	const n, size = 20, 800_000
	start := func(t *testing.T, o Options) (*front, *client) {
		f := startFront(t, o)
		f.work(t, "w1", func(req *httpmsg.Request, r *nanobus.Request) {
			respond(r, &httpmsg.Response{Body: bytes.Repeat(req.Path[1:2], size)})
		})
		c := f.dial(t)
		_ = c.Conn.(*net.TCPConn).SetReadBuffer(16 << 10)
		for i := range n {
			c.send(fmt.Sprintf("GET /%c HTTP/1.1\nHost: h\n\n", 'A'+i%26))
		}
		return f, c
	}
	t.Run("in time", func(t *testing.T) {
		bothWays(t, func(t *testing.T) {
			f, c := start(t, Options{})
			eventually(t, "a response that isn't taken", func() bool {
				return f.count(metrics.HTTPRequests) >= 1 && f.count(metrics.HTTPHandedOver, "response") == uint64(min(1, f.loopCount()))
			})
			for i := range n {
				r := c.read("GET")
				if r.StatusCode != 200 || r.body != strings.Repeat(string(rune('A'+i%26)), size) {
					t.Fatalf("%d: got %d and %d bytes that begin with %.10q", i, r.StatusCode, len(r.body), r.body)
				}
			}
			if r := c.ask("GET", "/z", ""); len(r.body) != size {
				t.Errorf("afterwards: %d bytes", len(r.body))
			}
			_ = c.Close()
			f.atRest(t)
		})
	})
	t.Run("never", func(t *testing.T) {
		bothWays(t, func(t *testing.T) {
			f, _ := start(t, Options{WriteTimeout: 100 * time.Millisecond})
			eventually(t, "the write timeout", func() bool { return f.count(metrics.HTTPClosed, "write_timeout") == 1 })
			f.atRest(t)
		})
	})
}

func TestLoop_MaxConns(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		f := startFront(t, Options{MaxConns: 2})
		f.work(t, "w1", text("ok"))
		a, b := f.dial(t), f.dial(t)
		a.ask("GET", "/", "")
		b.ask("GET", "/", "")
		ended(t, f.dial(t))
		if n := f.count(metrics.HTTPClosed, "too_many"); n != 1 {
			t.Errorf("%d counted, want 1", n)
		}
		_ = a.Close()
		eventually(t, "room for one more", func() bool { return f.table.Open() == 1 })
		if r := f.ask(t, "GET", "/", ""); r.StatusCode != 200 {
			t.Errorf("got %d", r.StatusCode)
		}
		_ = b.Close()
		f.atRest(t)
	})
}

// openFiles counts this process' descriptors, but for that which it counts with.
func openFiles(t testing.TB) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// Without a descriptor left, a client waits until there is one.
func TestLoop_AcceptShortage(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		f := startFront(t, Options{})
		f.work(t, "w1", text("ok"))
		var limit syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
		null, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		next := null.Fd() // the lowest that is free
		_ = null.Close()
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: uint64(next) + 1, Max: limit.Max}); err != nil {
			t.Fatal(err)
		}
		restore := func() {
			if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
				t.Error(err)
			}
		}
		defer restore()
		c := f.dial(t) // takes it
		eventually(t, "the shortage to be counted", func() bool { return f.count(metrics.HTTPClosed, "accept_error") > 0 })
		restore()
		if r := c.ask("GET", "/", ""); r.StatusCode != 200 {
			t.Errorf("got %d", r.StatusCode)
		}
	})
}

// TestLoop_Churn: short connections come and go beside long ones, so that
// descriptors are used again all the time; each response belongs to its request.
func TestLoop_Churn(t *testing.T) {
	f := startFront(t, Options{EventLoops: 3})
	f.work(t, "w1", func(req *httpmsg.Request, r *nanobus.Request) {
		if len(req.Query) > 0 {
			time.Sleep(rand.N(3 * time.Millisecond))
		}
		respond(r, &httpmsg.Response{Body: bytes.Clone(req.Path)})
	})
	var wg sync.WaitGroup
	var stop atomic.Bool
	ask := func(c *client, path, query, end string) bool {
		_, err := fmt.Fprintf(c, "GET %s%s HTTP/1.1\r\nHost: h\r\n%s\r\n", path, query, end)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return false
		}
		r, err := readRaw(c.r, "GET")
		if err != nil || r.status() != 200 || r.body != path {
			t.Errorf("%s: got %v, %v", path, r, err)
			return false
		}
		return true
	}
	for g := range 6 {
		wg.Go(func() { // long ones
			c := f.dial(t)
			for i := 0; !stop.Load(); i++ {
				if !ask(c, fmt.Sprintf("/long/%d/%d", g, i), "?slow", "") {
					return
				}
			}
		})
	}
	var short sync.WaitGroup
	for g := range 6 {
		short.Go(func() {
			for i := range 150 {
				c := f.dial(t)
				path := fmt.Sprintf("/short/%d/%d", g, i)
				switch i % 4 {
				case 0: // closed by the server
					ask(c, path, "", "Connection: close\r\n")
				case 1: // by the client
					ask(c, path, "?slow", "")
				case 2: // handed over
					ask(c, path, "", "Transfer-Encoding: chunked\r\n\r\n0\r\n")
				case 3: // gone
					_, _ = fmt.Fprintf(c, "GET %s?slow HTTP/1.1\r\nHost: h\r\n\r\n", path)
				}
				_ = c.Close()
			}
		})
	}
	short.Wait()
	stop.Store(true)
	wg.Wait()
}

// TestLoop_Stop: after Run nothing is left, however the connections stood.
func TestLoop_Stop(t *testing.T) {
	for name, o := range map[string]Options{
		"drained": {EventLoops: 2},
		"cut off": {EventLoops: 2, DrainTimeout: 50 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			warm := startFront(t, Options{}) // what is made once for the process
			warm.work(t, "w0", text("ok"))
			warm.ask(t, "GET", "/", "Expect: 100-continue\n")
			before, files := goleak.IgnoreCurrent(), openFiles(t)
			f := startFront(t, o)
			gate := make(chan struct{})
			n := f.work(t, "w1", func(req *httpmsg.Request, r *nanobus.Request) {
				if string(req.Path) == "/slow" {
					<-gate
				}
				respond(r, &httpmsg.Response{Body: []byte("ok")})
			})
			var all []*client
			add := func(request string) {
				c := f.dial(t)
				c.send(request)
				all = append(all, c)
			}
			add("")                                   // says nothing
			add("GET / HTTP/1.1\nHost: h\n\n")        // idle
			add("GET / HTTP/1.1\nHo")                 // half a head, handed over
			add("GET /slow HTTP/1.1\nHost: h\n\n")    // at work
			add("GET /slow HTTP/1.0\n\n")             // at work, handed over
			add("GET /slow HTTP/1.1\nHost: h\n\nGET") // with half a request behind
			add(strings.Repeat("GET /slow HTTP/1.1\nHost: h\n\n", 3))
			for range 5 {
				<-n.got
			}
			go func() { eventually(t, "draining", f.draining.Load); all[2].send("st: h\n\n") }()
			if o.DrainTimeout == 0 {
				go func() { eventually(t, "draining", f.draining.Load); close(gate) }()
			}
			if err := f.stop(); err != nil {
				t.Errorf("Run: %v", err)
			}
			if o.DrainTimeout != 0 {
				close(gate)
			}
			f.atRest(t)
			for _, c := range all {
				_ = c.Close()
			}
			_ = n.Close()
			n.at.Wait()
			goleak.VerifyNone(t, before)
			eventually(t, "the descriptors to be closed", func() bool { return openFiles(t) <= files })
		})
	}
}

// What a client sends and gets is counted once, also where a connection is
// handed over in the middle.
func TestLoop_BytesAreCountedOnce(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		f := startFront(t, Options{})
		f.work(t, "w1", replyOf(200, strings.Repeat("x", 300_000)))
		const n = 30
		get := "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
		requests := strings.Repeat(get, n) + "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + get
		c := f.dial(t)
		go func() { _, _ = io.WriteString(c, requests) }()
		counted := &countingReader{inner: c.r}
		c.r = bufio.NewReader(counted)
		for i := range n + 2 {
			if _, err := readRaw(c.r, "GET"); err != nil {
				t.Fatalf("%d: %v", i, err)
			}
		}
		eventually(t, "all bytes to be counted", func() bool {
			return f.count(metrics.HTTPBytesIn) == uint64(len(requests)) && f.count(metrics.HTTPBytesOut) == counted.n
		})
	})
}

type countingReader struct {
	inner io.Reader
	n     uint64
}

func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.inner.Read(p)
	r.n += uint64(n)
	return n, err
}
