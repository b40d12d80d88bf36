//go:build unix && !linux

package rawsock

import (
	"errors"
	"syscall"
)

// scratch is what sendNow needs.
type scratch struct{ join []byte }

func recvNow(fd uintptr, p []byte) (int, syscall.Errno) {
	n, err := syscall.Read(int(fd), p)
	return n, errnoOf(err)
}

func (w *writing) sendNow(fd uintptr) (int, syscall.Errno) {
	w.join = append(append(w.join[:0], w.head...), w.body...)
	n, err := syscall.Write(int(fd), w.join)
	return n, errnoOf(err)
}

func errnoOf(err error) syscall.Errno {
	var errno syscall.Errno
	if err != nil && !errors.As(err, &errno) {
		return syscall.EIO // these calls return nothing else
	}
	return errno
}
