package terminator

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"nanofront/httpmsg"
	"nanofront/metrics"
	"nanofront/nanobus"
)

// holding holds each request, with an answer for the timeout unless that is empty, and keeps what
// is held by path.
type holding struct {
	t        *testing.T
	timeout  time.Duration
	fallback string

	mu   sync.Mutex
	held map[string]*nanobus.Held
}

func (h *holding) answer(req *httpmsg.Request, r *nanobus.Request) {
	path := string(req.Path)
	var p nanobus.Payload
	if h.fallback != "" {
		p = &httpmsg.Response{Body: []byte(h.fallback)}
	}
	held, err := r.Hold(p, h.timeout, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.held, path)
	})
	if err != nil {
		h.t.Errorf("%s: %v", path, err)
		r.ReplyError(nanobus.CodeInternal, "")
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held[path] = held
}

func (h *holding) get(path string) *nanobus.Held {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.held[path]
}

func (f *front) holding(t *testing.T, timeout time.Duration, fallback string) *holding {
	t.Helper()
	h := &holding{t: t, timeout: timeout, fallback: fallback, held: make(map[string]*nanobus.Held)}
	f.work(t, "w", h.answer)
	return h
}

func TestHeld_Answers(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		f := startFront(t, Options{})
		h := f.holding(t, time.Minute, "nothing")
		for _, c := range []struct {
			name, method string
			answer       func(*nanobus.Held) error
			status       int
			body         string
		}{
			{"whole", "GET", func(h *nanobus.Held) error { return h.Answer(&httpmsg.Response{Status: 201, Body: []byte("x")}) }, 201, "x"},
			{"head", "HEAD", func(h *nanobus.Held) error { return h.Answer(&httpmsg.Response{Body: []byte("x")}) }, 200, ""},
			{"large", "GET", func(h *nanobus.Held) error {
				return h.Answer(&httpmsg.Response{Body: []byte(strings.Repeat("x", 200_000))})
			}, 200, strings.Repeat("x", 200_000)},
			{"failed", "GET", func(h *nanobus.Held) error { return h.Fail(nanobus.CodeInternal, "no") }, 500, ""},
			{"not HTTP", "GET", func(h *nanobus.Held) error { return h.Answer(nanobus.Bytes("?")) }, 502, ""},
			{"too large", "GET", func(h *nanobus.Held) error {
				_ = h.Answer(make(nanobus.Bytes, nanobus.MaxFrame)) // the client is told
				return nil
			}, 502, ""},
		} {
			t.Run(c.name, func(t *testing.T) {
				client := f.dial(t)
				path := "/" + strings.ReplaceAll(c.name, " ", "-")
				client.send(c.method + " " + path + " HTTP/1.1\nHost: a\n\n")
				eventually(t, "it is held", func() bool { return h.get(path) != nil })
				eventually(t, "it has given its place back", func() bool { return f.admission.InFlight() == 0 })
				if err := c.answer(h.get(path)); err != nil {
					t.Fatal(err)
				}
				got := client.read(c.method)
				if got.StatusCode != c.status || c.status < 300 && got.body != c.body {
					t.Errorf("%d %.100q", got.StatusCode, got.body)
				}
				if got.Header.Get("X-Request-Id") == "" || got.Header.Get("Date") == "" {
					t.Errorf("%v", got.Header)
				}
			})
		}
		if f.held.Len() != 0 || f.memory.Held() != 0 {
			t.Errorf("%d are held, %d bytes", f.held.Len(), f.memory.Held())
		}
	})
}

// TestHeld_WithoutAnAnswer: a handler that has said nothing for the timeout leaves the client a
// 503.
func TestHeld_WithoutAnAnswer(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		f := startFront(t, Options{})
		f.holding(t, 100*time.Millisecond, "")
		refused(t, f.ask(t, "GET", "/", ""), 503)
		if n := f.count(metrics.HTTPHeldEnded, "timed_out"); n != 1 {
			t.Errorf("%d timed out", n)
		}
		c := f.dial(t)
		if got := c.ask("GET", "/", "Accept: text/html\n"); got.StatusCode != 503 || !strings.Contains(got.Header.Get("Content-Type"), "html") {
			t.Errorf("%d %v: want a page for a browser", got.StatusCode, got.Header)
		}
	})
}

// TestHeld_NoMemory: what the front has no memory for is refused, and the handler told.
func TestHeld_NoMemory(t *testing.T) {
	f := startFront(t, Options{ClientMemory: 4 << 20})
	h := f.holding(t, time.Minute, strings.Repeat("x", 400_000))
	for i := range 2 {
		f.dial(t).send(fmt.Sprintf("GET /%d HTTP/1.1\nHost: a\n\n", i))
		eventually(t, "it is held", func() bool { return f.held.Len() == i+1 })
	}
	refused(t, f.ask(t, "GET", "/2", ""), 503)
	eventually(t, "the handler is told", func() bool { return h.get("/2") == nil })
	if n := f.count(metrics.HTTPHeldEnded, "refused"); n != 1 {
		t.Errorf("%d refused", n)
	}
}

// TestHeld_Memory: at most 6 KiB of the front's memory for each client that is held, with its
// connection; the handler's part and the client's socket, which are in this process too, are
// counted along.
func TestHeld_Memory(t *testing.T) {
	const n, most = 2000, 6 << 10
	f := startFront(t, Options{})
	f.holding(t, time.Minute, "nothing")
	size := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapInuse + m.StackInuse
	}
	goroutines, before := runtime.NumGoroutine(), size()
	for i := range n {
		c := f.dial(t)
		c.r = nil // the test's own memory; its socket is counted
		c.send(fmt.Sprintf("GET /%d HTTP/1.1\nHost: a\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\nAccept: */*\nCookie: id=%032d\n\n", i, i))
		if i%100 == 99 {
			eventually(t, "they are held", func() bool { return f.held.Len() == i+1 })
		}
	}
	each := (int64(size()) - int64(before)) / n
	if more := runtime.NumGoroutine() - goroutines; f.loops != nil && more > 50 {
		t.Errorf("%d goroutines more", more)
	}
	if each > most {
		t.Errorf("%d bytes each, want %d at most", each, most)
	}
	t.Logf("%d bytes each", each)
}
