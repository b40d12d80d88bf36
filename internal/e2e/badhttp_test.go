package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// hardRoutes have what the cases of TestHTTP_BadInput need.
const hardRoutes = `  - {name: all, match: {prefix: /echo}, service: echo, timeout: 10s, max_body: 1000}
  - {name: quick, match: {path: /echo/sleep, methods: [GET]}, service: echo, timeout: 300ms}
  - {name: reads, match: {path: /reads, methods: [GET]}, service: echo}
  - {name: nobody, match: {path: /nobody}, service: nobody}
`

// TestHTTP_BadInput sends what a front must not pass on. The guard's own tests
// have some hundred cases more; these go through everything.
func TestHTTP_BadInput(t *testing.T) {
	f := startFront(t, frontOptions{
		routes:     hardRoutes,
		table:      []string{"nobody nobody-1 tcp://" + freeAddr(t)},
		terminator: []string{"--header-timeout", "400ms", "--body-timeout", "500ms", "--max-header", "4096"},
		echo:       -1,
	})
	f.startEcho(t, 0)
	linked(t, f.admin, "echo", 1)
	const host = "Host: front.example\r\n"
	post := func(head, body string) string { return "POST /echo HTTP/1.1\r\n" + host + head + "\r\n" + body }

	for _, c := range []struct {
		name, raw string
		status    int
		kept      bool // the connection may be used further
	}{
		// The bytes are not HTTP: whatever follows them can't be trusted.
		{"no HTTP at all", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, false},
		{"bare LF", "GET /echo HTTP/1.1\nHost: a\n\n", 400, false},
		{"no Host", "GET /echo HTTP/1.1\r\n\r\n", 400, false},
		{"two Hosts", "GET /echo HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, false},
		{"userinfo in Host", "GET /echo HTTP/1.1\r\nHost: me@a\r\n\r\n", 400, false},
		{"folded field", "GET /echo HTTP/1.1\r\n" + host + "X: a\r\n b\r\n\r\n", 400, false},
		{"space before the colon", "GET /echo HTTP/1.1\r\n" + host + "X : a\r\n\r\n", 400, false},
		{"NUL in a field", "GET /echo HTTP/1.1\r\n" + host + "X: a\x00b\r\n\r\n", 400, false},
		{"length and chunks", post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\nGET /smuggled HTTP/1.1\r\n"+host+"\r\n"), 400, false},
		{"two lengths", post("Content-Length: 1\r\nContent-Length: 2\r\n", "ab"), 400, false},
		{"signed length", post("Content-Length: +1\r\n", "a"), 400, false},
		{"bad chunk size", post("Transfer-Encoding: chunked\r\n", "1;\r\na\r\nx\r\n\r\n"), 400, false},
		{"chunk without CRLF", post("Transfer-Encoding: chunked\r\n", "1\r\nab\r\n0\r\n\r\n"), 400, false},
		{"malformed trailer", post("Transfer-Encoding: chunked\r\n", "0\r\nX-Admin : yes\r\n\r\n"), 400, false},
		{"many trailers", post("Transfer-Encoding: chunked\r\n", "0\r\n"+strings.Repeat("X: y\r\n", 101)+"\r\n"), 431, false},
		{"large chunk extension", post("Transfer-Encoding: chunked\r\n", "1;"+strings.Repeat("x", 5000)+"\r\na\r\n0\r\n\r\n"), 431, false},
		{"endless method", strings.Repeat("A", 9000), 501, false},
		{"backslash in the path", "GET /echo\\x HTTP/1.1\r\n" + host + "\r\n", 400, false},
		{"unknown coding", post("Transfer-Encoding: gzip\r\n", ""), 501, false},
		{"underscore length", post("Content_Length: 1\r\n", ""), 400, false},
		{"asterisk", "GET * HTTP/1.1\r\n" + host + "\r\n", 400, false},
		{"fragment", "GET /echo#x HTTP/1.1\r\n" + host + "\r\n", 400, false},
		{"raw UTF-8 in the target", "GET /\xc3\xa9 HTTP/1.1\r\n" + host + "\r\n", 400, false},
		{"HTTP/2.0", "GET /echo HTTP/2.0\r\n" + host + "\r\n", 505, false},
		{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, false},
		{"TRACE", "TRACE /echo HTTP/1.1\r\n" + host + "\r\n", 501, false},
		{"CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 501, false},
		{"long target", "GET /" + strings.Repeat("a", 9000) + " HTTP/1.1\r\n" + host + "\r\n", 414, false},
		{"large header", "GET /echo HTTP/1.1\r\n" + host + "X: " + strings.Repeat("y", 5000) + "\r\n\r\n", 431, false},
		{"many fields", "GET /echo HTTP/1.1\r\n" + host + strings.Repeat("X: y\r\n", 200) + "\r\n", 431, false},
		{"larger than any route allows", post("Content-Length: 1099511627777\r\n", ""), 413, false},
		{"unknown expectation", post("Expect: miracles\r\nContent-Length: 1\r\n", "a"), 417, false},
		{"header that never ends", "GET /echo HTTP/1.1\r\nHost: a\r\n", 408, false},
		{"body that never ends", post("Content-Length: 10\r\n", "abc"), 408, false},

		// Good HTTP, and not possible.
		{"encoded NUL", "GET /echo/a%00b HTTP/1.1\r\n" + host + "\r\n", 400, true},
		{"encoded CRLF", "GET /echo/a%0d%0aX HTTP/1.1\r\n" + host + "\r\n", 400, true},
		{"overlong UTF-8", "GET /echo/%c0%af HTTP/1.1\r\n" + host + "\r\n", 400, true},
		{"no route", "GET /nothing HTTP/1.1\r\n" + host + "\r\n", 404, true},
		{"out of the root", "GET /echo/../../etc/passwd HTTP/1.1\r\n" + host + "\r\n", 0, true},
		{"method of no route", "POST /reads HTTP/1.1\r\n" + host + "Content-Length: 0\r\n\r\n", 405, true},
		{"body over the route's limit", post("Content-Length: 1001\r\n", strings.Repeat("b", 1001)), 413, true},
		{"chunks over the route's limit", post("Transfer-Encoding: chunked\r\n", "3e9\r\n"+strings.Repeat("b", 1001)+"\r\n0\r\n\r\n"), 413, true},
		{"nobody there", "GET /nobody HTTP/1.1\r\n" + host + "\r\n", 503, true},
		{"too slow", "GET /echo/sleep?ms=2000 HTTP/1.1\r\n" + host + "\r\n", 504, true},
		{"handler panics", "GET /echo/panic HTTP/1.1\r\n" + host + "\r\n", 500, true},
		{"handler's own error", "GET /echo/status/418 HTTP/1.1\r\n" + host + "\r\n", 418, true},
		{"handler's own error, not registered", "GET /echo/status/599 HTTP/1.1\r\n" + host + "\r\n", 500, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel() // some take their time to time out
			conn, r := dial(t, f.http)
			if _, err := io.WriteString(conn, c.raw); err != nil {
				t.Fatal(err)
			}
			got, err := readResponse(r, "GET")
			if err != nil {
				t.Fatalf("no answer: %v", err)
			}
			if c.status == 0 { // any refusal
				if got.status != 400 && got.status != 404 {
					t.Fatalf("status %d, want 400 or 404; body %q", got.status, got.body)
				}
			} else {
				got.wants(t, c.status, c.name)
			}
			text := got.isError(t, c.name)
			for _, internal := range []string{"goroutine", "panic", ".go:", "tcp://", "nanobus", "asked to"} {
				if strings.Contains(text, internal) {
					t.Errorf("the error tells of internals: %q", text)
				}
			}
			if c.status == 503 && got.header.Get("Retry-After") == "" {
				t.Error("503 without Retry-After")
			}
			if c.status == 405 && got.header.Get("Allow") != "GET, HEAD" {
				t.Errorf("405 with Allow %q, want GET, HEAD", got.header.Get("Allow"))
			}
			if !c.kept {
				if !got.close {
					t.Error("no Connection: close")
				}
				// Nothing that followed is answered.
				if _, err := r.ReadByte(); !ends(err) {
					t.Errorf("after the answer: %v, want the end", err)
				}
				return
			}
			if got.close {
				return // allowed, and said
			}
			if _, err := io.WriteString(conn, "GET /echo/status/204 HTTP/1.1\r\n"+host+"\r\n"); err != nil {
				t.Fatal(err)
			}
			next, err := readResponse(r, "GET")
			if err != nil || next.status != 204 {
				t.Errorf("the next request on the connection: %d, %v", next.status, err)
			}
		})
	}
}

// dial opens a connection that ends with the test.
func dial(t *testing.T, addr string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(clientTimeout)); err != nil {
		t.Fatal(err)
	}
	return conn, bufio.NewReader(conn)
}

// ends reports whether err is how a connection ends: orderly, or with a reset
// where the peer had not read all. It must not be a timeout.
func ends(err error) bool {
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

// TestHTTP_Expect: a body that would be refused need not be sent.
func TestHTTP_Expect(t *testing.T) {
	f := startFront(t, frontOptions{routes: hardRoutes, echo: -1})
	f.startEcho(t, 0)
	linked(t, f.admin, "echo", 1)
	head := func(n int) string {
		return fmt.Sprintf("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", n)
	}
	conn, r := dial(t, f.http)
	if _, err := io.WriteString(conn, head(1001)); err != nil {
		t.Fatal(err)
	}
	got, err := readResponse(r, "POST")
	if err != nil {
		t.Fatal(err)
	}
	got.wants(t, 413, "Expect with too large a body")
	got.isError(t, "Expect with too large a body")
	if !got.close {
		t.Error("413 before the body, and the connection stays: what follows on it could be either")
	}
	if _, err := r.ReadByte(); !ends(err) {
		t.Errorf("after the 413: %v, want the end", err)
	}

	conn, r = dial(t, f.http)
	if _, err := io.WriteString(conn, head(4)); err != nil {
		t.Fatal(err)
	}
	line, err := r.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		t.Fatalf("Expect: %q, %v; want 100", line, err)
	}
	if line, err = r.ReadString('\n'); err != nil || line != "\r\n" {
		t.Fatalf("after the 100: %q, %v", line, err)
	}
	if _, err := io.WriteString(conn, "body"); err != nil {
		t.Fatal(err)
	}
	if got, err = readResponse(r, "POST"); err != nil || got.status != 200 || !strings.Contains(got.body, `"body":"body"`) {
		t.Errorf("after the body: %d, %v: %.300q", got.status, err, got.body)
	}
}

// TestHTTP_Cancelled: who gives up takes the work away from the handler.
func TestHTTP_Cancelled(t *testing.T) {
	f := startFront(t, frontOptions{routes: hardRoutes, echo: -1})
	f.startEcho(t, 0)
	linked(t, f.admin, "echo", 1)
	atWork := func() float64 { return figures(t, f.echo[0].admin).Gauges["in_flight"] }

	// The terminator, at the route's timeout. The handler knows of it too: its
	// context ends then, so that no cancel has to be sent.
	began := time.Now()
	ask(t, f.http, get("/echo/sleep?ms=5000")).wants(t, 504, "GET /echo/sleep over the timeout")
	if took := time.Since(began); took < 300*time.Millisecond || full && took > 1500*time.Millisecond {
		t.Errorf("504 after %v, want some 300ms", took)
	}
	testutil.Eventually(t, "the handler stops its work", func() bool { return atWork() == 0 })
	testutil.Eventually(t, "http.timeouts is 1", func() bool { return counter(t, f.admin, "http.timeouts") == 1 })

	cancels := counter(t, f.echo[0].admin, "bus.cancels_in")

	// The client, who closes the connection; its route has more time.
	conn, _ := dial(t, f.http)
	if _, err := io.WriteString(conn, "POST /echo/sleep?ms=9000 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "the request is at work", func() bool { return atWork() == 1 })
	began = time.Now()
	_ = conn.Close() // what is tested
	testutil.Eventually(t, "http.cancelled", func() bool { return counter(t, f.admin, "http.cancelled") == 1 })
	testutil.Eventually(t, "the cancel is at the handler", func() bool { return counter(t, f.echo[0].admin, "bus.cancels_in") == cancels+1 })
	testutil.Eventually(t, "the handler stops its work", func() bool { return atWork() == 0 })
	if took := time.Since(began); took > within(3*time.Second, 8*time.Second) {
		t.Errorf("noticed after %v that the client had gone", took)
	}
	testutil.Eventually(t, "nothing is in flight", func() bool { return figures(t, f.admin).Gauges["http.in_flight"] == 0 })
}

// TestHTTP_Panic: a handler that panics answers 500, says why in its log, and lives.
func TestHTTP_Panic(t *testing.T) {
	f := startFront(t, frontOptions{})
	const id = "who-did-this"
	for range 3 {
		r := ask(t, f.http, get("/echo/panic", "X-Request-Id: "+id))
		r.wants(t, 500, "GET /echo/panic")
		if got := r.header.Get("X-Request-Id"); got != id {
			t.Errorf("X-Request-Id %q", got)
		}
	}
	f.echo[0].says(t, "handler panicked")
	f.terminator.says(t, id)
	f.terminator.says(t, `"correlation`)
	if f.echo[0].ended() || counter(t, f.echo[0].admin, "panics") != 3 {
		t.Errorf("the handler's panics: %d, want 3; ended: %v", counter(t, f.echo[0].admin, "panics"), f.echo[0].ended())
	}
	ask(t, f.http, get("/hello")).wants(t, 200, "GET /hello afterwards")
}

// TestHTTP_Large: bodies up to the limits arrive whole, both ways.
func TestHTTP_Large(t *testing.T) {
	f := startFront(t, frontOptions{routes: "  - {match: {prefix: /}, service: echo, max_body: 900000}\n"})
	for _, n := range []int{0, 1, 65_535, 900_000} {
		r := ask(t, f.http, get(fmt.Sprintf("/echo/bytes?n=%d", n)))
		if r.status != 200 || len(r.body) != n {
			t.Errorf("a response of %d bytes: status %d, %d bytes", n, r.status, len(r.body))
		}
		r = ask(t, f.http, request{method: "POST", target: "/echo", body: strings.Repeat("x", n)})
		if r.status != 200 || !strings.Contains(r.body, fmt.Sprintf(`"body_bytes":%d`, n)) {
			t.Errorf("a request of %d bytes: status %d, %.200q", n, r.status, r.body)
		}
	}
	ask(t, f.http, request{method: "POST", target: "/echo", body: strings.Repeat("x", 900_001)}).wants(t, http.StatusRequestEntityTooLarge, "900001 bytes")
}
