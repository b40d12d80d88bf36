package sp

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"go.nanomsg.org/mangos/v3"
	"go.nanomsg.org/mangos/v3/transport"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pipes is a connection after its handshake, over one of the transports
// without TLS. With small buffers most writes are partial.
func pipes(t *testing.T, network string, small bool) (a, b *conn) {
	t.Helper()
	addr := "127.0.0.1:0"
	if network == "unix" {
		dir, err := os.MkdirTemp("", "pipe") // a socket's path must be short
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		addr = filepath.Join(dir, "s")
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	proto := transport.ProtocolInfo{Self: mangos.ProtoBus, Peer: mangos.ProtoBus}
	of := transportOf{network: network}
	shake := func(c net.Conn, err error) (*conn, error) {
		if err != nil {
			return nil, err
		}
		if s, ok := c.(interface{ SetWriteBuffer(bytes int) error }); ok && small {
			_ = s.SetWriteBuffer(4 << 10)
		}
		return newConn(c, of, proto, &Config{Broken: func(string, error) {}}, "")
	}
	accepted := make(chan error, 1)
	go func() {
		var err error
		b, err = shake(l.Accept())
		accepted <- err
	}()
	a, err = shake(net.Dial(network, l.Addr().String()))
	if err = errors.Join(err, <-accepted); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	return a, b
}

// Messages of all sizes arrive whole and in order, whether the writer sends
// them, or whoever has them, as far as the system takes them.
func TestPipe_MessagesArriveWhole(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			a, b := pipes(t, network, true)
			if runtime.GOOS == "linux" && (a.sock == nil || b.r == nil) {
				t.Fatal("the socket isn't read and written by raw calls")
			}
			random := rand.New(rand.NewPCG(3, 4))
			bodies := make([][]byte, 400)
			for i := range bodies {
				bodies[i] = bytes.Repeat([]byte{byte(i), byte(i >> 8), 7}, random.IntN(40<<10)/(1+random.IntN(40)))
			}
			bodies[7], bodies[8] = []byte{}, make([]byte, MaxMessage)
			sent := make(chan error, 1)
			partial := 0
			go func() {
				for i, body := range bodies {
					if i%3 != 0 && a.sock != nil {
						rest, err := a.tryWrite(body)
						if err == nil && rest != nil {
							partial++
							err = a.finish(rest)
						}
						if err != nil {
							sent <- err
							return
						}
						continue
					}
					m := mangos.NewMessage(len(body))
					m.Body = append(m.Body, body...)
					if err := a.Send(m); err != nil {
						sent <- err
						return
					}
				}
				sent <- a.raw.(interface{ CloseWrite() error }).CloseWrite() //nolint:forcetypeassert // both have it
			}()
			for i, body := range bodies {
				m, err := b.Recv()
				if err != nil {
					t.Fatalf("message %d: %v", i, err)
				}
				if !bytes.Equal(m.Body, body) {
					t.Fatalf("message %d of %d bytes arrived otherwise, with %d", i, len(body), len(m.Body))
				}
				m.Free()
			}
			if _, err := b.Recv(); !errors.Is(err, io.EOF) {
				t.Errorf("after the last message: %v, want EOF", err)
			}
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
			if a.sock != nil && partial == 0 {
				t.Error("no write was partial: nothing was tested")
			}
		})
	}
}

// A link that is closed while its reader waits ends that wait.
func TestPipe_CloseEndsARead(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			a, b := pipes(t, network, false)
			ended := make(chan error, 2)
			for _, p := range []*conn{a, b} {
				go func() {
					_, err := p.Recv()
					ended <- err
				}()
			}
			_ = a.Close()
			first, second := <-ended, <-ended
			if errors.Is(second, net.ErrClosed) {
				first, second = second, first
			}
			if !errors.Is(first, net.ErrClosed) || !errors.Is(second, io.EOF) {
				t.Errorf("%v and %v, want net.ErrClosed here and EOF there", first, second)
			}
		})
	}
}

// A peer may not hold a writer by taking a little of each message just in
// time: what it is behind adds up.
func TestPipe_SlowReadersLagAddsUp(t *testing.T) {
	here, there := net.Pipe()
	t.Cleanup(func() { _ = here.Close(); _ = there.Close() })
	p := &conn{c: here, raw: here}
	begin := time.Now()
	for range 3 {
		if err := p.arm(time.Millisecond); err != nil {
			t.Fatal(err)
		}
		p.wrote = p.wrote.Add(-time.Second) // as if the write took that long
		p.settle(time.Millisecond)
	}
	// Give or take what the machine did meanwhile.
	if took := time.Since(begin) + 3*time.Millisecond; p.lag < 3*time.Second-took || p.lag > 3*time.Second+took {
		t.Errorf("three writes of a second each, and %v: lag %v", took, p.lag)
	}
	if err := p.arm(time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if left := time.Until(p.armed); left > WriteTimeout-p.lag+time.Second+50*time.Millisecond {
		t.Errorf("the next may still take %v", left)
	}
	p.wrote = p.wrote.Add(-time.Minute) // a minute in which nothing was sent
	if err := p.arm(0); err != nil {
		t.Fatal(err)
	}
	if p.lag != 0 {
		t.Errorf("after a pause: lag %v", p.lag)
	}
}

// A header alone takes no memory: what it announces is believed of peers that are
// known, and of others only once it is there.
func TestPipe_MemoryComesWithTheBytes(t *testing.T) {
	here, there := net.Pipe()
	defer func() { _ = there.Close() }()
	p := &conn{c: here, raw: here, r: bufio.NewReaderSize(here, readBufferSize)}
	got := make(chan []byte)
	receive := func() {
		m, err := p.Recv()
		if err != nil {
			got <- nil
			return
		}
		got <- bytes.Clone(m.Body)
		m.Free()
	}
	want := make([]byte, MaxMessage)
	for i := range want {
		want[i] = byte(i >> 8)
	}
	sent := 0
	send := func(b []byte) {
		t.Helper()
		if _, err := there.Write(b); err != nil { // returns when it is read
			t.Fatal(err)
		}
		sent += len(b)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	go receive()
	send(binary.BigEndian.AppendUint64(nil, MaxMessage))
	for _, n := range []int{1, 10_000, 100_000} {
		send(want[sent-8:][:n])
		send(want[sent-8:][:1]) // what came before it is out of the buffer
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > uint64(4*sent+64<<10) {
			t.Errorf("%d bytes are taken for %d that have come", grown, sent)
		}
	}
	send(want[sent-8:])
	if b := <-got; !bytes.Equal(b, want) {
		t.Errorf("%d bytes have arrived, or others than were sent", len(b))
	}
	p.known.Store(true)
	go receive()
	send(binary.BigEndian.AppendUint64(nil, MaxMessage))
	send(want)
	if b := <-got; !bytes.Equal(b, want) {
		t.Errorf("of a known peer %d bytes have arrived, or others than were sent", len(b))
	}
	for _, known := range []bool{false, true} {
		here, there := net.Pipe()
		p := &conn{c: here, raw: here, r: bufio.NewReader(here)}
		p.known.Store(known)
		go func() {
			_, err := p.Recv()
			if err == nil {
				got <- []byte("a message")
			}
			got <- nil
		}()
		_, _ = there.Write(binary.BigEndian.AppendUint64(nil, 100_000))
		_ = there.Close()
		if b := <-got; b != nil {
			t.Error("a message that has not come was received")
		}
	}
}
