package rawsock

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// joinMost is up to where head and body are copied together: cheaper than
// having the kernel gather them.
const joinMost = 1 << 10

// scratch is what sendNow needs: not on the stack, as nothing should ask
// whether it may move.
type scratch struct {
	join [joinMost]byte
	iov  [2]unix.Iovec
	msg  unix.Msghdr
}

// recvNow reads what is there. The socket is non-blocking, as all of net's are;
// MSG_DONTWAIT makes sure of it.
func recvNow(fd uintptr, p []byte) (int, syscall.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), unix.MSG_DONTWAIT, 0, 0) // as package unix does, without telling the scheduler: it doesn't block
	return int(n), errno
}

func (w *writing) sendNow(fd uintptr) (int, syscall.Errno) {
	const flags = unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL
	p := w.body
	switch {
	case len(w.head) == 0:
	case len(w.body) == 0:
		p = w.head
	case len(w.head)+len(w.body) <= joinMost:
		p = append(append(w.join[:0], w.head...), w.body...)
	default:
		w.iov = [2]unix.Iovec{{Base: &w.head[0]}, {Base: &w.body[0]}}
		w.iov[0].SetLen(len(w.head))
		w.iov[1].SetLen(len(w.body))
		w.msg.Iov = &w.iov[0]
		w.msg.SetIovlen(len(w.iov))
		n, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(&w.msg)), flags)
		w.iov = [2]unix.Iovec{} // what was sent isn't held on to
		return int(n), errno
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), flags, 0, 0)
	return int(n), errno
}
