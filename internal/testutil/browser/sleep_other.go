//go:build !unix

package browser

import (
	"syscall"
	"time"

	"nanofront/internal/testutil"
)

func ownGroup() *syscall.SysProcAttr { return nil }

// Sleep skips the test: processes can't be stopped here.
func (b *Browser) Sleep(time.Duration) {
	b.t.Helper()
	testutil.Skip(b.t, "stopping a browser needs Unix' signals")
}
