package eventloop

import (
	"net"
	"strings"
	"testing"
	"time"

	"nanofront/internal/testutil"
	"nanofront/metrics"
	"nanofront/nanobus"
	"nanofront/terminator/blocking"
	"nanofront/terminator/exchange"
)

// That the process answers says little: a loop that is stuck is found, and one that is idle is not
// taken for that.
func TestLoops_Live(t *testing.T) {
	bus, err := nanobus.New(nanobus.Options{Service: "terminator", Instance: "t"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = bus.Close() }()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	set := metrics.New(metrics.Terminator, "t")
	ls, err := New(Options{
		N: 2, Listener: listener.(*net.TCPListener), Metrics: set,
		Blocking: &blocking.Driver{Front: exchange.New(exchange.Options{Bus: bus, Metrics: set})},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer ls.Stop()
	if err := ls.Live(testutil.Patience); err != nil {
		t.Errorf("idle loops: %v", err)
	}
	stuck := ls.loops[0]
	stuck.mu.Lock() // it stops at its next turn
	err = ls.Live(50 * time.Millisecond)
	for err != nil && strings.Contains(err.Error(), "2 of 2") { // the other one was slow
		err = ls.Live(time.Second)
	}
	stuck.mu.Unlock()
	if err == nil || !strings.Contains(err.Error(), "1 of 2 event loops") {
		t.Errorf("with a loop that is stuck: %v", err)
	}
	if err := ls.Live(testutil.Patience); err != nil {
		t.Errorf("after that: %v", err)
	}
}
