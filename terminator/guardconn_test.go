package terminator

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttputil"
)

// guardTestLong is a timeout that no test reaches.
const guardTestLong = time.Hour

func guardTestTimeouts() guardOptions {
	return guardOptions{
		idleTimeout: guardTestLong, headTimeout: guardTestLong, bodyTimeout: guardTestLong, writeTime: guardTestLong,
	}
}

func TestGuardConn_SlowClients(t *testing.T) {
	const short = 100 * time.Millisecond
	for _, c := range []struct {
		name string
		set  func(*guardOptions)
		send []string // each after the response to the one before
		want []int    // of the last
		idle uint64
	}{
		{"nothing at all", func(o *guardOptions) { o.idleTimeout = short }, []string{""}, nil, 1},
		{"nothing after a request", func(o *guardOptions) { o.idleTimeout = short }, []string{guardTestProbe, ""}, nil, 1},
		{"an empty line", func(o *guardOptions) { o.idleTimeout = short }, []string{"\r\n"}, nil, 1},
		{"one byte", func(o *guardOptions) { o.headTimeout = short }, []string{"G"}, []int{408}, 0},
		{"half a head", func(o *guardOptions) { o.headTimeout = short }, []string{"GET / HTTP/1.1\r\nHost: a\r\nX:"}, []int{408}, 0},
		{"half a second head", func(o *guardOptions) { o.headTimeout = short }, []string{guardTestProbe, "GET / HTTP/1.1\r\n"}, []int{408}, 0},
		{"pipelined half a head", func(o *guardOptions) { o.headTimeout = short }, []string{guardTestProbe + "GET / HTTP/1.1\r\n"}, []int{200, 408}, 0},
		{"half a body", func(o *guardOptions) { o.bodyTimeout = short }, []string{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab"}, []int{408}, 0},
		{"half a chunk", func(o *guardOptions) { o.bodyTimeout = short }, []string{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"}, []int{408}, 0},
		{"pipelined half a body", func(o *guardOptions) { o.bodyTimeout = short }, []string{guardTestProbe + "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab"}, []int{200, 408}, 0},
		{"no body after Expect", func(o *guardOptions) { o.bodyTimeout = short }, []string{"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"}, []int{100, 408}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			opt := guardTestTimeouts()
			c.set(&opt)
			ts := newGuardTestServer(t, opt)
			ts.listen(t)
			conn := ts.dial(t)
			br := bufio.NewReader(conn)
			for i, s := range c.send {
				if i > 0 {
					if status, _, err := guardTestResponse(br); status != 200 {
						t.Fatalf("first response: %d, %v", status, err)
					}
				}
				if _, err := io.WriteString(conn, s); err != nil {
					t.Fatal(err)
				}
			}
			start := time.Now()
			statuses, _ := guardTestResponses(t, br)
			if !slices.Equal(statuses, c.want) {
				t.Errorf("got %v, want %v", statuses, c.want)
			}
			if d := time.Since(start); d < short/2 {
				t.Errorf("after %v, with a timeout of %v", d, short)
			}
			guardTestEventually(t, "connections idle too long counted", func() bool { return ts.guard.stats.idleClosed.Value() == c.idle })
			if _, strays, _ := ts.reset(); len(strays) > 0 {
				t.Errorf("left to fasthttp: %v", strays)
			}
		})
	}
}

func TestGuardConn_DripDoesNotExtendTheHeadTimeout(t *testing.T) {
	opt := guardTestTimeouts()
	opt.headTimeout = 100 * time.Millisecond
	ts := newGuardTestServer(t, opt)
	ts.listen(t)
	conn := ts.dial(t)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for b := []byte("GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("y", 5000)); len(b) > 0; b = b[1:] {
			if _, err := conn.Write(b[:1]); err != nil {
				return
			}
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	}()
	status, _, err := guardTestResponse(bufio.NewReader(conn))
	close(stop)
	<-stopped
	if status != 408 {
		t.Errorf("got %d, %v", status, err)
	}
}

func TestGuardConn_WriteTimeout(t *testing.T) {
	opt := guardTestTimeouts()
	opt.writeTime = 500 * time.Millisecond // much longer than a busy machine keeps a reader waiting
	ts := newGuardTestServer(t, opt)
	body := make([]byte, 32<<20) // more than any socket buffer takes
	ts.Handler = func(ctx *fasthttp.RequestCtx) { ctx.SetBody(body) }
	ts.listen(t)
	conn := ts.dial(t)
	if _, err := io.WriteString(conn, guardTestProbe); err != nil {
		t.Fatal(err)
	}
	guardTestEventually(t, "the write timeout", func() bool { return ts.guard.stats.writeTimeouts.Value() == 1 })
	guardTestEventually(t, "the connection closed", func() bool { return ts.guard.openConns.Load() == 0 })
	// One that reads gets all of it, however often the timeout would have passed in between.
	slow := ts.dial(t)
	if _, err := io.WriteString(slow, guardTestProbe); err != nil {
		t.Fatal(err)
	}
	if status, got, err := guardTestResponse(bufio.NewReader(slow)); status != 200 || len(got) != len(body) || err != nil {
		t.Errorf("got %d, %d bytes, %v", status, len(got), err)
	}
}

func TestGuardConn_NeedlessInterruptionsAreHarmless(t *testing.T) {
	// The sweeper may interrupt a connection that has moved on; here it does so all the time.
	ts := newGuardTestServer(t, guardTestTimeouts())
	ts.listen(t)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				ts.guard.sweeper.each(func(c *guardConn) { c.interruptRead(); c.interruptWrite() })
			}
		}
	}()
	conn := ts.dial(t)
	br := bufio.NewReader(conn)
	for range 300 {
		for _, s := range []string{"POST / HTTP/1.1\r\nHost: a\r\nCont", "ent-Length: 3\r\n\r\na", "bc"} {
			if _, err := io.WriteString(conn, s); err != nil {
				t.Fatal(err)
			}
		}
		if status, body, err := guardTestResponse(br); status != 200 || body != "/ 3" || err != nil {
			t.Fatalf("got %d %q, %v", status, body, err)
		}
	}
	close(stop)
	<-stopped
}

func TestGuardConn_RefusalArrivesDespiteUnreadBytes(t *testing.T) {
	// Without the linger, the bytes that nobody reads would have the kernel send a reset, and the response be lost.
	ts := newGuardTestServer(t, guardTestTimeouts())
	ts.listen(t)
	for range 20 {
		statuses, _ := ts.exchange(t, "GET / HTTP/1.0\x00"+strings.Repeat("x", 100_000))
		if !slices.Equal(statuses, []int{400}) {
			t.Fatalf("got %v", statuses)
		}
	}
	// So with a handler's answer to a body that nobody reads any more.
	ts2 := newGuardTestServer(t, guardTestTimeouts())
	ts2.ExpectHandler = func(*fasthttp.RequestCtx) int { return 417 }
	ts2.listen(t)
	for range 20 {
		statuses, _ := ts2.exchange(t, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n"+strings.Repeat("x", 100_000))
		if !slices.Equal(statuses, []int{417}) {
			t.Fatalf("got %v", statuses)
		}
	}
}

func TestGuardConn_LingerIsBounded(t *testing.T) {
	opt := guardTestTimeouts()
	opt.linger = 50 * time.Millisecond
	ts := newGuardTestServer(t, opt)
	ts.listen(t)
	conn := ts.dial(t)
	if _, err := io.WriteString(conn, "\x00"); err != nil {
		t.Fatal(err)
	}
	// The client neither sends nor closes.
	guardTestEventually(t, "the connection closed", func() bool { return ts.guard.openConns.Load() == 0 })
	if statuses, _ := guardTestResponses(t, conn); !slices.Equal(statuses, []int{400}) {
		t.Errorf("got %v", statuses)
	}
}

func TestGuardConn_StreamedBody(t *testing.T) {
	// A handler that answers before the body has come: at a violation in the rest there is nothing left to say.
	ts := newGuardTestServer(t, guardTestTimeouts())
	ts.StreamRequestBody = true
	ts.Handler = func(ctx *fasthttp.RequestCtx) { ctx.SetBodyString("early") }
	head := "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	got := ts.script([]byte(head+"3\r\na"), []byte("bc\r\n;"), []byte(guardTestProbe))
	if statuses, _ := guardTestResponses(t, bytes.NewReader(got)); !slices.Equal(statuses, []int{200}) {
		t.Errorf("violation after the answer: %v", statuses)
	}
	if _, _, faults := ts.reset(); len(faults) > 0 {
		t.Errorf("asked for %v", faults)
	}
	got = ts.script([]byte(head+"3\r\na"), []byte("bc\r\n0\r\n\r\n"), []byte(guardTestProbe))
	if statuses, _ := guardTestResponses(t, bytes.NewReader(got)); !slices.Equal(statuses, []int{200, 200}) {
		t.Errorf("a further request after the answer: %v", statuses)
	}
	ts.stop()
}

func TestGuardConn_PeerGone(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := newGuardListener(ln, guardTestTimeouts())
	defer func() { _ = l.Close(); l.closeAll(); <-l.stopped }()
	accept := func() (net.Conn, *guardConn) {
		client, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		return client, c.(*guardConn)
	}
	client, c := accept()
	if c.peerGone() {
		t.Error("gone while connected")
	}
	if _, err := client.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	guardTestEventually(t, "a byte to read", func() bool { return guardPeek(c.Conn) == guardPeekData })
	if c.peerGone() {
		t.Error("gone with a byte to read")
	}
	if n, err := c.Read(make([]byte, 10)); n != 1 || err != nil {
		t.Fatalf("after the peek: %d, %v", n, err)
	}
	_ = client.Close()
	guardTestEventually(t, "the client's end", c.peerGone)

	client, c = accept()
	_ = client.(*net.TCPConn).SetLinger(0)
	_ = client.Close()
	guardTestEventually(t, "the client's reset", c.peerGone)
	_ = c.Close()
	if !c.peerGone() {
		t.Error("not gone after Close")
	}
}

func TestGuardConn_Peer(t *testing.T) {
	for _, c := range []struct {
		addr net.Addr
		text string
		ok   bool
	}{
		{&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80}, "192.0.2.1", true},
		{&net.TCPAddr{IP: net.ParseIP("::ffff:192.0.2.1"), Port: 80}, "192.0.2.1", true},
		{&net.TCPAddr{IP: net.ParseIP("fe80::1"), Zone: "eth0"}, "fe80::1", true},
		{&net.UnixAddr{Name: "@x"}, "unknown", false},
		{nil, "unknown", false},
	} {
		l := newGuardListener(fasthttputil.NewInmemoryListener(), guardOptions{
			trusted: func(a netip.Addr) bool { return a == netip.MustParseAddr("192.0.2.1") },
		})
		l.openConns.Add(1)
		g := newGuardConn(l, &guardPeerConn{addr: c.addr})
		if string(g.Text) != c.text || g.IP.IsValid() != c.ok || g.Trusted != (c.text == "192.0.2.1") {
			t.Errorf("%v: %q, %v, trusted %t", c.addr, g.Text, g.IP, g.Trusted)
		}
		_ = g.Close()
		_ = l.Close()
		<-l.stopped
	}
}

type guardPeerConn struct {
	guardLoopConn
	addr net.Addr
}

func (c *guardPeerConn) RemoteAddr() net.Addr { return c.addr }
