package terminator

import (
	"errors"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"nanofront/terminator/forwarded"
)

// acceptMost is how many connections are accepted before accept looks
// whether it is to end.
const acceptMost = 256

// accept takes connections until acceptUntil has passed (nil), or it fails.
func (ls *eventLoops) accept() error {
	raw, err := ls.listener.SyscallConn()
	if err != nil {
		return err
	}
	defer func() { _ = ls.listener.Close() }()
	for delay := time.Duration(0); ; {
		var errno error
		err := raw.Read(func(fd uintptr) bool {
			for range acceptMost {
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
					errno = nil
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
		case !guardPassing(errno):
			return errno
		}
		// A shortage that passes.
		ls.guard.stats.acceptErrors.Inc()
		delay = min(max(2*delay, 5*time.Millisecond), time.Second)
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
		case <-ls.guard.closing:
			timer.Stop()
			return nil
		}
	}
}

// acceptUntil has accept end at a time.
func (ls *eventLoops) acceptUntil(end time.Time) { _ = ls.listener.SetDeadline(end) }

// accepted gives a new connection to a loop.
func (ls *eventLoops) accepted(fd int, from unix.Sockaddr) {
	g := ls.guard
	if g.openConns.Add(1) > int64(g.opt.maxConns) {
		g.openConns.Add(-1)
		g.stats.refused.Inc()
		_ = unix.Close(fd)
		return
	}
	g.stats.accepted.Inc()
	var ip netip.Addr
	switch a := from.(type) {
	case *unix.SockaddrInet4:
		ip = netip.AddrFrom4(a.Addr)
	case *unix.SockaddrInet6:
		ip = netip.AddrFrom16(a.Addr)
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // a slower connection without
	l := ls.loops[ls.next%uint32(len(ls.loops))]                      //nolint:gosec // a few
	ls.next++
	c := &loopConn{loop: l, fd: fd, Peer: forwarded.NewPeer(ip, g.opt.trusted)}
	c.scanner.Init(&g.limits)
	c.idleSince.Store(g.sweeper.now())
	if err := l.add(c); err != nil {
		g.openConns.Add(-1)
		g.stats.acceptErrors.Inc()
		_ = unix.Close(fd)
	}
}
