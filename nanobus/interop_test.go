package nanobus

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.nanomsg.org/mangos/v3"
	"go.nanomsg.org/mangos/v3/protocol/bus"
	_ "go.nanomsg.org/mangos/v3/transport/ipc" // stock transports, for stock peers
	_ "go.nanomsg.org/mangos/v3/transport/tcp"

	"nanofront/internal/testutil"
	"nanofront/nanobus/wire"
)

// peer is a stock mangos BUS socket and the frames that it has received.
type peer struct {
	mangos.Socket
	rest []byte
}

func stockPeer(t *testing.T) *peer {
	t.Helper()
	s, err := bus.NewSocket()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.SetOption(mangos.OptionRecvDeadline, patience); err != nil {
		t.Fatal(err)
	}
	return &peer{Socket: s}
}

// recvFrame returns the next frame of a kind and passes over others.
func recvFrame(t *testing.T, s *peer, want wire.Kind) wire.Frame {
	t.Helper()
	deadline := time.Now().Add(patience) // pings keep coming
	for time.Now().Before(deadline) {
		if len(s.rest) == 0 {
			msg, err := s.Recv()
			if err != nil {
				t.Fatalf("waiting for a frame of kind %d: %v", want, err)
			}
			s.rest = msg
		}
		f, rest, err := wire.Next(s.rest)
		if err != nil {
			t.Fatal(err)
		}
		s.rest = rest
		if f.Kind == want {
			return f
		}
	}
	t.Fatalf("no frame of kind %d within %v", want, patience)
	return wire.Frame{}
}

func send(t *testing.T, s *peer, b []byte) {
	t.Helper()
	if err := s.Send(b); err != nil {
		t.Fatal(err)
	}
}

// A stock BUS socket as a handler: it answers hello with hello and requests
// with responses, which go to all its peers.
func TestInterop_StockMangosAsHandler(t *testing.T) {
	for _, addr := range []string{"tcp://127.0.0.1:0", "ipc://" + filepath.Join(t.TempDir(), "b.sock")} {
		s := stockPeer(t)
		l, err := s.NewListener(addr, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Listen(); err != nil {
			t.Fatal(err)
		}
		in := Instance{Service: "s", ID: "stock", Address: l.Address()}
		b1, b2 := newBus(t, Options{}), newBus(t, Options{})
		for _, b := range []*Bus{b1, b2} {
			if err := b.SetInstances([]Instance{in}); err != nil {
				t.Fatal(err)
			}
		}
		recvFrame(t, s, wire.KindHello)
		recvFrame(t, s, wire.KindHello)
		hello := wire.Hello{Version: wire.ProtocolVersion, Window: 10, Service: "s", Instance: "stock"}
		send(t, s, hello.AppendTo(nil))
		waitFor(t, "both linked", func() bool { return b1.Service("s").Live() == 1 && b2.Service("s").Live() == 1 })
		c := NewCall()
		if err := b1.Service("s").Go(c, Bytes("ping"), patience); err != nil {
			t.Fatal(err)
		}
		req := recvFrame(t, s, wire.KindRequest)
		if got := string(req.Body[wire.RequestFixed:]); got != "ping" {
			t.Errorf("request: %q", got)
		}
		resp := append(wire.Begin(nil, wire.KindResponse, 0, req.ID), make([]byte, wire.ResponseFixed)...)
		resp = append(resp, "pong"...)
		wire.End(resp, 0)
		send(t, s, resp)
		c.Wait()
		if c.Err != nil || string(c.Payload) != "pong" {
			t.Errorf("%s: got %q, %v", addr, c.Payload, c.Err)
		}
		c.Release()
		// The other got it too, and knew that it was not its own.
		waitFor(t, "stray reply counted", func() bool { return b2.node.Metrics.DroppedStray.Value() == 1 })
	}
}

// A stock BUS socket as a caller.
func TestInterop_StockMangosAsCaller(t *testing.T) {
	_, in := server(t, "1", Options{Serve: echo}, tcp)
	s := stockPeer(t)
	if err := s.Dial(in.Address); err != nil {
		t.Fatal(err)
	}
	f := recvFrame(t, s, wire.KindHello)
	h, err := wire.DecodeHello(f.Body)
	if err != nil || h.Service != "s" || h.Window == 0 {
		t.Fatalf("hello %+v, %v", h, err)
	}
	hello := wire.Hello{Version: wire.ProtocolVersion, Service: "stock", Instance: "x"}
	send(t, s, append(hello.AppendTo(nil), vector("batch")...))
	for _, want := range []string{"a", "b"} {
		f := recvFrame(t, s, wire.KindResponse)
		if got := string(f.Body[wire.ResponseFixed:]); got != want || f.Flags != 0 {
			t.Errorf("got %q with flags %d, want %q", got, f.Flags, want)
		}
	}
}

// What a peer can do wrong costs its own link and nobody else's.
func TestLink_RefusesPeersThatBreakTheProtocol(t *testing.T) {
	hello := (&wire.Hello{Version: wire.ProtocolVersion, Service: "x"}).AppendTo(nil)
	frame := func(k wire.Kind, body ...byte) []byte {
		b := append(wire.Begin(nil, k, 0, 1), body...)
		wire.End(b, 0)
		return b
	}
	other := (&wire.Hello{Version: 99, Service: "x"}).AppendTo(nil)
	for name, msg := range map[string][]byte{
		"garbage":           []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		"cut frame":         hello[:len(hello)-1],
		"version":           other,
		"short request":     append(bytes.Clone(hello), frame(wire.KindRequest, 1)...),
		"short response":    append(bytes.Clone(hello), frame(wire.KindResponse, 1)...),
		"short credit":      append(bytes.Clone(hello), frame(wire.KindCredit, 1)...),
		"short ping":        append(bytes.Clone(hello), frame(wire.KindPing, 1)...),
		"short pong":        append(bytes.Clone(hello), frame(wire.KindPong, 1)...),
		"event, no topic":   append(bytes.Clone(hello), frame(wire.KindEvent)...),
		"good, then broken": append(append(bytes.Clone(hello), vector("batch")...), 1, 2, 3),
	} {
		srv, in := server(t, "1", Options{Serve: echo}, tcp)
		good := caller(t, in)
		s := stockPeer(t)
		if err := s.SetOption(mangos.OptionReconnectTime, time.Hour); err != nil {
			t.Fatal(err)
		}
		if err := s.Dial(in.Address); err != nil {
			t.Fatal(err)
		}
		recvFrame(t, s, wire.KindHello)
		send(t, s, msg)
		waitFor(t, name+": link closed and counted", func() bool {
			srv.mu.Lock()
			defer srv.mu.Unlock()
			return srv.node.Metrics.DroppedMalformed.Value() == 1 && len(srv.links) == 1
		})
		if got, err := call(t, good, "x", patience); err != nil || got != "x" {
			t.Errorf("%s: a good peer got %q, %v", name, got, err)
		}
		waitFor(t, name+": no request left over", func() bool { return srv.Served() == 0 })
	}
}

func TestLink_UnknownKindsAndForeignRepliesAreCounted(t *testing.T) {
	srv, in := server(t, "1", Options{Serve: echo}, tcp)
	s := stockPeer(t)
	if err := s.Dial(in.Address); err != nil {
		t.Fatal(err)
	}
	recvFrame(t, s, wire.KindHello)
	msg := (&wire.Hello{Version: wire.ProtocolVersion, Service: "x"}).AppendTo(nil)
	unknown := wire.Begin(nil, 200, 0, 0)
	wire.End(unknown, 0)
	foreign := append(wire.Begin(nil, wire.KindResponse, 0, (srv.node.Calls.Table.Origin+1)<<48), make([]byte, wire.ResponseFixed)...)
	wire.End(foreign, 0)
	own := append(wire.Begin(nil, wire.KindResponse, 0, srv.node.Calls.Table.Origin<<48|5), make([]byte, wire.ResponseFixed)...)
	wire.End(own, 0)
	msg = append(append(append(msg, unknown...), foreign...), own...)
	send(t, s, msg)
	waitFor(t, "all counted", func() bool {
		return srv.node.Metrics.DroppedUnknown.Value() == 1 && srv.node.Metrics.DroppedStray.Value() == 2
	})
}

// A peer that ignores the window gets refusals, not a queue.
func TestLink_OverWindowIsRefused(t *testing.T) {
	var h held
	srv, in := server(t, "1", Options{Serve: h.serve, Window: 3}, tcp)
	s := stockPeer(t)
	if err := s.Dial(in.Address); err != nil {
		t.Fatal(err)
	}
	recvFrame(t, s, wire.KindHello)
	msg := (&wire.Hello{Version: wire.ProtocolVersion, Service: "x"}).AppendTo(nil)
	for id := range uint64(5) {
		start := len(msg)
		msg = append(wire.Begin(msg, wire.KindRequest, 0, id+1), 0, 0x98, 0x96, 0x80)
		wire.End(msg, start)
	}
	send(t, s, msg)
	for range 2 {
		f := recvFrame(t, s, wire.KindResponse)
		if f.Flags != wire.FlagError || Code(f.Body[wire.ResponseFixed+1]) != CodeOverWindow || f.ID < 4 {
			t.Errorf("got %+v", f)
		}
	}
	if n := srv.node.Metrics.DroppedWindow.Value(); n != 2 {
		t.Errorf("%d counted", n)
	}
	waitFor(t, "three held", func() bool { return h.count() == 3 })
	h.answer()
}

// libnanomsg as a peer, by its nanocat: it connects, says hello, sends a batch
// of two requests and gets the replies. Over tcp and ipc. It sends again and
// again: what it sends before it has connected is lost.
func TestInterop_LibnanomsgConnects(t *testing.T) {
	nanocat := needNanocat(t)
	msg := append((&wire.Hello{Version: wire.ProtocolVersion, Service: "x", Instance: "nanocat"}).AppendTo(nil), vector("batch")...)
	file := writeFile(t, msg)
	for _, addr := range []string{"tcp://127.0.0.1:0", "ipc://" + filepath.Join(t.TempDir(), "n.sock")} {
		_, in := server(t, "1", Options{Serve: echo}, addr)
		var out syncBuffer
		cmd := exec.Command(nanocat, "--bus", "--connect", in.Address, "--raw", "--file", file, "--interval", "0.3")
		run(t, cmd, &out)
		waitFor(t, addr+": both replies at nanocat", func() bool {
			var got []string
			b := out.bytes()
			for len(b) > 0 {
				f, rest, err := wire.Next(b)
				if err != nil {
					return false // not all there yet
				}
				if f.Kind == wire.KindResponse {
					got = append(got, string(f.Body[wire.ResponseFixed:]))
				}
				b = rest
			}
			return len(got) >= 2 && got[0] == "a" && got[1] == "b"
		})
	}
}

// libnanomsg as the listening side: we connect, and it gets our hello.
func TestInterop_LibnanomsgListens(t *testing.T) {
	nanocat := needNanocat(t)
	file := writeFile(t, (&wire.Hello{Version: wire.ProtocolVersion, Window: 5, Service: "s", Instance: "nanocat"}).AppendTo(nil))
	for _, addr := range []string{"tcp://" + freeAddr(t), "ipc://" + filepath.Join(t.TempDir(), "n.sock")} {
		var out syncBuffer
		// It sends again and again: nobody has connected when it begins.
		cmd := exec.Command(nanocat, "--bus", "--bind", addr, "--raw", "--file", file, "--interval", "0.3")
		run(t, cmd, &out)
		b := newBus(t, Options{Service: "caller", Instance: "c"})
		if err := b.SetInstances([]Instance{{Service: "s", ID: "nanocat", Address: addr}}); err != nil {
			t.Fatal(err)
		}
		waitFor(t, addr+": linked with nanocat", func() bool { return b.Service("s").Live() == 1 })
		waitFor(t, addr+": our hello at nanocat", func() bool {
			f, _, err := wire.Next(out.bytes())
			return err == nil && f.Kind == wire.KindHello
		})
	}
}

func needNanocat(t *testing.T) string {
	t.Helper()
	return testutil.Command(t, "nanocat", "nanomsg-utils")
}

// run starts a program that is ended with the test.
func run(t *testing.T, cmd *exec.Cmd, out io.Writer) {
	t.Helper()
	cmd.Stdout = out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	})
}

func writeFile(t *testing.T, b []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// syncBuffer can be read while a program writes to it.
type syncBuffer struct {
	mu sync.Mutex
	b  []byte
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.b = append(s.b, p...)
	return len(p), nil
}

func (s *syncBuffer) bytes() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.b)
}
