package terminator

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"nanofront/httpmsg"
	"nanofront/metrics"
	"nanofront/nanobus"
	"nanofront/terminator/http1/http1test"
)

// probe follows each case: answered where the connection goes on, and nowhere else.
const probe = "GET /probe HTTP/1.1\r\nHost: probe\r\n\r\n"

// startRaw starts a front with the limits that http1test.Cases are made for.
func startRaw(t testing.TB) (*front, *node) {
	t.Helper()
	route := prefix("/", "work")
	route.MaxBody = http1test.MaxBody
	f := startFront(t, Options{MaxHeader: http1test.MaxHead, AccessLog: -1}, route)
	n := f.work(t, "w1", func(req *httpmsg.Request, r *nanobus.Request) {
		_, _ = io.Copy(io.Discard, whole(req, r))
		respond(r, &httpmsg.Response{Body: []byte("ok")})
	})
	return f, n
}

// statusesOf sends the pieces, ends its side, and returns the statuses of all that comes back until
// the front closes.
func (f *front) statusesOf(t testing.TB, pieces ...[]byte) (statuses []int) {
	t.Helper()
	c := f.dial(t)
	defer func() { _ = c.Close() }()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for _, p := range pieces {
			if _, err := c.Conn.Write(p); err != nil {
				return // closed already, for good reason; the responses tell
			}
		}
		_ = c.Conn.(*net.TCPConn).CloseWrite()
	}()
	defer func() { _ = c.Close(); <-sent }()
	for {
		if _, err := c.r.Peek(1); err != nil {
			if !errors.Is(err, io.EOF) {
				t.Fatalf("after responses %v: %v", statuses, err)
			}
			return statuses
		}
		status, _, err := readStatus(c.r)
		if err != nil {
			t.Fatalf("after responses %v: %v", statuses, err)
		}
		statuses = append(statuses, status)
	}
}

func readStatus(r *bufio.Reader) (int, string, error) {
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return 0, "", err
	}
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), errors.Join(err, resp.Body.Close())
}

// How TCP cuts what a client sends makes no difference to the verdict.
func TestRaw_Pieces(t *testing.T) { bothWays(t, testRawPieces) }

func testRawPieces(t *testing.T) {
	f, n := startRaw(t)
	ask := func(pieces ...[]byte) []int {
		// Whether a client is told to continue depends on whether it has already.
		return slices.DeleteFunc(f.statusesOf(t, pieces...), func(s int) bool { return s == 100 })
	}
	for _, c := range http1test.Cases() {
		raw := c.Raw + probe
		want := ask([]byte(raw))
		run := func(how string, pieces ...[]byte) {
			if got := ask(pieces...); !slices.Equal(got, want) {
				t.Errorf("%s, %s: got %v, want %v as at once\n%.100q", c.Name, how, got, want, c.Raw)
			}
		}
		if len(raw) < 400 {
			run("byte by byte", http1test.Bytewise(raw)...)
		}
		for _, at := range []int{1, len(raw) / 3, len(raw) - len(probe) - 1, len(raw) - len(probe), len(raw) - len(probe) + 1} {
			run("split at "+strconv.Itoa(at), []byte(raw[:at]), []byte(raw[at:]))
		}
		for len(n.got) > 0 {
			if got := <-n.got; strings.HasSuffix(got, "/smuggled") {
				t.Errorf("%s: a request was served that isn't one: %s\n%.100q", c.Name, got, c.Raw)
			}
		}
	}
}

// A response arrives before the body of the next request does, and before the refusal of that body.
func TestRaw_Order(t *testing.T) { bothWays(t, testRawOrder) }

func testRawOrder(t *testing.T) {
	f, _ := startRaw(t)
	c := f.dial(t)
	send := func(s string) {
		t.Helper()
		if _, err := io.WriteString(c, s); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(status int, body string) {
		t.Helper()
		if s, b, err := readStatus(c.r); s != status || !strings.Contains(b, body) || err != nil {
			t.Fatalf("got %d %q %v, want %d %q", s, b, err, status, body)
		}
	}
	send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab")
	expect(200, "ok")
	send("cdPOST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na")
	expect(200, "ok")
	send("b!!")
	expect(400, "chunk longer than its size")
	if _, err := c.r.ReadByte(); !errors.Is(err, io.EOF) {
		t.Fatalf("after the refusal: %v", err)
	}
}

// A client that ends its side in the middle of something is told so.
func TestRaw_EndsEarly(t *testing.T) { bothWays(t, testRawEndsEarly) }

func testRawEndsEarly(t *testing.T) {
	f, _ := startRaw(t)
	for _, c := range []struct {
		raw  string
		want []int
	}{
		{"", nil},
		{"\r\n", []int{400}},
		{probe, []int{200}},
		{"GET / HTTP/1.1\r\nHo", []int{400}},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab", []int{400}},
		{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", []int{400}},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n", []int{100, 400}},
	} {
		if got := f.statusesOf(t, []byte(c.raw)); !slices.Equal(got, c.want) {
			t.Errorf("%q: got %v, want %v", c.raw, got, c.want)
		}
	}
}

// Of 500 requests on one connection, each tenth a chunked POST, all but those are served by the
// loop.
func TestLoop_ComesBack(t *testing.T) {
	f, _ := startRaw(t)
	c := f.dial(t)
	for i := range 500 {
		if i%10 == 9 {
			c.send("POST /p HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n2\nab\n0\n\n")
		} else {
			c.send("GET /g HTTP/1.1\nHost: h\n\n")
		}
		if r := c.read("GET"); r.StatusCode != 200 {
			t.Fatalf("%d: %d", i, r.StatusCode)
		}
	}
	if f.loops == nil {
		return // no other place to be
	}
	eventually(t, "the last to come back", func() bool { return f.count(metrics.HTTPCameBack) == 50 })
	if over := f.count(metrics.HTTPHandedOver, "request"); over != 50 {
		t.Errorf("%v handed over, want the 50 POSTs", over)
	}
}
