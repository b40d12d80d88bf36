package terminator

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"nanofront/httpmsg"
	"nanofront/internal/testutil"
	"nanofront/metrics"
	"nanofront/nanobus"
	"nanofront/registry"
)

// What the registry lets a route be hashed by is what the terminator passes
// on, field by field: of any other there would never be a key.
// hashed is a route to "work" with a hash.
func hashed(hash string) registry.Route {
	r := prefix("/", "work")
	r.Hash = hash
	return r
}

// Two terminators that found the instances in different orders send a key to
// the same one, again and again, and keys are spread.
func TestHash_AllTerminatorsAgree(t *testing.T) { bothWays(t, testHashAllTerminatorsAgree) }

func testHashAllTerminatorsAgree(t *testing.T) {
	fronts := []*front{startFront(t, Options{}, hashed("header:X-User")), startFront(t, Options{}, hashed("header:X-User"))}
	type place struct{ id, address string }
	var places []place
	for i := range 4 {
		id := fmt.Sprintf("n%d", i)
		n := startNode(t, "work", id, 0, text(id))
		places = append(places, place{id, n.address})
	}
	for i := range places {
		fronts[0].link(t, "work", places[i].id, places[i].address)
		last := places[len(places)-1-i]
		fronts[1].link(t, "work", last.id, last.address)
	}
	conns := []*client{fronts[0].dial(t), fronts[1].dial(t)}
	used := map[string]int{}
	for user := range 40 {
		var first string
		for i := range 4 {
			r := conns[i%2].ask("GET", fmt.Sprintf("/%d?x=%d", i, i), fmt.Sprintf("X-User: u%d\n", user))
			if r.StatusCode != 200 {
				t.Fatalf("got %d", r.StatusCode)
			}
			if i == 0 {
				first = r.body
				used[first]++
			} else if r.body != first {
				t.Errorf("user %d went to %s and to %s", user, first, r.body)
			}
		}
	}
	if len(used) != 4 {
		t.Errorf("40 users share %v: want all four instances", used)
	}
	for i, f := range fronts {
		if n := f.count(metrics.BusKeyed); n != 80 {
			t.Errorf("terminator %d counted %d calls by key, want 80", i, n)
		}
		if n := f.count(metrics.BusKeyMoved); n != 0 {
			t.Errorf("terminator %d counted %d calls away from their instance", i, n)
		}
	}
}

// A request without the value is shared like any other; and the routes can
// change from and to a hash while instances are linked.
func TestHash_MissingValueAndChangedRoutes(t *testing.T) {
	bothWays(t, testHashMissingValueAndChangedRoutes)
}

func testHashMissingValueAndChangedRoutes(t *testing.T) {
	f := startFront(t, Options{})
	for i := range 2 {
		id := fmt.Sprintf("n%d", i)
		f.work(t, id, text(id))
	}
	c := f.dial(t)
	spread := func(lines string) int {
		t.Helper()
		seen := map[string]bool{}
		for range 60 {
			r := c.ask("GET", "/", lines)
			if r.StatusCode != 200 {
				t.Fatalf("got %d", r.StatusCode)
			}
			seen[r.body] = true
		}
		return len(seen)
	}
	keyed := func() uint64 { return f.count(metrics.BusKeyed) }
	_ = spread("Cookie: sid=7\n")
	if keyed() != 0 {
		t.Errorf("%d calls by key without a hash", keyed())
	}
	f.d.routes(hashed("cookie:sid"))
	eventually(t, "the routes are in force", func() bool {
		c.ask("GET", "/", "Cookie: sid=7\n")
		return keyed() > 0
	})
	before := keyed()
	if n := spread("Cookie: sid=7\n"); n != 1 {
		t.Errorf("one cookie went to %d instances", n)
	}
	if n := keyed() - before; n != 60 {
		t.Errorf("%d of 60 were sent by key", n)
	}
	before = keyed()
	_ = spread("Cookie: other=7\n")
	if n := keyed() - before; n != 0 {
		t.Errorf("%d without the cookie were sent by key", n)
	}
}

// The client is who the trusted proxies say, not the proxy.
func TestHash_ClientBehindProxy(t *testing.T) { bothWays(t, testHashClientBehindProxy) }

func testHashClientBehindProxy(t *testing.T) {
	f := startFront(t, Options{TrustedProxies: []string{"127.0.0.0/8"}}, hashed("client"))
	for i := range 4 {
		id := fmt.Sprintf("n%d", i)
		f.work(t, id, text(id))
	}
	c := f.dial(t)
	used := map[string]bool{}
	for i := range 40 {
		lines := fmt.Sprintf("X-Forwarded-For: 192.0.2.%d\n", i)
		one, two := c.ask("GET", "/", lines), c.ask("GET", "/", lines)
		if one.body != two.body || one.StatusCode != 200 {
			t.Errorf("client %d: %d from %s, then %s", i, one.StatusCode, one.body, two.body)
		}
		used[one.body] = true
	}
	if len(used) != 4 {
		t.Errorf("40 clients share %v", used)
	}
}

// The instance that a key belongs to dies with the request in flight: another
// one gets it.
func TestHash_RetryGoesElsewhere(t *testing.T) { bothWays(t, testHashRetryGoesElsewhere) }

func testHashRetryGoesElsewhere(t *testing.T) {
	f := startFront(t, Options{}, hashed("path"))
	var dies atomic.Bool
	var once sync.Once
	var bad *node
	bad = f.work(t, "bad", func(req *httpmsg.Request, r *nanobus.Request) {
		if dies.Load() {
			once.Do(func() { _ = bad.Close() })
			return
		}
		text("bad")(req, r)
	})
	f.work(t, "good", text("fine"))
	c := f.dial(t)
	path := "/0"
	for i := 1; c.ask("GET", path, "").body != "bad"; i++ {
		path = fmt.Sprintf("/%d", i)
	}
	dies.Store(true)
	if r := c.ask("GET", path, ""); r.StatusCode != 200 || r.body != "fine" {
		t.Errorf("got %d %q", r.StatusCode, r.body)
	}
	if n := f.count(metrics.HTTPRetries); n != 1 {
		t.Errorf("%d retries, want 1", n)
	}
}

// A weight changes while requests pass, and no link is made anew.
func TestWeight_ChangesAtTheFront(t *testing.T) { bothWays(t, testWeightChangesAtTheFront) }

func testWeightChangesAtTheFront(t *testing.T) {
	f := startFront(t, Options{})
	for i := range 2 {
		id := fmt.Sprintf("n%d", i)
		f.work(t, id, text(id))
	}
	opened := f.count(metrics.BusLinkOpened)
	weigh := func(w registry.Weight) {
		f.d.change(func(s *registry.Snapshot) {
			s.Instances = append([]registry.Instance(nil), s.Instances...)
			s.Instances[0].Weight = w
		})
	}
	weigh(registry.NoWeight)
	eventually(t, "n0 is out", func() bool { return f.bus.Service("work").Live() == 1 })
	c := f.dial(t)
	for range 50 {
		if r := c.ask("GET", "/", ""); r.body != "n1" {
			t.Fatalf("n0 is out, and got %d %q", r.StatusCode, r.body)
		}
	}
	weigh(1000)
	eventually(t, "n0 is back", func() bool { return c.ask("GET", "/", "").body == "n0" })
	if n := f.count(metrics.BusLinkOpened); n != opened {
		t.Errorf("%d links opened for it", n-opened)
	}
}

func TestHash_NoAllocations(t *testing.T) {
	testutil.SkipIfRace(t)
	for _, hash := range []string{"path", "client", "query:a", "header:User-Agent", "cookie:sid"} {
		t.Run(hash, func(t *testing.T) {
			f := startFront(t, Options{AccessLog: -1}, hashed(hash))
			f.helloNode(t)
			ask := f.asker("GET /hello?a=b HTTP/1.1\r\nHost: h.example\r\nUser-Agent: bench\r\nCookie: a=b; sid=7\r\n\r\n")
			one := func() {
				if got := ask(); got != 200 {
					t.Errorf("got %d", got)
				}
			}
			for range 500 {
				one()
			}
			runtime.GC()
			if n := testing.AllocsPerRun(2000, one); n > 0 {
				t.Errorf("%v allocations a request: want 0", n)
			}
		})
	}
}
