package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nanofront/internal/freeport"
	"nanofront/internal/testutil"
)

func TestMain(m *testing.M) {
	serveIfAsked()
	goleak.VerifyTestMain(m)
}

func TestRun_OpenAndClosed(t *testing.T) {
	url := serve(t, answer(func(*http.Request, []byte) string { return okText }))
	pollers(t, func(t *testing.T, portable bool) {
		for name, o := range map[string]Options{
			"open":           {Rate: 1000},
			"poisson":        {Rate: 1000, Arrivals: Poisson},
			"closed":         {},
			"pipelined":      {Pipeline: 8},
			"open pipelined": {Rate: 1000, Pipeline: 4, Connections: 1},
			"warm":           {Rate: 1000, Warmup: 200 * time.Millisecond},
			"workers":        {Rate: 1000, Workers: 3},
			"churn":          {Rate: 300, Churn: true},
			"churn closed":   {Churn: true, Connections: 2},
		} {
			t.Run(name, func(t *testing.T) {
				o.URL, o.Portable, o.Duration, o.Timeout, o.Seed = url, portable, 400*time.Millisecond, 10*time.Second, 3
				if o.Connections == 0 {
					o.Connections = 8
				}
				r := runs(t, o)
				if r.OK == 0 || r.Errors.Total() > 0 || r.Stray > 0 || r.Statuses[200] < r.OK {
					t.Errorf("%d ok, errors %v %v, %d stray", r.OK, r.Errors.Map(), r.Examples, r.Stray)
				}
				if o.Rate > 0 && o.Arrivals == "" && r.Planned != uint64(o.Rate*0.4) {
					t.Errorf("planned %d", r.Planned)
				}
				if o.Churn != (r.Opened > 0) {
					t.Errorf("%d connections opened", r.Opened)
				}
				if r.CPU <= 0 || r.BytesIn == 0 || r.BytesOut == 0 {
					t.Errorf("CPU %+v, %d bytes in, %d out", r.CPU, r.BytesIn, r.BytesOut)
				}
			})
		}
	})
}

func TestRun_MixAndChecks(t *testing.T) {
	var wrong atomic.Int64
	url := serve(t, answer(func(r *http.Request, body []byte) string {
		if r.Method == http.MethodPut && (string(body) != "v=7" || r.Header.Get("X-A") != "b") {
			wrong.Add(1)
		}
		switch r.URL.Path {
		case "/503":
			return "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
		case "/chunked":
			return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nneed\r\n3\r\nle.\r\n0\r\n\r\n"
		case "/head":
			return "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
		}
		return okText
	}))
	seven := int64(7)
	pollers(t, func(t *testing.T, portable bool) {
		o := short(url, portable)
		o.Mix = &Mix{Requests: []Request{
			{Name: "put", Method: "PUT", Path: "/put", Body: "v={rand:7-7}", Headers: map[string]string{"X-A": "b"}},
			{Name: "503", Path: "/503"},
			{Name: "503 wanted", Path: "/503", Expect: Expect{Status: []string{"503"}}},
			{Name: "chunked", Path: "/chunked", Expect: Expect{Contains: "needle", Length: &seven}},
			{Name: "contains", Path: "/", Expect: Expect{Contains: "needle"}},
			{Name: "length", Path: "/", Expect: Expect{Length: &seven}},
			{Name: "head", Method: "HEAD", Path: "/head"},
		}}
		// So many that each entry gets some, also of the few that a busy machine sends.
		o.Rate, o.Duration = 1000, 2*time.Second
		r := runs(t, o)
		for i, want := range []Cause{-1, CauseStatus, -1, -1, CauseBody, CauseBody, -1} {
			e := &r.Entries[i]
			if e.Sent == 0 {
				t.Errorf("%s: none sent", e.Name)
			}
			if failed := e.Errors.Total(); want < 0 && failed > 0 || want >= 0 && e.Errors[want] != e.Sent {
				t.Errorf("%s: %d sent, errors %v, want %v", e.Name, e.Sent, e.Errors.Map(), want)
			}
		}
		if got := r.Examples[CauseStatus]; got != "503: status 503" {
			t.Errorf("example %q", got)
		}
		if n := wrong.Load(); n > 0 {
			t.Errorf("%d requests arrived with something wrong", n)
		}
	})
}

func TestRun_ConnectionsThatFail(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(c *net.TCPConn)
		want Cause
		text string
	}{
		{"reset", func(c *net.TCPConn) { c.Read(make([]byte, 1)); c.SetLinger(0) }, CauseReset, "reset"},
		{"end", func(c *net.TCPConn) { c.Read(make([]byte, 4096)) }, CauseReset, "closed the connection instead of answering"},
		{"cut", func(c *net.TCPConn) {
			c.Read(make([]byte, 4096))
			io.WriteString(c, okText[:len(okText)-1])
		}, CauseReset, "in the middle of a response"},
		{"garbage", func(c *net.TCPConn) { io.WriteString(c, "SSH-2.0\r\n"); drain(c) }, CauseProtocol, `not an HTTP/1.1 status line: "SSH-2.0\r\n"`},
		{"silence", func(c *net.TCPConn) { drain(c) }, CauseTimeout, "no complete response in time"},
		{"slowness", func(c *net.TCPConn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhello")
			drain(c)
		}, CauseTimeout, "no complete response in time"},
	} {
		t.Run(c.name, func(t *testing.T) {
			url := serve(t, func(conn *net.TCPConn, _ int) {
				// Not before there is a request: that would be a stray response.
				peek := make([]byte, 1)
				if c.name == "garbage" || c.name == "slowness" {
					if _, err := conn.Read(peek); err != nil {
						return
					}
				}
				c.do(conn)
			})
			pollers(t, func(t *testing.T, portable bool) {
				for _, rate := range []float64{50, 0} {
					o := short(url, portable)
					o.Rate = rate
					if c.want == CauseTimeout {
						o.Timeout = 100 * time.Millisecond
					}
					r := runs(t, o)
					onlyError(t, r, c.want)
					if !strings.Contains(r.Examples[c.want], c.text) {
						t.Errorf("example %q, want %q", r.Examples[c.want], c.text)
					}
				}
			})
		})
	}
}

func TestRun_ServerGoesAway(t *testing.T) {
	pollers(t, func(t *testing.T, portable bool) {
		// Not of the ports that the system gives out: a connection to one of
		// those can be its own other end.
		addr, err := freeport.Addr()
		if err != nil {
			t.Fatal(err)
		}
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan struct{})
		go func() { // ends with the first connection, which is Run's look
			defer close(served)
			c, err := ln.Accept()
			ln.Close()
			if err == nil {
				c.Close()
			}
		}()
		o := short("http://"+addr, portable)
		o.Churn = true             // or they would be connected before there is a request
		o.Warmup = 2 * time.Second // in which it goes
		r := runs(t, o)
		<-served
		onlyError(t, r, CauseConnect)
		if r.OK != 0 || !strings.Contains(r.Examples[CauseConnect], addr) {
			t.Errorf("%d ok, example %q", r.OK, r.Examples[CauseConnect])
		}
		if _, err := Run(t.Context(), o, nil); !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "nobody listens on "+addr) {
			t.Errorf("a run without a server gives %v", err)
		}
	})
}

func TestRun_ClosedIdleConnectionsAreReopened(t *testing.T) {
	pollers(t, func(t *testing.T, portable bool) {
		// Closed right behind each response, without saying so.
		url := serve(t, func(c *net.TCPConn, _ int) {
			buf := make([]byte, 4096)
			if _, err := c.Read(buf); err == nil {
				io.WriteString(c, okText)
			}
		})
		o := short(url, portable)
		o.Rate, o.Duration = 20, time.Second // slow enough for the end to arrive
		r := runs(t, o)
		// One that ends just when it is used again fails that request, and is opened too.
		if r.OK < r.Sent/2 || r.Reopened == 0 || r.Opened < r.Reopened || r.Opened > r.Reopened+r.Errors.Total() {
			t.Errorf("%d of %d ok, %d opened, %d reopened, errors %v", r.OK, r.Sent, r.Opened, r.Reopened, r.Examples)
		}
	})
}

func TestRun_StrayBytes(t *testing.T) {
	pollers(t, func(t *testing.T, portable bool) {
		url := serve(t, answer(func(*http.Request, []byte) string { return okText + "HTTP/1.1 400 Why\r\n\r\n" }))
		r := runs(t, short(url, portable))
		if r.Stray == 0 || r.OK == 0 {
			t.Errorf("%d stray, %d ok", r.Stray, r.OK)
		}
	})
}

func TestRun_ExpectContinue(t *testing.T) {
	var bodies, early atomic.Int64
	url := serve(t, func(c *net.TCPConn, n int) {
		buf := make([]byte, 4096)
		for {
			k, err := c.Read(buf)
			if err != nil {
				return
			}
			if strings.Contains(string(buf[:k]), "BODY") {
				early.Add(1)
				return
			}
			if n == 0 { // refused without a look at the body
				io.WriteString(c, "HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n")
				drain(c)
				return
			}
			io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
			for got := ""; !strings.Contains(got, "BODY"); {
				k, err := c.Read(buf)
				if err != nil {
					return
				}
				got += string(buf[:k])
			}
			bodies.Add(1)
			io.WriteString(c, okText)
		}
	})
	pollers(t, func(t *testing.T, portable bool) {
		bodies.Store(0)
		o := short(url, portable)
		o.Mix = &Mix{Requests: []Request{{Method: "POST", Body: "BODY", Headers: map[string]string{"Expect": "100-continue"}}}}
		r := runs(t, o)
		if early.Load() > 0 || r.OK == 0 || uint64(bodies.Load()) != r.OK {
			t.Errorf("%d ok, %d bodies, %d of them early", r.OK, bodies.Load(), early.Load())
		}
		if r.Errors.Total() != r.Errors[CauseStatus] {
			t.Errorf("errors %v", r.Examples)
		}
	})
}

// A response that comes before the request is sent is a response, also if the
// server reads no further.
func TestRun_ResponseBeforeTheWholeRequest(t *testing.T) {
	url := serve(t, func(c *net.TCPConn, _ int) {
		if _, err := c.Read(make([]byte, 100)); err != nil {
			return
		}
		io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
		// Were it to read on, the whole request might be sent before the
		// response is looked at.
		<-t.Context().Done()
	})
	pollers(t, func(t *testing.T, portable bool) {
		o := short(url, portable)
		o.Rate, o.Connections = 20, 2
		o.Mix = &Mix{Requests: []Request{{Method: "POST", BodySize: 32 << 20, Expect: Expect{Status: []string{"413"}}}}}
		r := runs(t, o)
		if r.OK == 0 || r.Errors.Total() > 0 {
			t.Errorf("%d ok, errors %v %v", r.OK, r.Errors.Map(), r.Examples)
		}
	})
}

func TestRun_LargeBodiesBothWays(t *testing.T) {
	const size = 1 << 20
	big := "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n" + strings.Repeat("y", size-3) + "end"
	var wrong atomic.Int64
	url := serve(t, answer(func(_ *http.Request, body []byte) string {
		if string(body) != filler(size) {
			wrong.Add(1)
		}
		return big
	}))
	length := int64(size)
	pollers(t, func(t *testing.T, portable bool) {
		o := short(url, portable)
		o.Rate = 0
		o.Mix = &Mix{Requests: []Request{{Method: "PUT", BodySize: size, Expect: Expect{Contains: "yend", Length: &length}}}}
		r := runs(t, o)
		if r.OK == 0 || r.Errors.Total() > 0 || wrong.Load() > 0 {
			t.Errorf("%d ok, errors %v, %d wrong bodies", r.OK, r.Examples, wrong.Load())
		}
	})
}

func TestRun_BytewiseResponses(t *testing.T) {
	url := serve(t, func(c *net.TCPConn, _ int) {
		c.SetNoDelay(true)
		buf := make([]byte, 4096)
		for {
			if _, err := c.Read(buf); err != nil {
				return
			}
			for i := range okText {
				if _, err := io.WriteString(c, okText[i:i+1]); err != nil {
					return
				}
			}
		}
	})
	pollers(t, func(t *testing.T, portable bool) {
		if r := runs(t, short(url, portable)); r.OK == 0 || r.Errors.Total() > 0 {
			t.Errorf("%d ok, errors %v", r.OK, r.Examples)
		}
	})
}

func TestRun_Interrupted(t *testing.T) {
	url := serve(t, answer(func(*http.Request, []byte) string { return okText }))
	pollers(t, func(t *testing.T, portable bool) {
		for _, rate := range []float64{500, 0} {
			ctx, cancel := context.WithCancel(t.Context())
			o := short(url, portable)
			o.Rate, o.Duration = rate, time.Hour
			r, err := Run(ctx, o, func(s Snapshot) {
				if s.Second.OK > 0 {
					cancel()
				}
			})
			cancel()
			if err != nil {
				t.Fatal(err)
			}
			consistent(t, r)
			if !r.Interrupted || r.OK == 0 || r.Duration >= time.Minute || len(r.Series) == 0 {
				t.Errorf("interrupted %v, %d ok in %v, %d seconds", r.Interrupted, r.OK, r.Duration, len(r.Series))
			}
		}
	})
}

func TestRun_Series(t *testing.T) {
	url := serve(t, answer(func(*http.Request, []byte) string { return okText }))
	snapshots := 0
	r, err := Run(t.Context(), Options{
		URL: url, Stages: []Stage{{100, 100, time.Second}, {300, 300, 1500 * time.Millisecond}},
		Warmup: time.Second, Timeout: 10 * time.Second, Workers: 2, Connections: 8,
	}, func(s Snapshot) { snapshots++ })
	if err != nil {
		t.Fatal(err)
	}
	consistent(t, r)
	if r.Planned != 550 || r.Errors.Total() > 0 {
		t.Errorf("planned %d, errors %v", r.Planned, r.Errors.Map())
	}
	want := []string{"0s 1s 100", "1s 1s 300", "2s 500ms 150"}
	if len(r.Series) < 3 || snapshots < 3 {
		t.Fatalf("%d seconds, %d snapshots", len(r.Series), snapshots)
	}
	for i, w := range want {
		s := r.Series[i]
		if got := fmt.Sprint(s.Start, s.Length, s.Offered); got != w {
			t.Errorf("second %d is %s, want %s", i, got, w)
		}
	}
}

// Two connections answer 20 requests a second, and 100 come: what finds none free within the
// patience, or until the stage ends, is given up, so that nothing of it is left for the next one.
func TestRun_PatienceEndsABacklog(t *testing.T) {
	for _, patience := range []time.Duration{50 * time.Millisecond, 10 * time.Second} {
		t.Run(patience.String(), func(t *testing.T) { patienceEnds(t, patience) })
	}
}

func patienceEnds(t *testing.T, patience time.Duration) {
	url := serve(t, answer(func(*http.Request, []byte) string {
		time.Sleep(100 * time.Millisecond) // the time that its work takes
		return "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
	}))
	r := runs(t, Options{
		URL: url, Stages: []Stage{{100, 100, time.Second}, {5, 5, time.Second}}, Timeout: 10 * time.Second,
		Patience: patience, Connections: 2, Workers: 1,
	})
	over, calm := &r.Steps[0], &r.Steps[1]
	if over.Unsent < 50 || calm.Unsent > 2 || over.Sent+over.Unsent != 100 || calm.Sent+calm.Unsent != 5 {
		t.Errorf("unsent %d of %d, then %d of %d", over.Unsent, over.Sent+over.Unsent, calm.Unsent, calm.Sent+calm.Unsent)
	}
	if most := time.Duration(r.Delay.Max()) * time.Microsecond; most > time.Second+100*time.Millisecond {
		t.Errorf("a request left %v after its planned time", most)
	}
	refused := uint64(over.Refused.TotalCount())
	if refused != over.Errors[CauseStatus] || uint64(r.Refused.TotalCount()) != r.Errors[CauseStatus] || over.Refused.Min() < 100_000 {
		t.Errorf("%d refusals timed, the quickest %d µs; errors %v", refused, over.Refused.Min(), over.Errors.Map())
	}
}

// The hot path allocates nothing: what a run allocates doesn't depend on how
// many requests it sends.
func TestRun_AllocatesNothingForARequest(t *testing.T) {
	url := serve(t, func(c *net.TCPConn, _ int) {
		buf := make([]byte, 4096)
		text := []byte(okText)
		for {
			if _, err := c.Read(buf); err != nil {
				return
			}
			if _, err := c.Write(text); err != nil {
				return
			}
		}
	})
	var r *Result
	allocs := testing.AllocsPerRun(1, func() {
		var err error
		o := short(url, false)
		o.Rate = 0
		o.Mix = &Mix{Requests: []Request{{Path: "/{rand:1-1000}"}, {Path: "/x", Expect: Expect{Contains: "ok"}}}}
		if r, err = Run(t.Context(), o, nil); err != nil {
			t.Fatal(err)
		}
	})
	if perRequest := allocs / float64(r.OK); r.OK < 3000 {
		testutil.Skip(t, "only %d requests: the machine is too busy to tell", r.OK)
	} else if perRequest > 0.2 {
		t.Errorf("%v allocations for %d requests", allocs, r.OK)
	}
}
