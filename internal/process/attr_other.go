//go:build unix && !linux

package process

import "syscall"

// Attr puts a child into a process group of its own.
func Attr(bool) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
