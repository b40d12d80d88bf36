package terminator

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nanofront/httpmsg"
	"nanofront/metrics"
	"nanofront/nanobus"
	"nanofront/registry"
)

func TestForward_NoInstance(t *testing.T) { bothWays(t, testForwardNoInstance) }

func testForwardNoInstance(t *testing.T) {
	f := startFront(t, Options{})
	eventually(t, "routes", func() bool { return f.routed() })
	if got := degraded(f); got != "work" {
		t.Errorf("degraded: %q, want what is missing", got)
	}
	start := time.Now()
	refused(t, f.ask(t, "GET", "/", ""), 503)
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("it took %v: want at once", took)
	}
	if n := f.count(metrics.HTTPNoInstance); n != 1 {
		t.Errorf("%d counted, want 1", n)
	}
	f.work(t, "w1", text("back"))
	if r := f.ask(t, "GET", "/", ""); r.StatusCode != 200 || r.body != "back" {
		t.Errorf("with an instance: got %d %q", r.StatusCode, r.body)
	}
	if err := f.Ready(); err != nil {
		t.Errorf("Ready: %v", err)
	}
}

func TestForward_NotReady(t *testing.T) { bothWays(t, testForwardNotReady) }

func testForwardNotReady(t *testing.T) {
	f := startFront(t, Options{}, noRoutes...)
	refused(t, f.ask(t, "GET", "/", ""), 503)
	if f.Ready() == nil {
		t.Error("ready without routes")
	}
}

func TestForward_Deadline(t *testing.T) { bothWays(t, testForwardDeadline) }

func testForwardDeadline(t *testing.T) {
	route := prefix("/", "work")
	route.Timeout = registry.Duration(50 * time.Millisecond)
	f := startFront(t, Options{}, route)
	f.work(t, "w1", func(_ *httpmsg.Request, r *nanobus.Request) {
		<-r.Context().Done() // the cancel, or the deadline as it is told
		eventually(t, "cancelled", r.Cancelled)
		respond(r, &httpmsg.Response{Body: []byte("late")})
	})
	refused(t, f.ask(t, "GET", "/", ""), 504)
	eventually(t, "the late reply is counted", func() bool { return f.count(metrics.BusDropped, "late") == 1 })
	if n := f.count(metrics.HTTPTimeouts); n != 1 {
		t.Errorf("%d timeouts counted, want 1", n)
	}
}

func TestForward_HandlerErrors(t *testing.T) { bothWays(t, testForwardHandlerErrors) }

func testForwardHandlerErrors(t *testing.T) {
	const secret = "pq: password hunter2"
	f := startFront(t, Options{})
	var code atomic.Int32
	f.work(t, "w1", func(_ *httpmsg.Request, r *nanobus.Request) {
		r.ReplyError(nanobus.Code(code.Load()), secret)
	})
	for _, c := range []struct {
		code   nanobus.Code
		status int
	}{
		{nanobus.CodeInternal, 500},
		{nanobus.CodeMalformed, 500},
		{nanobus.CodeCancelled, 500},
		{77, 500},
		{nanobus.CodeTooLarge, 502},
		{nanobus.CodeExpired, 504},
		// Elsewhere, but there is nowhere else: its own answer stands.
		{nanobus.CodeDraining, 503},
		{nanobus.CodeOverWindow, 503},
		{nanobus.CodeNoHandler, 503},
	} {
		code.Store(int32(c.code))
		r := f.ask(t, "GET", "/", "X-Request-Id: find-me\n")
		refused(t, r, c.status)
		if strings.Contains(fmt.Sprint(r.Header, r.body), "hunter2") {
			t.Errorf("%v: internals got out: %v %q", c.code, r.Header, r.body)
		}
	}
	if log := f.logs.String(); !strings.Contains(log, "find-me") || !strings.Contains(log, "correlation") {
		t.Errorf("the log has no line that leads to the request:\n%s", log)
	}
}

// replyBytes is a reply that no codec has made.
func replyBytes(s string) answer {
	return func(_ *httpmsg.Request, r *nanobus.Request) { _ = r.Reply(nanobus.Bytes(s)) }
}

// TestForward_BadReplies: what a handler can't be allowed to make us send.
func TestForward_BadReplies(t *testing.T) { bothWays(t, testForwardBadReplies) }

func testForwardBadReplies(t *testing.T) {
	field := func(name, value string) answer {
		return func(_ *httpmsg.Request, r *nanobus.Request) {
			resp := &httpmsg.Response{Body: []byte("body")}
			resp.Set("x-fine", "yes")
			resp.Add([]byte(name), []byte(value))
			respond(r, resp)
		}
	}
	for name, a := range map[string]answer{
		"empty":               replyBytes(""),
		"status 99":           replyBytes("\x00\x63\x00\x00\x00\x00\x00\x00"),
		"status 101":          replyBytes("\x00\x65\x00\x00\x00\x00\x00\x00"),
		"cut off":             replyBytes("\x00\xc8\x00\x01\x04na"),
		"body too short":      replyBytes("\x00\xc8\x00\x00\x00\x00\x00\x09x"),
		"CRLF in value":       field("x-a", "b\r\nSet-Cookie: stolen=1"),
		"LF in value":         field("x-a", "b\nSet-Cookie: stolen=1"),
		"NUL in value":        field("x-a", "b\x00"),
		"DEL in value":        field("x-a", "b\x7f"),
		"CRLF in name":        field("x-a: b\r\nset-cookie", "stolen=1"),
		"space in name":       field("x a", "b"),
		"colon in name":       field("x:a", "b"),
		"CRLF in cookie":      field("set-cookie", "a=b\r\nX: stolen"),
		"CRLF in type":        field("content-type", "text/plain\r\nX: stolen"),
		"byte beyond ASCII":   field("x-ä", "b"),
		"empty name by codec": field("", "b"),
	} {
		t.Run(name, func(t *testing.T) {
			f := startFront(t, Options{})
			f.work(t, "w1", a)
			got := f.raw(t, "GET / HTTP/1.1\nHost: h\nConnection: close\n\n")
			if !strings.HasPrefix(got, "HTTP/1.1 502 ") || strings.Contains(got, "stolen") || strings.Contains(strings.ToLower(got), "x-fine") {
				t.Errorf("got:\n%s\nwant a bare 502", got)
			}
			if n := f.count(metrics.HTTPUpstreamErrors); n != 1 {
				t.Errorf("%d counted, want 1", n)
			}
		})
	}
}

// TestForward_Framing: on the wire, where a client counts bytes.
func TestForward_Framing(t *testing.T) { bothWays(t, testForwardFraming) }

func testForwardFraming(t *testing.T) {
	f := startFront(t, Options{})
	f.work(t, "w1", func(req *httpmsg.Request, r *nanobus.Request) {
		resp := &httpmsg.Response{}
		switch string(req.Path) {
		case "/body":
			resp.Body = []byte("twelve bytes")
		case "/length": // as a handler does that knows what a GET would get
			resp.Set("content-length", "4711")
		case "/lies":
			resp.Set("content-length", "5")
			resp.Body = []byte("twelve bytes")
		case "/chunked":
			resp.Set("transfer-encoding", "chunked")
			resp.Body = []byte("twelve bytes")
		case "/204":
			resp.Status, resp.Body = 204, []byte("none allowed")
		case "/204length":
			resp.Status = 204
			resp.Set("content-length", "12")
		case "/304":
			resp.Status, resp.Body = 304, []byte("none allowed")
			resp.Set("etag", `"1"`)
		case "/205":
			resp.Status = 205
		}
		respond(r, resp)
	})
	for _, c := range []struct {
		request     string
		status      int
		length      string // "" for no such field
		body        string
		lengthMaybe bool // the field may be missing
	}{
		{"GET /body", 200, "12", "twelve bytes", false},
		{"HEAD /body", 200, "12", "", false},
		{"HEAD /length", 200, "4711", "", false},
		{"GET /length", 200, "0", "", false},
		{"GET /lies", 200, "12", "twelve bytes", false},
		{"HEAD /lies", 200, "12", "", false},
		{"GET /chunked", 200, "12", "twelve bytes", false},
		{"GET /204", 204, "", "", false},
		{"HEAD /204", 204, "", "", false},
		{"HEAD /204length", 204, "", "", false},
		{"GET /204length", 204, "", "", false},
		{"GET /304", 304, "", "", true},
		{"HEAD /304", 304, "", "", true},
		{"GET /205", 205, "0", "", false},
		{"GET /empty", 200, "0", "", false},
		{"POST /body", 200, "12", "twelve bytes", false},
	} {
		got := f.raw(t, c.request+" HTTP/1.1\nHost: h\nContent-Length: 0\nConnection: close\n\n")
		head, body, ok := strings.Cut(got, "\r\n\r\n")
		length := ""
		for line := range strings.SplitSeq(head, "\r\n") {
			name, value, _ := strings.Cut(line, ": ")
			switch strings.ToLower(name) {
			case "content-length":
				if length != "" {
					t.Errorf("%s: two lengths:\n%s", c.request, got)
				}
				length = value
			case "transfer-encoding":
				t.Errorf("%s: %s", c.request, line)
			}
		}
		if !ok || !strings.HasPrefix(head, fmt.Sprintf("HTTP/1.1 %d ", c.status)) || body != c.body ||
			length != c.length && !c.lengthMaybe {
			t.Errorf("%s: got\n%q\nwant %d, length %q, body %q", c.request, got, c.status, c.length, c.body)
		}
	}
}

func TestForward_Pipelined(t *testing.T) { bothWays(t, testForwardPipelined) }

func testForwardPipelined(t *testing.T) {
	const n = 20
	f := startFront(t, Options{})
	f.work(t, "w1", func(req *httpmsg.Request, r *nanobus.Request) {
		respond(r, &httpmsg.Response{Body: append([]byte(nil), req.Path...)})
	})
	c := f.dial(t)
	var all strings.Builder
	for i := range n {
		method := []string{"GET", "HEAD"}[i%2]
		fmt.Fprintf(&all, "%s /%d HTTP/1.1\nHost: h\n\n", method, i)
	}
	c.send(all.String())
	for i := range n {
		method, want := "GET", fmt.Sprintf("/%d", i)
		if i%2 == 1 {
			method, want = "HEAD", ""
		}
		if r := c.read(method); r.StatusCode != 200 || r.body != want {
			t.Fatalf("%d: got %d %q, want %q", i, r.StatusCode, r.body, want)
		}
	}
}

func TestForward_BodyLimits(t *testing.T) { bothWays(t, testForwardBodyLimits) }

func testForwardBodyLimits(t *testing.T) {
	small, large := prefix("/small", "work"), prefix("/large", "work")
	small.MaxBody, large.MaxBody = 10, 1000
	f := startFront(t, Options{}, small, large)
	f.work(t, "w1", func(req *httpmsg.Request, r *nanobus.Request) {
		respond(r, &httpmsg.Response{Body: fmt.Append(nil, len(req.Body))})
	})
	for _, c := range []struct {
		path   string
		n      int
		status int
	}{
		{"/small", 10, 200},
		{"/small", 11, 413},
		{"/large", 11, 200},
		{"/large", 1000, 200},
		{"/large", 1001, 413},
		{"/large", httpmsg.MaxWhole, 413},
		{"/large", httpmsg.MaxWhole + 1, 413},
	} {
		conn := f.dial(t)
		conn.send(fmt.Sprintf("POST %s HTTP/1.1\nHost: h\nContent-Length: %d\n\n", c.path, c.n))
		go func() { _, _ = conn.Write(make([]byte, c.n)) }() // refused early, it may not be read
		r := conn.read("POST")
		if r.StatusCode != c.status || c.status == 200 && r.body != fmt.Sprint(c.n) {
			t.Errorf("%s with %d bytes: got %d %q, want %d", c.path, c.n, r.StatusCode, r.body, c.status)
		}
	}

	conn := f.dial(t) // chunked: known only at the end
	conn.send("POST /small HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n6\n123456\n6\n123456\n0\n\n")
	refused(t, conn.read("POST"), 413)

	// Expect: 100-continue is refused before the body was sent, and granted.
	conn = f.dial(t)
	conn.send("POST /small HTTP/1.1\nHost: h\nContent-Length: 11\nExpect: 100-continue\n\n")
	r := conn.read("POST")
	if r.StatusCode != 413 || !strings.Contains(r.body, "larger") || !r.Close {
		t.Errorf("Expect with 11 bytes: got %d %q, close %v: want 413 and the end", r.StatusCode, r.body, r.Close)
	}
	conn = f.dial(t)
	conn.send("POST /small HTTP/1.1\nHost: h\nContent-Length: 3\nExpect: 100-continue\n\n")
	line, err := conn.r.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		t.Fatalf("Expect with 3 bytes: got %q, %v", line, err)
	}
	if _, err := conn.r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	conn.send("abc")
	if r := conn.read("POST"); r.StatusCode != 200 || r.body != "3" {
		t.Errorf("after 100: got %d %q", r.StatusCode, r.body)
	}
}

func TestForward_Refusals(t *testing.T) { bothWays(t, testForwardRefusals) }

func testForwardRefusals(t *testing.T) {
	get := prefix("/read", "work")
	get.Match.Methods = []string{"GET"}
	f := startFront(t, Options{}, get)
	n := f.work(t, "w1", text("ok"))
	for _, c := range []struct {
		method, target string
		status         int
	}{
		{"POST", "/read", 405},
		{"GET", "/nothing", 404},
		{"GET", "/read/%zz", 400},
		{"GET", "/../x", 400},
		{"GET", "/%2e%2e/x", 400},
		{"GET", "/read/a%00b", 400},
	} {
		r := f.ask(t, c.method, c.target, "Content-Length: 0\n")
		refused(t, r, c.status)
		if allow := r.Header.Get("Allow"); (c.status == 405) != (allow != "") || c.status == 405 && !strings.Contains(allow, "GET") {
			t.Errorf("%s %s: Allow: %q", c.method, c.target, allow)
		}
	}
	if len(n.got) != 0 {
		t.Errorf("%d of them reached the handler, the first: %s", len(n.got), <-n.got)
	}
}

// TestForward_RouteChange: a route moves to a service that was not linked
// before, with requests under way all the time.
func TestForward_RouteChange(t *testing.T) { bothWays(t, testForwardRouteChange) }

func testForwardRouteChange(t *testing.T) {
	f := startFront(t, Options{})
	f.work(t, "w1", text("old"))
	fresh := startNode(t, "fresh", "f1", 0, text("new"))
	f.d.add(registry.Instance{Service: "fresh", ID: "f1", Address: fresh.address})

	stop := make(chan struct{})
	type tally struct {
		answers map[string]int
		failed  []string
	}
	const clients = 4
	results := make(chan tally, clients)
	for range clients {
		c := f.dial(t)
		go func() {
			got := tally{answers: map[string]int{}}
			defer func() { results <- got }()
			for {
				select {
				case <-stop:
					return
				default:
				}
				r := c.ask("GET", "/x", "")
				got.answers[r.body]++
				if r.StatusCode != 200 {
					got.failed = append(got.failed, fmt.Sprint(r.StatusCode, " ", r.body))
				}
			}
		}()
	}
	requests := f.count(metrics.HTTPRequests)
	for i := range 20 {
		service := []string{"fresh", "work"}[i%2]
		f.d.routes(prefix("/", service))
		eventually(t, "the new route is in force", func() bool {
			return f.services()[0].Name() == service
		})
		eventually(t, "some requests", func() bool { return f.count(metrics.HTTPRequests) > requests+20 })
		requests = f.count(metrics.HTTPRequests)
	}
	close(stop)
	total := map[string]int{}
	for range clients {
		r := <-results
		for body, n := range r.answers {
			total[body] += n
		}
		if len(r.failed) > 0 {
			t.Errorf("%d requests failed, the first: %s", len(r.failed), r.failed[0])
		}
	}
	if total["old"] == 0 || total["new"] == 0 {
		t.Errorf("answers: %v: want some of each", total)
	}
}

// A route may name a service of which nothing works: it must come in force
// all the same.
func TestForward_RouteToTheDead(t *testing.T) { bothWays(t, testForwardRouteToTheDead) }

func testForwardRouteToTheDead(t *testing.T) {
	f := startFront(t, Options{})
	f.work(t, "w1", text("old"))
	f.d.add(registry.Instance{Service: "dead", ID: "d1", Address: "tcp://127.0.0.1:1"})
	f.d.routes(prefix("/", "work"), prefix("/dead", "dead"))
	eventually(t, "in force", func() bool { return len(f.services()) == 2 })
	refused(t, f.ask(t, "GET", "/dead", ""), 503)
	if r := f.ask(t, "GET", "/", ""); r.body != "old" {
		t.Errorf("got %d %q", r.StatusCode, r.body)
	}
}

func TestForward_ClientGone(t *testing.T) { bothWays(t, testForwardClientGone) }

func testForwardClientGone(t *testing.T) {
	f := startFront(t, Options{})
	atWork, cancelled := make(chan struct{}), make(chan struct{})
	f.work(t, "w1", func(_ *httpmsg.Request, r *nanobus.Request) {
		close(atWork)
		<-r.Context().Done()
		if r.Cancelled() {
			close(cancelled)
		}
		r.ReplyError(nanobus.CodeCancelled, "")
	})
	c := f.dial(t)
	c.send("POST / HTTP/1.1\nHost: h\nContent-Length: 0\n\n")
	<-atWork
	_ = c.Close()
	select {
	case <-cancelled:
	case <-time.After(patience):
		t.Fatal("the handler wasn't told")
	}
	eventually(t, "it is counted", func() bool { return f.count(metrics.HTTPCancelled) == 1 })
	eventually(t, "nothing is in flight", func() bool { return f.admission.InFlight() == 0 })
}
