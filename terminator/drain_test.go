package terminator

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nanofront/httpmsg"
	"nanofront/nanobus"
	"nanofront/registry"
)

func TestDrain(t *testing.T) { bothWays(t, testDrain) }

func testDrain(t *testing.T) {
	before := goleak.IgnoreCurrent()
	f := startFront(t, Options{})
	gate := make(chan struct{})
	n := f.work(t, "w1", func(req *httpmsg.Request, r *nanobus.Request) {
		if string(req.Path) == "/slow" {
			<-gate
		}
		respond(r, &httpmsg.Response{Body: []byte("done")})
	})
	atWork, pipelined, idle, fresh := f.dial(t), f.dial(t), f.dial(t), f.dial(t)
	if r := idle.ask("GET", "/", ""); r.Close {
		t.Error("closed before there was a reason")
	}
	<-n.got
	atWork.send("GET /slow HTTP/1.1\nHost: h\n\n")
	<-n.got
	pipelined.send("GET /slow HTTP/1.1\nHost: h\n\nGET /next HTTP/1.1\nHost: h\n\n")
	<-n.got

	done := make(chan error, 1)
	go func() { done <- f.stop() }()
	eventually(t, "draining", f.draining.Load)
	if f.Ready() == nil {
		t.Error("ready while draining")
	}
	// A client that just now sends its next request gets an answer, and is
	// told not to send another.
	if r := idle.ask("GET", "/", ""); r.StatusCode != 200 || !r.Close {
		t.Errorf("a request during the drain: got %d, close %v", r.StatusCode, r.Close)
	}
	ended(t, idle)
	ended(t, fresh) // never sent anything; closed after a moment
	eventually(t, "no new connections", func() bool {
		c, err := net.Dial("tcp", f.addr)
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	})
	select {
	case err := <-done:
		t.Fatalf("Run returned (%v) with requests in flight", err)
	default:
	}
	close(gate)
	for _, c := range []*client{atWork, pipelined} {
		if r := c.read("GET"); r.StatusCode != 200 || r.body != "done" || !r.Close {
			t.Errorf("in flight: got %d %q, close %v", r.StatusCode, r.body, r.Close)
		}
	}
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
	_ = n.Close()
	n.at.Wait()
	for _, c := range []*client{atWork, pipelined, idle, fresh} {
		_ = c.Close()
	}
	goleak.VerifyNone(t, before)
}

// ended waits for the end of the connection.
func ended(t *testing.T, c *client) {
	t.Helper()
	if b, err := io.ReadAll(c.r); err != nil || len(b) > 0 {
		t.Errorf("got %q, %v: want the end of the connection", b, err)
	}
}

// A request that takes longer than the drain may doesn't hold it up.
func TestDrain_Timeout(t *testing.T) { bothWays(t, testDrainTimeout) }

func testDrainTimeout(t *testing.T) {
	f := startFront(t, Options{DrainTimeout: 200 * time.Millisecond})
	gate := make(chan struct{})
	n := f.work(t, "w1", func(_ *httpmsg.Request, r *nanobus.Request) {
		<-gate
		respond(r, &httpmsg.Response{})
	})
	c := f.dial(t)
	c.send("GET / HTTP/1.1\nHost: h\n\n")
	<-n.got
	start := time.Now()
	if err := f.stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if took := time.Since(start); took < 200*time.Millisecond || took > patience/2 {
		t.Errorf("it took %v: want some 200ms", took)
	}
	if _, err := c.r.ReadByte(); err == nil {
		t.Error("got an answer out of nowhere")
	}
	if !strings.Contains(f.logs.String(), "did not finish in time") {
		t.Errorf("it isn't logged:\n%s", f.logs)
	}
	close(gate)
}

// Nobody there: it is over at once.
func TestDrain_Idle(t *testing.T) { bothWays(t, testDrainIdle) }

func testDrainIdle(t *testing.T) {
	f := startFront(t, Options{})
	start := time.Now()
	if err := f.stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

// A balancer has DrainDelay to see that the front is not ready, during which all is served as
// before.
func TestDrain_Delay(t *testing.T) { bothWays(t, testDrainDelay) }

func testDrainDelay(t *testing.T) {
	const delay = 1500 * time.Millisecond // more than idleGrace
	f := startFront(t, Options{DrainDelay: delay})
	n := f.work(t, "w1", text("done"))
	kept := f.dial(t)
	if r := kept.ask("GET", "/", ""); r.Close {
		t.Error("closed before there was a reason")
	}
	began := time.Now()
	done := make(chan error, 1)
	go func() { done <- f.stop() }()
	eventually(t, "not ready", func() bool { return f.Ready() != nil })
	for asked := 0; ; asked++ {
		c, err := net.Dial("tcp", f.addr)
		if err != nil {
			if took := time.Since(began); took < delay || asked == 0 {
				t.Errorf("the port closed after %v and %d requests: %v", took, asked, err)
			}
			break
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		if time.Since(began) > delay/2 { // the drain itself is others' test
			_ = c.Close()
			time.Sleep(time.Millisecond)
			continue
		}
		if r := newClient(t, c).ask("GET", "/", ""); r.StatusCode != 200 || !r.Close {
			t.Errorf("a new connection's request: got %d, close %v", r.StatusCode, r.Close)
		}
		_ = c.Close()
	}
	ended(t, kept) // idle: for its own timeout while there is a delay, then for a moment
	if took := time.Since(began); took < delay {
		t.Errorf("an idle connection was closed after %v", took)
	}
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
	_ = n.Close()
}

// A successor has the socket already: nothing is to be waited for.
func TestDrain_NoDelayForSuccessor(t *testing.T) {
	tm, err := New(Options{HTTP: "127.0.0.1:0", Discovery: newTable(), DrainDelay: MaxDrainDelay})
	if err != nil {
		t.Fatal(err)
	}
	if err := tm.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(ErrSucceeded)
	done := make(chan error, 1)
	go func() { done <- tm.Run(ctx) }()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("it waits for a balancer")
	}
}

func TestNew_DrainDelay(t *testing.T) {
	for _, d := range []time.Duration{-1, MaxDrainDelay + 1} {
		_, err := New(Options{Discovery: newTable(), DrainDelay: d})
		if err == nil || !strings.Contains(err.Error(), "--drain-delay") {
			t.Errorf("%v: got %v", d, err)
		}
	}
}

// brokenTable is a Discovery that gives up.
type brokenTable struct{ err error }

func (b brokenTable) Watch(context.Context, func(registry.Snapshot)) error { return b.err }

func TestRun_DiscoveryEnds(t *testing.T) {
	bad := errors.New("discovery is broken")
	tm, err := New(Options{HTTP: "127.0.0.1:0", Discovery: brokenTable{bad}})
	if err != nil {
		t.Fatal(err)
	}
	if err := tm.Listen(); err != nil {
		t.Fatal(err)
	}
	if err := tm.Run(t.Context()); !errors.Is(err, bad) {
		t.Errorf("got %v, want %v", err, bad)
	}
}

func TestListen_InUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	before := goleak.IgnoreCurrent()
	tm, err := New(Options{HTTP: l.Addr().String(), Discovery: newTable()})
	if err != nil {
		t.Fatal(err)
	}
	err = tm.Listen()
	if err := goleak.Find(before); err != nil {
		t.Errorf("something is left of it: %v", err)
	}
	if err == nil || !strings.Contains(err.Error(), l.Addr().String()) || !strings.Contains(err.Error(), "--http") {
		t.Errorf("got %v: want the address and what to do", err)
	}
}
