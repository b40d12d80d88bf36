package main

import "syscall"

// attr has the system end a process if the test's dies without its cleanups,
// after a timeout for one.
func attr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
