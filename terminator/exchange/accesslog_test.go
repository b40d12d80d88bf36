package exchange

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"nanofront/httpmsg"
	"nanofront/internal/logging"
	"nanofront/metrics"
	"nanofront/nanobus"
	"nanofront/terminator/forwarded"
)

// Whatever the interleaving: no more lines than the rate, and every request is stood for.
func TestAccessLog_Rate(t *testing.T) {
	a := lineRate{rate: 3}
	var lines, stands int64
	ask := func(now time.Duration) bool {
		n, ok := a.wants(now)
		if ok {
			lines++
			stands += n
		}
		return ok
	}
	for range 100 {
		ask(500 * time.Millisecond)
	}
	if lines != 3 || stands != 3 {
		t.Errorf("in the first second: %d lines for %d requests, want 3 for 3", lines, stands)
	}
	if n, ok := a.wants(1200 * time.Millisecond); !ok || n != 98 {
		t.Errorf("then: %d, %v: want a line for the 97 before and itself", n, ok)
	}
	for now := 2 * time.Second; now < 10*time.Second; now += 500 * time.Millisecond { // quiet
		if n, ok := a.wants(now); !ok || n != 1 {
			t.Errorf("at %v: %d, %v: want a line of its own", now, n, ok)
		}
	}
	for _, rate := range []int64{0} {
		if _, ok := (&lineRate{rate: rate}).wants(0); ok {
			t.Errorf("rate %d: a line", rate)
		}
	}
}

func TestAccessLog_Concurrent(t *testing.T) {
	const rate, clients, each = 50, 8, 3000
	a := lineRate{rate: rate}
	var mu sync.Mutex
	var lines, stands int64
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range each {
				if n, ok := a.wants(time.Second); ok {
					mu.Lock()
					lines, stands = lines+1, stands+n
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if lines == 0 || lines > rate {
		t.Errorf("%d lines, want at most %d", lines, rate)
	}
	if n := stands + a.seen.Load(); n != clients*each {
		t.Errorf("%d requests are accounted for, want %d", n, clients*each)
	}
}

// combinedLine is Apache's combined form and what is behind it.
var combinedLine = regexp.MustCompile(`^(\S+) - - \[\d\d/[A-Z][a-z][a-z]/\d{4}:\d\d:\d\d:\d\d [-+]\d{4}\] "(?:-|([^" ]*) ([^" ]*) HTTP/1\.[01])" \d{3} (?:-|\d+) "-" "-"(?: [a-z_]+=[^ ="]+)+\n$`)

// logged is the line that a request leaves, in both forms.
func logged(t *testing.T, x *Exchange) (line map[string]any, asJSON, combined []byte) {
	t.Helper()
	var one, other bytes.Buffer
	log := zerolog.New(nil).With().Timestamp().Logger()
	for _, a := range []*accessLog{
		newAccessLog(log, AccessLog{Rate: 1, To: &one}),
		newAccessLog(log, AccessLog{Rate: 1, To: &other, Combined: true}),
	} {
		a.finished(x, 12, 3*time.Second, Complete)
	}
	for _, b := range [][]byte{one.Bytes(), other.Bytes()} {
		if bytes.Count(b, []byte{'\n'}) != 1 || b[len(b)-1] != '\n' {
			t.Errorf("not one line: %q", b)
		}
		for _, c := range b[:len(b)-1] {
			if c < ' ' || c > '~' {
				t.Errorf("a byte %#x in %q", c, b)
			}
		}
	}
	if err := json.Unmarshal(one.Bytes(), &line); err != nil {
		t.Errorf("%q: %v", one.Bytes(), err)
	}
	if !combinedLine.Match(other.Bytes()) {
		t.Errorf("not a line in the combined form: %q", other.Bytes())
	}
	return line, one.Bytes(), other.Bytes()
}

// ended is a request that has ended, as the access log finds it.
func ended(t *testing.T) *Exchange {
	t.Helper()
	bus, err := nanobus.New(nanobus.Options{Service: "terminator", Instance: "t"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bus.Close() })
	return &Exchange{
		call: nanobus.NewCall(), peer: &forwarded.Peer{Text: []byte("192.0.2.1")}, firstByte: int64(time.Second),
		start: 1100 * time.Millisecond, Response: Response{Status: 200}, requestID: []byte("an-id"),
		msg: httpmsg.Request{Method: []byte("GET"), Path: []byte("/")},
		up: &upstream{
			service: bus.Service("work"), route: "GET /a",
			requests: metrics.New(metrics.Terminator, "t").Counter(metrics.UpstreamRequests, "work"),
		},
	}
}

// Whatever a client sends: one request is one line, valid JSON or valid in the combined form, of
// printable ASCII.
func FuzzAccessLog_OneLine(f *testing.F) {
	for _, s := range []string{
		"/", "/a\nb", "/\"},{\"x\":1", "/\x1b[2J", "/\xff\xfe", "/\u009b2J", "/\u2028", "/a?q=secret", "/%0d%0a", `\`, `/a\"`, "\x00", "* b",
	} {
		f.Add("GET", s, "v1")
		f.Add(s, "/", s)
	}
	f.Fuzz(func(t *testing.T, method, path, version string) {
		x := ended(t)
		x.msg.Method, x.msg.Path = []byte(method), []byte(path)
		x.instance, x.version, x.reason = "work-1", version, "a fault"
		line, _, combined := logged(t, x)
		if got, _ := line[logging.AccessPath].(string); strings.ContainsAny(got, "?# ") {
			t.Errorf("path %q", got)
		}
		if at := strings.IndexAny(path, "?#"); at >= 0 && len(path)-at > 12 && bytes.Contains(combined, []byte(path[at+1:])) {
			t.Errorf("the query is in %q", combined)
		}
	})
}

func TestAccessLog_NoQueries(t *testing.T) {
	for target, want := range map[string]string{
		"/a/b?token=hunter2":                   "/a/b",
		"/a#hunter2":                           "/a",
		"*":                                    "*",
		"http://user:hunter2@host/a?b=hunter2": "/a",
		"http:\\\\user:hunter2@host/a":         "/a",
		"http://user:hunter2@host":             "",
		"user:hunter2@host:443":                "",
		"?hunter2":                             "",
		"":                                     "",
	} {
		if got := string(pathOf([]byte(target))); got != want {
			t.Errorf("%q: %q is logged, want %q", target, got, want)
		}
	}
}

// The stages' sum is the whole, and each is where it belongs.
func TestAccessLog_Stages(t *testing.T) {
	x := ended(t)
	x.instance, x.version, x.tries = "work-1", "v7", 2
	x.call.Link = &nanobus.Link{}
	x.call.Received = 2400 * time.Millisecond
	x.call.Timing = nanobus.Timing{
		Queue: 1 * time.Millisecond, BusOut: 2 * time.Millisecond, HandlerQueue: 300 * time.Millisecond, Handler: 900 * time.Millisecond,
		BusBack: 7 * time.Millisecond, Total: 1210 * time.Millisecond,
	}
	line, _, combined := logged(t, x)
	want := map[string]any{
		logging.AccessRead: 100., logging.AccessQueue: 90., logging.AccessBusOut: 3., logging.AccessHandlerQueue: 300., logging.AccessHandler: 900.,
		logging.AccessBusBack: 7., logging.AccessWrite: 600., logging.AccessTotal: 2000., logging.AccessRoute: "GET /a", logging.AccessService: "work",
		logging.AccessInstance: "work-1", logging.AccessVersion: "v7", logging.AccessTries: 2., logging.AccessStands: 1., logging.RequestID: "an-id",
		logging.AccessClient: "192.0.2.1", logging.AccessCause: nil, logging.AccessHeld: nil,
	}
	for name, w := range want {
		if line[name] != w {
			t.Errorf("%s is %v, want %v in %v", name, line[name], w, line)
		}
	}
	const rest = ` "GET / HTTP/1.1" 200 12 "-" "-" request_id=an-id end=ok route=GET_/a service=work instance=work-1 version=v7 read_ms=100.000 queue_ms=90.000 bus_out_ms=3.000 handler_queue_ms=300.000 handler_ms=900.000 bus_back_ms=7.000 write_ms=600.000 total_ms=2000.000 stands_for=1`
	if !strings.HasSuffix(string(combined), rest+"\n") {
		t.Errorf("got\n%swant\n%s", combined, rest)
	}
	// It was held for half a second of what was its write.
	x.heldAt, x.call.Received = x.call.Received, 2900*time.Millisecond
	line, _, _ = logged(t, x)
	if line[logging.AccessHeld] != 500. || line[logging.AccessWrite] != 100. || line[logging.AccessQueue] != 90. {
		t.Errorf("held: %v", line)
	}
}
