package e2e

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"nanofront/handlers"
	"nanofront/internal/testutil"
	"nanofront/registry/static"
)

// echoed is what /echo says of a request.
type echoed struct {
	Method, Scheme, Host, Path, Query, Client string
	Headers                                   map[string][]string
	Body                                      string
}

func echoOf(t *testing.T, addr string, r request) (echoed, response) {
	t.Helper()
	got := ask(t, addr, r)
	got.wants(t, 200, r.method+" "+r.target)
	var e echoed
	decode(t, got.body, &e)
	return e, got
}

// one is the value of a field that must be there once; "" if it isn't there.
func (e *echoed) one(t *testing.T, name string) string {
	t.Helper()
	switch v := e.Headers[name]; len(v) {
	case 0:
		return ""
	case 1:
		return v[0]
	default:
		t.Errorf("%s: %q, want one", name, v)
		return v[0]
	}
}

func TestHTTP_RequestID(t *testing.T) {
	f := startFront(t, frontOptions{})
	made := regexp.MustCompile(`^[0-9a-f]{32}$`)
	seen := map[string]bool{}
	for _, c := range []struct {
		name, sent string
		kept       bool
	}{
		{"none", "", false},
		{"none again", "", false},
		{"sane", "req-42.A_b~c", true},
		{"longest", strings.Repeat("a", 128), true},
		{"too long", strings.Repeat("a", 129), false},
		{"with a space", "a b", false},
		{"with what logs and pages could stumble over", `"><script>`, false},
	} {
		var header []string
		if c.sent != "" {
			header = append(header, "X-Request-Id: "+c.sent)
		}
		e, r := echoOf(t, f.http, get("/echo", header...))
		id := r.header.Get("X-Request-Id")
		switch {
		case id != e.one(t, "x-request-id"):
			t.Errorf("%s: the client is told %q, the handler %q", c.name, id, e.one(t, "x-request-id"))
		case c.kept && id != c.sent:
			t.Errorf("%s: %q became %q", c.name, c.sent, id)
		case !c.kept && !made.MatchString(id):
			t.Errorf("%s: %q made %q, want 32 hexadecimal digits", c.name, c.sent, id)
		case seen[id]:
			t.Errorf("%s: %q for the second time", c.name, id)
		}
		seen[id] = true
	}
	// Errors have one too.
	if r := ask(t, f.http, get("/echo/status/404", "X-Request-Id: mine")); r.header.Get("X-Request-Id") != "mine" {
		t.Errorf("a 404 with X-Request-Id %q", r.header.Get("X-Request-Id"))
	}
}

func TestHTTP_Forwarded(t *testing.T) {
	claims := []string{
		"X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: https", "X-Forwarded-Host: shop.example",
	}
	t.Run("untrusted", func(t *testing.T) {
		f := startFront(t, frontOptions{})
		e, _ := echoOf(t, f.http, get("/echo", append(claims, `Forwarded: for=203.0.113.7;proto=https`)...))
		if e.Client != "127.0.0.1" || e.one(t, "x-forwarded-for") != "127.0.0.1" || e.one(t, "x-forwarded-proto") != "http" ||
			e.Scheme != "http" || e.Host != "front.example" || e.one(t, "x-forwarded-host") == "shop.example" || e.Headers["forwarded"] != nil {
			t.Errorf("what a client claimed was believed: client %s, scheme %s, host %s, %v", e.Client, e.Scheme, e.Host, e.Headers)
		}
	})
	t.Run("trusted", func(t *testing.T) {
		f := startFront(t, frontOptions{terminator: []string{"--trusted-proxies", "127.0.0.0/8,203.0.113.0/24"}})
		e, _ := echoOf(t, f.http, get("/echo", claims...))
		// 203.0.113.7 is a proxy too, so nothing nearer to the client is known.
		if got := e.one(t, "x-forwarded-for"); got != "203.0.113.7, 127.0.0.1" {
			t.Errorf("X-Forwarded-For: %q", got)
		}
		if e.Scheme != "https" || e.one(t, "x-forwarded-proto") != "https" || e.Host != "shop.example" {
			t.Errorf("scheme %s, X-Forwarded-Proto %s, host %s", e.Scheme, e.one(t, "x-forwarded-proto"), e.Host)
		}
		e, _ = echoOf(t, f.http, get("/echo", "X-Forwarded-For: 198.51.100.9, 192.0.2.1, 203.0.113.7"))
		if e.Client != "192.0.2.1" {
			t.Errorf("client %s, want 192.0.2.1, the nearest that isn't trusted", e.Client)
		}
		e, _ = echoOf(t, f.http, get("/echo", `Forwarded: for="[2001:db8::1]:99";proto=https`))
		if got := e.one(t, "forwarded"); e.Client != "2001:db8::1" || !strings.Contains(got, "127.0.0.1") || !strings.Contains(got, "2001:db8::1") {
			t.Errorf("Forwarded: client %s, passed on %q", e.Client, got)
		}
	})
}

func TestHTTP_HopByHop(t *testing.T) {
	f := startFront(t, frontOptions{})
	e, _ := echoOf(t, f.http, request{
		method: "POST", target: "/echo/a%20b?x=1&x=2", body: "hello",
		header: []string{
			"Connection: keep-alive, X-Private", "X-Private: 1", "Keep-Alive: timeout=5", "Proxy-Connection: keep-alive", "TE: trailers",
			"Upgrade: h2c", "Proxy-Authorization: Basic eDp5", "X-Kept: a", "X-Kept: b", "Cookie: c=1",
		},
	})
	for _, name := range []string{"connection", "x-private", "keep-alive", "proxy-connection", "te", "upgrade", "proxy-authorization", "transfer-encoding"} {
		if v, ok := e.Headers[name]; ok {
			t.Errorf("%s: %q was passed on", name, v)
		}
	}
	kept := strings.Join(append(e.Headers["x-kept"], e.Headers["X-Kept"]...), ",")
	if kept != "a,b" || e.Body != "hello" || e.Method != "POST" || e.Query != "x=1&x=2" {
		t.Errorf("what should have come did not: %+v", e)
	}
}

// TestHTTP_HopByHopResponse has a handler of its own, which answers with what
// concerns the terminator's connection alone.
func TestHTTP_HopByHopResponse(t *testing.T) {
	bus := "tcp://" + freeAddr(t)
	f := startFront(t, frontOptions{
		echo: -1, table: []string{"odd odd-1 " + bus},
		routes: "  - {match: {path: /odd}, service: odd}\n",
	})
	table, err := static.Open(t.Context(), static.Options{File: f.table, Logger: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = table.Close() })
	testutil.Start(t, "odd", func(ctx context.Context) error {
		return handlers.Run(ctx, handlers.Options{Service: "odd", Instance: "odd-1", Listen: bus, Discovery: table},
			handlers.HandlerFunc(func(_ context.Context, _ *handlers.Request, resp *handlers.Response) error {
				for _, h := range [][2]string{
					{"connection", "close, x-secret"},
					{"keep-alive", "timeout=1"},
					{"transfer-encoding", "chunked"},
					{"content-length", "3"},
					{"upgrade", "h2c"},
					{"trailer", "x"},
					{"x-kept", "yes"},
					{"set-cookie", "a=1"},
					{"set-cookie", "b=2"},
				} {
					resp.Add([]byte(h[0]), []byte(h[1]))
				}
				resp.Status = 203
				resp.Body = append(resp.Body, "odd body"...)
				return nil
			}))
	})
	f.ready(t, 200)
	c := client{addr: f.http}
	defer c.close()
	for range 2 { // on one connection
		r, failed := c.do(get("/odd"))
		if failed != nil {
			t.Fatal(failed)
		}
		if r.status != 203 || r.body != "odd body" || r.length != 8 || r.close {
			t.Errorf("status %d, body %q, Content-Length %d, close %v", r.status, r.body, r.length, r.close)
		}
		for _, name := range []string{"Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade", "Trailer"} {
			if v := r.header.Values(name); v != nil {
				t.Errorf("%s: %q was passed on", name, v)
			}
		}
		if r.header.Get("X-Kept") != "yes" || strings.Join(r.header.Values("Set-Cookie"), ";") != "a=1;b=2" {
			t.Errorf("what should have come did not: %v", r.header)
		}
	}
}
