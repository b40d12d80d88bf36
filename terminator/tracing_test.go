package terminator

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"nanofront/httpmsg"
	"nanofront/internal/logging"
	"nanofront/internal/testutil"
	"nanofront/metrics"
	"nanofront/nanobus"
	"nanofront/trace"
)

const (
	goodTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	goodSpan  = "00f067aa0ba902b7"
)

// traceFields answers with the fields of tracing that have come, one a line.
func traceFields(req *httpmsg.Request, r *nanobus.Request) {
	var b strings.Builder
	for _, f := range req.Header {
		switch name := string(f.Name); name {
		case "traceparent", "tracestate", "baggage":
			fmt.Fprintf(&b, "%s: %s\n", name, f.Value)
		}
	}
	respond(r, &httpmsg.Response{Body: []byte(b.String())})
}

// seen is what of it the handler has got: all values of each name.
func seen(body string) map[string][]string {
	got := make(map[string][]string)
	for line := range strings.Lines(body) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		got[name] = append(got[name], value)
	}
	return got
}

// W3C Trace Context through front and bus: what a trusted proxy says goes on, with a span of our
// own; what is out of order begins a trace anew; a stranger's never goes on.
func TestTracing_Fields(t *testing.T) { bothWays(t, testTracingFields) }

func testTracingFields(t *testing.T) {
	good := "traceparent: 00-" + goodTrace + "-" + goodSpan + "-01\n"
	cases := []struct {
		name, lines string
		goesOn      bool   // the trace, if it is trusted
		state       string // so does this
		baggage     string
		sampled     bool
	}{
		{"none", "", false, "", "", false},
		{"sampled", good, true, "", "", true},
		{"not sampled", "traceparent: 00-" + goodTrace + "-" + goodSpan + "-00\n", true, "", "", false},
		{"in other case", "TraceParent: 00-" + goodTrace + "-" + goodSpan + "-01\nTRACESTATE: a=1\n", true, "a=1", "", true},
		{"spaces around it", "traceparent: \t 00-" + goodTrace + "-" + goodSpan + "-01 \t\n", true, "", "", true},
		{"a version to come", "traceparent: cc-" + goodTrace + "-" + goodSpan + "-01-more\n", true, "", "", true},
		{"with state", good + "tracestate: foo=1,bar=2\n", true, "foo=1,bar=2", "", true},
		{"with state in two fields", good + "tracestate: foo=1\ntracestate: bar=2\n", true, "foo=1,bar=2", "", true},
		{"with baggage", good + "baggage: user=1\n", true, "", "user=1", true},
		{"with empty state", good + "tracestate: \n", true, "", "", true},
		{"with a state that is wrong", good + "tracestate: foo=1,foo=2\n", true, "", "", true},
		{"two of them", good + good + "tracestate: foo=1\n", false, "", "", false},
		{"two that differ", good + "traceparent: 00-" + strings.Repeat("1", 32) + "-" + goodSpan + "-01\n", false, "", "", false},
		{"version ff", "traceparent: ff-" + goodTrace + "-" + goodSpan + "-01\ntracestate: foo=1\n", false, "", "", false},
		{"zeros", "traceparent: 00-" + strings.Repeat("0", 32) + "-" + goodSpan + "-01\n", false, "", "", false},
		{"upper case", "traceparent: 00-" + strings.ToUpper(goodTrace) + "-" + goodSpan + "-01\n", false, "", "", false},
		{"too long", "traceparent: 00-" + goodTrace + "-" + goodSpan + "-01-x\n", false, "", "", false},
		{"state alone", "tracestate: foo=1\n", false, "", "", false},
		{"too much baggage", good + "baggage: a=" + strings.Repeat("x", 9000) + "\n", true, "", "", true},
	}
	for _, trusted := range []bool{false, true} {
		t.Run(fmt.Sprintf("trusted=%v", trusted), func(t *testing.T) {
			set := metrics.New(metrics.Terminator, "t")
			o := Options{AccessLog: 1000, Tracer: trace.New(trace.Options{Metrics: set})}
			if trusted {
				o.TrustedProxies = []string{"127.0.0.1"}
			}
			f := startFront(t, o)
			f.work(t, "w1", traceFields)
			spans := make(map[string]bool)
			for _, c := range cases {
				before := f.count(metrics.TraceSampled)
				got := seen(f.ask(t, "GET", "/", c.lines).body)
				if len(got["traceparent"]) != 1 {
					t.Errorf("%s: %v", c.name, got)
					continue
				}
				p, ok := trace.ParseParent([]byte(got["traceparent"][0]))
				goesOn := trusted && c.goesOn
				if !ok || (p.Trace.String() == goodTrace) != goesOn || p.Span.String() == goodSpan || spans[p.Span.String()] {
					t.Errorf("%s: goes on as %v", c.name, got)
				}
				spans[p.Span.String()] = true
				if sampled := trusted && c.sampled; p.Sampled != sampled || (f.count(metrics.TraceSampled) > before) != sampled {
					t.Errorf("%s: sampled is %v", c.name, p.Sampled)
				}
				state, baggage := strings.Join(got["tracestate"], ";"), strings.Join(got["baggage"], ";")
				if trusted && (state != c.state || baggage != c.baggage) || !trusted && state+baggage != "" {
					t.Errorf("%s: state %q, baggage %q", c.name, state, baggage)
				}
				eventually(t, "its line", func() bool {
					lines := accessLines(t, f)
					return len(lines) > 0 && lines[len(lines)-1][logging.TraceID] == p.Trace.String()
				})
			}
		})
	}
}

// Without tracing the fields are like any others.
func TestTracing_Off(t *testing.T) {
	f := startFront(t, Options{})
	f.work(t, "w1", traceFields)
	parent := "00-" + goodTrace + "-" + goodSpan + "-01"
	got := seen(f.ask(t, "GET", "/", "traceparent: "+parent+"\ntracestate: x=1\nbaggage: y=2\n").body)
	if got["traceparent"][0] != parent || got["tracestate"][0] != "x=1" || got["baggage"][0] != "y=2" {
		t.Errorf("got %v", got)
	}
	if lines := f.logs.String(); strings.Contains(lines, logging.TraceID) {
		t.Errorf("a trace id in %s", lines)
	}
}

// However many a trusted proxy wants to be sampled, so many are.
func TestTracing_BelievedUpToALimit(t *testing.T) {
	set := metrics.New(metrics.Terminator, "t")
	f := startFront(t, Options{AccessLog: -1, TrustedProxies: []string{"127.0.0.1"}, Tracer: trace.New(trace.Options{Metrics: set})})
	f.helloNode(t)
	c := f.dial(t)
	began := time.Now()
	for range 1000 {
		c.ask("GET", "/", "traceparent: 00-"+goodTrace+"-"+goodSpan+"-01\n")
	}
	seconds := uint64(time.Since(began)/time.Second) + 2
	if n := f.count(metrics.TraceSampled); n < 100 || n > 100*seconds {
		t.Errorf("%d of 1000 are sampled, within %d seconds", n, seconds)
	}
}

// A request that isn't sampled allocates nothing for being traced.
func TestTracing_NoAllocations(t *testing.T) {
	testutil.SkipIfRace(t)
	set := metrics.New(metrics.Terminator, "t")
	f := startFront(t, Options{AccessLog: -1, Tracer: trace.New(trace.Options{Metrics: set}), TraceSample: 0.01, TraceSlowerThan: time.Minute})
	f.helloNode(t)
	ask := f.asker(benchRequest)
	for range 500 {
		ask()
	}
	runtime.GC()
	// The few that are sampled cost something elsewhere, which AllocsPerRun's rounding down leaves
	// out.
	if n := testing.AllocsPerRun(2000, func() { ask() }); n > 0 {
		t.Errorf("%v allocations a request: want 0", n)
	}
	if f.count(metrics.TraceSampled) == 0 {
		t.Error("none was sampled")
	}
}
