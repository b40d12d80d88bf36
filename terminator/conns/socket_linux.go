package conns

import (
	"net"

	"golang.org/x/sys/unix"
)

// unsentMost is how many bytes the system takes for a client that it can't send at once. Unbounded, as by default,
// the system's send buffers grow to 4 MiB for each client that is slow to read, and a thousand of those use up the
// memory that the machine has for TCP (net.ipv4.tcp_mem), the bus' links included.
const unsentMost = 128 << 10

// Prepare sets what all connections accepted from l inherit. It can't fail in a way that matters: a connection
// works without.
func Prepare(l *net.TCPListener) {
	raw, err := l.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentMost)
	})
}

// Outstanding is how many bytes that were written the client hasn't acknowledged.
func Outstanding(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	if err != nil {
		return 0
	}
	return n
}
