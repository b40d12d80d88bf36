package nanobus

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"nanofront/metrics"
	"nanofront/nanobus/sp"
	"nanofront/nanobus/wire"
)

// stranger is a peer that says whatever it likes: a connection, the SP
// greeting, and bytes.
type stranger struct {
	t testing.TB
	net.Conn
	rest []byte // of the last message, frames not yet taken
}

// knock connects and greets.
func knock(t testing.TB, addr string) *stranger {
	t.Helper()
	s := connectTo(t, addr)
	s.greet()
	return s
}

// connectTo connects and says nothing.
func connectTo(t testing.TB, addr string) *stranger {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(addr, "tcp://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &stranger{t: t, Conn: c}
}

// openHouse is a stranger's listener.
func openHouse(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// visitor is the next that connects to a stranger.
func visitor(t testing.TB, l net.Listener) *stranger {
	t.Helper()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	s := &stranger{t: t, Conn: c}
	s.greet()
	return s
}

func (s *stranger) greet() {
	s.t.Helper()
	mine := sp.Greeting(112)
	if err := s.raw(mine[:]); err != nil {
		s.t.Fatal(err)
	}
	_ = s.SetReadDeadline(time.Now().Add(patience))
	var theirs [8]byte
	if _, err := io.ReadFull(s.Conn, theirs[:]); err != nil || theirs != mine {
		s.t.Fatalf("SP greeting: %x, %v", theirs, err)
	}
}

func (s *stranger) raw(b []byte) error {
	_ = s.SetWriteDeadline(time.Now().Add(patience))
	_, err := s.Write(b)
	return err
}

// say sends one message. An error means that the other side has closed.
func (s *stranger) say(frames ...[]byte) error {
	body := bytes.Join(frames, nil)
	return s.raw(append(binary.BigEndian.AppendUint64(nil, uint64(len(body))), body...))
}

// flood says the same until the other side closes.
func (s *stranger) flood(b []byte) {
	s.t.Helper()
	go func() { _, _ = io.Copy(io.Discard, s.Conn) }()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if s.shout(b) != nil {
			return
		}
	}
	s.t.Errorf("not closed within %v", patience)
}

// shout says the same many times, in one write: for a flood, what comes in a
// second counts, however little a busy machine gets done in one.
func (s *stranger) shout(frames ...[]byte) error {
	body := bytes.Join(frames, nil)
	one := append(binary.BigEndian.AppendUint64(nil, uint64(len(body))), body...)
	return s.raw(bytes.Repeat(one, 1000))
}

// hear returns the next frame of a kind and passes over others.
func (s *stranger) hear(want wire.Kind) (wire.Frame, error) {
	_ = s.SetReadDeadline(time.Now().Add(patience))
	for {
		for len(s.rest) == 0 {
			var size [8]byte
			if _, err := io.ReadFull(s.Conn, size[:]); err != nil {
				return wire.Frame{}, err
			}
			s.rest = make([]byte, binary.BigEndian.Uint64(size[:]))
			if _, err := io.ReadFull(s.Conn, s.rest); err != nil {
				return wire.Frame{}, err
			}
		}
		f, rest, err := wire.Next(s.rest)
		if err != nil {
			return f, err
		}
		if s.rest = rest; f.Kind == want {
			return f, nil
		}
	}
}

// closed waits until the other side has closed.
func (s *stranger) closed() {
	s.t.Helper()
	_ = s.SetReadDeadline(time.Now().Add(patience))
	_, err := io.Copy(io.Discard, s.Conn)
	var network net.Error
	if errors.As(err, &network) && network.Timeout() {
		s.t.Errorf("not closed within %v", patience)
	}
}

func frameOf(k wire.Kind, flags uint8, id uint64, body ...byte) []byte {
	b := append(wire.Begin(nil, k, flags, id), body...)
	wire.End(b, 0)
	return b
}

func helloOf(service, instance string) []byte {
	return (&wire.Hello{Version: wire.ProtocolVersion, Service: service, Instance: instance}).AppendTo(nil)
}

func requestOf(id uint64, payload string) []byte {
	return frameOf(wire.KindRequest, 0, id, append([]byte{0, 0x98, 0x96, 0x80}, payload...)...) // 10 s
}

// journal is a log that tests can read.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

func (j *journal) logger() zerolog.Logger { return zerolog.New(j) }

// closedFor and refusedFor are what the bus has counted.
func closedFor(b *Bus, reason string) uint64 {
	return b.node.Metrics.Set.Counter(metrics.BusLinkClosed, reason).Value()
}

func refusedFor(b *Bus, reason string) uint64 {
	return b.node.Metrics.Set.Counter(metrics.BusLinkRefused, reason).Value()
}

// neighbour calls the server all the time on a link of its own, and none of
// its calls may fail.
type neighbour struct {
	calls atomic.Int64
}

// neighbourOf starts one; it ends with the test.
func neighbourOf(t *testing.T, in Instance) *neighbour {
	t.Helper()
	b := caller(t, in)
	n := new(neighbour)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		c := NewCall()
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := b.Service(in.Service).Go(c, Bytes("hello"), patience); err != nil {
				t.Errorf("a neighbour's call: %v", err)
				return
			}
			c.Wait()
			if c.Err != nil || string(c.Payload) != "hello" {
				t.Errorf("a neighbour's call: %q, %v", c.Payload, c.Err)
				return
			}
			c.Release()
			n.calls.Add(1)
		}
	}()
	t.Cleanup(func() { close(stop); <-stopped })
	return n
}

// goesOn waits until the neighbour has made some calls more.
func (n *neighbour) goesOn(t *testing.T) {
	t.Helper()
	from := n.calls.Load()
	waitFor(t, "the neighbour's next calls", func() bool { return n.calls.Load() >= from+20 })
}

// flakyNet relays connections, and swallows all that comes while drop is set:
// a network that has gone without a word.
type flakyNet struct {
	drop atomic.Bool

	mu    sync.Mutex
	conns []net.Conn
	ends  sync.WaitGroup
}

// relay ends with its listener.
func (r *flakyNet) relay(l net.Listener, to string) {
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", to)
		if err != nil {
			_ = in.Close()
			continue
		}
		r.mu.Lock()
		r.conns = append(r.conns, in, out)
		r.mu.Unlock()
		r.ends.Go(func() { r.copy(in, out) })
		r.ends.Go(func() { r.copy(out, in) })
	}
}

// copy passes bytes on. A connection that has lost some stays dead.
func (r *flakyNet) copy(dst, src net.Conn) {
	buf := make([]byte, 4096)
	lost := false
	for {
		n, err := src.Read(buf)
		if err != nil {
			if !lost && !r.drop.Load() {
				_ = dst.Close()
			}
			return
		}
		if lost = lost || r.drop.Load(); lost {
			continue
		}
		if _, err := dst.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (r *flakyNet) close() {
	r.mu.Lock()
	for _, c := range r.conns {
		_ = c.Close()
	}
	r.mu.Unlock()
	r.ends.Wait()
}
