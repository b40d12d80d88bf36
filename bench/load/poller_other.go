//go:build !linux

package load

import (
	"net"

	"golang.org/x/sys/unix"
)

const (
	nativeHoldsCore = false
	socketFlags     = 0
)

func newNativePoller(conns int, addr *net.TCPAddr) (poller, error) { return newPoll2(conns, addr) }

func send(fd int32, b []byte) (int, unix.Errno) { return split(unix.Write(int(fd), b)) }

func receive(fd int32, b []byte) (int, unix.Errno) { return split(unix.Read(int(fd), b)) }

func split(n int, err error) (int, unix.Errno) {
	errno, _ := err.(unix.Errno) //nolint:errorlint // a system call's errors are not wrapped
	return n, errno
}
