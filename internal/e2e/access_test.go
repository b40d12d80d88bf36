package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"nanofront/internal/logging"
	"nanofront/internal/testutil"
)

// accessLine is what a line of the access log has, and no other.
const accessLine = `"message":"access"`

// accesses are the access log's lines up to now.
func accesses(t *testing.T, p *process) (list []map[string]any) {
	t.Helper()
	for line := range strings.Lines(p.out.String()) {
		var fields map[string]any
		if json.Unmarshal([]byte(line), &fields) == nil && fields["message"] == "access" {
			list = append(list, fields)
		}
	}
	return list
}

// count is how many lines have a field of that value.
func count(lines []map[string]any, field string, value any) (n int) {
	for _, l := range lines {
		if fmt.Sprint(l[field]) == fmt.Sprint(value) {
			n++
		}
	}
	return n
}

// number is a field of a line; -1 if it isn't there, or none.
func number(line map[string]any, field string) float64 {
	if n, ok := line[field].(float64); ok {
		return n
	}
	return -1
}

// accessCase is something that a client does, and the line that it leaves.
type accessCase struct {
	name   string
	does   func(t *testing.T, conn net.Conn) // and closes it at the end, if it hasn't
	path   string                            // "" if none is known
	status int                               // 0: any
	bytes  [2]float64                        // of the body: at least, at most
	took   time.Duration                     // at least
	end    string                            // how it ended
}

// sends is a client that sends and reads to the end.
func sends(s string) func(*testing.T, net.Conn) {
	return func(t *testing.T, conn net.Conn) {
		t.Helper()
		writeAll(t, conn, s)
		_, _ = io.Copy(io.Discard, conn) // what it ends with is another test's
	}
}

// leaves is a client that sends and closes.
func leaves(s string) func(*testing.T, net.Conn) {
	return func(t *testing.T, conn net.Conn) {
		t.Helper()
		writeAll(t, conn, s)
	}
}

func writeAll(t *testing.T, w io.Writer, s string) {
	t.Helper()
	if _, err := io.WriteString(w, s); err != nil {
		t.Error(err)
	}
}

// resets is a client that reads 1 KB, does something else, and resets.
func resets(target string) func(*testing.T, net.Conn) {
	return func(t *testing.T, conn net.Conn) {
		t.Helper()
		writeAll(t, conn, "GET "+target+" HTTP/1.1\r\nHost: a\r\n\r\n")
		if _, err := io.ReadFull(conn, make([]byte, 1000)); err != nil {
			t.Error(err)
		}
		time.Sleep(300 * time.Millisecond) // the client's own
		if slow, ok := conn.(*slowClient); ok {
			conn = slow.Conn
		}
		if tcp, ok := conn.(*net.TCPConn); !ok || tcp.SetLinger(0) != nil {
			t.Error("can't reset")
		}
	}
}

// TestAccessLog_WhatHappened: a line says what became of a request, and there is
// one for each, also for what never became one.
func TestAccessLog_WhatHappened(t *testing.T) {
	t.Parallel()
	const last = " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
	exactly := func(n float64) [2]float64 { return [2]float64{n, n + 400} } // with its head or without
	some := func(most float64) [2]float64 { return [2]float64{0, most} }
	upload := func(target string, n int) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", target, n)
	}
	cases := []accessCase{
		{"ordinary", sends("GET /hello" + last), "/hello", 200, exactly(512), 0, "ok"},
		{"HEAD", sends("HEAD /hello" + last), "/hello", 200, exactly(0), 0, "ok"},
		{"HTTP/1.0", sends("GET /hello HTTP/1.0\r\n\r\n"), "/hello", 200, exactly(512), 0, "ok"},
		{"large", sends("GET /echo/bytes?n=800000" + last), "/echo/bytes", 200, exactly(800_000), 0, "ok"},
		{"a stream takes its time", sends("GET /echo/stream?pieces=3&bytes=1000&ms=400" + last), "/echo/stream", 200, [2]float64{3000, 3500}, 1200 * time.Millisecond, "ok"},
		{"a stream with a length", sends("GET /echo/stream?pieces=3&bytes=1000&ms=400&length=1" + last), "/echo/stream", 200, exactly(3000), 1200 * time.Millisecond, "ok"},
		{"a stream that fails", sends("GET /echo/stream?pieces=3&bytes=1000&fail=3" + last), "/echo/stream", 0, [2]float64{2000, 2500}, 0, "broken"},
		{"reset after 1 KB", resets("/echo/bytes?n=800000"), "/echo/bytes", 0, [2]float64{1000, 600_000}, 250 * time.Millisecond, "client_gone"},
		{"reset after 1 KB of a stream", resets("/echo/bytes?n=8000000"), "/echo/bytes", 0, [2]float64{1000, 7_000_000}, 250 * time.Millisecond, "client_gone"},
		{"a slow reader", func(t *testing.T, conn net.Conn) {
			t.Helper()
			writeAll(t, conn, "GET /echo/bytes?n=800000"+last)
			for buf := make([]byte, 16<<10); ; time.Sleep(20 * time.Millisecond) {
				if _, err := conn.Read(buf); err != nil {
					return
				}
			}
		}, "/echo/bytes", 200, exactly(800_000), 300 * time.Millisecond, "ok"},
		{"gone while it is worked on", func(t *testing.T, conn net.Conn) {
			t.Helper()
			writeAll(t, conn, "GET /echo/sleep?ms=9000"+last)
			time.Sleep(100 * time.Millisecond) // the client's patience
		}, "/echo/sleep", 0, some(400), 50 * time.Millisecond, "client_gone"},

		{"404", sends("GET /nothing" + last), "/nothing", 404, some(600), 0, "ok"},
		{"405", sends("GET /writes" + last), "/writes", 405, some(600), 0, "ok"},
		{"413", sends(upload("/small", 1001)), "/small", 413, some(600), 0, "ok"},
		{"503", sends("GET /nobody" + last), "/nobody", 503, some(600), 0, "ok"},
		{"504", sends("POST /echo/sleep?ms=3000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), "/echo/sleep", 504, some(600), 200 * time.Millisecond, "ok"},
		{"400 of a target", sends("GET /echo/a%00b" + last), "", 400, some(600), 0, "ok"},
		{"400", sends("GET /echo HTTP/1.1\r\n\r\n"), "", 400, some(600), 0, "ok"},
		{"400 at once", sends("\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"), "", 400, some(600), 0, "ok"},
		{"400 of a chunk", sends("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"), "", 400, some(600), 0, "ok"},
		{"408 of a head", sends("GET /echo HTTP/1.1\r\nHost: a\r\n"), "", 408, some(600), 300 * time.Millisecond, "ok"},
		{"408 of a body", sends(upload("/echo", 10) + "abc"), "", 408, some(600), 300 * time.Millisecond, "ok"},
		{"408 of a large body", sends(upload("/echo/digest", 1_000_000) + "abc"), "", 408, some(600), 300 * time.Millisecond, "ok"},
		{"414", sends("GET /" + strings.Repeat("a", 9000) + last), "", 414, some(600), 0, "ok"},
		{"417", sends("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\nContent-Length: 1\r\n\r\na"), "", 417, some(600), 0, "ok"},
		{"431", sends("GET /echo HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("y", 5000) + "\r\n\r\n"), "", 431, some(600), 0, "ok"},
		{"501", sends("TRACE /echo" + last), "", 501, some(600), 0, "ok"},
		{"505", sends("GET /echo HTTP/3.0\r\nHost: a\r\n\r\n"), "", 505, some(600), 0, "ok"},

		{"an upload that breaks off", leaves(upload("/echo/digest", 1_000_000) + strings.Repeat("x", 10_000)), "/echo/digest", 0, some(600), 0, "upload_aborted"},
		{"a small upload that breaks off", leaves(upload("/echo", 1000) + "x"), "/echo", 0, some(600), 0, "upload_aborted"},
		{"chunks that break off", leaves("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"), "/echo", 0, some(600), 0, "upload_aborted"},
		{"a head that breaks off", leaves("GET /echo HTTP/1.1\r\nHost"), "", 0, some(600), 0, ""},
	}
	o := frontOptions{
		routes: `  - {match: {path: /small}, service: echo, max_body: 1000}
  - {match: {path: /writes, methods: [PUT]}, service: echo}
  - {match: {path: /nobody}, service: nobody}
  - {match: {path: /echo/sleep, methods: [POST]}, service: echo, timeout: 300ms}
  - {match: {prefix: /echo}, service: echo, timeout: 10s, max_body: 1099511627776}
  - {match: {path: /hello}, service: echo}
`,
		table:      []string{"nobody nobody-1 tcp://" + freeAddr(t)},
		terminator: []string{"--access-log", "1000", "--header-timeout", "400ms", "--body-timeout", "400ms", "--max-header", "4096"},
		echo:       -1,
	}
	bothWays(t, o, func(t *testing.T, f *front) {
		f.earlyFront(t)
		for i := range cases {
			c := &cases[i]
			t.Run(c.name, func(t *testing.T) {
				// One after the other: a line is told by its coming after the others.
				before := f.terminator.out.count(accessLine)
				conn := dialSlow(t, f.http, 0)
				c.does(t, conn)
				_ = conn.Close() // it may be closed
				testutil.EventuallyIn(t, 10*time.Second, "a line", func() bool { return f.terminator.out.count(accessLine) > before })
				lines := accesses(t, f.terminator)[before:]
				if len(lines) != 1 {
					t.Errorf("%d lines", len(lines))
				}
				c.check(t, lines[0])
			})
		}
	})
}

func (c *accessCase) check(t *testing.T, line map[string]any) {
	t.Helper()
	status, bytes, took := number(line, logging.AccessStatus), number(line, logging.AccessSize), number(line, logging.AccessTotal)
	if c.status != 0 && status != float64(c.status) {
		t.Errorf("status %v, want %d", status, c.status)
	}
	if path := fmt.Sprint(line[logging.AccessPath]); c.path != "" && path != c.path {
		t.Errorf("path %q, want %q", path, c.path)
	}
	if bytes < c.bytes[0] || bytes > c.bytes[1] {
		t.Errorf("%v bytes, want %v", bytes, c.bytes)
	}
	if took < float64(c.took.Milliseconds()) || took > 15_000 {
		t.Errorf("%v ms, want %v", took, c.took)
	}
	if peer := fmt.Sprint(line[logging.AccessClient]); !strings.HasPrefix(peer, "127.0.0.1") {
		t.Errorf("peer %q", peer)
	}
	if end := fmt.Sprint(line[logging.AccessEnd]); c.end != "" && end != c.end {
		t.Errorf("it ended %q, want %q", end, c.end)
	}
	if t.Failed() {
		t.Logf("the line: %v", line)
	}
}
