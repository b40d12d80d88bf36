package e2e

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"nanofront/internal/testutil"
	"nanofront/trace"
)

// traced is a terminator, web, profile and handlers of examples/, all of which take spans to a collector.
type traced struct {
	*front
	collector *collector
	profile   *process
}

const tooSlow = 200 * time.Millisecond

func startTraced(t *testing.T) *traced {
	t.Helper()
	s := &traced{front: &front{http: freeAddr(t), admin: freeAddr(t), table: filepath.Join(t.TempDir(), "table.yaml")}, collector: startCollector(t)}
	web, profile := "tcp://"+freeAddr(t), "tcp://"+freeAddr(t)
	others, instances, routes := map[string]string{}, "", ""
	for _, name := range []string{"python", "node"} {
		others[name] = "tcp://" + freeAddr(t)
		instances += fmt.Sprintf("  - {service: %s, id: greeter-%s, address: %q}\n", name, name, others[name])
		routes += fmt.Sprintf("  - {name: %s, match: {path: /%s}, service: %s, timeout: 10s}\n", name, name, name)
	}
	writeFile(t, s.table, fmt.Sprintf("version: 1\ninstances:\n  - {service: web, id: web-1, address: %q}\n  - {service: profile, id: profile-1, address: %q}\n"+
		"%sroutes:\n%s  - {name: all, match: {prefix: /}, service: web, timeout: 10s}\n", web, profile, instances, routes))
	flags := []string{"--static", s.table, "--statsd", "", "--trace-otlp", s.collector.URL}
	handler := append([]string{"--admin", ""}, flags...)
	s.profile = start(t, "handler", append([]string{"profile", "--instance", "profile-1", "--bus", profile, "--data", t.TempDir(), "--seed", "500"}, handler...)...)
	start(t, "handler", append([]string{"web", "--instance", "web-1", "--bus", web}, handler...)...)
	for name, address := range others {
		l := languages[name](t)
		l.env = append(l.env, "NANOFRONT_TRACE_OTLP="+s.collector.URL)
		p := startIn(t, filepath.Dir(l.program), l.env, filepath.Base(l.program), append(slices.Clone(l.args), address, name, "greeter-"+name)...)
		p.says(t, "serving")
	}
	s.terminator = start(t, "terminator", append([]string{
		"--http", s.http, "--admin", s.admin, "--access-log=0", "--trace-slower-than", tooSlow.String(), "--min-in-flight=4096", "--max-in-flight=4096",
	}, flags...)...)
	s.ready(t, 200)
	return s
}

// slowly asks for a target as so many clients, all the time, until the slow ones are enough; it
// returns their traces, as the clients know them.
func (s *traced) slowly(t *testing.T, target string, clients, enough int, slow func()) (ids []string) {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	over := make(chan struct{})
	for range clients {
		all.Go(func() {
			c := client{addr: s.http}
			defer c.close()
			for {
				select {
				case <-over:
					return
				case <-time.After(20 * time.Millisecond): // the rate of the load
				}
				mine := trace.Parent{Trace: trace.NewID(), Span: trace.NewSpanID()}
				began := time.Now()
				r, f := c.do(get(target, "traceparent: "+string(mine.AppendTo(nil))))
				if f != nil || r.status != 200 {
					t.Errorf("%s: %v %d %.100q", target, f, r.status, r.body)
					return
				}
				if time.Since(began) > tooSlow*5/4 { // as the front sees it, too
					mu.Lock()
					ids = append(ids, mine.Trace.String())
					mu.Unlock()
				}
			}
		})
	}
	testutil.Eventually(t, "enough were slow", func() bool {
		slow()
		mu.Lock()
		defer mu.Unlock()
		return len(ids) >= enough || t.Failed()
	})
	close(over)
	all.Wait()
	return ids
}

// twoHops are the parts of a trace of two hops, and whose part each is.
var twoHops = map[string]string{
	"terminator GET all": "", "terminator read": "terminator GET all", "terminator queue": "terminator GET all", "terminator bus": "terminator GET all",
	"terminator write": "terminator GET all", "web GET web": "terminator bus", "web handler_queue": "web GET web", "web call profile": "web GET web",
	"profile GET profile": "web call profile", "profile handler_queue": "profile GET profile", "profile store.read": "profile GET profile",
}

// oneHop are those of a hop to a handler of examples/.
func oneHop(name string) map[string]string {
	root, own := "terminator GET "+name, name+" GET "+name
	return map[string]string{
		root: "", "terminator read": root, "terminator queue": root, "terminator bus": root, "terminator write": root, own: "terminator bus", name + " handler_queue": own,
	}
}

// TestTracing_WholePrograms: of slow requests over two hops, which nobody has sampled, 99 of 100
// have whole traces at the collector; so have those
// to handlers in other languages.
func TestTracing_WholePrograms(t *testing.T) {
	t.Parallel()
	s := startTraced(t)
	n := 200
	if full {
		n = 1000
	}
	for name, tt := range map[string]struct {
		target  string
		clients int
		n       int
		want    map[string]string
		slow    func()
	}{
		"two hops": {"/profile/42", 50, n, twoHops, func() {
			s.profile.signal(t, syscall.SIGSTOP)
			testutil.Work(t.Context(), tooSlow*3/2) // what makes them slow
			s.profile.signal(t, syscall.SIGCONT)
			testutil.Work(t.Context(), tooSlow/4) // what is fast
		}},
		"Python":  {"/python?wait=300", 8, n / 4, oneHop("python"), func() {}},
		"Node.js": {"/node?wait=300", 8, n / 4, oneHop("node"), func() {}},
	} {
		ids := s.slowly(t, tt.target, tt.clients, tt.n, tt.slow)
		var faults []error
		left := slices.Clone(ids)
		t.Cleanup(func() {
			for _, err := range faults[:min(len(faults), 10)] {
				t.Logf("%s: not whole: %v", name, err)
			}
		})
		testutil.Eventually(t, "99 of 100 traces are whole: "+name, func() bool {
			faults = faults[:0]
			left = slices.DeleteFunc(left, func(id string) bool {
				err := s.collector.whole(id, tt.want)
				if err != nil {
					faults = append(faults, err)
				}
				return err == nil
			})
			return len(left)*100 <= len(ids)
		})
		t.Logf("%s: %d of %d slow ones are whole", name, len(ids)-len(left), len(ids))
	}
}

// TestTracing_CallPrintsTheTree: of two hops, and of a handler in Python.
func TestTracing_CallPrintsTheTree(t *testing.T) {
	t.Parallel()
	s := startTraced(t)
	for _, tt := range []struct {
		service, target string
		want            []string
	}{
		{"web", "/profile/42", []string{"call web", "└─ GET web", "   ├─ handler_queue", "   └─ call profile", "      └─ GET profile", "         └─ store.read"}},
		{"python", "/python?wait=50", []string{"call python", "└─ GET python", "   └─ handler_queue", "greeter-python"}},
		{"node", "/node?wait=50", []string{"call node", "└─ GET node", "   └─ handler_queue", "greeter-node"}},
	} {
		got := finish(t, "nanofront", "bus", "call", tt.service, tt.target, "--static", s.table, "--trace")
		for _, want := range tt.want {
			if !strings.Contains(got.out, want) || got.code != 0 {
				t.Errorf("%s: no %q, exit code %d:\n%s", tt.service, want, got.code, got.out)
			}
		}
	}
}

// headersOf asks /echo what arrives of some fields.
func headersOf(t *testing.T, addr string, fields []string, names ...string) (got [][]string) {
	t.Helper()
	r := ask(t, addr, get("/echo", fields...))
	r.wants(t, 200, "/echo")
	var d struct{ Headers map[string][]string }
	if err := json.Unmarshal([]byte(r.body), &d); err != nil {
		t.Fatalf("%v: %s", err, r.body)
	}
	for _, n := range names {
		got = append(got, d.Headers[n])
	}
	return got
}

// TestTracing_HeadersByW3C: what the front makes of traceparent and tracestate, as W3C's own test
// of Trace Context wants it, of a client that is trusted; and of one that isn't.
func TestTracing_HeadersByW3C(t *testing.T) {
	t.Parallel()
	c := startCollector(t)
	trusting := startFront(t, frontOptions{terminator: []string{"--trace-otlp", c.URL, "--trusted-proxies", "127.0.0.0/8"}})
	strict := startFront(t, frontOptions{terminator: []string{"--trace-otlp", c.URL}})
	const id, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	good := "traceparent: 00-" + id + "-" + span + "-01"
	long := func(n int) string { return strings.Repeat("x", n) }
	members := func(n int) string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf("k%d=v", i))
		}
		return strings.Join(list, ",")
	}
	for name, tt := range map[string]struct {
		fields []string
		goesOn bool   // the trace
		state  string // what arrives of tracestate
	}{
		"a good one":                           {[]string{good}, true, ""},
		"not sampled":                          {[]string{"traceparent: 00-" + id + "-" + span + "-00"}, true, ""},
		"its name in capitals":                 {[]string{"TraceParent: 00-" + id + "-" + span + "-01"}, true, ""},
		"space around it":                      {[]string{"traceparent: \t 00-" + id + "-" + span + "-01 \t"}, true, ""},
		"a version to come":                    {[]string{"traceparent: cc-" + id + "-" + span + "-01-what-the-future-will-be-like"}, true, ""},
		"none":                                 {nil, false, ""},
		"tracestate alone":                     {[]string{"tracestate: foo=1"}, false, ""},
		"two of them":                          {[]string{good, good}, false, ""},
		"two of them, one bad":                 {[]string{good, "traceparent: bad"}, false, ""},
		"version ff":                           {[]string{"traceparent: ff-" + id + "-" + span + "-01"}, false, ""},
		"version 00 with more":                 {[]string{"traceparent: 00-" + id + "-" + span + "-01-x"}, false, ""},
		"no hex":                               {[]string{"traceparent: 00-" + id[:31] + "g-" + span + "-01"}, false, ""},
		"capitals":                             {[]string{"traceparent: 00-" + strings.ToUpper(id) + "-" + span + "-01"}, false, ""},
		"no trace":                             {[]string{"traceparent: 00-" + strings.Repeat("0", 32) + "-" + span + "-01"}, false, ""},
		"no span":                              {[]string{"traceparent: 00-" + id + "-" + strings.Repeat("0", 16) + "-01"}, false, ""},
		"too short":                            {[]string{"traceparent: 00-" + id + "-" + span + "-1"}, false, ""},
		"too long":                             {[]string{"traceparent: 00-" + id + "0-" + span + "-01"}, false, ""},
		"another separator":                    {[]string{"traceparent: 00." + id + "." + span + ".01"}, false, ""},
		"a state":                              {[]string{good, "tracestate: foo=1,bar=2"}, true, "foo=1,bar=2"},
		"a state in two fields":                {[]string{good, "tracestate: foo=1", "tracestate: bar=2"}, true, "foo=1,bar=2"},
		"a state with space and empty members": {[]string{good, "tracestate: foo=1 \t , ,\tbar=2, "}, true, "foo=1,bar=2"},
		"an empty state":                       {[]string{good, "tracestate: "}, true, ""},
		"a key twice":                          {[]string{good, "tracestate: foo=1,foo=2"}, true, ""},
		"a key twice in two fields":            {[]string{good, "tracestate: foo=1", "tracestate: foo=1"}, true, ""},
		"a key with capitals":                  {[]string{good, "tracestate: FOO=1"}, true, ""},
		"a key with a space":                   {[]string{good, "tracestate: foo =1"}, true, ""},
		"a key of nobody":                      {[]string{good, "tracestate: =1"}, true, ""},
		"a key of 256":                         {[]string{good, "tracestate: " + long(256) + "=1"}, true, long(256) + "=1"},
		"a key of 257":                         {[]string{good, "tracestate: " + long(257) + "=1"}, true, ""},
		"all that a key may have":              {[]string{good, "tracestate: a_-*/0@b=1"}, true, "a_-*/0@b=1"},
		"a value with =":                       {[]string{good, "tracestate: foo=1=2"}, true, ""},
		"a value of nothing":                   {[]string{good, "tracestate: foo="}, true, ""},
		"32 members":                           {[]string{good, "tracestate: " + members(32)}, true, members(32)},
		"33 members":                           {[]string{good, "tracestate: " + members(33)}, true, ""},
	} {
		got := headersOf(t, trusting.http, tt.fields, "traceparent", "tracestate")
		if len(got[0]) != 1 {
			t.Errorf("%s: traceparent is %q", name, got[0])
			continue
		}
		p, ok := trace.ParseParent([]byte(got[0][0]))
		if !ok || len(got[0][0]) != trace.ParentSize || (p.Trace.String() == id) != tt.goesOn || p.Span.String() == span {
			t.Errorf("%s: traceparent is %q, the trace ought to go on: %v", name, got[0], tt.goesOn)
		}
		if strings.Join(got[1], ",") != tt.state {
			t.Errorf("%s: tracestate is %.100q, want %.100q", name, got[1], tt.state)
		}
		// Of a stranger nothing goes on.
		got = headersOf(t, strict.http, append(tt.fields, "baggage: a=b"), "traceparent", "tracestate", "baggage")
		if len(got[0]) != 1 || strings.Contains(got[0][0], id) || !strings.HasSuffix(got[0][0], "-00") || len(got[1])+len(got[2]) > 0 {
			t.Errorf("%s, of a stranger: %q", name, got)
		}
	}
}
