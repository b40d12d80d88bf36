package metrics

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"nanofront/internal/testutil"
)

// line is one line of the StatsD protocol.
type line struct {
	name  string
	value float64
	delta bool // a gauge with a sign
	kind  string
	rate  float64
}

var lineRule = regexp.MustCompile(`^(nanofront(?:\.[A-Za-z0-9_-]+){3,}):([+-]?)([0-9]+(?:\.[0-9]+)?)\|(c|g|ms)(?:\|@(0\.[0-9]+))?$`)

// parsePacket takes a packet apart and accepts nothing that isn't in the
// protocol, or isn't as this project sends it.
func parsePacket(packet []byte) ([]line, error) {
	if len(packet) == 0 || len(packet) > maxPacket {
		return nil, fmt.Errorf("a packet of %d bytes", len(packet))
	}
	var lines []line
	for text := range strings.SplitSeq(string(packet), "\n") {
		m := lineRule.FindStringSubmatch(text)
		if m == nil {
			return nil, fmt.Errorf("not a line: %q", text)
		}
		l := line{name: m[1], delta: m[2] != "", kind: m[4], rate: 1}
		if m[2] != "" && m[4] != "g" {
			return nil, fmt.Errorf("a sign: %q", text)
		}
		v, err := strconv.ParseFloat(m[2]+m[3], 64)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
		l.value = v
		if m[5] != "" {
			if m[4] != "ms" {
				return nil, fmt.Errorf("a rate: %q", text)
			}
			if l.rate, err = strconv.ParseFloat(m[5], 64); err != nil || l.rate <= 0 {
				return nil, fmt.Errorf("a rate of %v: %q", l.rate, text)
			}
		}
		lines = append(lines, l)
	}
	return lines, nil
}

func TestParsePacket_IsStrict(t *testing.T) {
	for _, bad := range []string{
		"", "\n", "nanofront.a.b.c:1|c\n", "nanofront.a.b.c:1", "nanofront.a.b.c:1|x", "nanofront.a.b:1|c", "other.a.b.c:1|c",
		"nanofront.a.b.c:-1|c", "nanofront.a.b.c:1|c|@0.5", "nanofront.a.b.c:1|ms|@1", "nanofront.a.b.c:1|ms|@0.000000",
		"nanofront.a b.c.d:1|c", "nanofront.a..c.d:1|c", "nanofront.a.b.c:NaN|g", "nanofront.a.b.c:1e9|g", "nanofront.a.b.c:1|c|#tag",
	} {
		if got, err := parsePacket([]byte(bad)); err == nil {
			t.Errorf("parsePacket(%q) = %+v", bad, got)
		}
	}
}

// statsdServer understands what it is sent as the reference server does.
type statsdServer struct {
	t    *testing.T
	conn net.PacketConn
	done chan struct{}

	mu       sync.Mutex
	counters map[string]float64
	gauges   map[string]float64
	timings  map[string][]line
	lines    int
}

func newStatsdServer(t *testing.T) *statsdServer {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &statsdServer{
		t: t, conn: conn, done: make(chan struct{}),
		counters: make(map[string]float64), gauges: make(map[string]float64), timings: make(map[string][]line),
	}
	go s.serve()
	t.Cleanup(func() { _ = conn.Close(); <-s.done })
	return s
}

func (s *statsdServer) addr() string { return s.conn.LocalAddr().String() }

func (s *statsdServer) serve() {
	defer close(s.done)
	buf := make([]byte, 1<<16)
	for {
		n, _, err := s.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		lines, err := parsePacket(buf[:n])
		if err != nil {
			s.t.Error(err)
		}
		s.mu.Lock()
		for _, l := range lines {
			s.lines++
			switch {
			case l.kind == "c":
				s.counters[l.name] += l.value
			case l.kind == "g" && l.delta:
				s.gauges[l.name] += l.value
			case l.kind == "g":
				s.gauges[l.name] = l.value
			default:
				s.timings[l.name] = append(s.timings[l.name], l)
			}
		}
		s.mu.Unlock()
	}
}

// wait waits until cond holds, with the server locked.
func (s *statsdServer) wait(what string, cond func() bool) {
	s.t.Helper()
	testutil.Eventually(s.t, what, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return cond()
	})
}

func newReporter(t *testing.T, s *Set, o StatsdOptions) *Reporter {
	t.Helper()
	r, err := NewReporter(s, o)
	if err != nil {
		t.Fatal(err)
	}
	if r.sender != nil {
		t.Cleanup(r.sender.close)
	}
	return r
}

func TestReporter_SendsWhatIsCounted(t *testing.T) {
	srv := newStatsdServer(t)
	s := New(Terminator, "t.1 a")
	r := newReporter(t, s, StatsdOptions{Addr: srv.addr(), Sample: 1})
	const prefix = "nanofront.terminator.t_1_a."

	s.Counter(HTTPRequests).Add(3)
	s.Counter(HTTPStatus, "2xx").Add(2)
	s.Counter(HTTPShed)
	s.Gauge(HTTPInFlight).Set(-5)
	s.GaugeFunc(ProcessGCPause, func() float64 { return 0.125 })
	s.GaugeFunc(HTTPLimit, func() float64 { return math.Copysign(0, -1) })
	for i := 1; i <= 100; i++ {
		s.Timer(StageTotal).Observe(time.Duration(i) * time.Millisecond)
	}
	s.Timer(StageRead)
	r.report(t.Context())

	last := prefix + "stage.total.max"
	srv.wait("the first interval is there", func() bool { return srv.gauges[last] > 0 && len(srv.timings[prefix+"stage.total.sampled"]) == 100 })
	srv.mu.Lock()
	for name, want := range map[string]float64{"http.requests": 3, "http.status.2xx": 2, "stage.total.count": 100} {
		if got := srv.counters[prefix+name]; got != want {
			t.Errorf("counter %s = %v, want %v", name, got, want)
		}
	}
	for name, want := range map[string]float64{
		"http.in_flight": -5, "process.gc_pause": 0.125, "http.limit": 0,
		"stage.total.p50": 50, "stage.total.p90": 90, "stage.total.p99": 99, "stage.total.p999": 100, "stage.total.max": 100,
	} {
		if got, ok := srv.gauges[prefix+name]; !ok || math.Abs(got-want) > 0.01*math.Abs(want) {
			t.Errorf("gauge %s = %v (%v), want %v", name, got, ok, want)
		}
	}
	if got, ok := srv.counters[prefix+"stage.read.count"]; ok {
		t.Errorf("counter stage.read.count = %v, but nothing was counted", got)
	}
	if got, ok := srv.gauges[prefix+"stage.read.p50"]; ok {
		t.Errorf("stage.read.p50 = %v of a timer without observations", got)
	}
	for i, l := range srv.timings[prefix+"stage.total.sampled"] {
		if want := float64(i + 1); l.rate != 1 || math.Abs(l.value-want) > 0.01*want {
			t.Errorf("timing %d = %+v, want %v ms with a rate of 1", i, l, want)
		}
	}
	srv.mu.Unlock()

	// What is sent next is the difference, and percentiles are of both.
	s.Counter(HTTPRequests).Add(4)
	s.Gauge(HTTPInFlight).Set(6)
	s.Timer(StageTotal).Observe(time.Second)
	r.report(t.Context())
	srv.wait("the second report is there", func() bool {
		return srv.counters[prefix+"http.requests"] == 7 && srv.gauges[prefix+"http.in_flight"] == 6 && srv.gauges[last] > 990 && srv.gauges[prefix+"stage.total.p50"] > 50
	})
	r.sender.settle()
	srv.wait("all that was sent has come", func() bool { return uint64(srv.lines) == s.Counter(StatsdSent).Value() })
	srv.mu.Lock()
	if got, ok := srv.counters[prefix+"http.shed"]; !ok || got != 0 {
		t.Errorf("counter http.shed = %v (%v), want 0 within a flush", got, ok)
	}
	srv.mu.Unlock()
	before := s.Counter(StatsdSent).Value()
	r.report(t.Context())
	r.sender.settle()
	// Three gauges, one of them positive, five of the timer, and statsd.sent itself.
	if got := s.Counter(StatsdSent).Value() - before; got != 9 {
		t.Errorf("a report without news has %d lines, want 9", got)
	}
	if n := s.Counter(StatsdFailed).Value(); n != 0 {
		t.Errorf("statsd.failed = %d", n)
	}
}

// A timer that has nothing in its window is silent: a 0 would say that it was fast, and the last
// value that it still is. So are the counters of a service without requests.
func TestReporter_IdleIsSilent(t *testing.T) {
	srv := newStatsdServer(t)
	s := New(Terminator, "t1")
	r := newReporter(t, s, StatsdOptions{Addr: srv.addr()})
	const prefix = "nanofront.terminator.t1."
	g := s.Goals("web", "main", []time.Duration{25 * ms}, nil)
	s.Goals("idle", "idle", []time.Duration{25 * ms}, nil)
	s.Timer(UpstreamLatency, "web").Observe(30 * ms)
	g.Answered(30 * ms)
	heard := func() (gauges, counters []string) {
		r.sender.settle()
		srv.wait("all that was sent has come", func() bool { return uint64(srv.lines) == s.Counter(StatsdSent).Value() })
		srv.mu.Lock()
		defer srv.mu.Unlock()
		gauges, counters = slices.Sorted(maps.Keys(srv.gauges)), slices.Sorted(maps.Keys(srv.counters))
		clear(srv.gauges)
		clear(srv.counters)
		return gauges, counters
	}
	for range r.o.window() {
		r.report(t.Context())
	}
	gauges, counters := heard()
	if !slices.Contains(gauges, prefix+"upstream.web.latency.p99") || !slices.Contains(counters, prefix+"upstream.web.within.25ms") ||
		!slices.Contains(counters, prefix+"upstream.web.failed") {
		t.Errorf("while there are requests: %q, %q", gauges, counters)
	}
	if slices.ContainsFunc(counters, func(name string) bool { return strings.Contains(name, "idle") }) {
		t.Errorf("a service without requests: %q", counters)
	}
	for range r.o.window() {
		r.report(t.Context())
	}
	heard()
	for range r.o.window() {
		r.report(t.Context())
	}
	gauges, counters = heard()
	for _, name := range slices.Concat(gauges, counters) {
		if strings.Contains(name, "upstream.web.") && name != prefix+"upstream.web.latency.count" {
			t.Errorf("%s is still sent", name)
		}
	}
	if !slices.Contains(counters, prefix+"metrics.overflow") {
		t.Errorf("what is of the process itself isn't sent as 0: %q", counters)
	}
}

func TestReporter_SamplesAtTheRate(t *testing.T) {
	srv := newStatsdServer(t)
	s := New(Handler, "")
	r := newReporter(t, s, StatsdOptions{Addr: srv.addr(), Sample: 0.01})
	tm := s.Timer(HandlerServiceTime)
	const name, sampled = "nanofront.handler.-.service_time", "nanofront.handler.-.service_time.sampled"
	const intervals, each = 20, 5000
	for i := range intervals {
		for j := range each {
			tm.Observe(time.Duration(j%1000+1) * time.Millisecond)
		}
		r.report(t.Context())
		srv.wait("the interval is there", func() bool { return srv.counters[name+".count"] == float64((i+1)*each) })
	}
	r.sender.settle()
	srv.wait("all that was sent has come", func() bool { return uint64(srv.lines) == s.Counter(StatsdSent).Value() })
	srv.mu.Lock()
	defer srv.mu.Unlock()
	got := srv.timings[sampled]
	// 50 in each interval, one more or less by rounding.
	if len(got) < intervals*50 || len(got) > intervals*51 {
		t.Errorf("%d of %d durations were sent, want 1 %%", len(got), intervals*each)
	}
	var sum float64
	for _, l := range got {
		if l.rate != 0.01 {
			t.Fatalf("a rate of %v, want 0.01", l.rate)
		}
		sum += l.value
	}
	if mean := sum / float64(len(got)); math.Abs(mean-500) > 20 {
		t.Errorf("the mean of the sample is %v ms, want about 500", mean)
	}
}

func TestReporter_BoundsSamples(t *testing.T) {
	srv := newStatsdServer(t)
	s := New(Terminator, "")
	r := newReporter(t, s, StatsdOptions{Addr: srv.addr(), Sample: 1})
	timers := []*Desc{StageRead, StageQueue, StageTotal}
	const each = 3000
	for _, d := range timers {
		for range each {
			s.Timer(d).Observe(time.Millisecond)
		}
	}
	r.report(t.Context())
	r.sender.settle()
	srv.wait("all that was sent has come", func() bool { return uint64(srv.lines) == s.Counter(StatsdSent).Value() })
	srv.mu.Lock()
	defer srv.mu.Unlock()
	sum := 0
	for name, list := range srv.timings {
		sum += len(list)
		// What a server makes of it must be what there was.
		if extrapolated := float64(len(list)) / list[0].rate; math.Abs(extrapolated-each) > 1 {
			t.Errorf("%s: %d samples at %v stand for %v durations, want %d", name, len(list), list[0].rate, extrapolated, each)
		}
	}
	if sum > maxSamples || sum < maxSamples-len(timers) || len(srv.timings) != len(timers) {
		t.Errorf("%d samples of %d timers, want %d of %d", sum, len(srv.timings), maxSamples, len(timers))
	}
}

func TestReporter_RunReportsOnceMoreAtTheEnd(t *testing.T) {
	srv := newStatsdServer(t)
	s := New(Terminator, "")
	r := newReporter(t, s, StatsdOptions{Addr: srv.addr(), Interval: MaxStatsdInterval})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	s.Counter(HTTPRequests).Add(3)
	cancel()
	<-done
	srv.wait("the last report is there", func() bool { return srv.counters["nanofront.terminator.-.http.requests"] == 3 })
}

// refusing is an address where nobody listens, nor will until the test ends:
// who has it takes packets of one sender only.
func refusing(t *testing.T) string {
	c, err := net.Dial("udp", "127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.LocalAddr().String()
}

func TestReporter_LosesLinesAndSaysSoOnce(t *testing.T) {
	for name, addr := range map[string]string{
		"nobody listens":      refusing(t),
		"name does not exist": "statsd.invalid:8125",
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			s := New(Terminator, "")
			s.Gauge(HTTPInFlight).Set(1)
			r := newReporter(t, s, StatsdOptions{Addr: addr, Logger: zerolog.New(&log)})
			failed := s.Counter(StatsdFailed)
			testutil.Eventually(t, "some lines are lost", func() bool {
				r.report(t.Context())
				return failed.Value() >= 3
			})
			if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), addr) {
				t.Errorf("%d lines in the log, want 1 that names %s: %s", n, addr, log.String())
			}
		})
	}
}

// A resolver that hangs holds up the Reporter alone, and not for ever.
func TestReporter_SlowResolver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Terminator, "")
		r, err := NewReporter(s, StatsdOptions{Addr: "statsd.example:8125"})
		if err != nil {
			t.Fatal(err)
		}
		r.sender.target.lookup = func(ctx context.Context, _ string) ([]netip.Addr, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); r.Run(ctx) }()
		for range 100 { // 10 s of work that must take 10 s
			s.Counter(HTTPRequests).Inc()
			s.Timer(StageTotal).Observe(time.Millisecond)
			time.Sleep(100 * time.Millisecond)
		}
		if s.Counter(StatsdFailed).Value() == 0 {
			t.Error("no line was counted as lost")
		}
		end := time.Now()
		cancel()
		<-done
		if d := time.Since(end); d > time.Second {
			t.Errorf("Run ended %s after its context", d)
		}
	})
}

func TestReporter_LooksNamesUpAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Terminator, "")
		s.Gauge(HTTPInFlight).Set(1)
		looks := func(addr string) int {
			r, err := NewReporter(s, StatsdOptions{Addr: addr})
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			r.sender.target.lookup = func(context.Context, string) ([]netip.Addr, error) {
				n++
				return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, nil
			}
			r.sender.target.dial = func(string, string) (net.Conn, error) { return sink{}, nil }
			ctx, cancel := context.WithTimeout(t.Context(), 150*time.Second)
			defer cancel()
			r.Run(ctx)
			return n
		}
		if n := looks("statsd.example:8125"); n != 3 {
			t.Errorf("a name was looked up %d times in 150 s, want 3", n)
		}
		if n := looks("192.0.2.1:8125"); n != 0 {
			t.Errorf("an address was looked up %d times", n)
		}
	})
}

// sink is a connection that takes everything.
type sink struct{ net.Conn }

func (sink) Write(p []byte) (int, error)      { return len(p), nil }
func (sink) SetWriteDeadline(time.Time) error { return nil }
func (sink) Close() error                     { return nil }

func TestReporter_OffWithoutAnAddress(t *testing.T) {
	r := newReporter(t, New(Terminator, ""), StatsdOptions{})
	r.Run(t.Context()) // returns, or the test would hang
}

func TestNewReporter_Refuses(t *testing.T) {
	for _, tc := range []struct {
		o    StatsdOptions
		want string
	}{
		{StatsdOptions{Addr: "localhost"}, `--statsd: "localhost" is not host:port`},
		{StatsdOptions{Addr: ":8125"}, `--statsd: ":8125" is not host:port`},
		{StatsdOptions{Addr: "localhost:0"}, "with a port from 1 to 65535"},
		{StatsdOptions{Addr: "localhost:65536"}, "with a port from 1 to 65535"},
		{StatsdOptions{Interval: time.Millisecond}, "--statsd-interval: 1ms: want 100ms to 1m0s"},
		{StatsdOptions{Interval: time.Hour}, "--statsd-interval: 1h0m0s: want"},
		{StatsdOptions{Interval: -1}, "--statsd-interval: -1ns"},
		{StatsdOptions{Interval: 3 * time.Second}, "--statsd-interval: 3s: want a divisor of --statsd-flush, 10s, such as 2.5s"},
		{StatsdOptions{Interval: 20 * time.Second, Flush: 10 * time.Second}, "--statsd-interval: 20s: want a divisor of --statsd-flush, 10s, such as 10s"},
		{StatsdOptions{Interval: time.Second, Flush: 5 * time.Minute}, "such as 3s, and a 100th of it at least"},
		{StatsdOptions{Flush: time.Hour}, "--statsd-flush: 1h0m0s: want 100ms to 10m0s"},
		{StatsdOptions{Prefix: "a..b"}, `--statsd-prefix: "a..b": want words of`},
		{StatsdOptions{Prefix: "a b"}, `--statsd-prefix: "a b"`},
		{StatsdOptions{Tags: "datadog"}, `--statsd-tags: "datadog": want none, dogstatsd or influxdb`},
		{StatsdOptions{Sample: -0.1}, "--statsd-sample: -0.1: want 0 to 1"},
		{StatsdOptions{Sample: 1.1}, "--statsd-sample: 1.1"},
		{StatsdOptions{Sample: math.NaN()}, "--statsd-sample: NaN"},
	} {
		_, err := NewReporter(New(Terminator, ""), tc.o)
		if !errors.Is(err, ErrStatsdOptions) || !strings.Contains(fmt.Sprint(err), tc.want) {
			t.Errorf("NewReporter(%+v) = %v, want %q", tc.o, err, tc.want)
		}
	}
}
