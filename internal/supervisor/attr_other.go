//go:build !linux

package supervisor

import "syscall"

// ChildAttr puts a child into a process group of its own, so that ctrl-C
// reaches it through the supervisor and in its order.
func ChildAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
