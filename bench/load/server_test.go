package load

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// serve runs f for each connection, in goroutines that have ended when the
// test has. n counts connections from 0.
func serve(t testing.TB, f func(c *net.TCPConn, n int)) (url string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	conns := map[net.Conn]bool{}
	wg.Go(func() {
		// The first connection is Run's look at whether anybody listens.
		for n := -1; ; n++ {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns[c] = true
			mu.Unlock()
			wg.Go(func() {
				if n >= 0 {
					f(c.(*net.TCPConn), n)
				}
				c.Close()
				mu.Lock()
				delete(conns, c)
				mu.Unlock()
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		mu.Lock()
		for c := range conns {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return "http://" + ln.Addr().String() + "/"
}

// answer reads requests with package net/http, and writes what f returns, until it is
// empty or the connection ends.
func answer(f func(r *http.Request, body []byte) string) func(c *net.TCPConn, n int) {
	return func(c *net.TCPConn, _ int) {
		in := bufio.NewReader(c)
		for {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			text := f(r, body)
			if text == "" {
				return
			}
			if _, err := io.WriteString(c, text); err != nil {
				return
			}
		}
	}
}

const okText = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// pollers runs a test with each implementation.
func pollers(t *testing.T, f func(t *testing.T, portable bool)) {
	t.Run("native", func(t *testing.T) { f(t, false) })
	t.Run("portable", func(t *testing.T) { f(t, true) })
}

// runs runs load, and holds the counts against each other.
func runs(t *testing.T, o Options) *Result {
	t.Helper()
	r, err := Run(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	consistent(t, r)
	return r
}

func consistent(t *testing.T, r *Result) {
	t.Helper()
	failed := r.Errors.Total()
	if r.Planned != r.Sent+r.Unsent || r.Sent != r.OK+failed {
		t.Errorf("planned %d, sent %d, unsent %d, ok %d, failed %d: they don't add up", r.Planned, r.Sent, r.Unsent, r.OK, failed)
	}
	if n := r.Latency.TotalCount(); n != int64(r.OK) {
		t.Errorf("%d latencies for %d ok", n, r.OK)
	}
	if n := r.Service.TotalCount(); n != int64(r.OK) {
		t.Errorf("%d service times for %d ok", n, r.OK)
	}
	if n := r.Failed.TotalCount(); n != int64(failed) {
		t.Errorf("%d latencies for %d failed", n, failed)
	}
	var sent, entries uint64
	for _, s := range r.Series {
		sent += s.Sent
	}
	for _, e := range r.Entries {
		entries += e.Sent
	}
	if entries != r.Sent {
		t.Errorf("%d sent by entry, %d in all", entries, r.Sent)
	}
	if sent < r.Sent { // what was planned in the warm-up may have been sent after it
		t.Errorf("%d sent in the series, %d in all", sent, r.Sent)
	}
}

// onlyError wants all failures to be of one cause.
func onlyError(t *testing.T, r *Result, want Cause) {
	t.Helper()
	if r.Errors.Total() == 0 || r.Errors[want] != r.Errors.Total() || r.Examples[want] == "" {
		t.Errorf("errors %v %v, want %v alone", r.Errors.Map(), r.Examples, want)
	}
}

// drain reads until the other side ends.
func drain(c net.Conn) {
	_, err := io.Copy(io.Discard, c)
	_ = errors.Is(err, net.ErrClosed)
}

// short is a run of some tenths of a second.
func short(url string, portable bool) Options {
	return Options{URL: url, Portable: portable, Connections: 4, Duration: 300 * time.Millisecond, Timeout: 20 * time.Second, Rate: 200}
}
