package supervisor

import "syscall"

// ChildAttr puts a child into a process group of its own, so that ctrl-C
// reaches it through the supervisor and in its order, and has the system tell
// it to end if the supervisor dies without a word.
func ChildAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
