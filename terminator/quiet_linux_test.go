package terminator

import (
	"bufio"
	"io"
	"net/http/httputil"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nanofront/httpmsg"
	"nanofront/internal/testutil"
	"nanofront/metrics"
	"nanofront/nanobus"
)

// quiet is a backend that begins a stream for each request, without a goroutine, and says nothing
// more until it is told to.
type quiet struct {
	gone atomic.Int64 // whose clients have gone

	mu      sync.Mutex
	writers []*nanobus.BodyWriter
}

func (q *quiet) serve(batch []*nanobus.Request) {
	for _, r := range batch {
		w, err := r.ReplyBody(&httpmsg.Response{Body: []byte("begin\n"), Length: -1})
		if err != nil {
			continue
		}
		w.OnGone(func() { q.gone.Add(1) })
		q.mu.Lock()
		q.writers = append(q.writers, w)
		q.mu.Unlock()
	}
}

// each calls f for all writers.
func (q *quiet) each(f func(*nanobus.BodyWriter)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, w := range q.writers {
		f(w)
	}
}

// quietFront is a front with such a backend.
func quietFront(t *testing.T, opts Options) (*front, *quiet) {
	t.Helper()
	q := &quiet{}
	f := startFront(t, opts)
	bus, err := nanobus.New(nanobus.Options{Service: "work", Instance: "1", Bodies: true, Serve: q.serve})
	if err != nil {
		t.Fatal(err)
	}
	address, err := bus.Listen("tcp://127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		q.each(func(w *nanobus.BodyWriter) { _ = w.Close() })
		_ = bus.Close()
	})
	f.link(t, "work", "1", address)
	return f, q
}

// streams makes n clients with a stream each.
func (f *front) streams(t *testing.T, n int) (clients []*client) {
	t.Helper()
	for range n {
		c := f.dial(t)
		c.r = bufio.NewReaderSize(c, 16) // as small as it gets: memory is measured
		clients = append(clients, c)
		c.send("GET / HTTP/1.1\nHost: a\n\n")
		c.begins(t)
	}
	return clients
}

// begins reads the head of a stream and its first piece.
func (c *client) begins(t *testing.T) {
	t.Helper()
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			t.Fatalf("the beginning of a stream: %v", err)
		}
		if line == "\r\n" {
			break
		}
	}
	c.piece(t, "begin\n")
}

// piece reads one chunk.
func (c *client) piece(t *testing.T, want string) {
	t.Helper()
	got := make([]byte, len(want)+5)
	if _, err := io.ReadFull(c.r, got); err != nil || string(got[3:len(want)+3]) != want {
		t.Fatalf("got %q, %v, want a chunk of %q", got, err, want)
	}
}

// memory is the live heap with all stacks.
func memoryInUse() uint64 {
	runtime.GC()
	runtime.GC() // what the pools held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// TestQuiet_Streams: streams that are quiet cost no goroutine and little memory, however many are
// told something at once; and clients that leave are noticed. With NANOFRONT_BENCH_FULL=1 they are
// as many as 20,000 open files allow.
func TestQuiet_Streams(t *testing.T) {
	const most = 8 << 10
	n := 2000
	if os.Getenv("NANOFRONT_BENCH_FULL") != "" {
		n = 9900
	}
	f, q := quietFront(t, Options{})
	before := memoryInUse()
	clients := f.streams(t, n)
	testutil.Eventually(t, "no goroutine per stream", func() bool { return runtime.NumGoroutine() < 100 })
	if got := f.count(metrics.HTTPCameBack); got != 0 {
		t.Errorf("%d connections came back to their loops", got)
	}
	for range 3 {
		event := strings.Repeat("x", 10) + "\n"
		q.each(func(w *nanobus.BodyWriter) {
			if _, err := io.WriteString(w, event); err != nil {
				t.Error(err)
			}
		})
		for _, c := range clients {
			c.piece(t, event)
		}
	}
	if got := (int64(memoryInUse()) - int64(before)) / int64(n); got > most {
		t.Errorf("%d bytes for each stream, its client and its handler included, %d allowed", got, most)
	} else {
		t.Logf("%d bytes for each stream, its client and its handler included", got)
	}
	left := time.Now()
	for _, c := range clients[:n/2] {
		_ = c.Close()
	}
	testutil.Eventually(t, "half of the streams have ended", func() bool { return f.table.Open() == int64(n-n/2) && q.gone.Load() == int64(n/2) })
	if took := time.Since(left); took > 2*time.Second { // 1 s on a machine that is otherwise idle
		t.Errorf("that took %v", took)
	} else {
		t.Logf("noticed within %v", took)
	}
	q.each(func(w *nanobus.BodyWriter) { _, _ = io.WriteString(w, "still\n") })
	for _, c := range clients[n/2:] {
		c.piece(t, "still\n")
	}
	q.each(func(w *nanobus.BodyWriter) { _ = w.Close() })
	for _, c := range clients[n/2:] {
		if end, err := io.ReadAll(io.LimitReader(c.r, 5)); string(end) != "0\r\n\r\n" {
			t.Fatalf("at the end: %q, %v", end, err)
		}
		c.send("GET / HTTP/1.1\nHost: a\n\n") // the connection goes on, on its loop
		c.begins(t)
	}
}

// TestQuiet_SlowClient: a client that doesn't read holds up nobody else, and its sender.
func TestQuiet_SlowClient(t *testing.T) {
	f, q := quietFront(t, Options{})
	clients := f.streams(t, 2)
	var writers []*nanobus.BodyWriter
	q.each(func(w *nanobus.BodyWriter) { writers = append(writers, w) })
	const size = 16 << 20
	sent := make(chan error, 1)
	go func() {
		_, err := io.Copy(writers[0], noise(size))
		_ = writers[0].Close()
		sent <- err
	}()
	for range 100 {
		if _, err := io.WriteString(writers[1], "other\n"); err != nil {
			t.Fatal(err)
		}
		clients[1].piece(t, "other\n")
	}
	eventually(t, "something is held for the client", func() bool { return f.memory.Held() > 0 })
	if held := f.memory.Held(); held > 64<<10 {
		t.Errorf("%d bytes are held for one client", held)
	}
	got, err := io.ReadAll(httputil.NewChunkedReader(clients[0].r))
	if err != nil || len(got) != size {
		t.Errorf("%d bytes, %v, want %d", len(got), err, size)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	eventually(t, "nothing is held", func() bool { return f.memory.Held() == 0 })
}

// TestQuiet_Drain: a drain doesn't wait for streams that are quiet; one that isn't may go on.
func TestQuiet_Drain(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		f, q := quietFront(t, Options{DrainTimeout: patience})
		clients := f.streams(t, 3)
		began := time.Now()
		stopped := make(chan error, 1)
		go func() { stopped <- f.stop() }()
		over := make(chan struct{})
		go func() { // the last of them is busy
			defer close(over)
			q.mu.Lock()
			busy := q.writers[2]
			q.mu.Unlock()
			for time.Since(began) < 4*time.Second {
				if _, err := io.WriteString(busy, "event\n"); err != nil {
					t.Errorf("the stream that is busy: %v", err)
					return
				}
				time.Sleep(100 * time.Millisecond) // the pace of the events
			}
			_ = busy.Close()
		}()
		for _, c := range clients[:2] {
			if rest, err := io.ReadAll(c.r); len(rest) > 0 || err != nil {
				t.Errorf("a quiet stream goes on with %q, %v, want its end without the last chunk", rest, err)
			}
		}
		if rest, err := io.ReadAll(clients[2].r); err != nil || !strings.HasSuffix(string(rest), "0\r\n\r\n") {
			t.Errorf("the busy stream ends with %q, %v", rest[max(len(rest)-20, 0):], err)
		}
		for _, c := range clients {
			_ = c.Close()
		}
		<-over
		<-stopped
		if took := time.Since(began); took > patience/2 {
			t.Errorf("draining took %v", took)
		}
	})
}
