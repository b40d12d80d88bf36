//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package conns

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// Peeked is what Peek finds on a socket.
type Peeked uint8

const (
	PeekNothing Peeked = iota // nothing to read, or no telling
	PeekData                  // something to read
	PeekGone                  // closed or reset by the client
)

// Peek looks at what reading a socket would meet, without waiting and without taking anything.
func Peek(fd int) Peeked {
	var b [1]byte
	for {
		n, _, err := unix.Recvfrom(fd, b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		switch {
		case err == nil && n > 0:
			return PeekData
		case err == nil:
			return PeekGone
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return PeekNothing
		default:
			return PeekGone
		}
	}
}

// PeekConn is Peek of a connection. It goes by Control, which, unlike RawConn.Read, doesn't wait
// for a Read in another goroutine to end. What isn't a socket tells nothing.
func PeekConn(c any) (p Peeked) {
	if err := control(c, func(fd int) { p = Peek(fd) }); err != nil {
		return PeekGone
	}
	return p
}

// OutstandingConn is Outstanding of a connection.
func OutstandingConn(c any) (n int) {
	n = -1
	if err := control(c, func(fd int) { n = Outstanding(fd) }); err != nil {
		return 0
	}
	return n
}

// ForgetConn is Forget of a connection.
func ForgetConn(c any) {
	_ = control(c, Forget) // closed already, else
}

// EndConn is End of a connection.
func EndConn(c any) error {
	var err error
	if e := control(c, func(fd int) { err = End(fd) }); e != nil {
		return e
	}
	return err
}

// PrepareSocket is PrepareConn of a connection.
func PrepareSocket(c any) {
	_ = control(c, func(fd int) { PrepareConn(fd) }) // closed already, else
}

func control(c any, f func(fd int)) error {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) { f(int(fd)) })
}

// Write writes b to a connection and tells wrote how much the system has taken, each time that it
// takes some. It waits until that is all, or the connection's write deadline, or its end.
func Write(s syscall.Conn, b []byte, wrote func(n int)) error {
	raw, err := s.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Write(func(fd uintptr) bool {
		for len(b) > 0 {
			n, err := unix.Write(int(fd), b)
			switch {
			case err == nil:
				b = b[n:]
				wrote(n)
			case errors.Is(err, unix.EINTR):
			case errors.Is(err, unix.EAGAIN):
				return false
			default:
				failed = err
				return true
			}
		}
		return true
	})
	if failed != nil {
		return failed
	}
	return err
}

// Forget has the system, when the socket is closed, send a reset and forget what it holds for the
// client: a client that doesn't take its response would otherwise hold the machine's memory after
// the end, too.
func Forget(fd int) {
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}) // an ordinary close, else
}

// End ends the sending direction: the client reads the end of the stream behind all that was sent.
func End(fd int) error { return unix.Shutdown(fd, unix.SHUT_WR) }
