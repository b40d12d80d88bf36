package terminator

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"nanofront/internal/httpmsg"
	"nanofront/nanobus"
)

func TestSaneRequestID(t *testing.T) {
	for value, want := range map[string]bool{
		"":                                     false,
		"a":                                    true,
		"9f8b7c6d-1234-4abc-8def-001122334455": true,
		"Root=1-67891233-abcdef012345678912345678": true,
		"a.b_c~d+e/f=g:h@i":                        true,
		strings.Repeat("x", maxRequestID):          true,
		strings.Repeat("x", maxRequestID+1):        false,
		"a b":                                      false, "a\tb": false, `a"b`: false, "a\\b": false, "a{b": false, "a%b": false, "a;b": false, "a,b": false,
		"a<b": false, "a\x00b": false, "a\x7fb": false, "ä": false, "a\nb": false, "$(id)": false, "${jndi}": false,
	} {
		if got := saneRequestID([]byte(value)); got != want {
			t.Errorf("%q: got %v, want %v", value, got, want)
		}
	}
}

func TestRequestHeader_Read(t *testing.T) {
	for _, c := range []struct{ name, raw, want string }{
		{"plain", "Accept: a\r\nX-B:  b \r\n\r\n", "Accept=a X-B=b"},
		{"hop by hop", "Connection: keep-alive\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nTE: trailers\r\nTrailer: x\r\n" +
			"Transfer-Encoding: chunked\r\nUpgrade: h2c\r\nProxy-Authenticate: x\r\nProxy-Authorization: x\r\nA: 1\r\n", "A=1"},
		{"any case", "CONNECTION: x-a\r\nkEEP-aLIVE: 5\r\nX-A: gone\r\nx-b: stays\r\n", "x-b=stays"},
		{"listed before and after", "X-One: 1\r\nConnection: x-one, close ,X-TWO,,\r\nConnection: x-three\r\nX-Two: 2\r\nX-Three: 3\r\nX-Four: 4\r\n", "X-Four=4"},
		{"ours", "Host: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\nX-Request-Id: id\r\nX-Forwarded-For: f\r\n" +
			"X-Forwarded-Proto: p\r\nX-Forwarded-Host: h\r\nForwarded: for=x\r\nContent-Type: t\r\n", "Content-Type=t"},
		{"what a backend takes for ours", "X_Forwarded_For: f\r\nx-forwarded_proto: p\r\nX.Forwarded-Host: h\r\nX-Forwarded: f\r\nX_Forwarded: f\r\n" +
			"X-Forwarded-Port: 1\r\nX-Forwarded_Port: 1\r\nX_Request_Id: id\r\nX-Request.Id: id\r\nProxy: http://evil\r\nX-Forwardedness: x\r\nX_Real_IP: x\r\n",
			"X-Forwardedness=x X_Real_IP=x"},
		{"twice", "Cookie: a\r\nCookie: b\r\n", "Cookie=a Cookie=b"},
		{"no value", "X-A:\r\n", "X-A="},
		{"of a special one's length", "xx: 1\r\nxxxx: 2\r\nxxxxxx: 3\r\nxxxxxxxxxx: 4\r\n", "xx=1 xxxx=2 xxxxxx=3 xxxxxxxxxx=4"},
	} {
		var h requestHeader
		for range 2 { // it is used again
			h.read([]byte(c.raw))
			var got []string
			for _, f := range h.fields {
				got = append(got, string(f.Name)+"="+string(f.Value))
			}
			if s := strings.Join(got, " "); s != c.want {
				t.Errorf("%s: got %s, want %s", c.name, s, c.want)
			}
			h.reset()
		}
	}
	var h requestHeader
	h.read([]byte("X-Request-Id: fine\r\nX-Request-Id: not fine\r\nX-Forwarded-For: a\r\nx-forwarded-for: b\r\n"))
	h.reset()
	h.read([]byte("X-Forwarded-Port: 1\r\nx-forwarded-PREFIX: /a\r\nX-Forwarded: f\r\nX_Forwarded_User: u\r\nX-Forwarded-Server: s\r\nConnection: x-forwarded-server\r\n"))
	if len(h.xOther) != 3 || len(h.xFor) != 0 {
		t.Errorf("other fields of proxies: %q", h.xOther)
	}
	h.reset()
	h.read([]byte("X-Request-Id: fine\r\nX-Request-Id: not fine\r\nX-Forwarded-For: a\r\nx-forwarded-for: b\r\n"))
	if string(h.requestID) != "fine" || len(h.xFor) != 2 {
		t.Errorf("request id %q, %d X-Forwarded-For: want fine and 2", h.requestID, len(h.xFor))
	}
}

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
