package blocking

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"nanofront/terminator/conns"
	"nanofront/terminator/exchange"
	"nanofront/terminator/forwarded"
	"nanofront/terminator/http1"
	"nanofront/terminator/memory"
)

// Socket is a client's connection: a *net.TCPConn, or an *os.File of a socket that doesn't block.
type Socket interface {
	io.ReadCloser
	syscall.Conn
	SetReadDeadline(time.Time) error
}

// Home is where a connection goes back to.
type Home interface {
	// Return takes over the connection's socket and what was read of it and not served.
	Return(s Socket, rest []byte)
}

// Driver serves connections. All fields but Prepared are required.
type Driver struct {
	Front  *exchange.Front
	Table  *conns.Table
	Limits *http1.Limits
	Date   *http1.Date
	Memory *memory.Budget

	// Prepared says that accepted connections have inherited what they need (conns.Prepare).
	Prepared bool
}

// Accept serves what l accepts until l is closed or its deadline has passed (nil), or accepting
// fails.
func (d *Driver) Accept(l *net.TCPListener) error {
	for delay := time.Duration(0); ; {
		d.Table.Intake.Await(1)
		s, err := l.Accept()
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case d.Table.Intake.Shortage(err, &delay):
			continue
		case errors.Is(err, net.ErrClosed):
			return nil
		default:
			return err
		}
		delay = 0
		if !d.Table.Admit() {
			_ = s.Close()
			continue
		}
		if !d.Prepared {
			conns.PrepareSocket(s)
		}
		c := d.conn(s.(*net.TCPConn), new(conns.Conn), nil) //nolint:forcetypeassert // what a TCPListener accepts
		d.Table.Add(c.Conn, c, peerOf(s.RemoteAddr()))
		go c.serve()
	}
}

func peerOf(a net.Addr) netip.Addr { return forwarded.AddrOf(a) }

// Serve takes over a connection of the table at the beginning of a request. read is what has come
// of it, its first byte at firstByte (Front.Now); it is kept.
func (d *Driver) Serve(s Socket, c *conns.Conn, home Home, read []byte, firstByte int64) {
	b := d.take(s, c, home)
	b.in, b.firstByte = read, firstByte
	go b.serve()
}

// Write takes over a connection whose response is being written: done bytes of its head and body
// have been. head is its head.
func (d *Driver) Write(s Socket, c *conns.Conn, home Home, x *exchange.Exchange, head []byte, done int, read []byte) {
	b := d.take(s, c, home)
	b.in = read
	go func() {
		if b.hold(x, head, done) {
			b.serve()
		} else {
			b.end()
		}
	}()
}

func (d *Driver) take(s Socket, c *conns.Conn, home Home) *conn {
	b := d.conn(s, c, home)
	c.Enter(conns.Serving)
	d.Table.Pass(c, b)
	return b
}

func (d *Driver) conn(s Socket, c *conns.Conn, home Home) *conn {
	b := &conn{Conn: c, d: d, sock: s, home: home, ready: make(chan struct{}, 1)}
	b.scanner.Init(d.Limits)
	return b
}

// piece is what is read, or streamed, at once.
const piece = 32 << 10

var pieces = sync.Pool{New: func() any { return new([piece]byte) }}
