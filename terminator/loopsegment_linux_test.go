package terminator

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"regexp"
	"strings"
	"testing"

	"nanofront/httpmsg"
	"nanofront/nanobus"
)

var statusOnWire = regexp.MustCompile(`HTTP/1\.1 (\d{3}) `)

// statuses sends the pieces, each with a write of its own, then the end, and
// returns the status codes of what comes back until the connection ends.
func (f *front) statuses(t testing.TB, pieces ...[]byte) string {
	t.Helper()
	c := f.dial(t)
	defer func() { _ = c.Close() }()
	for _, p := range pieces {
		if _, err := c.Write(p); err != nil {
			break // refused meanwhile
		}
	}
	_ = c.Conn.(*net.TCPConn).CloseWrite()
	got, err := io.ReadAll(c)
	if network, ok := err.(net.Error); ok && network.Timeout() { //nolint:errorlint // as package net returns it
		t.Errorf("the connection didn't end after %q", got)
	}
	var all []string
	for _, m := range statusOnWire.FindAllSubmatch(got, -1) {
		all = append(all, string(m[1]))
	}
	return strings.Join(all, " ")
}

// cut cuts b at some places.
func cut(b []byte, places ...int) (pieces [][]byte) {
	from := 0
	for _, at := range places {
		if at > from && at < len(b) {
			pieces = append(pieces, b[from:at])
			from = at
		}
	}
	return append(pieces, b[from:])
}

var segmentSeeds = []string{
	"GET /w/a HTTP/1.1\nHost: h\n\nHEAD /w/b HTTP/1.1\nHost: h\nX-A: b\n\nPOST /w/c HTTP/1.1\nHost: h\nContent-Length: 5\n\nabcdeGET /nothing HTTP/1.1\nHost: h\n\n",
	"GET /w/a HTTP/1.1\nHost: h\n\nPOST /w/c HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n3\nabc\n0\n\nGET /w/b HTTP/1.1\nHost: h\n\n",
	"GET /w/a HTTP/1.1\nHost: h\n\nGET /w/b HTTP/1.1\nHost: h\nConnection: close\n\nGET /w/c HTTP/1.1\nHost: h\n\n",
	"GET /w/a HTTP/1.1\nHost: h\n\nGET /w/b HTTP/1.0\n\nGET /w/c HTTP/1.1\nHost: h\n\n",
	"POST /small HTTP/1.1\nHost: h\nContent-Length: 11\n\n01234567890GET /w/c HTTP/1.1\nHost: h\n\n",
	"GET /w/a HTTP/1.1\nHost: h\n\n\nGET /w/b HTTP/1.1\nHost: h\n\n\n\nGET /w/c HTTP/1.1\nHost: h\n\n",
	"GET /w/a HTTP/1.1\nHost: h\n\nGET /w/b HTTP/1.1\nHost: h\nHost: h\n\nGET /w/c HTTP/1.1\nHost: h\n\n",
	"GET /w/a HTTP/1.1\nHost: h\n\nPOST /w/b HTTP/1.1\nHost: h\nContent-Length: 50\n\nhalf",
}

// TestLoop_Segments: how TCP cuts what a client sends makes no difference.
func TestLoop_Segments(t *testing.T) {
	p := startPair(t, Options{})
	p.reply(text("ok"))
	for _, seed := range segmentSeeds {
		b := []byte(crlf(seed))
		want := p.fronts[1].statuses(t, b)
		single := make([]int, len(b))
		for i := range single {
			single[i] = i
		}
		if got := p.fronts[0].statuses(t, cut(b, single...)...); got != want {
			t.Errorf("%q, byte by byte: got %s, want %s", b, got, want)
		}
		for i := range b {
			if got := p.fronts[0].statuses(t, cut(b, i)...); got != want {
				t.Errorf("%q, cut at %d: got %s, want %s", b, i, got, want)
			}
		}
	}
}

// FuzzLoop_Segments: whatever is sent, in whatever pieces, event loops and
// goroutines give the same status codes and then the end.
func FuzzLoop_Segments(f *testing.F) {
	p := startPair(f, Options{})
	p.reply(text("ok"))
	for i, seed := range segmentSeeds {
		f.Add([]byte(crlf(seed)), uint64(i))
	}
	f.Add([]byte("GET /w/a HTTP/1.1\r\nHost: h\r\n\r\n\x00"), uint64(1))
	f.Add(bytes.Repeat([]byte("GET /w/a HTTP/1.1\r\nHost: h\r\n\r\n"), 100), uint64(2))
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) {
		if len(b) > 16<<10 {
			return
		}
		random := rand.New(rand.NewPCG(seed, 1))
		var places []int
		for at := 0; at < len(b) && len(places) < 20; {
			at += 1 + random.IntN(len(b))
			places = append(places, at)
		}
		var got [2]string
		// More than once: a client that has sent its end may be taken for gone
		// when its request takes long, as on a busy machine.
		for range 3 {
			for i, front := range p.fronts {
				got[i] = front.statuses(t, cut(b, places...)...)
			}
			if got[0] == got[1] {
				return
			}
		}
		t.Errorf("%q cut at %v: %s by loops, %s by goroutines", b, places, got[0], got[1])
	})
}

// TestLoop_Pipelined: hundreds of requests in a row, of which some are not for
// loops or are refused, get one response each and in their order.
func TestLoop_Pipelined(t *testing.T) {
	p := startPair(t, Options{})
	p.reply(func(req *httpmsg.Request, r *nanobus.Request) {
		body := fmt.Appendf(nil, "%s %d", req.Path, len(req.Body))
		if len(req.Query) > 0 {
			body = append(body, make([]byte, 100_000)...)
		}
		respond(r, &httpmsg.Response{Body: body})
	})
	kinds := map[string]func(i int) (request, method, want string){
		"plain": func(i int) (string, string, string) {
			return fmt.Sprintf("GET /w/%d HTTP/1.1\nHost: h\n\n", i), "GET", fmt.Sprintf("200 /w/%d 0", i)
		},
		"head": func(i int) (string, string, string) {
			return fmt.Sprintf("HEAD /w/%d HTTP/1.1\nHost: h\n\n", i), "HEAD", "200 "
		},
		"body": func(i int) (string, string, string) {
			return fmt.Sprintf("PUT /w/%d HTTP/1.1\nHost: h\nContent-Length: 3\n\nabc", i), "PUT", fmt.Sprintf("200 /w/%d 3", i)
		},
		"large": func(i int) (string, string, string) {
			return fmt.Sprintf("GET /w/%d?large HTTP/1.1\nHost: h\n\n", i), "GET", fmt.Sprintf("200 /w/%d 0", i)
		},
		"nothing": func(i int) (string, string, string) {
			return fmt.Sprintf("GET /nothing/%d HTTP/1.1\nHost: h\n\n", i), "GET", "404 {\"error\":"
		},
		"chunked": func(i int) (string, string, string) {
			return fmt.Sprintf("POST /w/%d HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n4\nabcd\n0\n\n", i), "POST", fmt.Sprintf("200 /w/%d 4", i)
		},
		"upload": func(i int) (string, string, string) {
			return fmt.Sprintf("POST /w/%d HTTP/1.1\nHost: h\nContent-Length: 100000\n\n%s", i, strings.Repeat("x", 100_000)), "POST", fmt.Sprintf("200 /w/%d 100000", i)
		},
		"close": func(i int) (string, string, string) {
			return fmt.Sprintf("GET /w/%d HTTP/1.1\nHost: h\nConnection: close\n\n", i), "GET", fmt.Sprintf("200 /w/%d 0", i)
		},
	}
	const n = 400
	for name, mix := range map[string]func(i int) string{
		"plain":          func(int) string { return "plain" },
		"refused":        func(int) string { return "nothing" },
		"mixed":          func(i int) string { return []string{"plain", "body", "nothing", "head", "plain"}[i%5] },
		"large":          func(i int) string { return []string{"plain", "large", "nothing"}[i%3] },
		"chunked at 100": func(i int) string { return map[bool]string{true: "chunked", false: "plain"}[i == 100] },
		"upload at 200":  func(i int) string { return map[bool]string{true: "upload", false: "body"}[i == 200] },
		"close at 150":   func(i int) string { return map[bool]string{true: "close", false: "plain"}[i == 150] },
		"close at 64":    func(i int) string { return map[bool]string{true: "close", false: "nothing"}[i == 64] },
		"close at last":  func(i int) string { return map[bool]string{true: "close", false: "head"}[i == n-1] },
	} {
		for way, f := range p.fronts {
			t.Run(name+"/"+wayNames[way], func(t *testing.T) {
				c := f.dial(t)
				var all strings.Builder
				for i := range n {
					request, _, _ := kinds[mix(i)](i)
					all.WriteString(crlf(request))
				}
				go func() { _, _ = io.WriteString(c, all.String()) }() // may be closed in the middle
				for i := range n {
					_, method, want := kinds[mix(i)](i)
					r, err := readRaw(c.r, method)
					if err != nil {
						t.Fatalf("%d: %v", i, err)
					}
					if got := fmt.Sprint(r.status(), " ", r.body); !strings.HasPrefix(got, want) {
						t.Fatalf("%d: got %.100q, want %q", i, got, want)
					}
					if mix(i) == "close" {
						if r, err := readRaw(c.r, "GET"); err == nil {
							t.Errorf("after Connection: close came %v", r)
						}
						return
					}
				}
			})
		}
	}
}
