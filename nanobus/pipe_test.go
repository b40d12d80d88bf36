package nanobus

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"go.nanomsg.org/mangos/v3"
	"go.nanomsg.org/mangos/v3/transport"
)

// pipes is a connection after its handshake, over one of the transports
// without TLS. With small buffers most writes are partial.
func pipes(t *testing.T, network string, small bool) (a, b *busPipe) {
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
	of := busTransport{network: network}
	shake := func(c net.Conn, err error) (*busPipe, error) {
		if err != nil {
			return nil, err
		}
		if s, ok := c.(interface{ SetWriteBuffer(bytes int) error }); ok && small {
			_ = s.SetWriteBuffer(4 << 10)
		}
		return newBusPipe(c, of, proto, &connOptions{ctx: context.Background(), broken: func(string, error) {}}, "")
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
			for _, p := range []*busPipe{a, b} {
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
