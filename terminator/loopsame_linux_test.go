package terminator

import (
	"flag"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"nanofront/httpmsg"
	"nanofront/nanobus"
	"nanofront/terminator/admission"
)

// crlf is s with \n for \r\n.
func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

// TestLoop_SameResponses: one that is answered on an event loop can't be told
// from one that a goroutine has written, and both are those of the golden file.
func TestLoop_SameResponses(t *testing.T) {
	p := startPair(t, Options{})
	p.golden = openGolden(t, "testdata/responses.golden")
	t.Run("replies", p.replies)
	t.Run("requests", p.requests)
	t.Run("outcomes", p.outcomes)
	t.Run("streams", p.streams)
	if run := flag.Lookup("test.run").Value.String(); !strings.Contains(run, "/") {
		p.golden.close(t)
	}
}

// reply is a handler's, from field names and values.
func replyOf(status int, body string, fields ...string) answer {
	return func(_ *httpmsg.Request, r *nanobus.Request) {
		resp := &httpmsg.Response{Status: status, Body: []byte(body)}
		for i := 0; i < len(fields); i += 2 {
			resp.Add([]byte(fields[i]), []byte(fields[i+1]))
		}
		respond(r, resp)
	}
}

// upperName is a reply of a handler that doesn't keep to lower case, as no
// codec of ours would make it.
func upperName(name, value string) answer {
	b := "\x00\xc8\x00\x01" + string(rune(len(name))) + name + "\x00" + string(rune(len(value))) + value + "\x00\x00\x00\x04body"
	return replyBytes(b)
}

func (p *wayPair) replies(t *testing.T) {
	defer p.reply(echoRequest)
	cases := map[string]answer{
		"bad field":               replyOf(200, "body", "x-a", "b\r\nc: d"),
		"bad name":                replyOf(200, "body", "x a", "b"),
		"bad type":                replyOf(200, "body", "content-type", "a\nb"),
		"bad listed field":        replyOf(200, "body", "connection", "x-a", "x-a", "b\x00"),
		"bad connection":          replyOf(200, "body", "connection", "x-a\x00"),
		"no reply at all":         replyBytes(""),
		"status 99":               replyBytes("\x00\x63\x00\x00\x00\x00\x00\x00"),
		"Content-Length":          upperName("Content-Length", "2"),
		"CONTENT-LENGTH":          upperName("CONTENT-LENGTH", "2"),
		"Transfer-Encoding":       upperName("Transfer-Encoding", "chunked"),
		"Connection":              upperName("Connection", "close"),
		"Connection: keep-alive":  upperName("Connection", "keep-alive"),
		"Date":                    upperName("Date", "Thu, 01 Jan 1970 00:00:00 GMT"),
		"X-Request-Id":            upperName("X-Request-Id", "mine"),
		"X-REQUEST-ID":            upperName("X-REQUEST-ID", "mine"),
		"Content-Type":            upperName("Content-Type", "a/b"),
		"Set-Cookie":              upperName("Set-Cookie", "a=b"),
		"Trailer":                 upperName("Trailer", "x-a"),
		"Upgrade":                 upperName("Upgrade", "h2c"),
		"a large body":            replyOf(200, strings.Repeat("x", 600_000)),
		"a body of 16 KiB":        replyOf(200, strings.Repeat("x", 16<<10)),
		"a body of 16 KiB and 1":  replyOf(200, strings.Repeat("x", 16<<10+1)),
		"a large header":          replyOf(200, "body", "x-a", strings.Repeat("x", 60_000)),
		"request id of the other": replyOf(200, "body", "x-request-id", "mine"),
	}
	fieldSets := map[string][]string{
		"no fields":          nil,
		"type":               {"content-type", "text/html"},
		"types":              {"content-type", "text/html", "content-type", "text/plain"},
		"empty type":         {"content-type", ""},
		"type, then empty":   {"content-type", "text/html", "content-type", ""},
		"encoding":           {"content-encoding", "gzip"},
		"encodings":          {"content-encoding", "gzip", "content-encoding", "br"},
		"empty encoding":     {"content-encoding", ""},
		"cookies":            {"set-cookie", "a=b; Path=/", "set-cookie", "c=d", "set-cookie", "a=b; Path=/", "set-cookie", "nonsense", "set-cookie", ""},
		"date":               {"date", "Thu, 01 Jan 1970 00:00:00 GMT"},
		"server":             {"server", "me"},
		"servers":            {"server", "me", "server", "you"},
		"empty server":       {"server", ""},
		"length":             {"content-length", "4711"},
		"lengths":            {"content-length", "1", "content-length", "2"},
		"length, then bad":   {"content-length", "1", "content-length", "x"},
		"bad length":         {"content-length", "+1"},
		"empty length":       {"content-length", ""},
		"length of zeros":    {"content-length", "007"},
		"length 0":           {"content-length", "0"},
		"vast length":        {"content-length", "99999999999999999999"},
		"large length":       {"content-length", "9223372036854775807"},
		"minus":              {"content-length", "-1"},
		"chunked":            {"transfer-encoding", "chunked"},
		"hop by hop":         {"keep-alive", "5", "te", "x", "upgrade", "h2c", "trailer", "x-a", "proxy-connection", "x", "proxy-authenticate", "x", "proxy-authorization", "y"},
		"close":              {"connection", "close"},
		"keep-alive":         {"connection", "keep-alive"},
		"listed":             {"x-a", "1", "connection", "x-a, X-B ,,x-b", "x-b", "2", "x-c", "3", "x-b", "4"},
		"listed twice":       {"x-a", "1", "connection", "x-a", "x-b", "2", "connection", "x-b"},
		"listed type":        {"content-type", "a/b", "content-encoding", "gzip", "server", "me", "connection", "content-type, Content-Encoding, server"},
		"listed cookie":      {"set-cookie", "a=b", "set-cookie", "c=d", "x-a", "b", "connection", "set-cookie"},
		"listed date and id": {"connection", "date, x-request-id, content-length, connection"},
		"empty list":         {"connection", "", "x-a", "1"},
		"odd names":          {"x--a", "1", "-x", "2", "x_y-z", "3", "a.b-c", "4", "etag", `"1"`, "www-authenticate", "Basic"},
		"odd values":         {"x-a", "", "x-b", "a\tb", "x-c", "ä", "x-d", "  blank  "},
		"location":           {"location", "/else", "vary", "a", "vary", "b", "cache-control", "no-store"},
		"cors":               {"access-control-allow-origin", "*", "allow", "GET, HEAD"},
	}
	for name, fields := range fieldSets {
		for _, status := range []int{0, 201, 204, 206, 299, 304, 404, 500, 599} {
			for _, body := range []string{"", "a body"} {
				cases[fmt.Sprintf("%s/%d/%d bytes", name, status, len(body))] = replyOf(status, body, fields...)
			}
		}
	}
	for name, a := range cases {
		t.Run(name, func(t *testing.T) {
			p.reply(a)
			for _, m := range []string{"GET", "HEAD"} {
				p.same(t, m+" /w/ HTTP/1.1\r\nHost: h\r\n\r\n", m)
			}
			p.same(t, "POST /w/ HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc", "POST")
		})
	}
}

func (p *wayPair) requests(t *testing.T) {
	const host = "Host: h.example:8080\n"
	body := strings.Repeat("0123456789", 300_000)
	for _, c := range []string{
		"GET /w/a HTTP/1.1\n" + host + "\n",
		"GET /w/a?b=c&d HTTP/1.1\n" + host + "Accept: */*\nUser-Agent: x\nCookie: a=b\nCookie: c=d\n\n",
		"HEAD /w/a HTTP/1.1\n" + host + "\n",
		"PUT /w/a HTTP/1.1\n" + host + "Content-Type: a/b\nContent-Length: 3\n\nabc",
		"POST /w/a HTTP/1.1\n" + host + "Content-Length: 3\n\nabc",
		"POST /w/a HTTP/1.1\n" + host + "Content-Length: 0\n\n",
		"POST /w/a HTTP/1.1\n" + host + "\n",
		"GET /w/a HTTP/1.1\n" + host + "Content-Length: 3\n\nabc",
		"HEAD /w/a HTTP/1.1\n" + host + "Content-Length: 3\n\nabc",
		"DELETE /w/a HTTP/1.1\n" + host + "Content-Length: 3\n\nabc",
		"OPTIONS /w/a HTTP/1.1\n" + host + "\n",
		"OPTIONS * HTTP/1.1\n" + host + "\n",
		"GET * HTTP/1.1\n" + host + "\n",
		"PROPFIND /w/a HTTP/1.1\n" + host + "\n",
		"get /w/a HTTP/1.1\n" + host + "\n",
		"GET http://h.example:8080/w/a?b HTTP/1.1\n" + host + "\n",
		"GET HTTPS://H.example:8080/w/a HTTP/1.1\n" + host + "\n",
		"GET http://h.example:8080?b HTTP/1.1\n" + host + "\n",
		"GET http://other/w/a HTTP/1.1\n" + host + "\n",
		"GET /w/%41/./b/../c//d%2fe HTTP/1.1\n" + host + "\n",
		"GET /../w HTTP/1.1\n" + host + "\n",
		"GET /w/%zz HTTP/1.1\n" + host + "\n",
		"GET /w/a#b HTTP/1.1\n" + host + "\n",
		"GET /nothing HTTP/1.1\n" + host + "\n",
		"HEAD /nothing HTTP/1.1\n" + host + "\n",
		"POST /read HTTP/1.1\n" + host + "Content-Length: 3\n\nabc",
		"DELETE /read/x HTTP/1.1\n" + host + "\n",
		"HEAD /read HTTP/1.1\n" + host + "\n",
		"POST /small HTTP/1.1\n" + host + "Content-Length: 10\n\n0123456789",
		"POST /small HTTP/1.1\n" + host + "Content-Length: 11\n\n01234567890",
		"HEAD /small HTTP/1.1\n" + host + "Content-Length: 11\n\n01234567890",
		"POST /small HTTP/1.1\n" + host + "Transfer-Encoding: chunked\n\nb\n01234567890\n0\n\n",
		"GET /nobody HTTP/1.1\n" + host + "\n",
		"HEAD /nobody HTTP/1.1\n" + host + "Connection: close\n\n",
		"GET /w/a HTTP/1.1\n" + host + "Connection: close\n\n",
		"GET /w/a HTTP/1.1\n" + host + "Connection: Close\n\n",
		"GET /w/a HTTP/1.1\n" + host + "Connection: keep-alive\n\n",
		"GET /w/a HTTP/1.1\n" + host + "Connection: keep-alive, close\n\n",
		"GET /w/a HTTP/1.1\n" + host + "Connection: x-a, close\nX-A: 1\nX-B: 2\n\n",
		"GET /w/a HTTP/1.1\n" + host + "Connection: close\nConnection: keep-alive\n\n",
		"GET /w/a HTTP/1.1\n" + host + "Connection: x-a\nConnection: close\nX-A: 1\n\n",
		"GET /w/a HTTP/1.1\n" + host + "Connection: closed\n\n",
		"GET /w/a HTTP/1.1\n" + host + "Connection: \"close\"\n\n",
		"GET /w/a HTTP/1.1\n" + host + "Connection:\n\n",
		"GET /w/a HTTP/1.1\n" + host + "Connection: upgrade\nUpgrade: websocket\n\n",
		"GET /w/a HTTP/1.1\n" + host + "X-Request-Id: mine\n\n",
		"GET /w/a HTTP/1.1\n" + host + "X-Request-Id: not sane\n\n",
		"GET /w/a HTTP/1.1\n" + host + "X-Request-Id: a\nX-Request-Id: b\n\n",
		"GET /w/a HTTP/1.1\n" + host + "X-Forwarded-For: 1.2.3.4\nForwarded: for=1.2.3.4\nX-Forwarded-Proto: https\n\n",
		"GET /w/a HTTP/1.1\n" + host + "TE: trailers\nTrailer: x\nKeep-Alive: 5\nProxy-Connection: x\nProxy-Authorization: y\n\n",
		"GET /w/a HTTP/1.0\n\n",
		"GET /w/a HTTP/1.0\n" + host + "Connection: keep-alive\n\n",
		"POST /w/a HTTP/1.0\n" + host + "Content-Length: 3\n\nabc",
		"POST /w/a HTTP/1.0\n" + host + "Transfer-Encoding: chunked\n\n0\n\n",
		"POST /w/a HTTP/1.1\n" + host + "Content-Length: 3\nExpect: 100-continue\n\nabc",
		"POST /small HTTP/1.1\n" + host + "Content-Length: 11\nExpect: 100-continue\n\n01234567890",
		"POST /w/a HTTP/1.1\n" + host + "Content-Length: 3\nExpect: miracles\n\nabc",
		"POST /w/a HTTP/1.1\n" + host + "Transfer-Encoding: chunked\n\n3\nabc\n0\n\n",
		"POST /w/a HTTP/1.1\n" + host + "Transfer-Encoding: chunked\n\n3\nabcd\n0\n\n",
		"POST /w/a HTTP/1.1\n" + host + "Transfer-Encoding: gzip\n\nabc",
		"POST /w/a HTTP/1.1\n" + host + "Transfer-Encoding: chunked\nContent-Length: 3\n\n0\n\n",
		"POST /w/a HTTP/1.1\n" + host + fmt.Sprintf("Content-Length: %d\n\n", len(body)) + body,
		"POST /w/a HTTP/1.1\n" + host + fmt.Sprintf("Content-Length: %d\n\n", 100_000) + body[:100_000],
		"POST /w/a HTTP/1.1\n" + host + fmt.Sprintf("Transfer-Encoding: chunked\n\n%x\n", len(body)) + body + "\n0\n\n",
		"POST /w/a HTTP/1.1\n" + host + fmt.Sprintf("Content-Length: %d\n\n", 9<<20) + body,
		"POST /w/a HTTP/1.1\n" + host + "Content-Length: 99999999999999999\n\n",
		"GET /w/a HTTP/1.1\n\n",
		"GET /w/a HTTP/1.1\nHost: a\nHost: b\n\n",
		"GET /w/a HTTP/2.0\n" + host + "\n",
		"GET /w/a\n\n",
		"GET  /w/a HTTP/1.1\n" + host + "\n",
		"CONNECT h:1 HTTP/1.1\n" + host + "\n",
		"TRACE /w/a HTTP/1.1\n" + host + "\n",
		"GET /w/a HTTP/1.1\n" + host + " folded: x\n\n",
		"GET /w/a HTTP/1.1\n" + host + "X A: b\n\n",
		"GET /w/a HTTP/1.1\n" + host + "X-A: b\x00\n\n",
		"GET /w/a HTTP/1.1\n" + host + "X-A: " + strings.Repeat("x", 20_000) + "\n\n",
		"GET /w/" + strings.Repeat("x", 9_000) + " HTTP/1.1\n" + host + "\n",
		"GET /w/a HTTP/1.1\n" + host + strings.Repeat("X: y\n", 100) + "\n",
		"GET /w/a HTTP/1.1\n" + host + strings.Repeat("X: y\n", 99) + "\n",
		"GET /w/a HTTP/1.1\n" + host + "Content_Length: 3\n\n",
		"\nGET /w/a HTTP/1.1\n" + host + "\n",
		"\n\nGET /w/a HTTP/1.1\n" + host + "\n",
	} {
		method, _, _ := strings.Cut(strings.TrimLeft(c, "\n"), " ")
		p.same(t, crlf(c), method)
	}
	// Odd line ends, which crlf would repair.
	for _, c := range []string{
		"GET /w/a HTTP/1.1\nHost: h\n\n", "GET /w/a HTTP/1.1\r\nHost: h\r\rX: y\r\n\r\n",
		"GET /w/a HTTP/1.1\r\nHost: h\r\nX: a\nb\r\n\r\n", "\rGET /w/a HTTP/1.1\r\nHost: h\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01\x00", "\x00\x00\x00\x00",
	} {
		p.same(t, c, "GET")
	}
}

// outcomes provokes the rows of the table of that name that take more than a
// request.
func (p *wayPair) outcomes(t *testing.T) {
	defer p.reply(echoRequest)
	both := func(t *testing.T, request string, status int, retry bool) {
		t.Helper()
		for _, m := range []string{"GET", "HEAD", "POST"} {
			for _, end := range []string{"", "Connection: close\r\n"} {
				got := p.same(t, m+" "+request+" HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n"+end+"\r\n", m)
				if got == nil {
					return
				}
				if got[0].status() != status || strings.Contains(got[0].fields, "retry-after: 1") != retry {
					t.Errorf("%s %s: got %s\n%s\nwant %d, to be tried again %v", m, request, got[0].line, got[0].fields, status, retry)
				}
			}
		}
	}
	for _, c := range []struct {
		code   nanobus.Code
		status int
		retry  bool
	}{
		{nanobus.CodeInternal, 500, false},
		{77, 500, false},
		{nanobus.CodeTooLarge, 502, false},
		{nanobus.CodeExpired, 504, false},
		{nanobus.CodeDraining, 503, true},
		{nanobus.CodeOverWindow, 503, true},
	} {
		t.Run(c.code.String(), func(t *testing.T) {
			p.reply(func(_ *httpmsg.Request, r *nanobus.Request) { r.ReplyError(c.code, "secret") })
			both(t, "/w/", c.status, c.retry)
		})
	}
	t.Run("timed out", func(t *testing.T) {
		p.reply(func(_ *httpmsg.Request, r *nanobus.Request) {
			<-r.Context().Done()
			for end := time.Now().Add(patience); !r.Cancelled() && time.Now().Before(end); {
				time.Sleep(time.Millisecond) // the deadline as it is told comes first
			}
			r.ReplyError(nanobus.CodeCancelled, "")
		})
		both(t, "/slow/", 504, false)
	})
	t.Run("no credit", func(t *testing.T) {
		gate := make(chan struct{})
		p.reply(func(_ *httpmsg.Request, r *nanobus.Request) {
			<-gate
			respond(r, &httpmsg.Response{})
		})
		var held [2]*client
		for i, f := range p.fronts {
			held[i] = f.dial(t)
			held[i].send("GET /single HTTP/1.1\nHost: h\n\n")
			eventually(t, "the one credit to be taken", func() bool { return f.admission.InFlight() == 1 })
		}
		both(t, "/single", 503, true)
		close(gate)
		for _, c := range held {
			c.read("GET")
		}
	})
	t.Run("shed", func(t *testing.T) {
		for _, f := range p.fronts {
			for f.admission.Gate("work").Enter(admission.Ask{}) {
				defer f.admission.Gate("work").Leave()
			}
		}
		both(t, "/w/", 503, true)
	})
	for method, status := range map[string]int{"POST": 502, "GET": 503} { // a GET is tried again, in vain
		t.Run("link broke/"+method, func(t *testing.T) {
			golden := p.golden
			p := startPair(t, Options{})
			p.golden = golden
			p.broken.Store(true)
			got := p.same(t, method+" /w/ HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", method)
			if got != nil && got[0].status() != status {
				t.Errorf("got %s, want %d", got[0].line, status)
			}
		})
	}
}

// streams: bodies that come in chunks.
func (p *wayPair) streams(t *testing.T) {
	defer p.reply(echoRequest)
	for _, n := range []int64{0, 1, 100, 3 << 20} {
		for _, length := range []int64{-1, 0, 5 + n, 5 + n - 1} {
			for _, fields := range [][]string{nil, {"content-type", "a/b", "set-cookie", "a=b", "content-encoding", "x", "connection", "x-a", "x-a", "1"}} {
				if n == 0 && length == 4 {
					continue // less than what came with the head: no stream
				}
				p.reply(func(_ *httpmsg.Request, r *nanobus.Request) {
					resp := &httpmsg.Response{Body: []byte("begin"), Length: length}
					for i := 0; i < len(fields); i += 2 {
						resp.Add([]byte(fields[i]), []byte(fields[i+1]))
					}
					w, err := r.ReplyBody(resp)
					if err != nil {
						return
					}
					_, _ = io.Copy(w, noise(n)) // HEAD wants none of it
					_ = w.Close()
				})
				t.Run(fmt.Sprintf("%d bytes of %d/%d fields", 5+n, length, len(fields)/2), func(t *testing.T) {
					for _, m := range []string{"GET", "HEAD"} {
						p.same(t, m+" /w/ HTTP/1.1\r\nHost: h\r\n\r\n", m)
						p.same(t, m+" /w/ HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", m)
					}
				})
			}
		}
	}
	p.reply(func(_ *httpmsg.Request, r *nanobus.Request) {
		resp := &httpmsg.Response{Body: []byte("begin"), Length: -1}
		resp.Add([]byte("x"), []byte("\r\n"))
		if w, err := r.ReplyBody(resp); err == nil {
			_ = w.Close()
		}
	})
	p.same(t, "GET /w/ HTTP/1.1\r\nHost: h\r\n\r\n", "GET")
}
