package terminator

import (
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"nanofront/internal/httpmsg"
	"nanofront/internal/metrics"
	"nanofront/internal/registry"
	"nanofront/nanobus"
)

func TestKeyOf(t *testing.T) {
	flightOf := func(path, query, client, lines string) *flight {
		f := &flight{msg: httpmsg.Request{Path: []byte(path), Query: []byte(query), Client: []byte(client)}}
		f.header.read([]byte(lines))
		return f
	}
	for _, c := range []struct {
		hash                       string
		path, query, client, lines string
		path2, query2, cl2, lines2 string
		same, none                 bool // none: neither has a key
	}{
		{"path", "/a", "x=1", "1.2.3.4", "", "/a", "x=2", "1.2.3.5", "A: b\r\n", true, false},
		{"path", "/a", "", "", "", "/b", "", "", "", false, false},
		{"client", "/a", "", "1.2.3.4", "", "/b", "", "1.2.3.4", "", true, false},
		{"client", "/", "", "1.2.3.4", "", "/", "", "1.2.3.5", "", false, false},
		{"client", "/", "", "", "", "/", "", "", "", true, true},
		{"query:id", "/a", "id=1", "", "", "/b", "x=2&id=1&id=3", "", "", true, false},
		{"query:id", "/a", "id=1", "", "", "/a", "id=2", "", "", false, false},
		{"query:id", "/a", "", "", "", "/a", "id=&idx=1&ID=2&id", "", "", true, true},
		{"header:x-user", "/a", "", "", "X-User: u1\r\n", "/b", "", "", "A: b\r\nx-uSER:  u1 \r\nX-User: u2\r\n", true, false},
		{"header:x-user", "/a", "", "", "X-User: u1\r\n", "/a", "", "", "X-User: u2\r\n", false, false},
		{"header:x-user", "/a", "", "", "", "/a", "", "", "X-User: \r\nX-Users: a\r\n", true, true},
		{"header:x-user", "/a", "", "", "X-User: u\r\nConnection: x-user\r\n", "/a", "", "", "", true, true},
		{"cookie:sid", "/a", "", "", "Cookie: sid=1\r\n", "/b", "", "", "Cookie: a=b;  sid=1 ; c=d\r\n", true, false},
		{"cookie:sid", "/a", "", "", "Cookie: sid=1\r\n", "/b", "", "", "Cookie: a=b\r\ncookie: sid=1; sid=2\r\n", true, false},
		{"cookie:sid", "/a", "", "", "Cookie: sid=1\r\n", "/a", "", "", "Cookie: sid=2\r\n", false, false},
		{"cookie:sid", "/a", "", "", "", "/a", "", "", "Cookie: asid=1; SID=2; sid; sid=\r\n", true, true},
	} {
		h, err := registry.ParseHash(c.hash)
		if err != nil {
			t.Fatal(err)
		}
		one := keyOf(h, flightOf(c.path, c.query, c.client, c.lines))
		two := keyOf(h, flightOf(c.path2, c.query2, c.cl2, c.lines2))
		if (one == two) != c.same || (one == 0 && two == 0) != c.none {
			t.Errorf("%s: %x of %+v, %x of the second: want the same %v, none %v", c.hash, one, c, two, c.same, c.none)
		}
	}
	if k := keyOf(registry.Hash{}, flightOf("/a", "id=1", "1.2.3.4", "")); k != 0 {
		t.Errorf("a route without hash has key %x", k)
	}
}

// What the registry lets a route be hashed by is what the terminator passes
// on, field by field: of any other there would never be a key.
func TestKeyOf_EveryHeaderFieldThatIsPassedOn(t *testing.T) {
	for _, name := range []string{
		"te", "host", "expect", "trailer", "upgrade", "forwarded", "connection", "keep-alive", "x-request-id", "content-length",
		"x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "proxy-connection", "transfer-encoding", "proxy-authenticate",
		"proxy-authorization", "authorization", "accept", "user-agent", "x-user", "cookie", "content-type", "via", "accept-language", "dnt",
	} {
		_, err := registry.ParseHash("header:" + name)
		var h requestHeader
		h.read([]byte(name + ": 12345\r\n"))
		if passed := len(h.fields) == 1; passed != (err == nil) {
			t.Errorf("%s: passed on %v, for a hash: %v", name, passed, err)
		}
	}
}

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
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool forget; make test runs this once more without it")
	}
	for _, hash := range []string{"path", "client", "query:a", "header:User-Agent", "cookie:sid"} {
		t.Run(hash, func(t *testing.T) {
			f := startFront(t, Options{AccessLog: -1}, hashed(hash))
			f.log = f.log.Output(io.Discard)
			f.helloNode(t)
			ctx := newTestContext("GET /hello?a=b HTTP/1.1\r\nHost: h.example\r\nUser-Agent: bench\r\nCookie: a=b; sid=7\r\n\r\n")
			one := func() {
				ctx.Response.Reset()
				f.serve(ctx)
				if ctx.Response.StatusCode() != 200 {
					t.Errorf("got %d", ctx.Response.StatusCode())
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
