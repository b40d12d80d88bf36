package handlers_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nanofront/handlers"
	"nanofront/handlers/handlertest"
	"nanofront/httpmsg"
	"nanofront/internal/testutil"
	"nanofront/metrics"
	"nanofront/nanobus"
)

// caller starts a runtime that calls "work" and serves h as "front".
func caller(t *testing.T, d *handlertest.Discovery, h handlers.BatchFunc) (*handlers.Runtime, *metrics.Set) {
	t.Helper()
	set := metrics.New(metrics.Handler, "front-1")
	rt, err := handlers.New(handlers.Options{
		Service: "front", Instance: "front-1", Discovery: d, Calls: []string{"work"}, Metrics: set,
	})
	if err != nil {
		t.Fatal(err)
	}
	if h == nil {
		h = func([]*handlers.Exchange) {} // it is asked nothing
	}
	testutil.Start(t, "front", func(ctx context.Context) error { return rt.RunBatch(ctx, h) })
	return rt, set
}

func newCall(path string) *handlers.Call {
	c := handlers.AcquireCall()
	c.Request.Method, c.Request.Path = []byte("GET"), []byte(path)
	return c
}

func TestClient_Do(t *testing.T) {
	d := handlertest.NewDiscovery()
	rt, _ := caller(t, d, nil)
	atWork, gate := make(chan struct{}, 10), make(chan struct{})
	b := serve(t, handlers.Options{Discovery: d}, handlers.HandlerFunc(
		func(ctx context.Context, req *handlers.Request, resp *handlers.Response) error {
			switch pathOf(req) {
			case "/wait":
				atWork <- struct{}{}
				<-ctx.Done()
				return ctx.Err()
			case "/stuck":
				<-gate
			case "/fail":
				return errors.New("inner secret")
			case "/404":
				return handlers.Status(404, "none")
			}
			return ok(ctx, req, resp)
		}))
	testutil.Eventually(t, "ready", func() bool { return rt.Ready() == nil })
	client := rt.Client("work")

	for _, c := range []struct {
		path    string
		timeout time.Duration
		status  int
		want    error
	}{
		{"/a", testutil.Patience, 200, nil},
		{"/404", testutil.Patience, 404, nil},
		{"/stuck", 60 * time.Millisecond, 0, context.DeadlineExceeded},
		{"/wait", -time.Second, 0, context.DeadlineExceeded},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), c.timeout)
		call := newCall(c.path)
		err := client.Do(ctx, call)
		// The bus' own clock may notice the deadline first.
		if timedOut := errors.Is(err, nanobus.ErrTimeout); !errors.Is(err, c.want) && (!timedOut || c.want == nil) {
			t.Errorf("%s within %v: got %v, want %v", c.path, c.timeout, err, c.want)
		}
		if err == nil && call.Response.Status != c.status {
			t.Errorf("%s: got %d, want %d", c.path, call.Response.Status, c.status)
		}
		call.Release()
		cancel()
	}

	t.Run("cancel", func(t *testing.T) {
		before := b.count(metrics.BusCancelsIn)
		ctx, cancel := context.WithCancel(t.Context())
		for len(atWork) > 0 {
			<-atWork
		}
		go func() {
			<-atWork
			cancel()
		}()
		call := newCall("/wait")
		defer call.Release()
		if err := client.Do(ctx, call); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
		testutil.Eventually(t, "the other side was told", func() bool { return b.count(metrics.BusCancelsIn) > before })
		call2 := newCall("/a")
		defer call2.Release()
		if err := client.Do(ctx, call2); !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that has ended: got %v, want %v", err, context.Canceled)
		}
	})
	t.Run("remote error", func(t *testing.T) {
		call := newCall("/fail")
		defer call.Release()
		var remote *nanobus.RemoteError
		if err := client.Do(t.Context(), call); !errors.As(err, &remote) || remote.Code != nanobus.CodeInternal || remote.Text != "" {
			t.Errorf("got %v, want a bare %v", err, nanobus.CodeInternal)
		}
	})
	t.Run("unsendable", func(t *testing.T) {
		call := newCall("/a")
		defer call.Release()
		for range 300 {
			call.Request.Header = append(call.Request.Header, httpmsg.Field{Name: []byte("x"), Value: []byte("y")})
		}
		if err := client.Do(t.Context(), call); err == nil || !strings.Contains(err.Error(), "300 header fields") {
			t.Errorf("got %v: want what is wrong with it", err)
		}
	})
	t.Run("no credit", func(t *testing.T) {
		close(gate)
		b.stop()
		one := serve(t, handlers.Options{Instance: "one", Discovery: d, Window: 1}, handlers.HandlerFunc(
			func(ctx context.Context, _ *handlers.Request, _ *handlers.Response) error {
				<-ctx.Done()
				return nil
			}))
		_ = one.bus.Close() // the window is the runtime's alone
		testutil.Eventually(t, "ready", func() bool { return rt.Ready() == nil })
		ctx, cancel := context.WithCancel(t.Context())
		first := make(chan error, 1)
		go func() {
			c := newCall("/")
			defer c.Release()
			first <- client.Do(ctx, c)
		}()
		testutil.Eventually(t, "at work", func() bool { return one.count(metrics.HandlerRequests) == 1 })
		call := newCall("/")
		defer call.Release()
		if err := client.Do(ctx, call); !errors.Is(err, handlers.ErrUnavailable) || !errors.Is(err, nanobus.ErrNoCredit) {
			t.Errorf("got %v, want %v and %v", err, handlers.ErrUnavailable, nanobus.ErrNoCredit)
		}
		cancel()
		<-first
		one.stop()
	})
	t.Run("no instance", func(t *testing.T) {
		testutil.Eventually(t, "nobody left", func() bool { return rt.Ready() != nil })
		call := newCall("/")
		defer call.Release()
		if err := client.Do(t.Context(), call); !errors.Is(err, handlers.ErrUnavailable) || !errors.Is(err, nanobus.ErrNoInstance) {
			t.Errorf("got %v, want %v and %v", err, handlers.ErrUnavailable, nanobus.ErrNoInstance)
		}
	})
}

// TestClient_GoAll: what is asked at once arrives at once.
func TestClient_GoAll(t *testing.T) {
	const n = 100
	d := handlertest.NewDiscovery()
	rt, _ := caller(t, d, nil)
	var largest atomic.Int32
	serve(t, handlers.Options{Discovery: d, Inline: true}, handlers.BatchFunc(func(batch []*handlers.Exchange) {
		largest.Store(max(largest.Load(), int32(len(batch))))
		for _, x := range batch {
			_, _ = x.Response().Write(x.Request().Path)
			x.Done()
		}
	}))
	testutil.Eventually(t, "ready", func() bool { return rt.Ready() == nil })
	client := rt.Client("work")
	// The link's writer may set out with the first of them if it was just at
	// work on something else, such as a ping.
	testutil.Eventually(t, "all in one batch", func() bool {
		ended := make(chan string, n)
		var calls []*handlers.Call
		for range n {
			c := newCall("/a")
			c.Done = func(c *handlers.Call) {
				ended <- string(c.Response.Body)
				c.Release()
			}
			calls = append(calls, c)
		}
		client.GoAll(calls, testutil.Patience)
		for range n {
			if body := <-ended; body != "/a" {
				t.Fatalf("got %q", body)
			}
		}
		return largest.Load() == n
	})
}

// Each call of GoAll ends by itself, those that can't be sent too.
func TestClient_GoAllFailures(t *testing.T) {
	d := handlertest.NewDiscovery()
	rt, _ := caller(t, d, nil)
	gate := make(chan struct{})
	b := serve(t, handlers.Options{Discovery: d, Window: 32}, handlers.HandlerFunc(
		func(context.Context, *handlers.Request, *handlers.Response) error {
			<-gate
			return nil
		}))
	_ = b.bus.Close()
	testutil.Eventually(t, "the whole window is the runtime's", func() bool {
		links := rt.Links()
		return len(links) == 1 && links[0].Window == 32
	})
	ended := make(chan error, 40)
	var calls []*handlers.Call
	for i := range 40 {
		c := newCall("/")
		if i == 7 {
			c.Request.Method = make([]byte, 300)
		}
		c.Done = func(c *handlers.Call) {
			ended <- c.Err
			c.Release()
		}
		calls = append(calls, c)
	}
	rt.Client("work").GoAll(calls, testutil.Patience)
	for range 8 { // 39 can be sent, 32 fit
		switch err := <-ended; {
		case err == nil:
			t.Error("one ended well with the gate closed")
		case errors.Is(err, handlers.ErrUnavailable), strings.Contains(err.Error(), "method of 300 bytes"):
		default:
			t.Errorf("got %v", err)
		}
	}
	close(gate)
	for range 32 {
		if err := <-ended; err != nil {
			t.Errorf("got %v", err)
		}
	}
}

// A failed call becomes the status that it stands for.
func TestClient_ErrorsAsAnswers(t *testing.T) {
	d := handlertest.NewDiscovery()
	var rt *handlers.Runtime
	var client atomic.Pointer[handlers.Client]
	rt, _ = caller(t, d, func(batch []*handlers.Exchange) {
		for _, x := range batch {
			c := newCall(pathOf(x.Request()))
			c.User, c.Done = x, func(c *handlers.Call) {
				x := c.User.(*handlers.Exchange) //nolint:forcetypeassert // set above
				err := c.Err
				c.Release()
				switch {
				case pathOf(x.Request()) == "/panic":
					panic("in Done")
				case err != nil:
					x.Fail(err)
				default:
					x.Done()
				}
			}
			budget := testutil.Patience
			switch pathOf(x.Request()) {
			case "/wait":
				budget = 50 * time.Millisecond
			case "/panic-as-one-of-several":
				c.User, c.Patient, c.Done = "one of several", x, func(c *handlers.Call) {
					c.Release()
					panic("in Done")
				}
			}
			client.Load().Go(c, budget)
		}
	})
	client.Store(rt.Client("work"))
	front := handlertest.NewCaller(t, d, "front")
	if got := front.Get(t, "front", "/none"); got.Status != 503 || got.Header["retry-after"] == "" {
		t.Errorf("nobody there: got %d %v, want 503 with retry-after", got.Status, got.Header)
	}
	gate := make(chan struct{})
	serve(t, handlers.Options{Discovery: d}, handlers.HandlerFunc(
		func(_ context.Context, req *handlers.Request, _ *handlers.Response) error {
			if pathOf(req) == "/wait" {
				<-gate
			}
			return nil
		}))
	t.Cleanup(func() { close(gate) })
	testutil.Eventually(t, "ready", func() bool { return rt.Ready() == nil })
	if got := front.Get(t, "front", "/wait"); got.Status != 504 {
		t.Errorf("too slow: got %d, want 504", got.Status)
	}
	if got := front.Get(t, "front", "/fine"); got.Status != 200 {
		t.Errorf("got %d, want 200", got.Status)
	}
	// Done runs on a goroutine of the bus: its panic must not end the process,
	// and the exchange must be answered all the same.
	for _, path := range []string{"/panic", "/panic", "/panic-as-one-of-several"} {
		_, err := front.Do(t.Context(), "front", "GET", path, nil)
		var remote *nanobus.RemoteError
		if !errors.As(err, &remote) || remote.Code != nanobus.CodeInternal {
			t.Errorf("%s, in Done: got %v, want %v", path, err, nanobus.CodeInternal)
		}
	}
	if got := front.Get(t, "front", "/fine"); got.Status != 200 {
		t.Errorf("afterwards: got %d, want 200", got.Status)
	}
}

func TestRuntime_ClientOfUnlisted(t *testing.T) {
	rt, _ := caller(t, handlertest.NewDiscovery(), nil)
	defer func() {
		if recover() == nil {
			t.Error("a client of a service that is not in Options.Calls")
		}
	}()
	rt.Client("other")
}
