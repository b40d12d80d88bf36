//go:build unix

package rawsock

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// patience is for what takes no time unless it is broken.
const patience = 20 * time.Second

// pairs runs a test over each kind of socket that the bus has.
func pairs(t *testing.T, f func(t *testing.T, a, b net.Conn)) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			a, b := pair(t, network)
			f(t, a, b)
		})
	}
}

func pair(tb testing.TB, network string) (a, b net.Conn) {
	tb.Helper()
	addr := "127.0.0.1:0"
	if network == "unix" {
		dir, err := os.MkdirTemp("", "raw") // a socket's path must be short
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { _ = os.RemoveAll(dir) })
		addr = filepath.Join(dir, "s")
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	if a, err = net.Dial(network, l.Addr().String()); err != nil {
		tb.Fatal(err)
	}
	if b, err = l.Accept(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _, _ = a.Close(), b.Close() })
	return a, b
}

// Whatever the sizes of writes and reads, and however full the socket is, the
// bytes come out as they went in.
func TestSocket_BytesArriveInOrder(t *testing.T) {
	pairs(t, func(t *testing.T, a, b net.Conn) {
		const total = 8 << 20
		want := make([]byte, total)
		random := rand.New(rand.NewPCG(1, 2))
		for i := range want {
			want[i] = byte(random.Uint32())
		}
		sent := make(chan error, 1)
		go func() {
			s, full, rest := Of(a), 0, want
			for len(rest) > 0 {
				piece := rest[:min(len(rest), 1+random.IntN(200<<10))]
				cut := random.IntN(min(len(piece), 10) + 1)
				n, err := s.TryWrite(piece[:cut], piece[cut:])
				if err != nil {
					sent <- err
					return
				}
				rest = rest[n:]
				if n < min(len(piece), Most) && len(rest) > 0 { // full: wait as the connection does
					full++
					if _, err := a.Write(rest[:1]); err != nil {
						sent <- err
						return
					}
					rest = rest[1:]
				}
			}
			if full == 0 {
				sent <- errors.New("the socket was never full: nothing was tested")
				return
			}
			sent <- a.Close()
		}()
		r := Of(b)
		var got bytes.Buffer
		buf := make([]byte, 3*Most)
		for {
			n, err := r.Read(buf[:1+rand.IntN(len(buf))])
			got.Write(buf[:n])
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("after %d bytes: %v", got.Len(), err)
			}
			if n > Most {
				t.Fatalf("one call read %d bytes, more than %d", n, Most)
			}
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%d bytes arrived of %d, or not as they were sent", got.Len(), total)
		}
	})
}

// A full socket takes nothing and says so, at once, and takes more when it was
// read from.
func TestSocket_TryWriteNeverWaits(t *testing.T) {
	pairs(t, func(t *testing.T, a, b net.Conn) {
		s := Of(a)
		head, body := []byte("head"), make([]byte, 16<<10)
		taken := 0
		for {
			n, err := s.TryWrite(head, body)
			if err != nil {
				t.Fatal(err)
			}
			taken += n
			if n == 0 {
				break
			}
		}
		if n, err := s.TryWrite(head, nil); n != 0 || err != nil {
			t.Fatalf("a full socket took %d bytes, error %v", n, err)
		}
		if n, err := s.TryWrite(nil, nil); n != 0 || err != nil {
			t.Fatalf("nothing to write: %d, %v", n, err)
		}
		if _, err := io.ReadFull(b, make([]byte, taken)); err != nil {
			t.Fatal(err)
		}
		deadline := time.Now().Add(patience)
		for n := 0; n == 0; {
			var err error
			if n, err = s.TryWrite(head, nil); err != nil || time.Now().After(deadline) {
				t.Fatalf("a socket that was emptied takes nothing: %v", err)
			}
		}
	})
}

// The peer's end must be seen also when it came together with the last bytes
// and with the reader asleep: there is one event for both.
func TestSocket_EndTogetherWithBytes(t *testing.T) {
	pairs(t, func(t *testing.T, a, b net.Conn) {
		s := Of(b)
		got := make(chan error, 1)
		go func() {
			rest, err := io.ReadAll(s)
			if err == nil && string(rest) != "last words" {
				err = errors.New("read " + string(rest))
			}
			got <- err
		}()
		if _, err := a.Write([]byte("last words")); err != nil {
			t.Fatal(err)
		}
		_ = a.Close()
		wait(t, got, nil)
	})
}

func TestSocket_EndsOfARead(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(a, b net.Conn)
		want error
	}{
		{"peer closes its side", func(a, _ net.Conn) {
			_ = a.(interface{ CloseWrite() error }).CloseWrite() //nolint:forcetypeassert // both have it
		}, io.EOF},
		{"closed here", func(_, b net.Conn) { _ = b.Close() }, net.ErrClosed},
		{"deadline", func(_, b net.Conn) { _ = b.SetReadDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pairs(t, func(t *testing.T, a, b net.Conn) {
				got := reading1(Of(b))
				tt.end(a, b)
				wait(t, got, tt.want)
				wait(t, reading1(Of(b)), tt.want) // and from the start
			})
		})
	}
	t.Run("reset", func(t *testing.T) {
		a, b := pair(t, "tcp")
		got := reading1(Of(b))
		_ = a.(*net.TCPConn).SetLinger(0)
		_ = a.Close()
		wait(t, got, syscall.ECONNRESET)
	})
	t.Run("timeouts are net.Errors", func(t *testing.T) {
		_, b := pair(t, "tcp")
		_ = b.SetDeadline(time.Unix(1, 0))
		var network net.Error
		if _, err := Of(b).Read(make([]byte, 1)); !errors.As(err, &network) || !network.Timeout() {
			t.Errorf("read: %v, want a timeout", err)
		}
		if _, err := Of(b).TryWrite([]byte("x"), nil); !errors.As(err, &network) || !network.Timeout() {
			t.Errorf("write: %v, want a timeout", err)
		}
	})
	t.Run("a deadline that was lifted", func(t *testing.T) {
		a, b := pair(t, "tcp")
		_ = b.SetReadDeadline(time.Unix(1, 0))
		wait(t, reading1(Of(b)), os.ErrDeadlineExceeded)
		_ = b.SetReadDeadline(time.Time{})
		got := reading1(Of(b))
		_, _ = a.Write([]byte("x"))
		wait(t, got, nil)
	})
}

func TestSocket_WriteToWhoHasGone(t *testing.T) {
	pairs(t, func(t *testing.T, a, b net.Conn) {
		_ = b.Close()
		s := Of(a)
		deadline := time.Now().Add(patience)
		for {
			_, err := s.TryWrite([]byte("head"), []byte("body"))
			if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
				return
			}
			if err != nil || time.Now().After(deadline) {
				t.Fatalf("%v, want EPIPE or ECONNRESET", err)
			}
		}
	})
}

func TestSocket_WriteAfterClose(t *testing.T) {
	pairs(t, func(t *testing.T, a, _ net.Conn) {
		s := Of(a)
		_ = a.Close()
		if _, err := s.TryWrite([]byte("head"), nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%v, want net.ErrClosed", err)
		}
	})
}

func TestOf_OnlyStreamSockets(t *testing.T) {
	a, _ := pair(t, "tcp")
	pipe, _ := net.Pipe()
	for _, c := range []net.Conn{tls.Client(a, &tls.Config{}), pipe} {
		if Of(c) != nil {
			t.Errorf("%T has a raw side", c)
		}
	}
}

// The race detector has to know that bytes put what was done before they were
// sent before what is done when they have come.
func TestSocket_OrdersForTheRaceDetector(t *testing.T) {
	pairs(t, func(t *testing.T, a, b net.Conn) {
		shared, got := 0, make(chan int)
		go func() {
			_, _ = Of(b).Read(make([]byte, 1))
			got <- shared
		}()
		shared = 7
		if _, err := Of(a).TryWrite([]byte("x"), nil); err != nil {
			t.Fatal(err)
		}
		if v := <-got; v != 7 {
			t.Errorf("read %d", v)
		}
	})
}

func TestSocket_NoAllocation(t *testing.T) {
	pairs(t, func(t *testing.T, a, b net.Conn) {
		w, r := Of(a), Of(b)
		head, body, buf := make([]byte, 9), make([]byte, 128), make([]byte, 8<<10)
		large := make([]byte, 4<<10)
		if n := testing.AllocsPerRun(1000, func() {
			for _, body := range [][]byte{body, large} {
				want, _ := w.TryWrite(head, body)
				for got := 0; got < want; {
					n, err := r.Read(buf)
					if err != nil {
						t.Fatal(err)
					}
					got += n
				}
			}
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}

// reading1 reads in a goroutine, which ends with the socket at the latest.
func reading1(s *Socket) chan error {
	got := make(chan error, 1)
	started := make(chan struct{})
	go func() {
		close(started)
		_, err := s.Read(make([]byte, 1))
		got <- err
	}()
	<-started
	return got
}

func wait(t *testing.T, got chan error, want error) {
	t.Helper()
	select {
	case err := <-got:
		if want == nil && err != nil || !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	case <-time.After(patience):
		t.Errorf("it still waits, want %v", want)
	}
}

// BenchmarkSocket_RoundTrip is what a message and its answer cost between two
// goroutines, by raw calls and by the connection's own.
func BenchmarkSocket_RoundTrip(b *testing.B) {
	for _, network := range []string{"tcp", "unix"} {
		for _, how := range []string{"raw", "net"} {
			b.Run("network="+network+"/how="+how, func(b *testing.B) {
				x, y := pair(b, network)
				serve := func(c net.Conn) (func([]byte) (int, error), func([]byte) (int, error)) {
					if how == "net" {
						return c.Read, c.Write
					}
					s := Of(c)
					return s.Read, func(p []byte) (int, error) { return s.TryWrite(p, nil) }
				}
				go func() { // ends with the connection
					read, write := serve(y)
					buf := make([]byte, 128)
					for {
						n, err := read(buf)
						if err != nil {
							return
						}
						_, _ = write(buf[:n])
					}
				}()
				read, write := serve(x)
				buf := make([]byte, 128)
				b.ReportAllocs()
				for b.Loop() {
					_, _ = write(buf)
					for got := 0; got < len(buf); {
						n, err := read(buf[got:])
						if err != nil {
							b.Fatal(err)
						}
						got += n
					}
				}
			})
		}
	}
}
