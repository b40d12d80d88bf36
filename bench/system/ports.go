package system

import (
	"fmt"

	"nanofront/internal/freeport"
)

// FreeAddrs returns addresses of the loopback interface that nobody listens on at this moment. All
// of one call are different; somebody else may take one before it is used.
func FreeAddrs(n int) ([]string, error) {
	addrs := make([]string, n)
	for i := range addrs {
		addr, err := freeport.Addr()
		if err != nil {
			return nil, fmt.Errorf("system: looking for a free port: %w", err)
		}
		addrs[i] = addr
	}
	return addrs, nil
}
