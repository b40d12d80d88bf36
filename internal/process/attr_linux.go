package process

import "syscall"

// Attr puts a child into a process group of its own, and has the kernel end it if its owner dies.
// One that is to be told to end gets a SIGTERM, since killed it would leave workers behind, or
// requests unanswered; another is killed, since it may be stopped (SIGSTOP) and hear nothing.
func Attr(told bool) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if told {
		attr.Pdeathsig = syscall.SIGTERM
	}
	return attr
}
