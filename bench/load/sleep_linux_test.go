package load

import (
	"time"

	"golang.org/x/sys/unix"
)

// sleep is sharper than time.Sleep, which is up to a millisecond late where
// nothing else goes on: several hundredths of what is to be measured.
func sleep(d time.Duration) {
	for until := time.Now().Add(d); ; {
		left := time.Until(until)
		if left <= 0 {
			return
		}
		ts := unix.NsecToTimespec(int64(left))
		_ = unix.Nanosleep(&ts, nil) // a signal may end it; it is looked at again
	}
}
