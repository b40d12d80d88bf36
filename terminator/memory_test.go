package terminator

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"nanofront/httpmsg"
	"nanofront/internal/testutil"
	"nanofront/metrics"
	"nanofront/nanobus"
)

// What the front holds for slow clients is bounded, and others are served meanwhile.
func TestMemory_Bounded(t *testing.T) { bothWays(t, testMemoryBounded) }

func testMemoryBounded(t *testing.T) {
	const budget, large = 2 << 20, 800_000
	route := prefix("/", "work")
	route.MaxBody = large
	f := startFront(t, Options{ClientMemory: 2 * budget, AccessLog: 1000}, route)
	// One that takes whole bodies only: to others a body that pauses goes as far as it has come.
	n := startPlainNode(t, "work", "w1", 0, func(req *httpmsg.Request, r *nanobus.Request) {
		n := len(req.Body)
		if string(req.Path) == "/large" {
			n = large
		}
		respond(r, &httpmsg.Response{Body: []byte(strings.Repeat("x", n))})
	})
	f.link(t, "work", "w1", n.address)
	// Clients that ask and don't read: one is held, the second is one too many.
	for i := range 3 {
		c := f.dial(t)
		c.send("GET /large HTTP/1.1\nHost: h\n\n")
		eventually(t, "it is held or given up", func() bool {
			return f.memory.Held() == large && f.count(metrics.HTTPClosed, "no_memory") == uint64(i) //nolint:gosec // few
		})
	}
	if log := f.logs.String(); !strings.Contains(log, "no_memory") {
		t.Errorf("no word about it in the log: %s", log)
	}
	// Clients that send slowly: as much as there is left.
	half := f.dialFrom(t, "127.0.1.1") // the others have their share
	half.send(fmt.Sprintf("POST / HTTP/1.1\nHost: h\nContent-Length: %d\n\n", 200_000) + strings.Repeat("x", 150_000))
	eventually(t, "its bytes are held", func() bool { return f.memory.Held() >= large+150_000 })
	refused(t, f.dialFrom(t, "127.0.2.1").ask("POST", "/", "Content-Length: 700000\nX: "+"\n\n"+strings.Repeat("x", 700_000)), 503)
	// All else is served.
	if r := f.ask(t, "GET", "/small", ""); r.StatusCode != 200 {
		t.Errorf("a small request: %d", r.StatusCode)
	}
	half.send(strings.Repeat("x", 50_000))
	if r := half.read("POST"); r.StatusCode != 200 || len(r.body) != 200_000 {
		t.Errorf("the slow one: %d with %d bytes", r.StatusCode, len(r.body))
	}
}

// What has been given back is there again.
func TestMemory_IsGivenBack(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		f := startFront(t, Options{ClientMemory: 4 << 20})
		f.work(t, "w1", text(strings.Repeat("x", 700_000)))
		nothing := func() { eventually(t, "nothing is held", func() bool { return f.memory.Held() == 0 }) }
		for range 5 {
			nothing()
			if r := f.ask(t, "GET", "/", ""); len(r.body) != 700_000 {
				t.Errorf("%d bytes", len(r.body))
			}
			nothing() // which is a moment after the client has it
			if r := f.ask(t, "POST", "/", "Transfer-Encoding: chunked\n\n3\nabc\n0\n"); r.StatusCode != 200 {
				t.Errorf("%d", r.StatusCode)
			}
		}
		nothing()
	})
}

// dialFrom is a connection from an address of this machine, of which Linux has many.
func (f *front) dialFrom(t *testing.T, ip string) *client {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	c, err := d.Dial("tcp", f.addr)
	if err != nil {
		testutil.Skip(t, "this system has no such addresses: %v", err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return newClient(t, c)
}

// However many slow readers one client address has, or one service, the others find room.
func TestMemory_Shares(t *testing.T) {
	const budget, large = 8 << 20, 800_000
	for _, c := range []struct {
		name, target string
		from         func(i int) string // of those that crowd
	}{
		{"of an address", "/large", func(int) string { return "127.0.0.1" }},
		{"of a service", "/other/large", func(i int) string { return fmt.Sprintf("127.0.%d.1", 10+i) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			bothWays(t, func(t *testing.T) {
				f := startFront(t, Options{ClientMemory: 2 * budget}, prefix("/other", "other"), prefix("/", "work"))
				body := text(strings.Repeat("x", large))
				f.work(t, "w1", body)
				f.node(t, "other", "o1", 0, body)
				crowd := 0
				for ; f.count(metrics.HTTPClosed, "no_memory") == 0; crowd++ {
					if crowd > 2*budget/large {
						t.Fatalf("%d bytes are held for %d slow clients, and none is given up", f.memory.Held(), crowd)
					}
					held := f.memory.Held()
					f.dialFrom(t, c.from(crowd)).send("GET /large HTTP/1.1\nHost: h\n\n")
					eventually(t, "it is held or given up", func() bool {
						return f.memory.Held() > held || f.count(metrics.HTTPClosed, "no_memory") > 0
					})
				}
				before := f.memory.Held()
				if before > budget*8/10 {
					t.Errorf("%d of %d bytes are held for one", before, budget)
				}
				other := f.dialFrom(t, "127.0.200.1")
				other.send("GET " + c.target + " HTTP/1.1\nHost: h\n\n")
				eventually(t, "the other is held", func() bool { return f.memory.Held() > before })
				if r := other.read("GET"); r.StatusCode != 200 || len(r.body) != large {
					t.Errorf("the other: %d, %d bytes", r.StatusCode, len(r.body))
				}
			})
		})
	}
}
