//go:build unix && !linux

package system

import "syscall"

// childAttr puts a child into a process group of its own, so that ctrl-C reaches the benchmark alone.
func childAttr(bool) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
