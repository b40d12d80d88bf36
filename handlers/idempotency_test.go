package handlers_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nanofront/handlers"
	"nanofront/httpmsg"
	"nanofront/internal/testutil"
	"nanofront/metrics"
	"nanofront/nanobus"
)

// write is a POST with a key, "" for none. header is "name: value" each.
func write(path, key, body string, header ...string) *httpmsg.Request {
	r := request(path)
	r.Method, r.Client, r.Body = []byte("POST"), []byte("192.0.2.1"), []byte(body)
	if key != "" {
		header = append(header, "idempotency-key: "+key)
	}
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		r.Header = append(r.Header, httpmsg.Field{Name: []byte(name), Value: []byte(value)})
	}
	return r
}

func (b *backend) send(t testing.TB, r *httpmsg.Request, budget time.Duration) *nanobus.Call {
	t.Helper()
	c := nanobus.NewCall()
	if err := b.svc.Go(c, r, budget); err != nil {
		t.Fatalf("%s: %v", r.Path, err)
	}
	return c
}

func (b *backend) do(t testing.TB, r *httpmsg.Request) answer {
	t.Helper()
	return end(t, b.send(t, r, testutil.Patience))
}

// counting answers with how often it was asked, in the way that the path says.
type counting struct {
	n    atomic.Int64
	gate chan struct{} // what waits at /gate takes one
}

func (c *counting) Serve(ctx context.Context, req *handlers.Request, resp *handlers.Response) error {
	n := c.n.Add(1)
	resp.Set("x-number", fmt.Sprint(n))
	_, _ = fmt.Fprintf(resp, "%d %.100s", n, req.Body)
	switch pathOf(req) {
	case "/gate":
		select {
		case <-c.gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	case "/created":
		resp.Status = 201
	case "/refused":
		return handlers.Status(422, "no")
	case "/busy":
		return handlers.Status(503, "not now")
	case "/not-done":
		return fmt.Errorf("rolled back: %w", handlers.ErrNotDone)
	case "/broken":
		return errors.New("half of it is done")
	case "/panics":
		panic("half of it is done")
	case "/long":
		resp.Body = append(resp.Body, make([]byte, handlers.MaxRemembered)...)
	}
	return nil
}

func TestIdempotency(t *testing.T) {
	for _, c := range []struct {
		name          string
		first, second *httpmsg.Request
		status        int // of the second
		times         int64
	}{
		{"the same", write("/created", "k", "a"), write("/created", "k", "a"), 201, 1},
		{"with and without quotes", write("/", `"k"`, "a"), write("/", "k", "a"), 200, 1},
		{"escapes and parameters", write("/", `"k\"1\\";x=1`, "a"), write("/", `"k\"1\\"`, "a"), 200, 1},
		{"another key", write("/", "k", "a"), write("/", "k2", "a"), 200, 2},
		{"no key", write("/", "", "a"), write("/", "", "a"), 200, 2},
		{"another payload", write("/", "k", "a"), write("/", "k", "b"), 422, 1},
		{"another query", write("/", "k", "a"), func() *httpmsg.Request { r := write("/", "k", "a"); r.Query = []byte("x=1"); return r }(), 422, 1},
		{"another path", write("/", "k", "a"), write("/2", "k", "a"), 200, 2},
		{"another method", write("/", "k", "a"), func() *httpmsg.Request { r := write("/", "k", "a"); r.Method = []byte("PUT"); return r }(), 200, 2},
		{"a read", write("/", "k", "a"), func() *httpmsg.Request { r := write("/", "k", "a"); r.Method = []byte("GET"); return r }(), 200, 2},
		{"another client", write("/", "k", "a"), func() *httpmsg.Request {
			r := write("/", "k", "a")
			r.Client = []byte("192.0.2.2")
			return r
		}(), 200, 2},
		{"another address of the same client", write("/", "k", "a", "authorization: one"), func() *httpmsg.Request {
			r := write("/", "k", "a", "authorization: one")
			r.Client = []byte("192.0.2.2")
			return r
		}(), 200, 1},
		{"another user", write("/", "k", "a", "authorization: one"), write("/", "k", "a", "authorization: two"), 200, 2},
		{"another session", write("/", "k", "a", "cookie: one"), write("/", "k", "a", "cookie: two"), 200, 2},
		{"an error is an answer", write("/refused", "k", "a"), write("/refused", "k", "a"), 422, 1},
		{"503 says that it wasn't done", write("/busy", "k", "a"), write("/busy", "k", "a"), 503, 2},
		{"said not to be done", write("/not-done", "k", "a"), write("/not-done", "k", "a"), 0, 2},
		{"failed midway", write("/broken", "k", "a"), write("/broken", "k", "a"), 409, 1},
		{"panicked midway", write("/panics", "k", "a"), write("/panics", "k", "a"), 409, 1},
		{"answer too long to keep", write("/long", "k", "a"), write("/long", "k", "a"), 409, 1},
		{"too long a key", write("/", strings.Repeat("k", 256), "a"), write("/", strings.Repeat("k", 256), "a"), 400, 0},
		{"no string", write("/", `"k`, "a"), write("/", `k k`, "a"), 400, 0},
		{"two keys", write("/", "k", "a", "idempotency-key: k2"), write("/", "k", "a", "idempotency-key: k2"), 400, 0},
		{"a long body", write("/", "k", strings.Repeat("a", 100<<10)), write("/", "k", strings.Repeat("a", 100<<10)), 200, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := &counting{}
			b := serve(t, handlers.Options{Idempotency: &handlers.Idempotency{}}, h)
			first := b.do(t, c.first)
			second := b.do(t, c.second)
			if second.status != c.status || h.n.Load() != c.times {
				t.Fatalf("done %d times, want %d; answered %v, then %v, want %d", h.n.Load(), c.times, first, second, c.status)
			}
			replayed := second.header["idempotency-replayed"] == "true"
			if c.times == 1 && c.status == first.status {
				if !replayed || second.body != first.body || second.header["x-number"] != first.header["x-number"] {
					t.Errorf("answered %v, then %v", first, second)
				}
			} else if replayed {
				t.Errorf("replayed: %v, then %v", first, second)
			}
		})
	}
}

// Those that come while the first is under way wait for it, and take no worker meanwhile.
func TestIdempotency_UnderWay(t *testing.T) {
	h := &counting{gate: make(chan struct{})}
	b := serve(t, handlers.Options{Idempotency: &handlers.Idempotency{}, Workers: 2, Window: 64}, h)
	var calls []*nanobus.Call
	for range 40 {
		calls = append(calls, b.send(t, write("/gate", "k", "a"), testutil.Patience))
	}
	if got := b.do(t, write("/", "", "other")); got.status != 200 {
		t.Fatalf("with 40 of the same key under way, another got %v", got)
	}
	conflicts := b.set.Counter(metrics.HandlerWritesRepeated, "conflict")
	testutil.Eventually(t, "those over a quarter of the window are refused", func() bool { return conflicts.Value() == 40-1-16 })
	h.gate <- struct{}{}
	statuses := map[int]int{}
	for _, c := range calls {
		statuses[end(t, c).status]++
	}
	if statuses[200] != 17 || statuses[409] != 23 || h.n.Load() != 2 {
		t.Errorf("statuses %v, done %d times", statuses, h.n.Load())
	}
}

// Whoever has no time left to wait learns that the outcome isn't known, and who comes later gets
// it.
func TestIdempotency_GivenUp(t *testing.T) {
	h := &counting{gate: make(chan struct{}, 1)}
	b := serve(t, handlers.Options{Idempotency: &handlers.Idempotency{}}, handlers.HandlerFunc(func(_ context.Context, req *handlers.Request, resp *handlers.Response) error {
		return h.Serve(context.Background(), req, resp) // doesn't mind whether anybody waits
	}))
	first := b.send(t, write("/gate", "k", "a"), 300*time.Millisecond)
	testutil.Eventually(t, "it is under way", func() bool { return h.n.Load() == 1 })
	if got := end(t, b.send(t, write("/gate", "k", "a"), 200*time.Millisecond)); got.status != 409 {
		t.Errorf("answered %v", got)
	}
	if got := end(t, first); !errors.Is(got.err, nanobus.ErrTimeout) {
		t.Errorf("the first got %v", got)
	}
	h.gate <- struct{}{}
	if got := b.do(t, write("/gate", "k", "a")); got.status != 200 || got.body != "1 a" || h.n.Load() != 1 {
		t.Errorf("done %d times; later answered %v", h.n.Load(), got)
	}
}

func TestIdempotency_Bounds(t *testing.T) {
	h := &counting{}
	b := serve(t, handlers.Options{Idempotency: &handlers.Idempotency{MaxWrites: 2, MaxBytes: 100, Window: time.Hour}}, h)
	for i, want := range []int{200, 200, 503} {
		if got := b.do(t, write("/", fmt.Sprint("k", i), strings.Repeat("a", 60))); got.status != want {
			t.Fatalf("the %d. got %v", i, got)
		}
	}
	if got := b.do(t, write("/", "", "a")); got.status != 200 {
		t.Errorf("without a key: %v", got)
	}
	if got := b.do(t, write("/", "k0", strings.Repeat("a", 60))); got.status != 409 {
		t.Errorf("of a forgotten answer: %v", got)
	}
	if got := b.do(t, write("/", "k1", strings.Repeat("a", 60))); got.status != 200 || h.n.Load() != 3 {
		t.Errorf("of the last: %v, done %d times", got, h.n.Load())
	}
}

func TestIdempotency_Window(t *testing.T) {
	h := &counting{}
	b := serve(t, handlers.Options{Idempotency: &handlers.Idempotency{Window: time.Millisecond, MaxWrites: 1}}, h)
	b.do(t, write("/", "k", "a"))
	testutil.Eventually(t, "it is forgotten", func() bool {
		got := b.do(t, write("/", "k", "a"))
		return got.status == 200 && got.header["idempotency-replayed"] == ""
	})
}

// Held and streamed answers, and those of batches.
func TestIdempotency_Kinds(t *testing.T) {
	t.Run("batch", func(t *testing.T) {
		for _, inline := range []bool{false, true} {
			var n atomic.Int64
			b := serve(t, handlers.Options{Idempotency: &handlers.Idempotency{}, Inline: inline}, handlers.BatchFunc(func(batch []*handlers.Exchange) {
				for _, x := range batch {
					_, _ = fmt.Fprint(x.Response(), n.Add(1))
					x.Done()
				}
			}))
			b.do(t, write("/", "k", "a"))
			if got := b.do(t, write("/", "k", "a")); got.body != "1" || n.Load() != 1 {
				t.Errorf("inline %v: done %d times, answered %v", inline, n.Load(), got)
			}
		}
	})
	t.Run("held", func(t *testing.T) {
		var n atomic.Int64
		b := serve(t, handlers.Options{Idempotency: &handlers.Idempotency{}}, handlers.HandlerFunc(func(_ context.Context, _ *handlers.Request, resp *handlers.Response) error {
			_, _ = fmt.Fprint(resp, n.Add(1))
			_, err := resp.Hold(time.Second) // this caller takes no holds: it is answered at once
			if !errors.Is(err, handlers.ErrNoHolds) {
				t.Errorf("held: %v", err)
			}
			return nil
		}))
		b.do(t, write("/", "k", "a"))
		if got := b.do(t, write("/", "k", "a")); got.body != "1" || n.Load() != 1 {
			t.Errorf("done %d times, answered %v", n.Load(), got)
		}
	})
	t.Run("streamed", func(t *testing.T) {
		var n atomic.Int64
		b := serve(t, handlers.Options{Idempotency: &handlers.Idempotency{}, Bodies: true}, handlers.StreamFunc(func(x *handlers.Exchange) error {
			w, err := x.Begin(-1)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(w, n.Add(1))
			return err
		}))
		b.do(t, write("/", "k", "a"))
		if got := b.do(t, write("/", "k", "a")); got.status != 409 || n.Load() != 1 {
			t.Errorf("done %d times, answered %v", n.Load(), got)
		}
	})
}

// slowMemory is one that several runtimes share, and that takes its time.
type slowMemory struct {
	mu     sync.Mutex
	writes map[handlers.WriteID]handlers.Write
	fails  atomic.Bool
}

func (m *slowMemory) Name() string { return "shared" }

func (m *slowMemory) Claim(ctx context.Context, id handlers.WriteID, payload handlers.PayloadSum, _ time.Time) (handlers.Write, error) {
	testutil.Work(ctx, time.Millisecond) // a database's round trip
	if m.fails.Load() {
		return handlers.Write{}, errors.New("the database is away")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if w, ok := m.writes[id]; ok {
		return w, nil
	}
	m.writes[id] = handlers.Write{State: handlers.WriteUnderWay, Payload: payload}
	return handlers.Write{Payload: payload}, nil
}

func (m *slowMemory) Settle(id handlers.WriteID, answer []byte) error {
	testutil.Work(context.Background(), time.Millisecond) // a database's round trip
	m.mu.Lock()
	defer m.mu.Unlock()
	w := m.writes[id]
	w.State, w.Answer = handlers.WriteEnded, answer
	m.writes[id] = w
	return nil
}

func (m *slowMemory) Forget(id handlers.WriteID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.writes, id)
	return nil
}

func TestIdempotency_Shared(t *testing.T) {
	m := &slowMemory{writes: map[handlers.WriteID]handlers.Write{}}
	h := &counting{}
	i := &handlers.Idempotency{Memory: m}
	one := serve(t, handlers.Options{Idempotency: i}, h)
	two := serve(t, handlers.Options{Idempotency: i, Instance: "work-2"}, h)
	var calls []*nanobus.Call
	for range 10 {
		calls = append(calls, one.send(t, write("/", "k", "a"), testutil.Patience), two.send(t, write("/", "k", "a"), testutil.Patience))
	}
	for _, c := range calls {
		if got := end(t, c); got.status != 200 || got.body != "1 a" {
			t.Errorf("answered %v", got)
		}
	}
	if h.n.Load() != 1 {
		t.Errorf("done %d times", h.n.Load())
	}
	m.fails.Store(true)
	if got := two.do(t, write("/", "k2", "a")); got.status != 503 || h.n.Load() != 1 {
		t.Errorf("without the memory: %v, done %d times", got, h.n.Load())
	}
}
