package terminator

import (
	"bufio"
	"errors"
	"io"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttputil"
	"go.uber.org/goleak"
)

func TestGuardListener_MaxConns(t *testing.T) {
	opt := guardTestTimeouts()
	opt.maxConns = 2
	ts := newGuardTestServer(t, opt)
	ts.listen(t)
	ask := func(conn net.Conn) (int, error) {
		_, _ = io.WriteString(conn, guardTestProbe)
		status, _, err := guardTestResponse(bufio.NewReader(conn))
		return status, err
	}
	first, second := ts.dial(t), ts.dial(t)
	for _, conn := range []net.Conn{first, second} {
		if status, err := ask(conn); status != 200 {
			t.Fatalf("%d, %v", status, err)
		}
	}
	if status, err := ask(ts.dial(t)); err == nil {
		t.Errorf("a third connection gets %d", status)
	}
	if n := ts.guard.stats.refused.Value(); n != 1 {
		t.Errorf("%d refused, want 1", n)
	}
	_ = first.Close()
	guardTestEventually(t, "a place free", func() bool { return ts.guard.openConns.Load() == 1 })
	if status, err := ask(ts.dial(t)); status != 200 {
		t.Errorf("in the free place: %d, %v", status, err)
	}
}

// guardShortListener has no descriptors left at first.
type guardShortListener struct {
	net.Listener
	failures int
}

func (l *guardShortListener) Accept() (net.Conn, error) {
	if l.failures > 0 {
		l.failures--
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

func TestGuardListener_AcceptOutlastsShortage(t *testing.T) {
	inner := fasthttputil.NewInmemoryListener()
	l := newGuardListener(&guardShortListener{inner, 3}, guardOptions{})
	go func() { _, _ = inner.Dial() }()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if n := l.stats.acceptErrors.Value(); n != 3 {
		t.Errorf("%d failures counted, want 3", n)
	}
	_ = c.Close()
	_ = l.Close()
	if _, err := l.Accept(); err == nil {
		t.Error("Accept after Close succeeds")
	}
	<-l.stopped

	// One that waits for better times is woken by Close.
	l = newGuardListener(&guardShortListener{inner, 1 << 30}, guardOptions{})
	ended := make(chan error, 1)
	go func() {
		_, err := l.Accept()
		ended <- err
	}()
	guardTestEventually(t, "a few failures", func() bool { return l.stats.acceptErrors.Value() > 1 })
	_ = l.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept ended by Close: %v", err)
	}
	<-l.stopped
}

func TestGuardListener_Drain(t *testing.T) {
	ts := newGuardTestServer(t, guardTestTimeouts())
	release := make(chan struct{})
	ts.Handler = func(ctx *fasthttp.RequestCtx) {
		if string(ctx.Path()) == "/wait" {
			<-release
		}
		if ts.guard.draining() {
			ctx.SetConnectionClose()
		}
	}
	ts.listen(t)
	idle, busy, half, fresh := ts.dial(t), ts.dial(t), ts.dial(t), ts.dial(t)
	for conn, s := range map[net.Conn]string{
		idle: guardTestProbe, busy: "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n", half: "GET / HTTP/1.1\r\nHost: a\r\n",
	} {
		if _, err := io.WriteString(conn, s); err != nil {
			t.Fatal(err)
		}
	}
	idleReader := bufio.NewReader(idle)
	if status, _, err := guardTestResponse(idleReader); status != 200 {
		t.Fatalf("%d, %v", status, err)
	}
	guardTestEventually(t, "2 idle, 2 active", func() bool {
		i, a := ts.guard.counts()
		return i == 2 && a == 2
	})

	// closeIdle by age: nothing is that old.
	if n := ts.guard.closeIdle(time.Hour); n != 0 {
		t.Errorf("closed %d", n)
	}
	ts.guard.startDrain(0)
	for _, conn := range []net.Conn{idle, fresh} {
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("an idle connection ends with %v", err)
		}
	}
	guardTestEventually(t, "2 active", func() bool {
		i, a := ts.guard.counts()
		return i == 0 && a == 2
	})
	// What has begun is finished.
	close(release)
	if _, err := io.WriteString(half, "\r\n"); err != nil {
		t.Fatal(err)
	}
	for _, conn := range []net.Conn{busy, half} {
		if statuses, _ := guardTestResponses(t, conn); !slices.Equal(statuses, []int{200}) {
			t.Errorf("got %v", statuses)
		}
	}
	guardTestEventually(t, "none left", func() bool { return ts.guard.openConns.Load() == 0 })
	if n := ts.guard.stats.idleClosed.Value(); n != 2 {
		t.Errorf("%d closed as idle, want 2", n)
	}
}

func TestGuardListener_CloseIdle(t *testing.T) {
	ts := newGuardTestServer(t, guardTestTimeouts())
	ts.listen(t)
	conn := ts.dial(t)
	guardTestEventually(t, "a connection", func() bool { i, _ := ts.guard.counts(); return i == 1 })
	if n := ts.guard.closeIdle(0); n != 1 {
		t.Errorf("closed %d, want 1", n)
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("ends with %v", err)
	}
}

func TestGuardListener_ShutdownOfTheServer(t *testing.T) {
	// fasthttp's own Shutdown waits for ever for a connection that never sent anything; with the guard's help it ends.
	ts := newGuardTestServer(t, guardTestTimeouts())
	served := make(chan error, 1)
	go func() { served <- ts.Serve(ts.guard) }()
	conn := ts.dial(t)
	guardTestEventually(t, "a connection", func() bool { i, _ := ts.guard.counts(); return i == 1 })
	ended := make(chan error, 1)
	go func() { ended <- ts.Shutdown() }()
	ts.guard.startDrain(0)
	if err := <-ended; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	<-ts.guard.stopped
	_ = conn.Close()
}

func TestGuardListener_CloseAll(t *testing.T) {
	release := make(chan struct{})
	ts := newGuardTestServer(t, guardTestTimeouts())
	ts.Handler = func(*fasthttp.RequestCtx) { <-release }
	ts.listen(t)
	busy := ts.dial(t)
	if _, err := io.WriteString(busy, guardTestProbe); err != nil {
		t.Fatal(err)
	}
	guardTestEventually(t, "a request", func() bool { _, a := ts.guard.counts(); return a == 1 })
	if n := ts.guard.closeAll(); n != 1 {
		t.Errorf("closed %d, want 1", n)
	}
	if _, err := busy.Read(make([]byte, 1)); err == nil {
		t.Error("the connection still answers")
	}
	close(release)
}

func TestGuardListener_InMemory(t *testing.T) {
	// Connections that aren't sockets: no half close, no peek, the same refusals and timeouts.
	opt := guardTestTimeouts()
	opt.headTimeout = 100 * time.Millisecond
	inner := fasthttputil.NewInmemoryListener()
	l := newGuardListener(inner, opt)
	srv := &fasthttp.Server{Handler: func(*fasthttp.RequestCtx) {}, Logger: guardTestLogger{}}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	for raw, want := range map[string][]int{
		guardTestProbe + "\n":   {200, 400},
		guardTestProbe + "GET ": {200, 408},
	} {
		conn, err := inner.Dial()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, raw); err != nil {
			t.Fatal(err)
		}
		if statuses, _ := guardTestResponses(t, conn); !slices.Equal(statuses, want) {
			t.Errorf("%q: got %v, want %v", raw, statuses, want)
		}
		_ = conn.Close()
	}
	_ = l.Close()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	guardTestEventually(t, "no connection", func() bool { return l.openConns.Load() == 0 })
	<-l.stopped
}

func TestGuardListener_LeavesNothingBehind(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := newGuardListener(ln, guardOptions{})
	var clients []net.Conn
	for range 40 { // more than there are shards
		client, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, client)
		if _, err := l.Accept(); err != nil {
			t.Fatal(err)
		}
	}
	if idle, active := l.counts(); idle != 40 || active != 0 {
		t.Errorf("%d idle, %d active", idle, active)
	}
	if err := errors.Join(l.Close(), l.Close()); err != nil {
		t.Error(err)
	}
	select {
	case <-l.stopped:
		t.Error("the sweeper has stopped while connections are open")
	default:
	}
	if n := l.closeAll(); n != 40 {
		t.Errorf("closed %d", n)
	}
	<-l.stopped
	for _, c := range clients {
		_ = c.Close()
	}
}

func TestGuardSweeper_NeverEarly(t *testing.T) {
	var s guardSweeper
	opt := guardOptions{idleTimeout: time.Second, headTimeout: 2 * time.Second}.withDefaults()
	s.init(opt)
	if s.tick != 200*time.Millisecond {
		t.Fatalf("tick %v", s.tick)
	}
	// A timestamp lags by up to two ticks, so that much is added.
	for _, c := range []struct {
		phase guardPhase
		now   int64
		want  bool
	}{
		{guardIdle, 1400, false},
		{guardIdle, 1401, true},
		{guardHead, 2400, false},
		{guardHead, 2401, true},
		{guardServing, 1 << 40, false},
		{guardLinger, 1 << 40, false},
	} {
		s.clock.Store(c.now)
		if got := s.over(c.phase, 0); got != c.want {
			t.Errorf("phase %d at %d: over is %t", c.phase, c.now, got)
		}
	}
	if phase, since := guardUnpack(guardPack(guardWriting, 123_456)); phase != guardWriting || since != 123_456 {
		t.Errorf("unpacked: %d, %d", phase, since)
	}
}
