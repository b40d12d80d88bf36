//go:build !linux

package conns

import "net"

// Prepare is for Linux.
func Prepare(*net.TCPListener) {}

// Outstanding is for Linux.
func Outstanding(int) int { return -1 }
