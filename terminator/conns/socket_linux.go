package conns

import (
	"net"

	"golang.org/x/sys/unix"
)

// unsentMost is how many bytes the system takes for a client that it can't send at once. Unbounded,
// as by default, the system's send buffers grow to 4 MiB for each client that is slow to read, and
// a thousand of those use up the memory that the machine has for TCP (net.ipv4.tcp_mem), the bus'
// links included.
const unsentMost = 128 << 10

// Prepare sets what all connections accepted from l inherit. It reports whether they do: those of a
// Multipath TCP socket, which package net makes unless it is told not to, don't, and need
// PrepareConn each.
func Prepare(l *net.TCPListener) (inherited bool) {
	_ = control(l, func(fd int) { // a socket that doesn't answer inherits nothing
		protocol, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
		inherited = err == nil && protocol == unix.IPPROTO_TCP && PrepareConn(fd)
	})
	return inherited
}

// PrepareConn is Prepare for one connection. It can't fail in a way that matters: a connection
// works without.
func PrepareConn(fd int) bool {
	return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) == nil &&
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentMost) == nil
}

// Outstanding is how many bytes that were written the client hasn't acknowledged.
func Outstanding(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	if err != nil {
		return 0
	}
	return n
}
