package handlers_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"nanofront/handlers"
	"nanofront/handlers/handlertest"
	"nanofront/httpmsg"
	"nanofront/internal/testutil"
	"nanofront/metrics"
	"nanofront/nanobus"
	"nanofront/registry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// backend is a runtime under test, and a bare bus that calls it.
type backend struct {
	rt   *handlers.Runtime
	d    *handlertest.Discovery
	set  *metrics.Set
	log  *syncBuffer
	bus  *nanobus.Bus     // the caller's
	svc  *nanobus.Service // of the runtime, at bus
	stop func()           // ends the runtime and waits for it
}

// syncBuffer is a log that can be read while it is written.
type syncBuffer = testutil.Buffer

// recorder notes what registers.
type recorder struct {
	*handlertest.Discovery
	in chan registry.Instance
}

func (r *recorder) Register(ctx context.Context, in registry.Instance) (registry.Registration, error) {
	r.in <- in
	return r.Discovery.Register(ctx, in)
}

// serve starts a runtime of service "work" with h, one of the three kinds of handler,
// and links a caller.
func serve(t testing.TB, opts handlers.Options, h any) *backend {
	t.Helper()
	b := &backend{d: handlertest.NewDiscovery(), log: &syncBuffer{}}
	if opts.Discovery != nil {
		b.d = opts.Discovery.(*handlertest.Discovery) //nolint:forcetypeassert // what tests pass
	}
	r := &recorder{b.d, make(chan registry.Instance, 1)}
	opts.Service, opts.Discovery = "work", r
	if opts.Instance == "" {
		opts.Instance = "work-1"
	}
	opts.Logger = zerolog.New(b.log)
	b.set = metrics.New(metrics.Handler, opts.Instance)
	opts.Metrics = b.set
	rt, err := handlers.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	b.rt = rt
	b.stop = testutil.Start(t, opts.Instance, func(ctx context.Context) error {
		if h, ok := h.(handlers.BatchHandler); ok {
			return rt.RunBatch(ctx, h)
		}
		if h, ok := h.(handlers.StreamHandler); ok {
			return rt.RunStream(ctx, h)
		}
		return rt.Run(ctx, h.(handlers.Handler)) //nolint:forcetypeassert // what tests pass
	})
	in := <-r.in
	b.bus, b.svc = linked(t, in)
	return b
}

// linked returns a bus that calls the instance.
func linked(t testing.TB, in registry.Instance) (*nanobus.Bus, *nanobus.Service) {
	t.Helper()
	bus, err := nanobus.New(nanobus.Options{Service: "caller", Instance: "caller-1", Bodies: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bus.Close() })
	if err := bus.SetInstances([]nanobus.Instance{{Service: in.Service, ID: in.ID, Address: in.Address}}); err != nil {
		t.Fatal(err)
	}
	svc := bus.Service(in.Service)
	testutil.Eventually(t, "a link", func() bool { return svc.Live() == 1 })
	return bus, svc
}

func request(path string) *httpmsg.Request {
	return &httpmsg.Request{Method: []byte("GET"), Scheme: []byte("http"), Host: []byte("h"), Path: []byte(path)}
}

// begin starts a call and doesn't wait for it.
func (b *backend) begin(t testing.TB, path string, budget time.Duration) *nanobus.Call {
	t.Helper()
	c := nanobus.NewCall()
	if err := b.svc.Go(c, request(path), budget); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return c
}

// answer is what a call came back with, safe to keep.
type answer struct {
	status int
	header map[string]string
	body   string
	err    error
}

func (a answer) String() string {
	return fmt.Sprintf("status %d, header %v, body %.200q, error %v", a.status, a.header, a.body, a.err)
}

// end waits for a call.
func end(t testing.TB, c *nanobus.Call) answer {
	t.Helper()
	c.Wait()
	defer c.Release()
	if c.Err != nil {
		return answer{err: c.Err}
	}
	var r httpmsg.Response
	if err := r.Decode(c.Payload); err != nil {
		t.Fatal(err)
	}
	a := answer{status: r.Status, body: string(r.Body), header: map[string]string{}}
	for _, f := range r.Header {
		a.header[string(f.Name)] = string(f.Value)
	}
	return a
}

// get calls and waits.
func (b *backend) get(t testing.TB, path string) answer {
	t.Helper()
	return end(t, b.begin(t, path, testutil.Patience))
}

// all calls with several paths at once and waits.
func (b *backend) all(t testing.TB, paths ...string) []answer {
	t.Helper()
	var calls []*nanobus.Call
	var payloads []nanobus.Payload
	for _, p := range paths {
		calls, payloads = append(calls, nanobus.NewCall()), append(payloads, request(p))
	}
	b.svc.GoAll(calls, payloads, testutil.Patience)
	var got []answer
	for _, c := range calls {
		got = append(got, end(t, c))
	}
	return got
}

func (a answer) code() nanobus.Code {
	var remote *nanobus.RemoteError
	if errors.As(a.err, &remote) {
		return remote.Code
	}
	return 0
}

func (b *backend) count(d *metrics.Desc, details ...string) uint64 {
	return b.set.Counter(d, details...).Value()
}

func pathOf(req *handlers.Request) string { return string(req.Path) }

// ok answers with the path.
func ok(_ context.Context, req *handlers.Request, resp *handlers.Response) error {
	_, err := resp.Write(req.Path)
	return err
}

// noLeak fails the test if the text, part of an internal error, has got out.
func noLeak(t testing.TB, a answer, secret string) {
	t.Helper()
	if strings.Contains(a.body, secret) || a.err != nil && strings.Contains(a.err.Error(), secret) {
		t.Errorf("%q got out: %+v", secret, a)
	}
}

func contains(s, part string) bool { return strings.Contains(s, part) }

type errSecret struct{}

func (errSecret) Error() string { return "secret" }

// panicking panics with the value at /panic.
func panicking(value any) handlers.HandlerFunc {
	return func(ctx context.Context, req *handlers.Request, resp *handlers.Response) error {
		if pathOf(req) == "/panic" {
			panic(value)
		}
		return ok(ctx, req, resp)
	}
}
