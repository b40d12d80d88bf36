package terminator

import (
	"sync/atomic"
	"testing"

	"nanofront/httpmsg"
	"nanofront/metrics"
	"nanofront/nanobus"
)

// TestKeyed_LinkBreaks: of writes whose link breaks those are sent once more that have a key, where
// whoever gets them knows them again.
func TestKeyed_LinkBreaks(t *testing.T) { bothWays(t, testKeyedLinkBreaks) }

func testKeyedLinkBreaks(t *testing.T) {
	for _, c := range []struct {
		name, key  string
		bad, good  string // memories
		others     bool
		status     int
		toTheOther int
	}{
		{"shared", "Idempotency-Key: \"one\"\n", "db", "db", true, 200, 1},
		{"no key", "", "db", "db", true, 502, 0},
		{"an empty key", "Idempotency-Key:\n", "db", "db", true, 502, 0},
		{"each its own", "Idempotency-Key: one\n", "a", "b", true, 502, 0},
		{"the other has none", "Idempotency-Key: one\n", "db", "", true, 502, 0},
		{"none", "Idempotency-Key: one\n", "", "", true, 502, 0},
		{"nobody else", "Idempotency-Key: one\n", "db", "", false, 502, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := startFront(t, Options{})
			ready := make(chan struct{})
			remembering := func(id, memory string, a answer) *node {
				n := startNodeWith(t, nanobus.Options{Service: "work", Instance: id, Memory: memory}, a)
				f.link(t, "work", id, n.address)
				return n
			}
			var bad, good *node
			bad = remembering("bad", c.bad, breakLink(&bad, ready))
			conn := f.dial(t)
			conn.send("POST /x HTTP/1.1\nHost: h\n" + c.key + "Content-Length: 0\n\n")
			<-bad.got
			if c.others {
				good = remembering("good", c.good, text("fine"))
			}
			close(ready)
			if r := conn.read("POST"); r.StatusCode != c.status {
				t.Errorf("got %d %q, want %d", r.StatusCode, r.body, c.status)
			}
			if c.others && len(good.got) != c.toTheOther {
				t.Errorf("the other got %d requests, want %d", len(good.got), c.toTheOther)
			}
		})
	}
}

// TestKeyed_NotActedUpon: what nobody has begun goes anywhere.
func TestKeyed_NotActedUpon(t *testing.T) { bothWays(t, testKeyedNotActedUpon) }

func testKeyedNotActedUpon(t *testing.T) {
	f := startFront(t, Options{})
	a := refuseOnce()
	for _, id := range []string{"a", "b"} {
		n := startNodeWith(t, nanobus.Options{Service: "work", Instance: id, Memory: id}, a)
		f.link(t, "work", id, n.address)
	}
	if r := f.ask(t, "POST", "/", "Idempotency-Key: k\nContent-Length: 0\n"); r.StatusCode != 200 {
		t.Errorf("got %d %q", r.StatusCode, r.body)
	}
	if n := f.count(metrics.HTTPRetries); n != 1 {
		t.Errorf("%d retries, want 1", n)
	}
}

// TestKeyed_SameInstance: writes of the same key go to the same instance.
func TestKeyed_SameInstance(t *testing.T) { bothWays(t, testKeyedSameInstance) }

func testKeyedSameInstance(t *testing.T) {
	f := startFront(t, Options{})
	var nodes []*node
	for _, id := range []string{"a", "b", "c", "d"} {
		n := startNodeWith(t, nanobus.Options{Service: "work", Instance: id, Memory: id}, text("fine"))
		f.link(t, "work", id, n.address)
		nodes = append(nodes, n)
	}
	c := f.dial(t)
	for range 40 {
		c.ask("POST", "/", "Idempotency-Key: one\nContent-Length: 0\n")
	}
	asked := 0
	for _, n := range nodes {
		if len(n.got) > 0 {
			asked++
		}
	}
	if asked != 1 {
		t.Errorf("%d instances were asked, want 1", asked)
	}
}

// refuseOnce refuses the first request, as an instance does that is about to end.
func refuseOnce() answer {
	var refused atomic.Bool
	return func(req *httpmsg.Request, r *nanobus.Request) {
		if refused.CompareAndSwap(false, true) {
			r.ReplyError(nanobus.CodeDraining, "")
			return
		}
		text("fine")(req, r)
	}
}
