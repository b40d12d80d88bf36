package terminator

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"nanofront/httpmsg"
	"nanofront/nanobus"
)

// mirror answers with the header that the handler got, as JSON lists.
func mirror(req *httpmsg.Request, r *nanobus.Request) {
	seen := map[string][]string{
		"host": {string(req.Host)}, "client": {string(req.Client)}, "scheme": {string(req.Scheme)}, "query": {string(req.Query)},
	}
	for _, f := range req.Header {
		seen[string(f.Name)] = append(seen[string(f.Name)], string(f.Value))
	}
	b, _ := json.Marshal(seen) // strings always marshal
	respond(r, &httpmsg.Response{Body: b})
}

// mirrored is what mirror saw.
func mirrored(t *testing.T, f *front, target, lines string) map[string][]string {
	t.Helper()
	r := f.ask(t, "GET", target, lines)
	var seen map[string][]string
	if err := json.Unmarshal([]byte(r.body), &seen); err != nil {
		t.Fatalf("%d %q: %v", r.StatusCode, r.body, err)
	}
	if id := r.Header.Get("X-Request-Id"); len(seen["x-request-id"]) != 1 || seen["x-request-id"][0] != id {
		t.Errorf("the client saw request id %q, the handler %q", id, seen["x-request-id"])
	}
	return seen
}

func TestHeader_ToTheHandler(t *testing.T) { bothWays(t, testHeaderToTheHandler) }

func testHeaderToTheHandler(t *testing.T) {
	for _, c := range []struct {
		name    string
		trusted []string
		target  string
		lines   string
		want    map[string]string // "" for absent
	}{
		{"plain", nil, "/?q=%41", "Accept: x\nUser-Agent: y\n", map[string]string{
			"accept": "x", "user-agent": "y", "host": "h.example", "client": "127.0.0.1", "scheme": "http", "query": "q=%41",
			"x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "http", "x-forwarded-host": "h.example", "forwarded": "",
		}},
		{"not trusted", nil, "/", "X-Forwarded-For: 6.6.6.6\nX-Forwarded-Proto: https\nX-Forwarded-Host: evil\nForwarded: for=6.6.6.6\n", map[string]string{
			"client": "127.0.0.1", "scheme": "http", "x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "http",
			"x-forwarded-host": "h.example", "forwarded": "", "host": "h.example",
		}},
		{"not trusted, others", nil, "/", "X-Forwarded-Port: 1\nX-Forwarded-Prefix: /p\nX-Forwarded-User: root\nX-Forwarded-Server: s\nx-forwarded-proto-version: 9\nX_Forwarded_For: 6.6.6.6\n" +
			"X-Real-IP: 6.6.6.6\nTrue-Client-IP: 6.6.6.6\nProxy: evil\n", map[string]string{
			"x-forwarded-port": "", "x-forwarded-prefix": "", "x-forwarded-user": "", "x-forwarded-server": "", "x-forwarded-proto-version": "", "x_forwarded_for": "", "proxy": "",
			"x-real-ip": "6.6.6.6", "true-client-ip": "6.6.6.6",
		}},
		{"trusted, others", []string{"127.0.0.1"}, "/", "X-Forwarded-Port: 1\nX-Forwarded-Prefix: /p\nX_Forwarded_For: 6.6.6.6\nX_Forwarded_Port: 2\n", map[string]string{
			"x-forwarded-port": "1", "x-forwarded-prefix": "/p", "x_forwarded_for": "", "x_forwarded_port": "", "x-forwarded-for": "127.0.0.1",
		}},
		{"trusted", []string{"127.0.0.0/8"}, "/", "X-Forwarded-For: 6.6.6.6\nX-Forwarded-Proto: https\n", map[string]string{
			"client": "6.6.6.6", "scheme": "https", "x-forwarded-for": "6.6.6.6, 127.0.0.1", "x-forwarded-proto": "https",
		}},
		{"hop by hop", nil, "/", "Connection: close, X-Mine\nX-Mine: 1\nKeep-Alive: 3\nTE: trailers\nUpgrade: h2c\nProxy-Authorization: secret\nX-Other: 2\n", map[string]string{
			"connection": "", "x-mine": "", "keep-alive": "", "te": "", "upgrade": "", "proxy-authorization": "", "x-other": "2",
		}},
		{"absolute form", nil, "http://h.example/a", "", map[string]string{"x-forwarded-for": "127.0.0.1", "host": "h.example"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := startFront(t, Options{TrustedProxies: c.trusted})
			f.work(t, "w1", mirror)
			seen := mirrored(t, f, c.target, c.lines)
			for name, want := range c.want {
				if got := strings.Join(seen[name], "|"); got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestHeader_RequestID(t *testing.T) { bothWays(t, testHeaderRequestID) }

func testHeaderRequestID(t *testing.T) {
	f := startFront(t, Options{})
	f.work(t, "w1", mirror)
	for sent, kept := range map[string]bool{"abc-123": true, "a b": false, "": false, strings.Repeat("x", 200): false, `<script>`: false} {
		line := ""
		if sent != "" {
			line = "X-Request-Id: " + sent + "\n"
		}
		got := mirrored(t, f, "/", line)["x-request-id"][0]
		switch {
		case kept && got != sent:
			t.Errorf("%q: got %q", sent, got)
		case !kept && (len(got) != 32 || strings.Trim(got, "0123456789abcdef") != ""):
			t.Errorf("%q: got %q, want 32 hex digits", sent, got)
		}
	}
	if a, b := mirrored(t, f, "/", "")["x-request-id"][0], mirrored(t, f, "/", "")["x-request-id"][0]; a == b {
		t.Errorf("two requests have the id %s", a)
	}
}

// TestHeader_ToTheClient: what a handler sets arrives, but for what concerns
// the connection.
func TestHeader_ToTheClient(t *testing.T) { bothWays(t, testHeaderToTheClient) }

func testHeaderToTheClient(t *testing.T) {
	f := startFront(t, Options{})
	f.work(t, "w1", func(_ *httpmsg.Request, r *nanobus.Request) {
		resp := &httpmsg.Response{Body: []byte("x")}
		for _, l := range []string{
			"set-cookie: a=1; Path=/", "set-cookie: a=1; Path=/b", "set-cookie: b=2", "content-type: text/x", "content-encoding: gzip",
			"etag: \"1\"", "vary: a", "vary: b", "server: mine", "www-authenticate: Basic", "x-empty: ", "x-latin: \xe4",
			"connection: close, x-hop", "x-hop: gone", "keep-alive: 1", "upgrade: h2c", "transfer-encoding: chunked", "trailer: x",
			"proxy-authenticate: x", "te: x", "content-length: 77", "x-request-id: forged",
		} {
			name, value, _ := strings.Cut(l, ": ")
			resp.Add([]byte(name), []byte(value))
		}
		respond(r, resp)
	})
	c := f.dial(t)
	r := c.ask("GET", "/", "X-Request-Id: mine\n")
	for name, want := range map[string][]string{
		"Set-Cookie": {"a=1; Path=/", "a=1; Path=/b", "b=2"}, "Content-Type": {"text/x"}, "Content-Encoding": {"gzip"},
		"Etag": {`"1"`}, "Vary": {"a", "b"}, "Server": {"mine"}, "Www-Authenticate": {"Basic"}, "X-Empty": {""}, "X-Latin": {"\xe4"},
		"Connection": nil, "X-Hop": nil, "Keep-Alive": nil, "Upgrade": nil, "Trailer": nil, "Proxy-Authenticate": nil, "Te": nil,
		"Content-Length": {"1"}, "X-Request-Id": {"mine"},
	} {
		if got := r.Header.Values(name); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if len(r.Header.Values("Date")) != 1 {
		t.Errorf("Date: %q, want one", r.Header.Values("Date"))
	}
	if r.body != "x" || len(r.TransferEncoding) != 0 || r.Close {
		t.Errorf("body %q, encoding %v, close %v", r.body, r.TransferEncoding, r.Close)
	}
	// The handler's "close" was about another connection: this one goes on.
	if r := c.ask("GET", "/", ""); r.StatusCode != 200 {
		t.Errorf("the next request: %d", r.StatusCode)
	}
}

func TestHeader_NothingOfItsOwn(t *testing.T) { bothWays(t, testHeaderNothingOfItsOwn) }

func testHeaderNothingOfItsOwn(t *testing.T) {
	f := startFront(t, Options{})
	f.work(t, "w1", text("x"))
	got := f.raw(t, "GET / HTTP/1.1\nHost: h\nX-Request-Id: i\nConnection: close\n\n")
	head, _, _ := strings.Cut(got, "\r\n\r\n")
	var names []string
	for line := range strings.SplitSeq(head, "\r\n") {
		name, _, _ := strings.Cut(line, ":")
		names = append(names, name)
	}
	slices.Sort(names)
	want := []string{"Connection", "Content-Length", "Date", "HTTP/1.1 200 OK", "X-Request-Id"}
	if !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
}

func TestHeader_HTTP10(t *testing.T) { bothWays(t, testHeaderHTTP10) }

func testHeaderHTTP10(t *testing.T) {
	f := startFront(t, Options{})
	f.work(t, "w1", text("x"))
	c := f.dial(t)
	c.send("GET / HTTP/1.0\nHost: h\n\n")
	b, err := io.ReadAll(c.r)
	if err != nil || !strings.HasSuffix(string(b), "\r\n\r\nx") || !strings.Contains(string(b), " 200 OK\r\n") {
		t.Errorf("got %q, %v: want the response and the end", b, err)
	}
	c = f.dial(t)
	for i := range 2 {
		c.send("GET / HTTP/1.0\nHost: h\nConnection: keep-alive\n\n")
		if r := c.read("GET"); r.body != "x" || !strings.EqualFold(r.Header.Get("Connection"), "keep-alive") {
			t.Errorf("%d: got %q, %v", i, r.body, fmt.Sprint(r.Header))
		}
	}
}
