//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package terminator

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// guardPeek looks at what a Read on c would meet, without waiting and without taking anything. It goes by Control,
// which, unlike RawConn.Read, doesn't wait for a Read in another goroutine to end. c that isn't a socket tells nothing.
func guardPeek(c net.Conn) guardPeeked {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return guardPeekNothing
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return guardPeekGone
	}
	peeked := guardPeekNothing
	err = raw.Control(func(fd uintptr) { peeked = peekSocket(int(fd)) })
	if err != nil {
		return guardPeekGone
	}
	return peeked
}

// peekSocket is guardPeek of a descriptor.
func peekSocket(fd int) guardPeeked {
	var b [1]byte
	for {
		n, _, err := unix.Recvfrom(fd, b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		switch {
		case err == nil && n > 0:
			return guardPeekData
		case err == nil:
			return guardPeekGone
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return guardPeekNothing
		default:
			return guardPeekGone
		}
	}
}
