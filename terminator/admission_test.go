package terminator

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nanofront/httpmsg"
	"nanofront/metrics"
	"nanofront/nanobus"
	"nanofront/terminator/admission"
)

// window plays one window of admission: so many in flight at the peak, so many
// answers with that mean latency.
// The limit is never exceeded, and no place is lost.
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
	eventually(t, "it is said in the log", func() bool {
		return strings.Contains(f.logs.String(), "more requests come than the service can answer")
	})
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

// A body is gathered when there is a place for it, and takes none meanwhile: a client that sends
// slowly keeps nobody out, and how long it takes is no latency of the handlers'.
func TestAdmission_SlowUpload(t *testing.T) { bothWays(t, testAdmissionSlowUpload) }

func testAdmissionSlowUpload(t *testing.T) {
	const long = 150 * time.Millisecond
	f := startFront(t, Options{MaxInFlight: 1, MinInFlight: 1})
	var gate atomic.Pointer[chan struct{}]
	// One that takes whole bodies only: to others a body that pauses goes as far as it has come.
	n := startPlainNode(t, "work", "w1", 0, func(req *httpmsg.Request, r *nanobus.Request) {
		if string(req.Path) == "/gate" {
			<-*gate.Load()
		}
		respond(r, &httpmsg.Response{Body: req.Body})
	})
	f.link(t, "work", "w1", n.address)
	begin := func() *client {
		c := f.dial(t)
		c.send("POST / HTTP/1.1\nHost: h\nContent-Length: 6\n\nabc")
		eventually(t, "its bytes are held", func() bool { return f.memory.Held() > 0 })
		return c
	}
	slow, began := begin(), time.Now()
	for served := 0; served < 3 || time.Since(began) < long; served++ {
		if got := f.admission.InFlight(); got != 0 {
			t.Fatalf("%d in flight while a body is gathered", got)
		}
		if r := f.ask(t, "GET", "/", ""); r.StatusCode != 200 {
			t.Fatalf("another got %d while a body is gathered", r.StatusCode)
		}
		eventually(t, "its place is free", func() bool { return f.admission.InFlight() == 0 })
	}
	slow.send("def")
	if r := slow.read("POST"); r.StatusCode != 200 || r.body != "abcdef" {
		t.Errorf("the slow one got %d %q", r.StatusCode, r.body)
	}
	if d := f.set.Timer(metrics.StageQueue).Distribution(); d.Max >= float64(long.Milliseconds()) {
		t.Errorf("the time that its body took counts as time in the queue: %+v", d)
	}
	gone := begin()
	_ = gone.Close()
	eventually(t, "nothing is held for one that left", func() bool { return f.memory.Held() == 0 && f.admission.InFlight() == 0 })
	// With no place left, a body isn't waited for.
	open := make(chan struct{})
	gate.Store(&open)
	held := f.dial(t)
	held.send("GET /gate HTTP/1.1\nHost: h\n\n")
	eventually(t, "the place to be taken", func() bool { return f.admission.InFlight() == 1 })
	c := f.dial(t)
	c.send("POST / HTTP/1.1\nHost: h\nContent-Length: 6\n\n")
	refused(t, c.read("POST"), 503)
	close(open)
	if r := held.read("GET"); r.StatusCode != 200 {
		t.Errorf("the one that was admitted got %d", r.StatusCode)
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
	eventually(b, "routes", f.routed)
	f.admission.Gate("work").Enter(admission.Ask{})
	defer f.admission.Gate("work").Leave()
	ask := f.asker("GET /hello HTTP/1.1\r\nHost: h\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n")
	b.ReportAllocs()
	status := 0
	for b.Loop() {
		status = ask()
	}
	if status != 503 {
		b.Fatalf("got %d", status)
	}
}

// A service that doesn't answer takes no place of another's.
func TestAdmission_StoppedService(t *testing.T) { bothWays(t, testAdmissionStoppedService) }

func testAdmissionStoppedService(t *testing.T) {
	const most = 64
	f := startFront(t, Options{MaxInFlight: most, MinInFlight: 1}, prefix("/", "work"), prefix("/web", "web"))
	f.work(t, "w1", func(_ *httpmsg.Request, r *nanobus.Request) { respond(r, &httpmsg.Response{}) })
	gate := make(chan struct{})
	for i := range 3 {
		id := fmt.Sprint("stopped", i)
		n := startPlainNode(t, "web", id, 0, func(_ *httpmsg.Request, r *nanobus.Request) {
			<-gate
			respond(r, &httpmsg.Response{})
		})
		f.link(t, "web", id, n.address)
	}
	defer close(gate)
	for range 2 * most {
		f.dial(t).send("GET /web HTTP/1.1\nHost: h\n\n")
	}
	shed := f.set.Counter(metrics.UpstreamShed, "web")
	eventually(t, "more than they may take", func() bool { return shed.Value() >= most })
	c := f.dial(t)
	for range 600 {
		if r := c.ask("GET", "/", ""); r.StatusCode != 200 {
			t.Fatalf("the other got %d", r.StatusCode)
		}
	}
	if n := f.set.Counter(metrics.UpstreamShed, "work").Value(); n != 0 {
		t.Errorf("%d shed", n)
	}
}

// Near the limit on connections, those that nobody uses make room, and no more of them than have
// to.
func TestAdmission_IdleMakeRoom(t *testing.T) { bothWays(t, testAdmissionIdleMakeRoom) }

func testAdmissionIdleMakeRoom(t *testing.T) {
	f := startFront(t, Options{MaxConns: 16})
	f.work(t, "w1", text("x"))
	var idle []*client
	for range 15 {
		c := f.dial(t)
		if r := c.ask("GET", "/", ""); r.StatusCode != 200 {
			t.Fatalf("got %d", r.StatusCode)
		}
		idle = append(idle, c)
	}
	eventually(t, "one of them is closed", func() bool { return f.table.Open() < 15 })
	eventually(t, "it is by being idle", func() bool { return f.count(metrics.HTTPClosed, "idle") > 0 })
	if n := f.table.Open(); n < 12 {
		t.Errorf("%d are left of %d", n, len(idle))
	}
}
