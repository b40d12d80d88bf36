package terminator

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"nanofront/httpmsg"
	"nanofront/metrics"
	"nanofront/nanobus"
	"nanofront/registry"
	"nanofront/terminator/http1/http1test"
)

// What clients may write in HTTP/1.1, in the ways that they take through the front.

// TestGrammar_Cases sends all that the scanner is tested with through the front, each with a
// request behind it that must be answered if the case is in order, and must not if it isn't.
func TestGrammar_Cases(t *testing.T) { bothWays(t, testGrammarCases) }

func testGrammarCases(t *testing.T) {
	route := prefix("/", "work")
	route.MaxBody = http1test.MaxBody
	f := startFront(t, Options{MaxHeader: http1test.MaxHead}, route)
	w := f.work(t, "w1", text("fine"))
	for _, c := range http1test.Cases() {
		want := slices.Clone(c.Want)
		if strings.Contains(c.Raw, "%00%zz") {
			want = []int{400} // fine for the scanner, but not as a target
		}
		if c.Open {
			want = append(want, 200)
		}
		conn := f.dial(t)
		go func() {
			_, _ = io.WriteString(conn, c.Raw+"GET /probe HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		}() // it may be refused before it is written
		var got []int
		for {
			resp, err := http.ReadResponse(conn.r, nil)
			if err != nil {
				break
			}
			got = append(got, resp.StatusCode)
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				t.Errorf("%s: %v", c.Name, err)
			}
		}
		_ = conn.Close()
		if got = slices.DeleteFunc(got, func(status int) bool { return status == 100 }); !slices.Equal(got, slices.DeleteFunc(want, func(status int) bool { return status == 100 })) {
			if slices.Equal(c.Want, []int{413}) && slices.Equal(got, []int{413, 200}) {
				continue // only the route's limit was passed, and the body read
			}
			t.Errorf("%s: got %v, want %v\n%.100q", c.Name, got, want, c.Raw)
		}
	}
	for len(w.got) > 0 {
		if request := <-w.got; strings.Contains(request, "smuggled") {
			t.Errorf("the handler got %s", request)
		}
	}
}

func TestGrammar_ServerOptions(t *testing.T) { bothWays(t, testGrammarServerOptions) }

func testGrammarServerOptions(t *testing.T) {
	f := startFront(t, Options{})
	w := f.work(t, "w1", text("worked"))
	c := f.dial(t)
	for _, target := range []string{"*", "http://h.example", "http://H.EXAMPLE:80"} {
		r := c.ask("OPTIONS", target, "")
		if r.StatusCode != 200 || r.body != "" || r.ContentLength != 0 || r.Header.Get("Allow") == "" ||
			r.Header.Get("Content-Type") != "" || r.Header.Get("X-Request-Id") == "" || r.Close {
			t.Errorf("OPTIONS %s: %d %v %q", target, r.StatusCode, r.Header, r.body)
		}
	}
	if n := f.count(metrics.HTTPOptions); n != 3 {
		t.Errorf("%d counted, want 3", n)
	}
	// With a path it is the handler's, and without one other methods mean "/".
	for _, target := range []string{"http://h.example/", "http://h.example?q", "/"} {
		if r := c.ask("OPTIONS", target, ""); r.body != "worked" {
			t.Errorf("OPTIONS %s: %d %q", target, r.StatusCode, r.body)
		}
		if got := <-w.got; got != "OPTIONS /" {
			t.Errorf("OPTIONS %s: the handler got %s", target, got)
		}
	}
	if r := c.ask("GET", "http://h.example", ""); r.body != "worked" {
		t.Errorf("GET: %d %q", r.StatusCode, r.body)
	}
}

func TestGrammar_TargetsHostCounts(t *testing.T) { bothWays(t, testGrammarTargetsHostCounts) }

func testGrammarTargetsHostCounts(t *testing.T) {
	there := prefix("/", "work")
	there.Match.Host = "there.example"
	f := startFront(t, Options{}, there)
	f.work(t, "w1", mirror)
	for _, c := range []struct{ head, host string }{
		{"GET http://there.example/ HTTP/1.0\n", "there.example"},
		{"GET http://there.example HTTP/1.0\n", "there.example"},
		{"GET HTTP://There.Example:80/?q HTTP/1.0\n", "There.Example:80"},
		{"GET http://there.example:/ HTTP/1.1\nHost: THERE.example:80\nConnection: close\n", "there.example"},
		{"GET / HTTP/1.1\nHost: there.example:\nConnection: close\n", "there.example"},
		{"POST http://there.example/ HTTP/1.1\nHost: there.example:80\nExpect: 100-continue\nContent-Length: 0\nConnection: close\n", "there.example"},
	} {
		r := f.raw(t, c.head+"\n")
		var seen map[string][]string
		_, body, _ := strings.Cut(r[max(0, strings.LastIndex(r, "HTTP/1.")):], "\r\n\r\n")
		if err := json.Unmarshal([]byte(body), &seen); err != nil {
			t.Errorf("%q: %v: %q", c.head, err, r)
			continue
		}
		if seen["host"][0] != c.host || seen["x-forwarded-host"][0] != c.host {
			t.Errorf("%q: host %q, X-Forwarded-Host %q: want %s", c.head, seen["host"], seen["x-forwarded-host"], c.host)
		}
	}
	if r := f.raw(t, "GET http://there.example:81/ HTTP/1.1\nHost: there.example\n\n"); !strings.HasPrefix(r, "HTTP/1.1 400 ") {
		t.Errorf("two hosts: %q", r)
	}
}

func TestGrammar_BackslashInTheQuery(t *testing.T) { bothWays(t, testGrammarBackslash) }

func testGrammarBackslash(t *testing.T) {
	f := startFront(t, Options{})
	f.work(t, "w1", mirror)
	seen := mirrored(t, f, `/p?file=C:\dir\`, "")
	if seen["query"][0] != `file=C:\dir\` {
		t.Errorf("the handler got the query %q", seen["query"])
	}
	if r := f.raw(t, "GET /p\\q?file HTTP/1.1\nHost: a\n\n"); !strings.HasPrefix(r, "HTTP/1.1 400 ") {
		t.Errorf("in the path: %q", r)
	}
}

// TestGrammar_RoutesInAnySpelling: a route matches the requests that are spelled as it is, and all
// that mean the same.
func TestGrammar_RoutesInAnySpelling(t *testing.T) { bothWays(t, testGrammarRoutesInAnySpelling) }

func testGrammarRoutesInAnySpelling(t *testing.T) {
	var routes []registry.Route
	for _, path := range []string{"/caf%c3%a9", "/%7Euser", "/b[1]"} {
		routes = append(routes, registry.Route{Match: registry.Match{Path: path, Host: "[0::1]"}, Service: "work"})
	}
	f := startFront(t, Options{}, routes...)
	f.work(t, "w1", text("found"))
	c := f.dial(t)
	for _, path := range []string{
		"/caf%c3%a9", "/caf%C3%a9", "/c%61f%C3%A9", "/x/../caf%c3%a9",
		"/%7Euser", "/%7euser", "/~user",
		"/b[1]", "/b%5b1%5D", "/b[1%5D",
	} {
		c.send("GET " + path + "?q HTTP/1.1\nHost: [::0:1]:8080\n\n")
		if r := c.read("GET"); r.body != "found" {
			t.Errorf("%s: %d %q", path, r.StatusCode, r.body)
		}
	}
}

// TestGrammar_RefusalOfHEAD: a response to HEAD has no body, also when the request was none.
func TestGrammar_RefusalOfHEAD(t *testing.T) { bothWays(t, testGrammarRefusalOfHEAD) }

func testGrammarRefusalOfHEAD(t *testing.T) {
	f := startFront(t, Options{}, prefix("/here", "work"))
	eventually(t, "routes", f.routed)
	for _, request := range []string{
		"HEAD /nowhere HTTP/1.1\nHost: a\nConnection: close\n\n",
		"HEAD / HTTP/1.1\nHost: a\nX : y\n\n",
		"HEAD / HTTP/1.1\n\n",
		"HEAD /\\ HTTP/1.1\nHost: a\n\n",
		"HEAD / HTTP/3.1\nHost: a\n\n",
		"HEAD /" + strings.Repeat("a", 9000),
		"HEAD / HTTP/1.1\nHost: a\n" + strings.Repeat("X: y\n", 200) + "\n",
	} {
		head, body, _ := strings.Cut(f.raw(t, request), "\r\n\r\n")
		if body != "" || !strings.HasPrefix(head, "HTTP/1.1 4") && !strings.HasPrefix(head, "HTTP/1.1 5") || !strings.Contains(head, "Content-Length: ") {
			t.Errorf("%.60q: %q, body %q", request, head, body)
		}
	}
	if r := f.raw(t, strings.Repeat("A", 9000)); !strings.HasPrefix(r, "HTTP/1.1 501 ") {
		t.Errorf("endless method: %q", r)
	}
}

// TestGrammar_UpgradesAreAnsweredLikeAll: a client that would switch to another protocol is told in
// this one.
func TestGrammar_UpgradesAreAnsweredLikeAll(t *testing.T) { bothWays(t, testGrammarUpgrades) }

func testGrammarUpgrades(t *testing.T) {
	f := startFront(t, Options{})
	f.work(t, "w1", mirror)
	c := f.dial(t)
	for _, lines := range []string{
		"Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n",
		"Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\n",
		"Connection: keep-alive, Upgrade\nUpgrade: TLS/1.2\n",
	} {
		r := c.ask("GET", "/", lines)
		if r.StatusCode != 200 || r.Close || r.Header.Get("Upgrade") != "" || strings.Contains(r.body, "upgrade") || strings.Contains(r.body, "http2-settings") {
			t.Errorf("%q: %d %v %q", lines, r.StatusCode, r.Header, r.body)
		}
	}
	if r := f.raw(t, "PRI * HTTP/2.0\n\nSM\n\n"); !strings.HasPrefix(r, "HTTP/1.1 505 ") {
		t.Errorf("the preface of HTTP/2: %q", r)
	}
}

func TestGrammar_MaxFields(t *testing.T) { bothWays(t, testGrammarMaxFields) }

func testGrammarMaxFields(t *testing.T) {
	const lines = "X: y\n"
	for _, most := range []int{3, 250} {
		f := startFront(t, Options{MaxFields: most})
		f.work(t, "w1", text("fits"))
		if r := f.ask(t, "GET", "/", strings.Repeat(lines, most-1)); r.body != "fits" { // with Host
			t.Errorf("%d fields of %d: %d %q", most, most, r.StatusCode, r.body)
		}
		r := f.raw(t, "GET / HTTP/1.1\nHost: a\n"+strings.Repeat(lines, most)+"\n")
		if !strings.HasPrefix(r, "HTTP/1.1 431 ") || !strings.Contains(r, "too many header fields") {
			t.Errorf("%d fields of %d: %q", most+1, most, r)
		}
	}
}

// TestGrammar_StatusesAreRegistered: whatever a handler gives, no client has to guess.
func TestGrammar_StatusesAreRegistered(t *testing.T) { bothWays(t, testGrammarStatuses) }

func testGrammarStatuses(t *testing.T) {
	f := startFront(t, Options{})
	f.work(t, "w1", func(req *httpmsg.Request, r *nanobus.Request) {
		var status int
		_, _ = fmt.Sscanf(string(req.Path), "/%d", &status)
		resp := &httpmsg.Response{Status: status}
		if status != 204 && status != 304 {
			resp.Body = []byte("said")
		}
		respond(r, resp)
	})
	c := f.dial(t)
	for status := 200; status < 600; status++ {
		want := status
		if http.StatusText(status) == "" {
			want = status / 100 * 100
		}
		r := c.ask("GET", fmt.Sprintf("/%d", status), "")
		if r.StatusCode != want || r.Status != fmt.Sprintf("%d %s", want, http.StatusText(want)) || r.body != "said" && want != 204 && want != 304 {
			t.Errorf("%d: got %s %q, want %d", status, r.Status, r.body, want)
		}
	}
	if log := f.logs.String(); !strings.Contains(log, "isn't registered") {
		t.Errorf("no word about it in the log:\n%s", log)
	}
}

// TestGrammar_HalfClosed: who closes its side in the middle of a request has gone, and gets nothing
// that isn't HTTP.
func TestGrammar_HalfClosed(t *testing.T) { bothWays(t, testGrammarHalfClosed) }

func testGrammarHalfClosed(t *testing.T) {
	f := startFront(t, Options{}, prefix("/", "work"))
	f.work(t, "w1", func(_ *httpmsg.Request, r *nanobus.Request) {
		<-r.Context().Done()
		r.ReplyError(nanobus.CodeCancelled, "cancelled")
	})
	c := f.dial(t)
	c.send("GET / HTTP/1.1\nHost: a\n\n")
	if err := c.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(c); err != nil || strings.Contains(string(b), "499") {
		t.Errorf("got %q, %v", b, err)
	}
	eventually(t, "it is counted", func() bool { return f.count(metrics.HTTPCancelled) == 1 })
}
