package terminator

import (
	"fmt"
	"strings"
	"testing"

	"nanofront/httpmsg"
	"nanofront/metrics"
	"nanofront/nanobus"
)

// What the front holds for slow clients is bounded, and others are served meanwhile.
func TestMemory_Bounded(t *testing.T) { bothWays(t, testMemoryBounded) }

func testMemoryBounded(t *testing.T) {
	const budget, large = 1 << 20, 800_000
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
	half := f.dial(t)
	half.send(fmt.Sprintf("POST / HTTP/1.1\nHost: h\nContent-Length: %d\n\n", 200_000) + strings.Repeat("x", 150_000))
	eventually(t, "its bytes are held", func() bool { return f.memory.Held() >= large+150_000 })
	refused(t, f.ask(t, "POST", "/", "Content-Length: 150000\nX: "+"\n\n"+strings.Repeat("x", 150_000)), 503)
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
		f := startFront(t, Options{ClientMemory: 2 << 20})
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
