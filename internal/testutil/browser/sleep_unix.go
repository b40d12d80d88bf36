//go:build unix

package browser

import (
	"syscall"
	"time"
)

func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// Sleep stops the browser with all its processes for a while, as a machine does that sleeps.
func (b *Browser) Sleep(d time.Duration) {
	b.t.Helper()
	if err := syscall.Kill(-b.pid, syscall.SIGSTOP); err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(-b.pid, syscall.SIGCONT) }() // it ends with the test at the latest
	time.Sleep(d)                                                // that is what it is about
}
