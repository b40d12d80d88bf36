package terminator

import (
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttputil"

	"nanofront/terminator/http1/http1test"
)

// guardLoopConn is a socket that has the same request to read again and again.
type guardLoopConn struct {
	net.Conn
	request []byte
}

func (c *guardLoopConn) Read(p []byte) (int, error)       { return copy(p, c.request), nil }
func (c *guardLoopConn) Write(p []byte) (int, error)      { return len(p), nil }
func (c *guardLoopConn) Close() error                     { return nil }
func (c *guardLoopConn) SetReadDeadline(time.Time) error  { return nil }
func (c *guardLoopConn) SetWriteDeadline(time.Time) error { return nil }
func (c *guardLoopConn) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1234}
}

func TestGuardConn_AllocatesNothing(t *testing.T) {
	inner := fasthttputil.NewInmemoryListener()
	l := newGuardListener(inner, guardOptions{})
	defer func() { _ = l.Close(); <-l.stopped }()
	p := make([]byte, 16<<10)
	answer := make([]byte, 512)
	for _, r := range http1test.Samples {
		l.openConns.Add(1)
		c := newGuardConn(l, &guardLoopConn{request: []byte(r)})
		if n := testing.AllocsPerRun(100, func() {
			if n, err := c.Read(p); n != len(r) || err != nil {
				t.Fatalf("Read(%q) = %d, %v", r, n, err)
			}
			_, _ = c.Write(answer)
		}); n != 0 {
			t.Errorf("%v allocations for %q", n, r)
		}
		_ = c.Close()
	}
}

// BenchmarkGuardConn is all that the guard adds to a request: the Read of it and the Write of its response.
func BenchmarkGuardConn(b *testing.B) {
	inner := fasthttputil.NewInmemoryListener()
	l := newGuardListener(inner, guardOptions{})
	defer func() { _ = l.Close(); <-l.stopped }()
	for _, r := range http1test.Samples {
		b.Run(fmt.Sprintf("bytes=%d", len(r)), func(b *testing.B) {
			l.openConns.Add(1)
			c := newGuardConn(l, &guardLoopConn{request: []byte(r)})
			defer func() { _ = c.Close() }()
			p := make([]byte, 16<<10)
			answer := make([]byte, 512)
			b.ReportAllocs()
			for b.Loop() {
				if n, err := c.Read(p); n != len(r) || err != nil {
					b.Fatalf("Read = %d, %v", n, err)
				}
				_, _ = c.Write(answer)
			}
		})
	}
}

// BenchmarkGuardServer is a whole fasthttp server over loopback, with one keep-alive client, with and without the guard.
func BenchmarkGuardServer(b *testing.B) {
	for _, guarded := range []bool{false, true} {
		b.Run(fmt.Sprintf("guard=%t", guarded), func(b *testing.B) {
			inner, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			ln := inner
			if guarded {
				ln = newGuardListener(inner, guardOptions{})
			}
			srv := &fasthttp.Server{
				Handler:        func(ctx *fasthttp.RequestCtx) { ctx.SetBodyString("ok") },
				ReadBufferSize: 16 << 10,
			}
			served := make(chan struct{})
			go func() { defer close(served); _ = srv.Serve(ln) }()
			conn, err := net.Dial("tcp", inner.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			request, p := []byte(http1test.Samples[2]), make([]byte, 4096)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := conn.Write(request); err != nil {
					b.Fatal(err)
				}
				if _, err := conn.Read(p); err != nil && !errors.Is(err, io.EOF) {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			_ = conn.Close()
			_ = srv.Shutdown()
			<-served
		})
	}
}
