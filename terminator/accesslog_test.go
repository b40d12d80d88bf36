package terminator

import (
	"encoding/json"
	"strings"
	"testing"

	"nanofront/internal/logging"
)

// Whatever the interleaving: no more lines than the rate, and every request
// is stood for.
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
			logging.Method: "GET", logging.Path: "/a/A", logging.Status: 200., logging.BytesOut: 12., logging.Peer: "127.0.0.1",
			logging.RequestID: "one", logging.Upstream: "w1", logging.End: "ok",
		},
		{logging.Path: "/none", logging.Status: 404., logging.Peer: "127.0.0.1", logging.RequestID: "two", logging.Upstream: nil},
		{logging.Status: 400., logging.Peer: "127.0.0.1", logging.RequestID: "three"},
	} {
		got := accessLines(t, f)[i]
		for name, w := range want {
			if got[name] != w {
				t.Errorf("line %d: %s is %v, want %v in %v", i, name, got[name], w, got)
			}
		}
		if d, ok := got[logging.Duration].(float64); !ok || d < 0 || d > patience.Seconds()*1000 {
			t.Errorf("line %d: duration %v", i, got[logging.Duration])
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
			stands, ok := line[logging.Count].(float64)
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
