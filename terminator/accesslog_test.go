package terminator

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"nanofront/internal/logging"
)

func TestAccessLog_Rate(t *testing.T) {
	a := newAccessLog(zerolog.Nop(), 3)
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
	for _, rate := range []int{0, -1} {
		if _, ok := newAccessLog(zerolog.Nop(), rate).wants(0); ok {
			t.Errorf("rate %d: a line", rate)
		}
	}
}

// Whatever the interleaving: no more lines than the rate, and every request
// is stood for.
func TestAccessLog_Concurrent(t *testing.T) {
	const rate, clients, each = 50, 8, 3000
	a := newAccessLog(zerolog.Nop(), rate)
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
	f.ask(t, "GET", "/a/%41?q=secret", "X-Request-Id: one\n")
	f.ask(t, "GET", "/none", "X-Request-Id: two\n")
	f.ask(t, "GET", "/a\"b%zz", "X-Request-Id: three\n")
	eventually(t, "three lines", func() bool { return len(accessLines(t, f)) == 3 })
	for i, want := range []map[string]any{
		{
			logging.Method: "GET", logging.Path: "/a/A", logging.Status: 200., logging.BytesOut: 12., logging.Peer: "127.0.0.1",
			logging.RequestID: "one", logging.Upstream: "w1",
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
