package load

import (
	"net"
	"os"
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

// blocking is a connection whose reads and writes block a thread each, which the kernel wakes at
// once; what waits in Go's poller waits for somebody to look there.
func blocking(c net.Conn) (*os.File, error) {
	f, err := c.(*net.TCPConn).File()
	if err != nil {
		return nil, err
	}
	c.Close()
	return f, unix.SetNonblock(int(f.Fd()), false)
}
