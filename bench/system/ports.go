package system

import (
	"fmt"
	"net"
)

// FreeAddrs returns addresses of the loopback interface that nobody listens on at this moment. All of one
// call are different; somebody else may take one before it is used.
func FreeAddrs(n int) ([]string, error) {
	addrs := make([]string, n)
	for i := range addrs {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("system: looking for a free port: %w", err)
		}
		defer func() { _ = l.Close() }() // only when all are found, so that they differ
		addrs[i] = l.Addr().String()
	}
	return addrs, nil
}
