package e2e

import "syscall"

// attr has the system end a program if the test process dies without its
// cleanups, after a timeout for one.
func attr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
