package system

import "syscall"

// childAttr puts a child into a process group of its own, so that ctrl-C reaches the benchmark alone, and has
// the kernel end it if the benchmark dies. One that has workers is told to, since killed it would leave
// them behind; another is killed, since it may be stopped by the benchmark and hear nothing.
func childAttr(workers bool) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if workers {
		attr.Pdeathsig = syscall.SIGTERM
	}
	return attr
}
