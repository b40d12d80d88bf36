package unixpath

import (
	"fmt"
	"syscall"
)

// Max is how many bytes a path may have: 107 on Linux, 103 on BSD and macOS.
const Max = len(syscall.RawSockaddrUnix{}.Path) - 1

// Check says how long a path is that is too long.
func Check(path string) error {
	if len(path) > Max {
		return fmt.Errorf("the path has %d bytes, a socket's at most %d: choose a shorter one", len(path), Max)
	}
	return nil
}
