//go:build !linux

package conns

import "net"

// Prepare is for Linux.
func Prepare(*net.TCPListener) bool { return true }

// PrepareConn is for Linux.
func PrepareConn(int) bool { return true }

// Outstanding is for Linux.
func Outstanding(int) int { return -1 }
