//go:build !linux

package load

import "net"

func newNativePoller(conns int, addr *net.TCPAddr) (poller, error) {
	return newNetPoller(conns, addr), nil
}

const nativeHoldsCore = false
