package exchange

import (
	"bytes"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"nanofront/internal/logging"
	"nanofront/metrics"
	"nanofront/nanobus"
	"nanofront/registry"
	"nanofront/terminator/admission"
	"nanofront/terminator/forwarded"
)

// noter notes what it is told, and panics if it is to.
type noter struct {
	said   []string
	status int
	panics string // in which of its methods
}

func (n *noter) note(x *Exchange, what string) bool {
	n.said = append(n.said, what)
	n.status = x.Response.Status
	if n.panics == what {
		panic("a driver's")
	}
	x.Finish(0, 0, Complete)
	return true
}

func (n *noter) Answer(x *Exchange) bool { return n.note(x, "answer") }
func (n *noter) Begin(x *Exchange) bool  { return n.note(x, "begin") }
func (n *noter) Drop(x *Exchange) bool   { return n.note(x, "drop") }
func (*noter) Held(*Exchange)            {}
func (*noter) Next()                     {}

// A panic of the front's own costs one request and no more: it gets a 500, or, if it has been
// answered, is dropped.
func TestExchange_Panic(t *testing.T) {
	for name, c := range map[string]struct {
		broken bool // the routing
		driver string
		said   string
		status int
	}{
		"in routing":       {broken: true, said: "answer", status: 500},
		"in the driver":    {driver: "answer", said: "answer drop", status: 404},
		"nowhere":          {said: "answer", status: 404},
		"after the answer": {broken: true, driver: "answer", said: "answer drop", status: 500},
	} {
		t.Run(name, func(t *testing.T) {
			var logs bytes.Buffer
			log := zerolog.New(&logs)
			bus, err := nanobus.New(nanobus.Options{Service: "terminator", Instance: "t"})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = bus.Close() })
			policy, err := forwarded.NewPolicy(nil)
			if err != nil {
				t.Fatal(err)
			}
			limiter := admission.New(1, 10, time.Second)
			f := New(Options{
				Bus: bus, Admission: limiter, Trusted: policy, Draining: func() bool { return false }, Observe: func([]nanobus.Instance) {},
				Logger: log, Limit: logging.NewLimiter(log, 5, time.Second), Metrics: metrics.New(metrics.Terminator, "t"),
			})
			f.Discovered(registry.Snapshot{Routes: &registry.Routes{Version: registry.RoutesVersion, Routes: []registry.Route{
				{Match: registry.Match{Prefix: "/a"}, Service: "work", Timeout: registry.Duration(time.Second)},
			}}})
			if c.broken {
				broken := *f.routing.Load()
				broken.routes = nil // a route without its upstream
				f.routing.Store(&broken)
			}
			n := &noter{panics: c.driver}
			peer := forwarded.NewPeer(netip.MustParseAddr("127.0.0.1"), nil)
			var note atomic.Uint64
			path := "/b"
			if c.broken {
				path = "/a"
			}
			request := "GET " + path + " HTTP/1.1\r\nHost: h\r\n\r\n"
			if goesOn := f.Take(n, &peer, &note, 1).Serve(nil, []byte(request), headOf(t, request), 0); !goesOn {
				t.Error("the connection is lost")
			}
			if said := strings.Join(n.said, " "); said != c.said || n.status != c.status {
				t.Errorf("%s with %d, want %s with %d", said, n.status, c.said, c.status)
			}
			if limiter.InFlight() != 0 {
				t.Errorf("%d in flight", limiter.InFlight())
			}
			if panics := strings.Contains(logs.String(), `"stack"`); panics != (c.broken || c.driver != "") {
				t.Errorf("log: %s", &logs)
			}
		})
	}
}
