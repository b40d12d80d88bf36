package handlers_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"nanofront/handlers"
	"nanofront/handlers/handlertest"
	"nanofront/internal/testutil"
	"nanofront/metrics"
	"nanofront/nanobus"
	"nanofront/registry"
)

func TestRun_Answers(t *testing.T) {
	b := serve(t, handlers.Options{}, handlers.HandlerFunc(
		func(_ context.Context, req *handlers.Request, resp *handlers.Response) error {
			if pathOf(req) == "/made" {
				resp.Status = 201
			}
			resp.Set("x-path", string(req.Path))
			_, err := fmt.Fprintf(resp, "%s at %s", req.Method, req.Host)
			return err
		}))
	for path, status := range map[string]int{"/a": 200, "/made": 201} {
		got := b.get(t, path)
		if got.err != nil || got.status != status || got.header["x-path"] != path || got.body != "GET at h" {
			t.Errorf("%s: got %v, want %d", path, got, status)
		}
	}
	if n := b.count(metrics.HandlerRequests); n != 2 {
		t.Errorf("%d requests counted: want 2", n)
	}
	testutil.Eventually(t, "2 responses counted", func() bool { return b.count(metrics.HandlerResponses, "2xx") == 2 })
}

// TestRun_Errors: from a handler's error to what the caller gets.
func TestRun_Errors(t *testing.T) {
	const secret = "dial tcp 10.1.2.3: password hunter2"
	for _, c := range []struct {
		name   string
		err    error
		status int
		code   nanobus.Code
		body   string
		retry  bool
	}{
		{name: "status", err: handlers.Status(404, "no %s", "cake"), status: 404, body: `{"error":"no cake"}` + "\n"},
		{name: "status in quotes", err: handlers.Status(400, `say "please"`), status: 400, body: `{"error":"say \"please\""}` + "\n"},
		{name: "wrapped status", err: fmt.Errorf("%s: %w", secret, handlers.Status(409, "stale")), status: 409, body: `{"error":"stale"}` + "\n"},
		{name: "599", err: handlers.Status(599, "odd"), status: 599},
		{name: "399 is no error", err: handlers.Status(399, secret), code: nanobus.CodeInternal},
		{name: "600 is none either", err: handlers.Status(600, secret), code: nanobus.CodeInternal},
		{name: "unavailable", err: fmt.Errorf("%s: %w", secret, handlers.ErrUnavailable), status: 503, retry: true},
		{name: "deadline", err: fmt.Errorf("%s: %w", secret, context.DeadlineExceeded), status: 504},
		{name: "call timed out", err: fmt.Errorf("%s: %w", secret, nanobus.ErrTimeout), status: 504},
		{name: "cancelled", err: fmt.Errorf("%s: %w", secret, context.Canceled), code: nanobus.CodeCancelled},
		{name: "anything else", err: errors.New(secret), code: nanobus.CodeInternal},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := serve(t, handlers.Options{}, handlers.HandlerFunc(
				func(_ context.Context, _ *handlers.Request, resp *handlers.Response) error {
					resp.Set("x-half", secret) // what was begun doesn't go out
					_, _ = resp.WriteString(secret)
					return c.err
				}))
			got := b.get(t, "/")
			if got.status != c.status || got.code() != c.code || (c.body != "" && got.body != c.body) {
				t.Errorf("got %v, want status %d or code %v, body %q", got, c.status, c.code, c.body)
			}
			if retry := got.header["retry-after"] != ""; retry != c.retry {
				t.Errorf("retry-after: %v, want %v", retry, c.retry)
			}
			if got.header["x-half"] != "" {
				t.Error("a field that was set before the error went out")
			}
			noLeak(t, got, secret)
			if c.code == nanobus.CodeInternal {
				testutil.Eventually(t, "the error in the log", func() bool {
					return strings.Contains(b.log.String(), strings.TrimPrefix(c.err.Error(), "399 "))
				})
			}
		})
	}
}

// TestRun_BadResponses: what can't be encoded is an error of the handler.
func TestRun_BadResponses(t *testing.T) {
	for name, c := range map[string]struct {
		fill func(*handlers.Response)
		code nanobus.Code
	}{
		"status 99":      {func(r *handlers.Response) { r.Status = 99 }, nanobus.CodeInternal},
		"status 600":     {func(r *handlers.Response) { r.Status = 600 }, nanobus.CodeInternal},
		"nameless field": {func(r *handlers.Response) { r.Set("", "x") }, nanobus.CodeInternal},
		"too many fields": {func(r *handlers.Response) {
			for range 300 {
				r.Add([]byte("x"), []byte("y"))
			}
		}, nanobus.CodeInternal},
		"too large": {func(r *handlers.Response) { r.Body = make([]byte, nanobus.MaxPayload+1024) }, nanobus.CodeTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			b := serve(t, handlers.Options{}, handlers.HandlerFunc(
				func(_ context.Context, req *handlers.Request, resp *handlers.Response) error {
					if pathOf(req) == "/bad" {
						c.fill(resp)
					}
					return nil
				}))
			if got := b.get(t, "/bad"); got.code() != c.code {
				t.Errorf("got %v, want code %v", got, c.code)
			}
			if got := b.get(t, "/good"); got.status != 200 || got.body != "" {
				t.Errorf("afterwards: got %v, want an empty 200", got)
			}
			testutil.Eventually(t, "it is counted", func() bool {
				return b.count(metrics.HandlerErrors) == 1 && b.count(metrics.HandlerResponses, "5xx") == 1
			})
		})
	}
}

func TestRun_MalformedRequest(t *testing.T) {
	b := serve(t, handlers.Options{}, handlers.HandlerFunc(ok))
	c := nanobus.NewCall()
	if err := b.svc.Go(c, nanobus.Bytes("\xffno request"), time.Minute); err != nil {
		t.Fatal(err)
	}
	if got := end(t, c); got.code() != nanobus.CodeMalformed {
		t.Errorf("got %v, want %v", got, nanobus.CodeMalformed)
	}
	if got := b.get(t, "/a"); got.body != "/a" {
		t.Errorf("afterwards: got %v", got)
	}
}

// TestRun_SkipsExpired: what waited too long isn't begun, and its credit comes
// back.
func TestRun_SkipsExpired(t *testing.T) {
	gate, atWork := make(chan struct{}), make(chan struct{})
	begun := make(chan string, 10)
	b := serve(t, handlers.Options{Workers: 1, Window: 2}, handlers.HandlerFunc(
		func(_ context.Context, req *handlers.Request, _ *handlers.Response) error {
			begun <- pathOf(req)
			if pathOf(req) == "/gate" {
				close(atWork)
				<-gate
			}
			return nil
		}))
	first := b.begin(t, "/gate", testutil.Patience)
	<-atWork
	late := b.begin(t, "/late", 20*time.Millisecond)
	if got := end(t, late); !errors.Is(got.err, nanobus.ErrTimeout) {
		t.Fatalf("got %v, want %v", got, nanobus.ErrTimeout)
	}
	if err := b.svc.Go(nanobus.NewCall(), request("/more"), time.Second); !errors.Is(err, nanobus.ErrNoCredit) {
		t.Errorf("with two unanswered of two: got %v, want %v", err, nanobus.ErrNoCredit)
	}
	// Its budget runs from when it was read there, which is before its cancel is.
	testutil.Eventually(t, "its cancel", func() bool { return b.count(metrics.BusCancelsIn) == 1 })
	read := time.Now()
	testutil.Eventually(t, "its budget spent there too", func() bool { return time.Since(read) > 20*time.Millisecond })
	close(gate)
	end(t, first)
	testutil.Eventually(t, "the credit is back", func() bool { return b.bus.Links()[0].InFlight == 0 })
	if got := b.get(t, "/last"); got.status != 200 {
		t.Errorf("got %v, want 200", got)
	}
	if a, z := <-begun, <-begun; a != "/gate" || z != "/last" || len(begun) != 0 {
		t.Errorf("begun: %s, %s and %d more: want /gate and /last", a, z, len(begun))
	}
	// Its caller has cancelled it as well.
	if n := b.count(metrics.HandlerExpired); n != 1 {
		t.Errorf("%d expired, want 1", n)
	}
}

// TestRun_CountsExpired: whether the caller's cancel is there already or not.
func TestRun_CountsExpired(t *testing.T) {
	b := serve(t, handlers.Options{}, handlers.HandlerFunc(ok))
	c := nanobus.NewCall()
	if err := b.svc.Go(c, request("/"), 0); err != nil {
		t.Fatal(err)
	}
	if got := end(t, c); got.code() != nanobus.CodeExpired && !errors.Is(got.err, nanobus.ErrTimeout) {
		t.Errorf("got %v, want %v or %v", got, nanobus.CodeExpired, nanobus.ErrTimeout)
	}
	testutil.Eventually(t, "one expired", func() bool { return b.count(metrics.HandlerExpired) == 1 })
	testutil.Eventually(t, "the credit is back", func() bool { return b.bus.Links()[0].InFlight == 0 })
}

// TestRun_ContextEnds: with the deadline, with a cancel, with the link.
func TestRun_ContextEnds(t *testing.T) {
	for _, c := range []struct {
		name   string
		budget time.Duration
		finish func(*backend, *nanobus.Call)
		want   error
	}{
		{"deadline", 2 * time.Second, func(*backend, *nanobus.Call) {}, nil},
		{"cancel", testutil.Patience, func(b *backend, c *nanobus.Call) { b.bus.Abort(c.ID()) }, context.Canceled},
		{"link", testutil.Patience, func(b *backend, _ *nanobus.Call) { _ = b.bus.Close() }, context.Canceled},
	} {
		t.Run(c.name, func(t *testing.T) {
			atWork, saw := make(chan struct{}), make(chan error, 1)
			b := serve(t, handlers.Options{}, handlers.HandlerFunc(
				func(ctx context.Context, _ *handlers.Request, _ *handlers.Response) error {
					if _, ok := ctx.Deadline(); !ok {
						t.Error("no deadline")
					}
					close(atWork)
					<-ctx.Done()
					saw <- ctx.Err()
					return ctx.Err()
				}))
			call := b.begin(t, "/", c.budget)
			<-atWork
			c.finish(b, call)
			got := <-saw
			// At the deadline the caller's cancel and our own clock race.
			if c.want != nil && !errors.Is(got, c.want) || got == nil {
				t.Errorf("got %v, want %v", got, c.want)
			}
			end(t, call)
		})
	}
}

// TestRun_SkipsCancelled: what was cancelled while it waited isn't begun.
func TestRun_SkipsCancelled(t *testing.T) {
	gate, atWork := make(chan struct{}), make(chan struct{})
	b := serve(t, handlers.Options{Workers: 1}, handlers.HandlerFunc(
		func(_ context.Context, req *handlers.Request, _ *handlers.Response) error {
			if pathOf(req) == "/gone" {
				t.Error("a cancelled request was begun")
				return nil
			}
			close(atWork)
			<-gate
			return nil
		}))
	first := b.begin(t, "/gate", testutil.Patience)
	<-atWork
	gone := b.begin(t, "/gone", testutil.Patience)
	b.bus.Abort(gone.ID())
	if got := end(t, gone); !errors.Is(got.err, nanobus.ErrCancelled) {
		t.Errorf("got %v, want %v", got, nanobus.ErrCancelled)
	}
	testutil.Eventually(t, "the cancel arrived", func() bool { return b.count(metrics.BusCancelsIn) == 1 })
	close(gate)
	end(t, first)
	testutil.Eventually(t, "the credit is back", func() bool { return b.bus.Links()[0].InFlight == 0 })
}

func TestRun_BlockedHandlerDelaysNobody(t *testing.T) {
	gate := make(chan struct{})
	b := serve(t, handlers.Options{Workers: 2}, handlers.HandlerFunc(
		func(_ context.Context, req *handlers.Request, _ *handlers.Response) error {
			if pathOf(req) == "/slow" {
				<-gate
			}
			return nil
		}))
	slow := b.begin(t, "/slow", testutil.Patience)
	for range 50 {
		if got := b.get(t, "/fast"); got.status != 200 {
			t.Fatalf("got %v", got)
		}
	}
	close(gate)
	if got := end(t, slow); got.status != 200 {
		t.Errorf("the slow one: got %v", got)
	}
}

func TestRun_DrainAnswersWhatIsAtWork(t *testing.T) {
	gate, atWork := make(chan struct{}), make(chan struct{})
	b := serve(t, handlers.Options{Workers: 1}, handlers.HandlerFunc(
		func(_ context.Context, req *handlers.Request, resp *handlers.Response) error {
			if pathOf(req) == "/first" {
				close(atWork)
				<-gate
			}
			return ok(context.Background(), req, resp)
		}))
	first := b.begin(t, "/first", testutil.Patience)
	<-atWork
	queued := b.begin(t, "/queued", testutil.Patience)
	testutil.Eventually(t, "both there", func() bool { return b.count(metrics.HandlerRequests) == 2 })
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		b.stop()
	}()
	testutil.Eventually(t, "no more requests wanted", func() bool { return b.svc.Live() == 0 })
	testutil.Eventually(t, "withdrawn", func() bool { return !known(t, b.d, "work") })
	if err := b.rt.Ready(); err == nil {
		t.Error("ready while draining")
	}
	if err := b.svc.Go(nanobus.NewCall(), request("/"), time.Second); !errors.Is(err, nanobus.ErrNoInstance) {
		t.Errorf("a new request: got %v, want %v", err, nanobus.ErrNoInstance)
	}
	select {
	case <-stopped:
		t.Fatal("Run returned with requests at work")
	default:
	}
	close(gate)
	for _, c := range []*nanobus.Call{first, queued} {
		if got := end(t, c); got.status != 200 {
			t.Errorf("got %v, want 200", got)
		}
	}
	<-stopped
}

// known reports whether discovery lists an instance of the service.
func known(t testing.TB, d handlers.Discovery, service string) bool {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	found := false
	_ = d.Watch(ctx, func(s registry.Snapshot) { // ends with ctx
		for _, in := range s.Instances {
			found = found || in.Service == service
		}
		cancel()
	})
	return found
}

// TestRun_DrainEnds: a handler that cares for nothing doesn't hold up the end.
func TestRun_DrainEnds(t *testing.T) {
	gate, atWork := make(chan struct{}), make(chan struct{})
	d := handlertest.NewDiscovery()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	r := &recorder{d, make(chan registry.Instance, 1)}
	left := make(chan struct{})
	go func() {
		ended <- handlers.Run(ctx, handlers.Options{Service: "work", Discovery: r, DrainTimeout: 50 * time.Millisecond},
			handlers.HandlerFunc(func(context.Context, *handlers.Request, *handlers.Response) error {
				defer close(left)
				close(atWork)
				<-gate
				return nil
			}))
	}()
	b := &backend{}
	b.bus, b.svc = linked(t, <-r.in)
	c := b.begin(t, "/", testutil.Patience)
	<-atWork
	cancel()
	select {
	case err := <-ended:
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 requests still unanswered") {
			t.Errorf("got %v: want what was left unanswered", err)
		}
	case <-time.After(testutil.Patience):
		t.Fatal("Run waits for ever for a handler that is stuck")
	}
	if got := end(t, c); !errors.Is(got.err, nanobus.ErrLinkDown) {
		t.Errorf("got %v, want %v", got, nanobus.ErrLinkDown)
	}
	close(gate)
	<-left
}

// faultyDiscovery fails as told.
type faultyDiscovery struct {
	*handlertest.Discovery
	register error
	watch    chan error
}

func (d *faultyDiscovery) Register(ctx context.Context, in registry.Instance) (registry.Registration, error) {
	if d.register != nil {
		return nil, d.register
	}
	return d.Discovery.Register(ctx, in)
}

func (d *faultyDiscovery) Watch(ctx context.Context, _ func(registry.Snapshot)) error {
	select {
	case err := <-d.watch:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestRun_DiscoveryFails(t *testing.T) {
	bad := errors.New("discovery is broken")
	watch := make(chan error, 1)
	watch <- bad
	for name, d := range map[string]*faultyDiscovery{
		"register": {Discovery: handlertest.NewDiscovery(), register: bad},
		"watch":    {Discovery: handlertest.NewDiscovery(), watch: watch},
	} {
		t.Run(name, func(t *testing.T) {
			err := handlers.Run(t.Context(), handlers.Options{Service: "work", Discovery: d}, handlers.HandlerFunc(ok))
			if !errors.Is(err, bad) {
				t.Errorf("got %v, want %v", err, bad)
			}
		})
	}
}

func TestNew_Options(t *testing.T) {
	d := handlertest.NewDiscovery()
	for name, c := range map[string]struct {
		opts handlers.Options
		want string
	}{
		"no discovery":  {handlers.Options{Service: "a"}, "Discovery"},
		"no service":    {handlers.Options{Discovery: d, Instance: "a-1"}, "service"},
		"bad service":   {handlers.Options{Discovery: d, Service: "Ä"}, "service"},
		"bad instance":  {handlers.Options{Discovery: d, Service: "a", Instance: "a b"}, "id"},
		"window":        {handlers.Options{Discovery: d, Service: "a", Window: -1}, "window"},
		"workers":       {handlers.Options{Discovery: d, Service: "a", Workers: -1}, "workers -1"},
		"max batch":     {handlers.Options{Discovery: d, Service: "a", MaxBatch: 257}, "max batch 257"},
		"bad topic":     {handlers.Options{Discovery: d, Service: "a", Subscriptions: map[string]func(nanobus.Event){"a b": nil}}, "topic"},
		"large version": {handlers.Options{Discovery: d, Service: "a", Version: strings.Repeat("v", 300)}, "version"},
	} {
		if _, err := handlers.New(c.opts); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error about %q", name, err, c.want)
		}
	}
}

func TestRun_AddressInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	err = handlers.Run(t.Context(), handlers.Options{
		Service: "work", Discovery: handlertest.NewDiscovery(), Listen: "tcp://" + l.Addr().String(),
	}, handlers.HandlerFunc(ok))
	if err == nil || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("got %v, want an error that names the address", err)
	}
}

func TestRuntime_Ready(t *testing.T) {
	d := handlertest.NewDiscovery()
	rt, err := handlers.New(handlers.Options{Service: "front", Discovery: d, Calls: []string{"work"}})
	if err != nil {
		t.Fatal(err)
	}
	if rt.Ready() == nil {
		t.Error("ready before it was run")
	}
	testutil.Start(t, "front", func(ctx context.Context) error { return rt.Run(ctx, handlers.HandlerFunc(ok)) })
	testutil.Eventually(t, "only the service called is missing", func() bool {
		err := rt.Ready()
		return err != nil && strings.Contains(err.Error(), `"work"`)
	})
	b := serve(t, handlers.Options{Discovery: d}, handlers.HandlerFunc(ok))
	testutil.Eventually(t, "ready", func() bool { return rt.Ready() == nil })
	if links := rt.Links(); len(links) != 1 || links[0].Service != "work" {
		t.Errorf("links: %+v, want one to work", links)
	}
	b.stop()
	testutil.Eventually(t, "not ready any more", func() bool { return rt.Ready() != nil })
}
