package terminator

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nanofront/httpmsg"
	"nanofront/metrics"
	"nanofront/nanobus"
	"nanofront/registry"
)

// stress is a client that does one thing after the other, by chance.
type stress struct {
	t      *testing.T
	f      *front
	c      *client
	random *rand.Rand
	name   string
	n      int
	done   *atomic.Int64 // responses that were right
}

// TestLoop_Stress: clients do all that they may, and some that they may not,
// while handlers reply, delay, fail and stream. No response is another's, and
// afterwards nothing is left under way.
func TestLoop_Stress(t *testing.T) {
	route := prefix("/", "work")
	route.Timeout = registry.Duration(patience)
	hasty := prefix("/hasty", "work")
	hasty.Timeout = registry.Duration(5 * time.Millisecond)
	f := startFront(t, Options{
		EventLoops: 2, IdleTimeout: 100 * time.Millisecond, AccessLog: 100, MaxInFlight: 1 << 12, MinInFlight: 1 << 12,
		TrustedProxies: []string{"127.0.0.0/8"},
	}, route, hasty)
	for _, id := range []string{"w1", "w2"} {
		f.work(t, id, stressAnswer)
	}
	var wg sync.WaitGroup
	var done atomic.Int64
	end := time.Now().Add(3 * time.Second)
	for g := range 24 {
		wg.Go(func() {
			s := &stress{t: t, f: f, random: rand.New(rand.NewPCG(1, uint64(g))), name: fmt.Sprint(g), done: &done}
			for time.Now().Before(end) && s.step() {
			}
			s.leave()
		})
	}
	wg.Wait()
	t.Logf("%d responses, %d requests", done.Load(), f.count(metrics.HTTPRequests))
	if done.Load() == 0 {
		t.Error("not one response")
	}
	f.atRest(t)
	eventually(t, "no credit to be out", func() bool {
		for _, l := range f.Links() {
			if l.InFlight != 0 {
				return false
			}
		}
		return true
	})
}

func stressAnswer(req *httpmsg.Request, r *nanobus.Request) {
	body := fmt.Appendf(nil, "%s %s", req.Method, req.Path)
	switch string(req.Query) {
	case "delay":
		time.Sleep(rand.N(10 * time.Millisecond))
	case "fail":
		r.ReplyError(nanobus.CodeInternal, "as asked")
		return
	case "again":
		r.ReplyError(nanobus.CodeDraining, "as asked") // the other won't have it either
		return
	case "large":
		body = append(body, bytes.Repeat([]byte{'x'}, 300_000)...)
	case "stream":
		w, err := r.ReplyBody(&httpmsg.Response{Body: body, Length: -1})
		if err != nil {
			return
		}
		_, _ = w.Write(bytes.Repeat([]byte{'x'}, 50_000)) // the client may have gone
		_ = w.Close()
		return
	case "body":
		n, _ := io.Copy(io.Discard, whole(req, r)) // as above
		body = fmt.Appendf(body, " %d", n)
	}
	respond(r, &httpmsg.Response{Body: body})
}

func (s *stress) leave() {
	if s.c != nil {
		_ = s.c.Close()
		s.c = nil
	}
}

// step does one thing. false: give up.
func (s *stress) step() bool {
	if s.c == nil {
		c, err := net.Dial("tcp", s.f.addr)
		if err != nil {
			s.t.Error(err)
			return false
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		s.c = newClient(s.t, c)
	}
	s.n++
	path := fmt.Sprintf("/%s/%d", s.name, s.n)
	get := func(path, query, fields string) string {
		return "GET " + path + query + " HTTP/1.1\nHost: h\n" + fields + "\n"
	}
	ok := "200 GET " + path
	switch s.random.IntN(18) {
	case 0:
		return s.ask(get(path, "?fail", ""), "500 {\"error\"")
	case 1:
		return s.ask(get(path, "?again", ""), "503 {\"error\"")
	case 2:
		return s.ask(get(path, "?delay", ""), ok)
	case 3:
		return s.ask(get(path, "?large", ""), ok)
	case 4:
		return s.ask(get(path, "?stream", ""), ok)
	case 5:
		return s.ask(get("/hasty"+path, "?delay", ""), "200 GET /hasty"+path, "504 {\"error\"")
	case 6: // several at once
		var requests string
		var wants []string
		for i := range 1 + s.random.IntN(20) {
			p := fmt.Sprint(path, "/", i)
			requests += get(p, []string{"", "?delay", "?stream", "?large"}[s.random.IntN(40)/13], "")
			wants = append(wants, "200 GET "+p)
		}
		return s.askAll(crlf(requests), wants)
	case 7:
		return s.ask("POST "+path+"?body HTTP/1.1\nHost: h\nContent-Length: 5\n\nabcde", "200 POST "+path+" 5")
	case 8:
		return s.ask("POST "+path+"?body HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n5\nabcde\n0\n\n", "200 POST "+path+" 5")
	case 9:
		return s.ask("POST "+path+"?body HTTP/1.1\nHost: h\nContent-Length: 200000\n\n"+strings.Repeat("x", 200_000), "200 POST "+path+" 200000")
	case 10:
		if !s.ask(get(path, "", "Connection: close\n"), ok) {
			return false
		}
		s.leave()
		return true
	case 11: // in two pieces
		request := crlf(get(path, "", ""))
		at := 1 + s.random.IntN(len(request)-1)
		_, _ = io.WriteString(s.c, request[:at]) // an error shows when the rest is sent
		time.Sleep(time.Duration(s.random.IntN(2000)) * time.Microsecond)
		return s.askAll(request[at:], []string{ok})
	case 12:
		_, _ = io.WriteString(s.c, crlf(get(path, "?delay", ""))) // and gone
		s.leave()
		return true
	case 13:
		_, _ = io.WriteString(s.c, crlf(get(path, "?large", "")))
		_ = s.c.Conn.(*net.TCPConn).SetLinger(0)
		s.leave()
		return true
	case 14:
		good := s.ask("GET "+path+" HTTP/1.1\nno field\n\n", "400 {\"error\"")
		s.leave()
		return good
	case 15: // about the idle timeout
		if s.random.IntN(10) == 0 {
			time.Sleep(time.Duration(100+s.random.IntN(100)) * time.Millisecond)
		}
		return true
	case 16: // half-closed
		good := func() bool {
			_, _ = io.WriteString(s.c, crlf(get(path, "", "")))
			_ = s.c.Conn.(*net.TCPConn).CloseWrite()
			return s.askAll("", []string{ok})
		}()
		s.leave()
		return good
	default:
		return s.ask(get(path, "", ""), ok)
	}
}

// ask sends a request and reads its response, which is one of those wanted.
func (s *stress) ask(request string, wants ...string) bool {
	return s.askAll(crlf(request), []string{strings.Join(wants, "\x00")})
}

// askAll sends requests and reads their responses, if the connection doesn't
// end instead, as it may after it was idle.
func (s *stress) askAll(requests string, wants []string) bool {
	c := s.c
	go func() { _, _ = io.WriteString(c, requests) }()
	for _, want := range wants {
		r, err := readRaw(c.r, "GET")
		var network *net.OpError
		if errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "within") || errors.As(err, &network) && !network.Timeout() {
			s.leave()
			return true
		}
		if err != nil {
			s.t.Errorf("%.100q: %v", requests, err)
			return false
		}
		got, right := fmt.Sprint(r.status(), " ", r.body), false
		for w := range strings.SplitSeq(want, "\x00") {
			right = right || got == w || strings.HasPrefix(got, w) && (strings.Trim(got[len(w):], "x") == "" || strings.HasPrefix(got[len(w):], ":"))
		}
		if !right {
			s.t.Errorf("%.100q: got %.200q, want %q", requests, got, want)
			return false
		}
		s.done.Add(1)
	}
	return true
}
