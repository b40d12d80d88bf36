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

func send(fd int32, b []byte) (int, error) { return unix.Write(int(fd), b) }

func receive(fd int32, b []byte) (int, error) { return unix.Read(int(fd), b) }
