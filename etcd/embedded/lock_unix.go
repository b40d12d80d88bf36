//go:build unix

package embedded

import (
	"os"
	"syscall"
)

// lockFile takes the file for this process until it is closed. The kernel
// gives it back when the process dies, however it dies.
func lockFile(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}
