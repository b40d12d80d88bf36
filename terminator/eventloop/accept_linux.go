package eventloop

import (
	"errors"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"nanofront/terminator/conns"
)

// acceptMost is how many connections are accepted before accept looks
// whether it is to end.
const acceptMost = 256

// Accept takes connections until AcceptUntil has passed (nil), or it fails.
func (ls *Loops) Accept() error {
	raw, err := ls.listener.SyscallConn()
	if err != nil {
		return err
	}
	defer func() { _ = ls.listener.Close() }()
	for delay := time.Duration(0); ; {
		var errno error
		most, waited := ls.Table.Intake.Await(acceptMost), false
		err := raw.Read(func(fd uintptr) bool {
			if waited && ls.Table.Intake.Waits() {
				return true
			}
			for range most {
				var c int
				var from unix.Sockaddr
				c, from, errno = unix.Accept4(int(fd), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
				switch {
				case errno == nil:
					delay = 0
					ls.accepted(c, from)
				case errors.Is(errno, unix.EINTR), errors.Is(errno, unix.ECONNABORTED):
					errno = nil
				case errors.Is(errno, unix.EAGAIN):
					errno, waited = nil, true
					return false
				default:
					return true
				}
			}
			return true
		})
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case err != nil:
			return err
		case errno == nil:
			continue
		case !ls.Table.Intake.Shortage(errno, &delay):
			select {
			case <-ls.Table.Closing():
				return nil
			default:
				return errno
			}
		}
	}
}

// AcceptUntil has Accept end at a time.
func (ls *Loops) AcceptUntil(end time.Time) { _ = ls.listener.SetDeadline(end) }

// accepted gives a new connection to a loop.
func (ls *Loops) accepted(fd int, from unix.Sockaddr) {
	if !ls.Table.Admit() {
		_ = unix.Close(fd)
		return
	}
	l := ls.choose()
	if !ls.Prepared {
		conns.PrepareConn(fd)
	}
	c := &conn{loop: l}
	c.fd.Store(int32(fd))
	c.scanner.Init(ls.Limits)
	ls.Table.Add(&c.Conn, c, addrOf(from))
	if err := l.add(c); err != nil {
		c.Leave()
		ls.Table.Forgone()
		_ = unix.Close(fd)
	}
}

// addrOf is the address of a peer.
func addrOf(a unix.Sockaddr) netip.Addr {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrFrom4(a.Addr)
	case *unix.SockaddrInet6:
		return netip.AddrFrom16(a.Addr)
	}
	return netip.Addr{}
}
