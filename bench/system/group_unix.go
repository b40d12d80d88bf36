//go:build unix

package system

import "syscall"

// killGroup kills what is left of a process group.
func killGroup(pgid int) {
	_ = syscall.Kill(-pgid, syscall.SIGKILL) // mostly there is nothing left of it
}
