package otlp_test

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"nanofront/handlers"
	"nanofront/handlers/handlertest"
	"nanofront/internal/testutil"
	"nanofront/metrics"
	"nanofront/registry"
	"nanofront/terminator"
	"nanofront/trace"
	"nanofront/trace/otlp"
)

// collector takes OTLP over HTTP, as real ones do.
type collector struct {
	*httptest.Server

	mu     sync.Mutex
	spans  map[string][]*tracepb.Span // by trace
	of     map[string]string          // whose a span is: service.name
	n      uint64
	status int   // if not 0, what all get
	refuse int64 // of each batch
}

func startCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{spans: make(map[string][]*tracepb.Span), of: make(map[string]string)}
	c.Server = httptest.NewServer(http.HandlerFunc(c.serve))
	t.Cleanup(c.Close)
	return c
}

func (c *collector) serve(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status != 0 {
		http.Error(w, "no", c.status)
		return
	}
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = z
	}
	b, err := io.ReadAll(body)
	var req collectorpb.ExportTraceServiceRequest
	if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(b, &req) != nil {
		http.Error(w, "not traces", http.StatusBadRequest)
		return
	}
	for _, rs := range req.GetResourceSpans() {
		service := ""
		for _, a := range rs.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				service = a.GetValue().GetStringValue()
			}
		}
		for _, ss := range rs.GetScopeSpans() {
			for _, s := range ss.GetSpans() {
				id := fmt.Sprintf("%x", s.GetTraceId())
				c.spans[id] = append(c.spans[id], s)
				c.of[string(s.GetSpanId())] = service
				c.n++
			}
		}
	}
	answer := &collectorpb.ExportTraceServiceResponse{}
	if c.refuse > 0 {
		answer.PartialSuccess = &collectorpb.ExportTracePartialSuccess{RejectedSpans: c.refuse, ErrorMessage: "too many"}
	}
	b, _ = proto.Marshal(answer)
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(b)
}

func (c *collector) of1(id string) []*tracepb.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans[id])
}

// system is a front, a shop behind it, and a stock behind that.
type system struct {
	url  string
	sets map[string]*metrics.Set
	mu   sync.Mutex
	slow []string // trace ids of those that were told to be slow
}

const slowness = 300 * time.Millisecond

func startSystem(t *testing.T, to string, sample float64, slower time.Duration) *system {
	t.Helper()
	s := &system{sets: make(map[string]*metrics.Set)}
	d := handlertest.NewDiscovery()
	d.SetRoutes(&registry.Routes{Version: registry.RoutesVersion, Routes: []registry.Route{
		{Name: "all", Match: registry.Match{Prefix: "/"}, Service: "shop", Timeout: registry.Duration(testutil.Patience)},
	}})
	recorder := func(service, kind string, ring int) *trace.Recorder {
		s.sets[service] = metrics.New(kind, service+"-1")
		sink, err := otlp.New(otlp.Options{URL: to, Service: service, Instance: service + "-1", Version: "v1"})
		if err != nil {
			t.Fatal(err)
		}
		return trace.New(trace.Options{Instance: service + "-1", Ring: ring, Sink: sink, Metrics: s.sets[service]})
	}
	serve := func(service string, calls []string, h func(rt *handlers.Runtime) handlers.HandlerFunc) {
		tracer := recorder(service, metrics.Handler, trace.DefaultRing)
		rt, err := handlers.New(handlers.Options{
			Service: service, Instance: service + "-1", Discovery: d, Calls: calls, Tracer: tracer, Metrics: s.sets[service], Window: 4096,
		})
		if err != nil {
			t.Fatal(err)
		}
		testutil.Start(t, service, func(ctx context.Context) error { return rt.Run(ctx, h(rt)) })
		testutil.Eventually(t, service+" is ready", func() bool { return rt.Ready() == nil })
	}
	serve("stock", nil, func(*handlers.Runtime) handlers.HandlerFunc {
		return func(_ context.Context, req *handlers.Request, resp *handlers.Response) error {
			if string(req.Path) == "/slow" {
				time.Sleep(slowness) // its work
			}
			_, err := resp.Write([]byte("3 of them"))
			return err
		}
	})
	serve("shop", []string{"stock"}, func(rt *handlers.Runtime) handlers.HandlerFunc {
		stock := rt.Client("stock")
		return func(ctx context.Context, req *handlers.Request, resp *handlers.Response) error {
			if string(req.Path) == "/fails" {
				return fmt.Errorf("a handler that fails")
			}
			c := handlers.AcquireCall()
			defer c.Release()
			c.Request.Method, c.Request.Path = []byte("GET"), req.Path
			if err := stock.Do(ctx, c); err != nil {
				return err
			}
			if string(req.Path) == "/slow" {
				s.mu.Lock()
				s.slow = append(s.slow, req.TraceID())
				s.mu.Unlock()
			}
			resp.Set("x-trace", req.TraceID())
			_, err := resp.Write(c.Response.Body)
			return err
		}
	})
	tracer := recorder("terminator", metrics.Terminator, 0)
	tm, err := terminator.New(terminator.Options{
		HTTP: "127.0.0.1:0", Instance: "terminator-1", Discovery: d, Tracer: tracer, TraceSample: sample, TraceSlowerThan: slower,
		AccessLog: -1, MaxInFlight: 4096, MinInFlight: 4096, LatencyTarget: time.Minute, Metrics: s.sets["terminator"],
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := tm.Listen(); err != nil {
		t.Fatal(err)
	}
	testutil.Start(t, "terminator", tm.Run)
	s.url = "http://" + tm.Addr().String()
	testutil.Eventually(t, "the front is ready", func() bool { return tm.Ready() == nil })
	return s
}

func (s *system) get(t *testing.T, path string) (status int, traceID string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode, resp.Header.Get("X-Trace")
}

// books checks that what was to be exported was, or was dropped for a reason; and returns how much
// was exported.
func (s *system) books(t *testing.T) (exported uint64) {
	t.Helper()
	for service, set := range s.sets {
		get := func(d *metrics.Desc, details ...string) uint64 { return set.Counter(d, details...).Value() }
		var begun, out, dropped uint64
		testutil.Eventually(t, "the books of "+service+" balance", func() bool {
			begun, out, dropped = get(metrics.TraceSpans), get(metrics.TraceExported), 0
			for _, why := range []string{"queue_full", "failed", "refused", "shutdown"} {
				dropped += get(metrics.TraceDropped, why)
			}
			return begun == out+dropped
		})
		t.Logf("%s: %d spans to be exported, %d exported, %d dropped", service, begun, out, dropped)
		exported += out
	}
	return exported
}

// whole reports what is missing of a slow request's trace, or doesn't fit.
func (c *collector) whole(id string) error {
	spans := c.of1(id)
	byName, byID := make(map[string]*tracepb.Span), make(map[string]*tracepb.Span)
	for _, s := range spans {
		byName[c.service(s)+" "+s.GetName()] = s
		byID[string(s.GetSpanId())] = s
	}
	want := map[string]string{ // and whose part each is
		"terminator GET all": "", "terminator read": "terminator GET all", "terminator queue": "terminator GET all", "terminator bus": "terminator GET all",
		"terminator write": "terminator GET all", "shop GET shop": "terminator bus", "shop handler_queue": "shop GET shop", "shop call stock": "shop GET shop",
		"stock GET stock": "shop call stock", "stock handler_queue": "stock GET stock",
	}
	if len(byID) != len(want) || len(spans) != len(want) {
		return fmt.Errorf("%d spans, %d of them different, want %d", len(spans), len(byID), len(want))
	}
	const slack = 2 * time.Millisecond // of clocks that count µs, and are compared once a second
	for name, parent := range want {
		s := byName[name]
		if s == nil {
			return fmt.Errorf("no %q", name)
		}
		if parent == "" {
			continue
		}
		p := byName[parent]
		if p == nil || string(s.GetParentSpanId()) != string(p.GetSpanId()) {
			return fmt.Errorf("%q is no part of %q", name, parent)
		}
		before, after := int64(p.GetStartTimeUnixNano()-s.GetStartTimeUnixNano()), int64(s.GetEndTimeUnixNano()-p.GetEndTimeUnixNano())
		if before > int64(slack) || after > int64(slack) {
			return fmt.Errorf("%q sticks out of %q, by %v before and %v after", name, parent, time.Duration(before), time.Duration(after))
		}
	}
	took := func(name string) time.Duration {
		return time.Duration(byName[name].GetEndTimeUnixNano() - byName[name].GetStartTimeUnixNano())
	}
	total := took("terminator GET all")
	sum := took("terminator read") + took("terminator queue") + took("terminator bus") + took("terminator write")
	if total < slowness || sum < total*95/100 || sum > total*105/100 {
		return fmt.Errorf("the parts take %v of %v", sum, total)
	}
	for _, name := range []string{"shop call stock", "stock GET stock"} {
		if d := took(name); d < slowness*95/100 || d > total*105/100 {
			return fmt.Errorf("%q takes %v of %v", name, d, total)
		}
	}
	return nil
}

func (c *collector) service(s *tracepb.Span) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.of[string(s.GetSpanId())]
}

// Of 1,000 slow requests of two hops among fast ones, none of which is sampled, nearly all have
// whole traces at the collector, and the fast ones none.
func TestSystem_SlowOnesAreKept(t *testing.T) {
	const slow, together = 1000, 60
	c := startCollector(t)
	s := startSystem(t, c.URL, 0, slowness*9/10)
	stop := make(chan struct{})
	var fast, slowOnes sync.WaitGroup
	var fasts atomic.Int64
	for range 2 {
		fast.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					s.get(t, "/fast")
					fasts.Add(1)
				}
			}
		})
	}
	left := atomic.Int64{}
	left.Store(slow)
	for range together {
		slowOnes.Go(func() {
			for left.Add(-1) >= 0 {
				if status, _ := s.get(t, "/slow"); status != http.StatusOK {
					t.Errorf("got %d", status)
				}
			}
		})
	}
	slowOnes.Wait()
	close(stop)
	fast.Wait()
	s.mu.Lock()
	ids := slices.Clone(s.slow)
	s.mu.Unlock()
	if len(ids) != slow {
		t.Fatalf("%d were slow", len(ids))
	}
	var faults []error
	t.Cleanup(func() {
		for _, err := range faults {
			t.Log("not whole: ", err)
		}
	})
	testutil.Eventually(t, "99 of 100 traces are whole", func() bool {
		faults = faults[:0]
		ids = slices.DeleteFunc(ids, func(id string) bool {
			err := c.whole(id)
			if err != nil {
				faults = append(faults, err)
			}
			return err == nil
		})
		return len(faults) <= slow/100
	})
	c.mu.Lock()
	traces := len(c.spans)
	c.mu.Unlock()
	t.Logf("%d of %d slow ones are whole, beside %d fast ones; %d traces in all", slow-len(faults), slow, fasts.Load(), traces)
	if exported := s.books(t); exported != c.n {
		t.Errorf("%d spans were exported, the collector has %d", exported, c.n)
	}
}

// What fails is kept; what is sampled at the head is exported, with the share that was asked for.
func TestSystem_FailedAndSampled(t *testing.T) {
	c := startCollector(t)
	s := startSystem(t, c.URL, 0, 0)
	for range 20 {
		s.get(t, "/fast")
	}
	if status, _ := s.get(t, "/fails"); status != 500 {
		t.Fatalf("got %d", status)
	}
	testutil.Eventually(t, "the failed one is there, from both", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, spans := range c.spans {
			if len(spans) == 7 {
				return true
			}
		}
		return false
	})
	s.books(t)
	if c.n != 7 {
		t.Errorf("%d spans", c.n)
	}

	all := startSystem(t, c.URL, 1, 0)
	_, id := all.get(t, "/fast")
	testutil.Eventually(t, "all of it is there", func() bool { return len(c.of1(id)) == 10 })
	all.books(t)
}

// A collector that is away, or refuses, costs spans, which are counted, and no request anything.
func TestSystem_CollectorAway(t *testing.T) {
	for name, fault := range map[string]func(c *collector){
		"nobody listens": func(c *collector) { c.Close() },
		"400":            func(c *collector) { c.status = http.StatusBadRequest },
		"refuses some":   func(c *collector) { c.refuse = 2 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := startCollector(t)
			fault(c)
			s := startSystem(t, c.URL, 1, 0)
			for range 200 {
				if status, _ := s.get(t, "/fast"); status != 200 {
					t.Errorf("got %d", status)
				}
			}
			exported := s.books(t)
			dropped := uint64(0)
			for _, set := range s.sets {
				dropped += set.Counter(metrics.TraceDropped, "failed").Value() + set.Counter(metrics.TraceDropped, "refused").Value()
			}
			if dropped == 0 || (exported == 0) == (c.refuse > 0) {
				t.Errorf("%d exported, %d dropped", exported, dropped)
			}
		})
	}
}
