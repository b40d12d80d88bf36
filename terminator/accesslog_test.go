package terminator

import (
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"nanofront/httpmsg"
	"nanofront/internal/logging"
	"nanofront/metrics"
	"nanofront/nanobus"
)

// accessLines are the access log's lines among others.
func accessLines(t *testing.T, f *front) []map[string]any {
	t.Helper()
	var lines []map[string]any
	for text := range strings.Lines(f.logs.String()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if line["message"] == "access" {
			lines = append(lines, line)
		}
	}
	return lines
}

func TestAccessLog_Line(t *testing.T) { bothWays(t, testAccessLogLine) }

func testAccessLogLine(t *testing.T) {
	f := startFront(t, Options{AccessLog: 1000}, prefix("/a", "work"))
	f.work(t, "w1", text("twelve bytes"))
	for i, request := range [][2]string{{"/a/%41?q=secret", "one"}, {"/none", "two"}, {"/a\"b%zz", "three"}} {
		f.ask(t, "GET", request[0], "X-Request-Id: "+request[1]+"\n")
		eventually(t, "its line, which is written after the response", func() bool { return len(accessLines(t, f)) == i+1 })
	}
	for i, want := range []map[string]any{
		{
			logging.AccessMethod: "GET", logging.AccessPath: "/a/A", logging.AccessStatus: 200., logging.AccessSize: 12., logging.AccessClient: "127.0.0.1",
			logging.RequestID: "one", logging.AccessInstance: "w1", logging.AccessEnd: "ok",
		},
		{logging.AccessPath: "/none", logging.AccessStatus: 404., logging.AccessClient: "127.0.0.1", logging.RequestID: "two", logging.AccessInstance: nil},
		{logging.AccessStatus: 400., logging.AccessClient: "127.0.0.1", logging.RequestID: "three"},
	} {
		got := accessLines(t, f)[i]
		for name, w := range want {
			if got[name] != w {
				t.Errorf("line %d: %s is %v, want %v in %v", i, name, got[name], w, got)
			}
		}
		if d, ok := got[logging.AccessTotal].(float64); !ok || d < 0 || d > patience.Seconds()*1000 {
			t.Errorf("line %d: duration %v", i, got[logging.AccessTotal])
		}
	}
	if strings.Contains(f.logs.String(), "secret") {
		t.Error("the query is in the log")
	}
}

func TestAccessLog_Count(t *testing.T) { bothWays(t, testAccessLogCount) }

func testAccessLogCount(t *testing.T) {
	f := startFront(t, Options{AccessLog: 1})
	f.work(t, "w1", text("x"))
	c := f.dial(t)
	const burst = 50
	requests := 0.
	sum := func() (n float64, most float64) {
		for _, line := range accessLines(t, f) {
			stands, ok := line[logging.AccessStands].(float64)
			if !ok {
				stands = 1
			}
			n, most = n+stands, max(most, stands)
		}
		return n, most
	}
	// Until a line stands for a burst: the first of a later second does.
	eventually(t, "a line that stands for many", func() bool {
		for range burst {
			c.ask("GET", "/", "")
			requests++
		}
		_, most := sum()
		return most > 1
	})
	n, _ := sum()
	if n > requests {
		t.Errorf("the lines stand for %v of %v requests", n, requests)
	}
	if lines := float64(len(accessLines(t, f))); lines > requests/burst+2 && lines > patience.Seconds() {
		t.Errorf("%v lines", lines)
	}
}

func TestAccessLog_Off(t *testing.T) { bothWays(t, testAccessLogOff) }

func testAccessLogOff(t *testing.T) {
	f := startFront(t, Options{AccessLog: -1})
	f.work(t, "w1", text("x"))
	f.ask(t, "GET", "/", "")
	if err := f.stop(); err != nil {
		t.Error(err)
	}
	if lines := accessLines(t, f); len(lines) != 0 {
		t.Errorf("%d lines, the first: %v", len(lines), lines[0])
	}
}

// Who takes longer than said has a line whatever the sample is, with where its time went; and is in
// no other line.
func TestAccessLog_Slow(t *testing.T) { bothWays(t, testAccessLogSlow) }

func testAccessLogSlow(t *testing.T) {
	const slow = 50 * time.Millisecond
	f := startFront(t, Options{AccessLog: -1, LogSlowerThan: slow})
	f.work(t, "w1", func(req *httpmsg.Request, r *nanobus.Request) {
		r.Start(f.bus.Now())
		if string(req.Path) == "/slow" {
			time.Sleep(2 * slow) // the handler's work
		}
		respond(r, &httpmsg.Response{Body: []byte("x")})
	})
	for range 3 {
		f.ask(t, "GET", "/fast", "")
	}
	f.ask(t, "GET", "/slow?a=secret", "X-Request-Id: the-one\n")
	var slows []map[string]any
	eventually(t, "a line of the slow one", func() bool {
		slows = nil
		for _, line := range accessLines(t, f) {
			if line[logging.AccessPath] == "/slow" {
				slows = append(slows, line)
			} else if line[logging.AccessTotal].(float64) < 50 { //nolint:forcetypeassert // it is a number
				t.Fatalf("a fast one has a line: %v", line)
			}
		}
		return len(slows) > 0
	})
	line := slows[0]
	if line[logging.AccessSlow] != true || line[logging.RequestID] != "the-one" || line[logging.AccessInstance] != "w1" || len(slows) != 1 {
		t.Errorf("got %v", slows)
	}
	sum := 0.
	for _, name := range []string{
		logging.AccessRead, logging.AccessQueue, logging.AccessBusOut, logging.AccessHandlerQueue, logging.AccessHandler, logging.AccessBusBack, logging.AccessWrite,
	} {
		v, ok := line[name].(float64)
		if !ok || v < 0 {
			t.Errorf("%s is %v", name, line[name])
		}
		sum += v
	}
	total, _ := line[logging.AccessTotal].(float64)
	if sum < total*0.99-0.01 || sum > total*1.01+0.01 {
		t.Errorf("the stages' sum is %v of %v in %v", sum, total, line)
	}
	if strings.Contains(f.logs.String(), "secret") {
		t.Error("the query is in the log")
	}
}

// A file that takes nothing costs lines, which are counted, and no request anything.
func TestAccessLog_NeverBlocks(t *testing.T) { bothWays(t, testAccessLogNeverBlocks) }

func testAccessLogNeverBlocks(t *testing.T) {
	r, w, err := os.Pipe() // nobody reads it
	if err != nil {
		t.Fatal(err)
	}
	dropped := metrics.New(metrics.Terminator, "t").Counter(metrics.AccessLogDropped)
	log, err := logging.New(logging.Options{Format: "json", Out: w, Dropped: dropped})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close(); _ = log.Close(); _ = w.Close() })
	f := startFront(t, Options{AccessLog: 100_000, AccessLogTo: log.Writer()})
	f.helloNode(t)
	c := f.dial(t)
	for n := 0; dropped.Value() == 0; n++ {
		if got := c.ask("GET", "/", ""); got.StatusCode != 200 {
			t.Fatalf("got %d", got.StatusCode)
		}
		if n > 100_000 {
			t.Fatal("nothing is dropped")
		}
	}
	if lines := accessLines(t, f); len(lines) != 0 {
		t.Errorf("%d lines in the log as well", len(lines))
	}
}

// Whatever comes, and whatever is said of it: one line for each, in order, and nothing of queries.
func TestAccessLog_Hostile(t *testing.T) { bothWays(t, testAccessLogHostile) }

func testAccessLogHostile(t *testing.T) {
	for _, combined := range []bool{false, true} {
		lines := &logBuffer{}
		f := startFront(t, Options{AccessLog: 100_000, AccessLogTo: lines, AccessLogCombined: combined}, prefix("/a", "work"))
		f.work(t, "w1", text("x"))
		for i, request := range []string{
			"GET /a?secret HTTP/1.1", "GET /a/\"%0a\" HTTP/1.1", "GET /a\xc2\x9b2J HTTP/1.1", "GET /a%zz?secret HTTP/1.1",
			"GET http://me:secret@h/a%00 HTTP/1.1", "GET /a#secret HTTP/1.1", "G\"T /a HTTP/1.1", "GET /a\x1b[2J HTTP/1.1", "GET /none?secret HTTP/1.1",
			"GET /a\\?secret HTTP/1.1", "\x16\x03\x01", "GET /a/{\"a\":\"b\"} HTTP/1.1",
		} {
			c := f.dial(t)
			c.send(request + "\nHost: h.example\nX-Request-Id: \"a\nConnection: close\nX: secret\n\n")
			_, _ = io.Copy(io.Discard, c) // what it ends with is another test's
			_ = c.Close()
			eventually(t, "a line of "+request, func() bool { return strings.Count(lines.String(), "\n") == i+1 })
		}
		for line := range strings.Lines(lines.String()) {
			if strings.Contains(line, "secret") || strings.ContainsFunc(strings.TrimSuffix(line, "\n"), func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("got %q", line)
			}
			if isJSON := json.Valid([]byte(line)); isJSON == combined {
				t.Errorf("combined: %v: %q", combined, line)
			}
		}
	}
}
