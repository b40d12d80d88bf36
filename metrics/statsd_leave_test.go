package metrics

import (
	"math"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// What a gauge doesn't know isn't sent, and nothing is without leave, which may end between two
// packets of a report.
func TestReporter_GapsAndLeave(t *testing.T) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	set := New(System, "shop")
	set.GaugeFunc(ServiceP99, math.NaN, "away")
	for _, name := range []string{"x", "y", "z"} {
		set.GaugeFunc(ServiceP99, func() float64 { return 7.5 }, name)
	}
	var leave atomic.Int64
	r, err := NewReporter(set, StatsdOptions{Addr: server.LocalAddr().String(), May: func() bool { return leave.Add(-1) >= 0 }})
	if err != nil {
		t.Fatal(err)
	}
	got := func() string {
		r.report(t.Context())
		var all strings.Builder
		buf := make([]byte, 1<<16)
		_ = server.SetReadDeadline(time.Now().Add(200 * time.Millisecond)) // what was sent is there
		for {
			n, _, err := server.ReadFrom(buf)
			if err != nil {
				return all.String()
			}
			all.Write(buf[:n])
		}
	}
	if s := got(); s != "" {
		t.Errorf("without leave: %q", s)
	}
	leave.Store(1) // for the report, and for none of its packets
	if s := got(); s != "" {
		t.Errorf("leave ended before the packet: %q", s)
	}
	leave.Store(100)
	if s := got(); !strings.Contains(s, "nanofront.system.shop.service.x.latency.p99:7.5|g") || strings.Contains(s, "service.away.") {
		t.Errorf("with leave: %q", s)
	}
	if n := set.Counter(StatsdFailed).Value(); n != 0 {
		t.Errorf("%d lines are counted as lost", n)
	}
}
