package terminator

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"nanofront/httpmsg"
	"nanofront/metrics"
	"nanofront/nanobus"
)

// breakLink is an answer that ends the whole instance, as kill -9 does.
func breakLink(n **node, ready <-chan struct{}) answer {
	var once sync.Once
	return func(*httpmsg.Request, *nanobus.Request) {
		<-ready
		// On another goroutine: Close waits for the link's reader, not for us.
		once.Do(func() { _ = (*n).Close() })
	}
}

// TestRetry_LinkBreaks: the link breaks with the request in flight.
func TestRetry_LinkBreaks(t *testing.T) { bothWays(t, testRetryLinkBreaks) }

func testRetryLinkBreaks(t *testing.T) {
	for _, c := range []struct {
		method  string
		others  bool
		status  int
		retried uint64
	}{
		{"GET", true, 200, 1},
		{"HEAD", true, 200, 1},
		{"OPTIONS", true, 200, 1},
		{"POST", true, 502, 0},
		{"PUT", true, 502, 0},
		{"DELETE", true, 502, 0},
		{"PATCH", true, 502, 0},
		{"GET", false, 503, 1},
		{"POST", false, 502, 0},
	} {
		t.Run(fmt.Sprintf("%s/others=%v", c.method, c.others), func(t *testing.T) {
			f := startFront(t, Options{})
			ready := make(chan struct{})
			var bad, good *node
			bad = f.work(t, "bad", breakLink(&bad, ready))
			conn := f.dial(t)
			conn.send(c.method + " /x HTTP/1.1\nHost: h\nContent-Length: 0\n\n")
			<-bad.got // it is there, and not answered
			if c.others {
				good = f.work(t, "good", text("fine"))
			}
			close(ready)
			r := conn.read(c.method)
			if r.StatusCode != c.status {
				t.Errorf("got %d %q, want %d", r.StatusCode, r.body, c.status)
			}
			if n := f.count(metrics.HTTPRetries); n != c.retried {
				t.Errorf("%d retries counted, want %d", n, c.retried)
			}
			if c.others && uint64(len(good.got)) != c.retried {
				t.Errorf("the other instance got %d requests, want %d", len(good.got), c.retried)
			}
		})
	}
}

// Once more, and not again and again.
func TestRetry_OnlyOnce(t *testing.T) { bothWays(t, testRetryOnlyOnce) }

func testRetryOnlyOnce(t *testing.T) {
	f := startFront(t, Options{})
	ready := make(chan struct{})
	nodes := make([]*node, 4)
	for i := range nodes {
		nodes[i] = f.work(t, fmt.Sprint("n", i), breakLink(&nodes[i], ready))
	}
	close(ready)
	refused(t, f.ask(t, "GET", "/", ""), 502)
	got := 0
	for _, n := range nodes {
		got += len(n.got)
	}
	if got != 2 || f.count(metrics.HTTPRetries) != 1 {
		t.Errorf("sent %d times, %d retries counted: want 2 and 1", got, f.count(metrics.HTTPRetries))
	}
}

// What was surely not acted upon goes elsewhere, whatever its method.
func TestRetry_NotActedUpon(t *testing.T) { bothWays(t, testRetryNotActedUpon) }

func testRetryNotActedUpon(t *testing.T) {
	for _, code := range []nanobus.Code{nanobus.CodeDraining, nanobus.CodeOverWindow, nanobus.CodeNoHandler} {
		for _, method := range []string{"GET", "POST"} {
			t.Run(fmt.Sprint(code, "/", method), func(t *testing.T) {
				f := startFront(t, Options{})
				refuser := f.work(t, "refuser", func(_ *httpmsg.Request, r *nanobus.Request) { r.ReplyError(code, "") })
				taker := f.work(t, "taker", text("done"))
				c := f.dial(t)
				for i := 0; len(refuser.got) == 0; i++ {
					if i > 10_000 {
						t.Fatal("the refusing instance was never chosen")
					}
					if r := c.ask(method, "/", "Content-Length: 0\n"); r.StatusCode != 200 || r.body != "done" {
						t.Fatalf("got %d %q", r.StatusCode, r.body)
					}
				}
				if len(taker.got) == 0 || f.count(metrics.HTTPRetries) == 0 {
					t.Errorf("%d at the other, %d retries", len(taker.got), f.count(metrics.HTTPRetries))
				}
			})
		}
	}
}

// An instance that says draining gets no more, and nothing is lost.
func TestRetry_Draining(t *testing.T) { bothWays(t, testRetryDraining) }

func testRetryDraining(t *testing.T) {
	f := startFront(t, Options{})
	leaving := f.work(t, "leaving", text("a"))
	f.work(t, "staying", text("b"))
	c := f.dial(t)
	drained := make(chan error, 1)
	go func() { drained <- leaving.Drain(t.Context()) }()
	for f.bus.Service("work").Live() == 2 || len(drained) == 0 {
		if r := c.ask("POST", "/", "Content-Length: 0\n"); r.StatusCode != 200 {
			t.Fatalf("got %d %q", r.StatusCode, r.body)
		}
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
	for range 20 {
		if r := c.ask("POST", "/", "Content-Length: 0\n"); r.body != "b" {
			t.Fatalf("got %d %q, want the answer of the one that stays", r.StatusCode, r.body)
		}
	}
}

// More requests lose their link at once than may be sent again.
func TestRetry_BudgetExhausted(t *testing.T) { bothWays(t, testRetryBudgetExhausted) }

func testRetryBudgetExhausted(t *testing.T) {
	const n = 4 * 100
	f := startFront(t, Options{})
	ready := make(chan struct{})
	var bad *node
	bad = f.node(t, "work", "bad", n, breakLink(&bad, ready))
	statuses := make(chan reply, n)
	for range n {
		c := f.dial(t)
		go func() { statuses <- c.ask("GET", "/", "") }()
	}
	for range n {
		<-bad.got
	}
	f.node(t, "work", "good", n, text("fine"))
	close(ready)
	count := map[int]int{}
	for range n {
		r := <-statuses
		count[r.StatusCode]++
		if r.StatusCode == 502 && !strings.Contains(r.body, "unknown") {
			t.Errorf("502 with %q", r.body)
		}
	}
	retried, exhausted := f.count(metrics.HTTPRetries), f.count(metrics.HTTPRetryBudgetExhausted)
	// The retries may fall into two seconds, each with its budget.
	if retried < 100 || retried > 2*100 || retried+exhausted != n {
		t.Errorf("%d retried, %d not: want %d or twice that of %d", retried, exhausted, 100, n)
	}
	if count[200] != int(retried) || count[502] != int(exhausted) {
		t.Errorf("answers %v, with %d retried and %d not", count, retried, exhausted)
	}
}

// The second try is within the same deadline as the first.
func TestRetry_WithinTheDeadline(t *testing.T) { bothWays(t, testRetryWithinTheDeadline) }

func testRetryWithinTheDeadline(t *testing.T) {
	route := prefix("/", "work")
	route.Timeout = 400_000_000 // 400 ms
	f := startFront(t, Options{}, route)
	ready := make(chan struct{})
	var bad *node
	bad = f.work(t, "bad", breakLink(&bad, ready))
	c := f.dial(t)
	start := time.Now()
	c.send("GET / HTTP/1.1\nHost: h\n\n")
	<-bad.got
	gate := make(chan struct{})
	left := make(chan time.Duration, 1)
	f.work(t, "slow", func(_ *httpmsg.Request, r *nanobus.Request) {
		left <- r.Remaining()
		<-gate
		r.ReplyError(nanobus.CodeCancelled, "")
	})
	t.Cleanup(func() { close(gate) })
	close(ready)
	r := c.read("GET")
	if r.StatusCode == 504 && len(left) == 1 {
		if l, took := <-left, time.Since(start); l >= 400*time.Millisecond || took < 400*time.Millisecond {
			t.Errorf("%v left for the second try, %v in all", l, took)
		}
	} else if r.StatusCode != 504 { // on a very slow machine the first try takes it all
		t.Errorf("got %d %q, want 504", r.StatusCode, r.body)
	}
}
