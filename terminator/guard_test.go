package terminator

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"nanofront/terminator/http1/http1test"
)

const (
	guardTestBody  = http1test.MaxBody
	guardTestHead  = http1test.MaxHead
	guardTestWait  = 20 * time.Second
	guardTestProbe = "GET /probe HTTP/1.1\r\nHost: probe\r\n\r\n"
)

// guardTestServer is a fasthttp server behind a guard, whose handler answers 200 with "TARGET LENGTH-OF-BODY".
type guardTestServer struct {
	*fasthttp.Server
	guard *guardListener
	inner net.Listener

	mu      sync.Mutex
	targets []string // of the requests that the handler has got
	strays  []error  // what fasthttp found wrong that the guard hadn't
	faults  []string // reasons of the responses that the guard asked for
}

func newGuardTestServer(tb testing.TB, opt guardOptions) *guardTestServer {
	tb.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	ts := &guardTestServer{inner: inner}
	opt.maxBody = guardTestBody
	opt.maxHead = guardTestHead
	opt.respond = func(status int, reason string, _, _ bool) []byte {
		ts.mu.Lock()
		ts.faults = append(ts.faults, reason)
		ts.mu.Unlock()
		return fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
			status, http.StatusText(status), len(reason), reason)
	}
	ts.guard = newGuardListener(inner, opt)
	ts.Server = &fasthttp.Server{
		Handler: func(ctx *fasthttp.RequestCtx) {
			target := string(ctx.Request.Header.RequestURI())
			ts.mu.Lock()
			ts.targets = append(ts.targets, target)
			ts.mu.Unlock()
			if _, ok := ctx.Conn().(*guardConn); !ok {
				ctx.Error("ctx.Conn() isn't the guardConn", 500)
				return
			}
			fmt.Fprintf(ctx, "%s %d", target, len(ctx.Request.Body()))
		},
		ErrorHandler: func(ctx *fasthttp.RequestCtx, err error) {
			if !ctx.Conn().(*guardConn).ended() {
				ts.mu.Lock()
				ts.strays = append(ts.strays, err)
				ts.mu.Unlock()
			}
			ctx.Error("fasthttp: "+err.Error(), fasthttp.StatusTeapot)
		},
		ReadBufferSize:               guardTestHead + guardHeadSlack,
		MaxRequestBodySize:           guardTestBody,
		DisablePreParseMultipartForm: true,
		Logger:                       guardTestLogger{},
	}
	return ts
}

type guardTestLogger struct{}

func (guardTestLogger) Printf(string, ...any) {}

// listen has the server serve its listener until the end of the test.
func (ts *guardTestServer) listen(tb testing.TB) {
	tb.Helper()
	served := make(chan error, 1)
	go func() { served <- ts.Serve(ts.guard) }()
	tb.Cleanup(func() {
		_ = ts.guard.Close()
		ts.guard.closeAll()
		if err := <-served; err != nil {
			tb.Errorf("Serve: %v", err)
		}
		guardTestEventually(tb, "all connections closed", func() bool { return ts.GetOpenConnectionsCount() <= 0 })
		<-ts.guard.stopped
	})
}

// stop ends a server that hasn't listened.
func (ts *guardTestServer) stop() {
	_ = ts.guard.Close()
	<-ts.guard.stopped
}

func (ts *guardTestServer) reset() (targets []string, strays []error, faults []string) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	targets, strays, faults = ts.targets, ts.strays, ts.faults
	ts.targets, ts.strays, ts.faults = nil, nil, nil
	return targets, strays, faults
}

func (ts *guardTestServer) dial(tb testing.TB) net.Conn {
	tb.Helper()
	conn, err := net.Dial("tcp", ts.inner.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(guardTestWait)); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	return conn
}

func guardTestEventually(tb testing.TB, what string, cond func() bool) {
	tb.Helper()
	deadline := time.Now().Add(guardTestWait)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		if time.Now().After(deadline) {
			tb.Fatalf("not within %v: %s", guardTestWait, what)
		}
		<-tick.C
	}
}

// exchange sends raw over loopback, closes the sending side, and returns the statuses and bodies of all that comes
// back until the server closes.
func (ts *guardTestServer) exchange(tb testing.TB, raw string) (statuses []int, bodies []string) {
	tb.Helper()
	conn := ts.dial(tb)
	defer func() { _ = conn.Close() }()
	go func() {
		// The server may have closed already, for good reason; the responses tell.
		_, _ = io.WriteString(conn, raw)
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	return guardTestResponses(tb, conn)
}

func guardTestResponses(tb testing.TB, r io.Reader) (statuses []int, bodies []string) {
	tb.Helper()
	br := bufio.NewReader(r)
	for {
		if _, err := br.Peek(1); err != nil {
			if !errors.Is(err, io.EOF) {
				tb.Fatalf("after responses %v: %v", statuses, err)
			}
			return statuses, bodies
		}
		status, body, err := guardTestResponse(br)
		if err != nil {
			tb.Fatalf("after responses %v: %v", statuses, err)
		}
		statuses, bodies = append(statuses, status), append(bodies, body)
	}
}

func guardTestResponse(br *bufio.Reader) (int, string, error) {
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		return 0, "", err
	}
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), errors.Join(err, resp.Body.Close())
}

// guardScriptConn is a socket from which the given pieces are read, one for each Read, and which then ends.
type guardScriptConn struct {
	guardLoopConn
	pieces [][]byte
	sent   bytes.Buffer
}

func (c *guardScriptConn) Read(p []byte) (int, error) {
	for len(c.pieces) > 0 && len(c.pieces[0]) == 0 {
		c.pieces = c.pieces[1:]
	}
	if len(c.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.pieces[0])
	c.pieces[0] = c.pieces[0][n:]
	return n, nil
}

func (c *guardScriptConn) Write(p []byte) (int, error) { return c.sent.Write(p) }
func (c *guardScriptConn) LocalAddr() net.Addr         { return c.RemoteAddr() }
func (c *guardScriptConn) SetDeadline(time.Time) error { return nil }

// script serves a connection that brings the given pieces, and returns what it was sent.
func (ts *guardTestServer) script(pieces ...[]byte) []byte {
	inner := &guardScriptConn{pieces: pieces}
	ts.guard.openConns.Add(1)
	c := newGuardConn(ts.guard, inner)
	_ = ts.ServeConn(c) // what was wrong with it, the responses and strays tell
	return inner.sent.Bytes()
}

// guardTestVerify judges the responses to a case, the probe after it included.
func guardTestVerify(t *testing.T, c http1test.Case, how string, ts *guardTestServer, statuses []int) {
	t.Helper()
	want := c.Want
	if c.Open {
		want = append(slices.Clone(want), 200)
	}
	targets, strays, _ := ts.reset()
	if !slices.Equal(statuses, want) {
		t.Errorf("%s, %s: got %v, want %v\n%.100q", c.Name, how, statuses, want, c.Raw)
	}
	if len(strays) > 0 {
		t.Errorf("%s, %s: left to fasthttp: %v\n%.100q", c.Name, how, strays, c.Raw)
	}
	for _, target := range targets {
		if target == "/smuggled" || (target == "/probe" && !c.Open) {
			t.Errorf("%s, %s: a request was served that isn't one: %v\n%.100q", c.Name, how, targets, c.Raw)
		}
	}
	if !c.Open && len(targets) != len(want)-1 {
		t.Errorf("%s, %s: served %v, want %d requests\n%.100q", c.Name, how, targets, len(want)-1, c.Raw)
	}
}

func TestGuard_RawRequests(t *testing.T) {
	ts := newGuardTestServer(t, guardOptions{})
	ts.listen(t)
	cases := http1test.Cases()
	if len(cases) < 150 {
		t.Fatalf("only %d cases", len(cases))
	}
	for _, c := range cases {
		if c.Extras {
			continue
		}
		statuses, _ := ts.exchange(t, c.Raw+guardTestProbe)
		guardTestVerify(t, c, "over loopback", ts, statuses)
	}
}

func TestGuard_VerdictDoesNotDependOnPieces(t *testing.T) {
	ts := newGuardTestServer(t, guardOptions{})
	defer ts.stop()
	for _, c := range http1test.Cases() {
		if c.Extras {
			continue
		}
		run := func(how string, pieces ...[]byte) {
			statuses, _ := guardTestResponses(t, bytes.NewReader(ts.script(pieces...)))
			guardTestVerify(t, c, how, ts, statuses)
		}
		raw := c.Raw + guardTestProbe
		run("at once", []byte(raw))
		if len(raw) > 5000 {
			for _, at := range []int{1, 100, 4000, 4096, len(raw) - 50} {
				run("split at "+strconv.Itoa(at), []byte(raw[:at]), []byte(raw[at:]))
			}
			continue
		}
		run("byte by byte", http1test.Bytewise(raw)...)
		for at := 1; at < len(raw) && len(raw) < 400; at++ {
			run("split at "+strconv.Itoa(at), []byte(raw[:at]), []byte(raw[at:]))
		}
	}
}

func TestGuard_ResponsesKeepTheirOrder(t *testing.T) {
	// The response to the GET must arrive before the body of the POST does, and before the refusal of that body.
	ts := newGuardTestServer(t, guardOptions{})
	ts.listen(t)
	conn := ts.dial(t)
	br := bufio.NewReader(conn)
	send := func(s string) {
		t.Helper()
		if _, err := io.WriteString(conn, s); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(status int, body string) {
		t.Helper()
		if s, b, err := guardTestResponse(br); s != status || b != body || err != nil {
			t.Fatalf("got %d %q %v, want %d %q", s, b, err, status, body)
		}
	}
	send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab")
	expect(200, "/1 0")
	send("cdPOST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na")
	expect(200, "/2 4")
	send("b!!")
	expect(400, "chunk longer than its size")
	if _, err := br.ReadByte(); !errors.Is(err, io.EOF) {
		t.Fatalf("after the refusal: %v", err)
	}
}

func TestGuard_OneResponseInTheMiddleOfAHead(t *testing.T) {
	for _, first := range []string{"GET / HTTP/1.1\r\nHo", "GET / HT", "G", "GET / HTTP/1.1\r\nHost: a\r\n", "\r\nGET / HTTP/1.1\r\nHost: a\r\nX: y\r"} {
		ts := newGuardTestServer(t, guardOptions{})
		got := ts.script([]byte(guardTestProbe+first), []byte("\x00 HTTP/1.1\r\n\r\n"))
		statuses, _ := guardTestResponses(t, bytes.NewReader(got))
		if !slices.Equal(statuses, []int{200, 400}) {
			t.Errorf("%q: %v", first, statuses)
		}
		ts.stop()
	}
}

func TestGuard_EndsEarly(t *testing.T) {
	ts := newGuardTestServer(t, guardOptions{})
	ts.listen(t)
	for _, c := range []struct {
		raw  string
		want []int
	}{
		{"", nil},
		{"\r\n", nil},
		{guardTestProbe, []int{200}},
		{"GET / HTTP/1.1\r\nHo", []int{400}},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab", []int{400}},
		{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", []int{400}},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n", []int{100, 400}},
	} {
		if got, _ := ts.exchange(t, c.raw); !slices.Equal(got, c.want) {
			t.Errorf("%q: got %v, want %v", c.raw, got, c.want)
		}
	}
}

// FuzzGuardServer holds guard and fasthttp to the same view of what is a request: what the guard lets through, fasthttp must
// serve, and in the same number.
func FuzzGuardServer(f *testing.F) {
	for _, c := range http1test.Cases() {
		if len(c.Raw) < 2000 {
			f.Add([]byte(c.Raw))
		}
	}
	ts := newGuardTestServer(f, guardOptions{})
	f.Cleanup(ts.stop)
	f.Fuzz(func(t *testing.T, raw []byte) {
		sent := ts.script(slices.Clone(raw))
		targets, strays, faults := ts.reset()
		if len(strays) > 0 {
			// fasthttp has opinions of its own on announced trailers, which matter to nobody when there are none to come.
			if err := strays[0]; !errors.Is(err, fasthttp.ErrBadTrailer) {
				t.Fatalf("left to fasthttp: %v\n%q", err, raw)
			}
			return
		}
		if len(faults) > 1 {
			t.Fatalf("refused more than once: %v\n%q", faults, raw)
		}
		responses := bytes.Count(sent, []byte("HTTP/1.1 ")) - bytes.Count(sent, []byte(guardContinue))
		if got := responses; got < len(targets)+len(faults) && !bytes.Contains(raw, []byte("HEAD")) {
			t.Fatalf("%d responses for %d requests and %d refusals\n%q\n%q", got, len(targets), len(faults), raw, sent)
		}
	})
}
