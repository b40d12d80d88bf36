package terminator

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"nanofront/internal/httpmsg"
	"nanofront/internal/metrics"
	"nanofront/nanobus"
)

// window plays one window of admission: so many in flight at the peak, so many
// answers with that mean latency.
func window(a *admission, peak, answers int, mean time.Duration) {
	a.peak.Store(int64(peak))
	a.sum.Store(int64(mean) * int64(answers))
	a.n.Store(int64(answers))
	a.adapt()
}

func TestAdmission_EnterLeave(t *testing.T) {
	a := newAdmission(1, 3, 50*time.Millisecond)
	for i := range 3 {
		if !a.enter() {
			t.Fatalf("%d of 3 refused", i)
		}
	}
	if a.enter() || a.inFlight.Load() != 3 {
		t.Errorf("a fourth got in; %d in flight", a.inFlight.Load())
	}
	a.leave(0)
	if !a.enter() {
		t.Error("refused with a place free")
	}
	if a.n.Load() != 0 {
		t.Error("latency 0 was counted")
	}
	a.leave(time.Millisecond)
	if a.n.Load() != 1 || a.sum.Load() != int64(time.Millisecond) {
		t.Errorf("%d answers, sum %d", a.n.Load(), a.sum.Load())
	}
}

// The limit is never exceeded, and no place is lost.
func TestAdmission_Concurrent(t *testing.T) {
	const limit = 7
	a := newAdmission(1, limit, 50*time.Millisecond)
	var wg sync.WaitGroup
	at := make(chan struct{}, limit)
	for range 16 {
		wg.Go(func() {
			for range 2000 {
				if !a.enter() {
					continue
				}
				select {
				case at <- struct{}{}:
					<-at
				default:
					t.Error("more than the limit got in")
				}
				a.leave(time.Microsecond)
			}
		})
	}
	wg.Wait()
	if a.inFlight.Load() != 0 {
		t.Errorf("%d in flight at the end", a.inFlight.Load())
	}
}

func TestAdmission_Adapts(t *testing.T) {
	const ms = time.Millisecond
	type step struct {
		times, peak, answers int
		mean                 time.Duration
	}
	for _, c := range []struct {
		name     string
		min, max int
		steps    []step
		low, up  int64 // where the limit is to end
	}{
		{"starts in between", 64, 4096, nil, 1024, 1024},
		{"starts at the maximum", 64, 100, nil, 100, 100},
		{"starts at the minimum", 2000, 4096, nil, 2000, 2000},
		{"widens while it is used", 64, 4096, []step{{1, 1024, 1000, ms}}, 1025, 1100},
		{"no further than the maximum", 64, 4096, []step{{100, 4096, 1000, ms}}, 4096, 4096},
		{"not while it isn't used", 64, 4096, []step{{100, 500, 1000, ms}}, 1024, 1024},
		{"narrows when slow", 64, 4096, []step{{10, 1024, 1000, 10 * ms}, {1, 2000, 1000, 200 * ms}}, 1024, 1500},
		{"no further than the minimum", 64, 4096, []step{{10, 100, 1000, 10 * ms}, {100, 1024, 1000, 200 * ms}}, 64, 64},
		{"not for three times a little", 64, 4096, []step{{10, 100, 1000, ms}, {50, 1024, 1000, 3 * ms}}, 1025, 4096},
		{"not for a slow nature", 64, 4096, []step{{300, 1024, 1000, 400 * ms}}, 1024, 1024},
		{"not for a slow nature that varies", 64, 4096, []step{{50, 1024, 1000, 400 * ms}, {50, 1024, 1000, 700 * ms}}, 1024, 1024},
		{"not for what few say", 64, 4096, []step{{10, 100, 1000, ms}, {100, 1024, admissionSamples - 1, time.Second}}, 1024, 1024},
		{"not when hardly used", 64, 4096, []step{{10, 100, 1000, ms}, {100, 100, 1000, time.Second}}, 1024, 1024},
		{"forgets after a minute", 64, 4096, []step{{10, 100, 1000, 10 * ms}, {700, 100, 1000, 150 * ms}, {10, 1024, 1000, 200 * ms}}, 1024, 1024},
		{"recovers", 64, 4096, []step{{10, 100, 1000, 10 * ms}, {100, 1024, 1000, 200 * ms}, {100, 4096, 1000, 10 * ms}}, 4096, 4096},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newAdmission(c.min, c.max, 50*ms)
			for _, s := range c.steps {
				for range s.times {
					window(a, s.peak, s.answers, s.mean)
					if l := a.limit.Load(); l < int64(c.min) || l > int64(c.max) {
						t.Fatalf("limit %d: want %d to %d", l, c.min, c.max)
					}
				}
			}
			if l := a.limit.Load(); l < c.low || l > c.up {
				t.Errorf("limit %d: want %d to %d", l, c.low, c.up)
			}
		})
	}
}

func TestAdmission_Sheds(t *testing.T) { bothWays(t, testAdmissionSheds) }

func testAdmissionSheds(t *testing.T) {
	f := startFront(t, Options{MaxInFlight: 2, MinInFlight: 2})
	gate := make(chan struct{})
	n := f.work(t, "w1", func(_ *httpmsg.Request, r *nanobus.Request) {
		<-gate
		respond(r, &httpmsg.Response{})
	})
	var held []*client
	for range 2 {
		c := f.dial(t)
		c.send("GET / HTTP/1.1\nHost: h\n\n")
		<-n.got
		held = append(held, c)
	}
	c := f.dial(t)
	for range 3 {
		refused(t, c.ask("GET", "/", ""), 503) // on a connection that stays
	}
	if got := f.count(metrics.HTTPShed); got != 3 {
		t.Errorf("%d shed counted, want 3", got)
	}
	if len(n.got) != 0 {
		t.Error("one of them reached the handler")
	}
	close(gate)
	for _, c := range held {
		if r := c.read("GET"); r.StatusCode != 200 {
			t.Errorf("one that was admitted got %d", r.StatusCode)
		}
	}
	if r := c.ask("GET", "/", ""); r.StatusCode != 200 {
		t.Errorf("afterwards: %d", r.StatusCode)
	}
}

// At a handler's window, which is not the front's limit.
func TestAdmission_NoCredit(t *testing.T) { bothWays(t, testAdmissionNoCredit) }

func testAdmissionNoCredit(t *testing.T) {
	f := startFront(t, Options{})
	gate := make(chan struct{})
	n := f.node(t, "work", "w1", 1, func(_ *httpmsg.Request, r *nanobus.Request) {
		<-gate
		respond(r, &httpmsg.Response{})
	})
	c := f.dial(t)
	c.send("GET / HTTP/1.1\nHost: h\n\n")
	<-n.got
	refused(t, f.ask(t, "GET", "/", ""), 503)
	if got := f.count(metrics.HTTPNoCredit); got != 1 {
		t.Errorf("%d counted, want 1", got)
	}
	close(gate)
	c.read("GET")
}

func TestAdmission_Options(t *testing.T) {
	for want, o := range map[string]Options{
		"--min-in-flight":                    {MinInFlight: -1},
		"--max-in-flight":                    {MaxInFlight: 1 << 20},
		"must not be above --max-in-flight":  {MinInFlight: 10, MaxInFlight: 5},
		"--latency-target":                   {LatencyTarget: time.Microsecond},
		"--header-timeout":                   {HeaderTimeout: time.Hour},
		"--max-header":                       {MaxHeader: 10},
		"--max-header-fields":                {MaxFields: 251},
		"--access-log":                       {AccessLog: -2},
		"--trusted-proxies":                  {TrustedProxies: []string{"nowhere"}},
		"Options.Discovery":                  {HTTP: "no discovery"},
		"--drain-timeout 1ns: want 10ms to ": {DrainTimeout: 1},
	} {
		if o.HTTP == "" {
			o.Discovery = newTable()
		}
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
}

// BenchmarkAdmission_Shed is what it costs to refuse: the whole of the
// request's way, but for the system's part of the connection.
func BenchmarkAdmission_Shed(b *testing.B) {
	f := startFront(b, Options{MaxInFlight: 1, MinInFlight: 1})
	eventually(b, "routes", func() bool { return f.routing.Load() != nil })
	f.admission.enter()
	defer f.admission.leave(0)
	ctx := newTestContext(fmt.Sprintf("GET %s HTTP/1.1\r\nHost: h\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n", "/hello"))
	b.ReportAllocs()
	for b.Loop() {
		ctx.Response.Reset()
		f.serve(ctx)
	}
	if ctx.Response.StatusCode() != 503 {
		b.Fatalf("got %d", ctx.Response.StatusCode())
	}
}
