package metrics

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// What nobody takes is no line sent, though every other write of it succeeds.
func TestReporter_RefusedIsNotSent(t *testing.T) {
	s := New(Terminator, "")
	s.Gauge(HTTPInFlight).Set(1)
	r := newReporter(t, s, StatsdOptions{Addr: refusing(t)})
	const intervals = 20
	for range intervals {
		r.report(t.Context())
	}
	r.sender.settle()
	if sent, failed := s.Counter(StatsdSent).Value(), s.Counter(StatsdFailed).Value(); sent != 0 || failed < intervals {
		t.Errorf("of %d intervals or more lines %d count as sent, %d as lost", intervals, sent, failed)
	}
}

// A name with several addresses, of which the server listens on the last.
func TestReporter_SeveralAddresses(t *testing.T) {
	srv := newStatsdServer(t)
	_, port, err := net.SplitHostPort(srv.addr())
	if err != nil {
		t.Fatal(err)
	}
	for _, before := range []string{"::1", "127.0.0.2", "127.0.0.2 ::1 127.0.0.3"} {
		t.Run(before, func(t *testing.T) {
			var log bytes.Buffer
			s := New(Terminator, strings.NewReplacer(":", "", ".", "", " ", "").Replace(before))
			r := newReporter(t, s, StatsdOptions{Addr: net.JoinHostPort("statsd.example", port), Logger: zerolog.New(&log)})
			r.sender.target.lookup = func(context.Context, string) ([]netip.Addr, error) {
				var addrs []netip.Addr
				for _, a := range append(strings.Fields(before), "127.0.0.1") {
					addrs = append(addrs, netip.MustParseAddr(a))
				}
				return addrs, nil
			}
			total := "nanofront.terminator." + s.instance + ".http.requests"
			srv.wait("it has found its server", func() bool {
				s.Counter(HTTPRequests).Inc()
				r.report(t.Context())
				return srv.counters[total] > 0
			})
			srv.mu.Lock()
			got := srv.counters[total]
			srv.mu.Unlock()
			failed := s.Counter(StatsdFailed).Value()
			s.Counter(HTTPRequests).Add(7)
			r.report(t.Context())
			srv.wait("it has stayed there", func() bool { return srv.counters[total] >= got+7 })
			if n := s.Counter(StatsdFailed).Value(); n != failed {
				t.Errorf("%d more lines were lost", n-failed)
			}
		})
	}
}

// The address in use stays so when the name's others change.
func TestStatsdTarget_KeepsWhatWorks(t *testing.T) {
	var dialled []string
	addrs := []string{"192.0.2.1", "192.0.2.2"}
	target := newStatsdTarget("statsd.example:8125")
	target.lookup = func(context.Context, string) (all []netip.Addr, _ error) {
		for _, a := range addrs {
			all = append(all, netip.MustParseAddr(a))
		}
		return all, nil
	}
	target.dial = func(_, addr string) (net.Conn, error) {
		dialled = append(dialled, addr)
		return sink{}, nil
	}
	for _, now := range []struct{ addrs, dialled string }{
		{"192.0.2.1 192.0.2.2", "192.0.2.1:8125"},
		{"192.0.2.3 192.0.2.1", "192.0.2.1:8125"},
		{"192.0.2.3 192.0.2.4", "192.0.2.1:8125 192.0.2.3:8125"},
	} {
		addrs, target.looked = strings.Fields(now.addrs), time.Time{}
		if err := target.begin(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(dialled, " "); got != now.dialled {
			t.Errorf("with %s dialled %s, want %s", now.addrs, got, now.dialled)
		}
	}
}

// lossy is a connection of which some packets are lost on the way.
type lossy struct {
	sink
	mu   sync.Mutex
	lose bool
	got  strings.Builder
}

func (l *lossy) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.lose {
		l.got.Write(p)
		l.got.WriteByte('\n')
	}
	return len(p), nil
}

// A lost packet takes no percentile along: the next says it, too, as long as a flush may ask for
// it.
func TestReporter_PercentilesOutliveLostPackets(t *testing.T) {
	s := New(Terminator, "t")
	r := newReporter(t, s, StatsdOptions{Addr: "192.0.2.1:8125"})
	wire := &lossy{lose: true}
	r.sender.target.dial = func(string, string) (net.Conn, error) { return wire, nil }
	s.Timer(StageTotal).Observe(time.Second)
	r.report(t.Context())
	wire.lose = false
	for range r.o.window() - 1 {
		wire.got.Reset()
		r.report(t.Context())
		if got := wire.got.String(); !strings.Contains(got, ".stage.total.max:1002") {
			t.Fatalf("the maximum has gone: %s", got)
		}
	}
	wire.got.Reset()
	r.report(t.Context())
	if got := wire.got.String(); strings.Contains(got, ".stage.total.max") {
		t.Errorf("the maximum is still there: %s", got)
	}
}
