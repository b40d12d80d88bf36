package e2e

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"nanofront/internal/testutil"
	"nanofront/metrics"
)

// clientTimeout is how long the client waits for an answer: longer than any
// route's timeout in these tests.
const clientTimeout = 20 * time.Second

// request is what the client sends.
type request struct {
	method, target string
	host           string   // "": front.example
	header         []string // "Name: value"
	body           string
}

func get(target string, header ...string) request {
	return request{method: "GET", target: target, header: header}
}

// bytes are the request on the wire.
func (r *request) bytes() []byte {
	b := fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\n", r.method, r.target, cmp.Or(r.host, "front.example"))
	for _, h := range r.header {
		b = append(append(b, h...), '\r', '\n')
	}
	if r.body != "" || r.method == "PUT" || r.method == "POST" {
		b = fmt.Appendf(b, "Content-Length: %d\r\n", len(r.body))
	}
	b = append(b, '\r', '\n')
	return append(b, r.body...)
}

// response is an answer, read to its end.
type response struct {
	status int
	header http.Header
	length int64 // Content-Length, -1 if there is none
	close  bool  // Connection: close
	body   string
}

// failing is how a request got no answer.
type failing string

const (
	// dialRefused: nobody listens. Nothing was sent.
	dialRefused failing = "connection refused"
	// notAccepted: a connection that the system had completed for a
	// listener which closed before it accepted it. The program never saw it.
	notAccepted failing = "new connection reset without an answer"
	// noAnswer: a connection on which requests had been answered ended
	// without an answer to this one.
	noAnswer failing = "kept connection ended without an answer"
	// torn: the answer broke off.
	torn failing = "answer broke off"
	// tooLate: nothing came in clientTimeout.
	tooLate failing = "no answer in time"
	// dialFailed: another reason.
	dialFailed failing = "can't connect"
)

// failure is a request without an answer.
type failure struct {
	kind failing
	err  error
}

func (f *failure) Error() string { return fmt.Sprintf("%s: %v", f.kind, f.err) }

// client sends one request after the other on one connection, which it keeps
// as long as the server does. It never sends a request twice.
type client struct {
	addr string
	conn net.Conn
	r    *bufio.Reader
	used bool // an answer has come on conn
}

// do sends a request and reads the answer.
func (c *client) do(r request) (response, *failure) {
	if c.conn == nil {
		conn, err := net.DialTimeout("tcp", c.addr, clientTimeout)
		switch {
		case errors.Is(err, syscall.ECONNREFUSED):
			return response{}, &failure{dialRefused, err}
		case errors.Is(err, syscall.ECONNRESET):
			return response{}, &failure{notAccepted, err}
		case err != nil:
			return response{}, &failure{dialFailed, err}
		}
		c.conn, c.r, c.used = conn, bufio.NewReader(conn), false
	}
	resp, f := c.exchange(r)
	if f != nil || resp.close {
		c.close()
	}
	return resp, f
}

func (c *client) exchange(r request) (response, *failure) {
	_ = c.conn.SetDeadline(time.Now().Add(clientTimeout)) // fails with what the next call says
	_, werr := c.conn.Write(r.bytes())
	// A server may have answered before it ended the connection.
	if _, err := c.r.Peek(1); err != nil {
		if werr != nil {
			err = errors.Join(werr, err)
		}
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return response{}, &failure{tooLate, err}
		case c.used:
			return response{}, &failure{noAnswer, err}
		case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
			return response{}, &failure{notAccepted, err}
		}
		return response{}, &failure{torn, err}
	}
	resp, err := readResponse(c.r, r.method)
	if err != nil {
		return response{}, &failure{torn, err}
	}
	c.used = true
	return resp, nil
}

func (c *client) close() {
	if c.conn != nil {
		_ = c.conn.Close() // nothing is lost with it
		c.conn = nil
	}
}

func readResponse(r *bufio.Reader, method string) (response, error) {
	got, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		return response{}, err
	}
	body, err := io.ReadAll(got.Body)
	if err != nil {
		return response{}, err
	}
	return response{got.StatusCode, got.Header, got.ContentLength, got.Close, string(body)}, nil
}

// ask sends one request on a connection of its own.
func ask(t *testing.T, addr string, r request) response {
	t.Helper()
	c := client{addr: addr}
	defer c.close()
	resp, f := c.do(r)
	if f != nil {
		t.Fatalf("%s %s: %v", r.method, r.target, f)
	}
	return resp
}

// wants fails the test if the status is another.
func (r response) wants(t *testing.T, status int, of string) {
	t.Helper()
	if r.status != status {
		t.Fatalf("%s: status %d, want %d; body %.300q", of, r.status, status, r.body)
	}
}

// isError fails the test if the answer is not what all errors look like.
func (r response) isError(t *testing.T, of string) string {
	t.Helper()
	var e map[string]string
	if err := json.Unmarshal([]byte(r.body), &e); err != nil || len(e) != 1 || e["error"] == "" || len(r.body) > 300 {
		t.Errorf("%s: status %d with body %.400q: want a short {\"error\":\"…\"}", of, r.status, r.body)
	}
	if got := r.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("%s: error of type %q, want application/json", of, got)
	}
	return e["error"]
}

// adminGet gets a path of an admin port.
func adminGet(addr, path string) (status int, body string, err error) {
	c := client{addr: addr}
	defer c.close()
	resp, f := c.do(request{method: "GET", target: path, host: addr, header: []string{"Connection: close"}})
	if f != nil {
		return 0, "", f
	}
	return resp.status, resp.body, nil
}

// figures are the metrics that an admin port shows.
func figures(t *testing.T, addr string) metrics.Report {
	t.Helper()
	status, body, err := adminGet(addr, "/metrics.json")
	if err != nil || status != 200 {
		t.Fatalf("%s/metrics.json: status %d, %v", addr, status, err)
	}
	r, err := metrics.ReadReport(strings.NewReader(body))
	if err != nil {
		t.Fatalf("%s/metrics.json: %v", addr, err)
	}
	return r
}

// counter is the value of a counter that an admin port shows.
func counter(t *testing.T, addr, name string) uint64 {
	t.Helper()
	return figures(t, addr).Counters[name].Value
}

var freeAddr = testutil.FreeAddr

// taken is an address that somebody listens on, until the test ends.
func taken(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// refused fails the test if somebody listens on the address.
func refused(t *testing.T, addr string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err == nil {
		_ = conn.Close()
		t.Errorf("%s is still listened on", addr)
	} else if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%s: %v, want connection refused", addr, err)
	}
}
