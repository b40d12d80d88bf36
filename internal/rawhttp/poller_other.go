//go:build !linux

package rawhttp

import (
	"net"

	"golang.org/x/sys/unix"
)

const (
	// NativeHoldsCore is true where who waits in Wait keeps its core.
	NativeHoldsCore = false
	socketFlags     = 0
)

func newNativePoller(conns int, addr *net.TCPAddr) (Poller, error) { return newPoll2(conns, addr) }

func send(fd int32, b []byte) (int, unix.Errno) { return split(unix.Write(int(fd), b)) }

func receive(fd int32, b []byte) (int, unix.Errno) { return split(unix.Read(int(fd), b)) }

func split(n int, err error) (int, unix.Errno) {
	errno, _ := err.(unix.Errno) //nolint:errorlint // a system call's errors are not wrapped
	return n, errno
}
