package metrics

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"
)

const (
	resolveTimeout = 2 * time.Second
	// A server's name is looked up anew after this time.
	resolveAgain = time.Minute
)

var errNoAddress = errors.New("the name has no address")

// statsdTarget is a server, and the socket that is connected with it.
type statsdTarget struct {
	addr       string
	host, port string
	fixed      bool // host is an IP address: there is no name to look up again

	// lookup and dial are the system's; a test has its own.
	lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	dial   func(network, addr string) (net.Conn, error)

	addrs  []netip.Addr
	at     int // which of addrs conn is connected with
	looked time.Time
	conn   net.Conn // nil: none yet
}

func newStatsdTarget(addr string) *statsdTarget {
	host, port, _ := net.SplitHostPort(addr) // CheckStatsdAddr has looked
	t := &statsdTarget{
		addr: addr, host: host, port: port,
		lookup: func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		},
		dial: net.Dial, // of UDP, with an IP address: that asks nobody
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		t.fixed, t.addrs = true, []netip.Addr{ip}
	}
	return t
}

// begin looks the name up if it is time, and connects. An error leaves what there was.
func (t *statsdTarget) begin(ctx context.Context) error {
	if !t.fixed && (t.conn == nil || time.Since(t.looked) >= resolveAgain) {
		ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
		defer cancel()
		addrs, err := t.lookup(ctx, t.host)
		if err == nil && len(addrs) == 0 {
			err = fmt.Errorf("%s: %w", t.host, errNoAddress)
		}
		if err != nil {
			return err
		}
		t.looked = time.Now()
		t.take(addrs)
	}
	if t.conn != nil {
		return nil
	}
	return t.connect()
}

// take replaces the addresses. The connection stays, if its address is among them.
func (t *statsdTarget) take(addrs []netip.Addr) {
	at := 0
	if t.conn != nil {
		if at = slices.Index(addrs, t.addrs[t.at]); at < 0 {
			t.close()
			at = 0
		}
	}
	t.addrs, t.at = addrs, at
}

// connect takes the first address, from the current one on, that the system has a way to.
func (t *statsdTarget) connect() error {
	var failed error
	for range t.addrs {
		conn, err := t.dial("udp", net.JoinHostPort(t.addrs[t.at].String(), t.port))
		if err == nil {
			t.conn = conn
			return nil
		}
		failed = err
		t.at = (t.at + 1) % len(t.addrs)
	}
	return failed
}

// next turns to the next address, if there are several.
func (t *statsdTarget) next() {
	if len(t.addrs) < 2 {
		return
	}
	t.close()
	t.at = (t.at + 1) % len(t.addrs)
	_ = t.connect() // the next write says it, too
}

// refusal returns, and forgets, that what was written has been refused.
func (t *statsdTarget) refusal() error {
	c, ok := t.conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var pending int
	var failed error
	err = raw.Control(func(fd uintptr) {
		pending, failed = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ERROR)
	})
	if err = errors.Join(err, failed); err != nil || pending == 0 {
		return err
	}
	return &net.OpError{Op: "write", Net: "udp", Addr: t.conn.RemoteAddr(), Err: os.NewSyscallError("write", syscall.Errno(pending))}
}

func (t *statsdTarget) write(b []byte) error {
	if t.conn == nil {
		return net.ErrClosed
	}
	if err := t.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err := t.conn.Write(b)
	return err
}

func (t *statsdTarget) close() {
	if t.conn != nil {
		_ = t.conn.Close() // a UDP socket has nothing left to say
		t.conn = nil
	}
}
