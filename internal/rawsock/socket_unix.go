//go:build unix

package rawsock

import (
	"io"
	"net"
	"os"
	"syscall"
)

// Socket is the raw side of a connection. One goroutine at a time may read,
// and one write.
type Socket struct {
	raw syscall.RawConn
	in  reading
	out writing
}

// reading and writing hold what their callbacks, made once so that nothing is
// allocated for each call, work on.
type reading struct {
	call  func(fd uintptr) bool
	p     []byte
	n     int
	errno syscall.Errno
}

type writing struct {
	call       func(fd uintptr) bool
	head, body []byte
	n          int
	errno      syscall.Errno
	scratch
}

// Of returns the raw side of c, which stays usable as it is; nil if it isn't
// itself a stream socket, as a *tls.Conn isn't.
func Of(c net.Conn) *Socket {
	switch c.(type) {
	case *net.TCPConn, *net.UnixConn:
	default:
		return nil
	}
	raw, err := c.(syscall.Conn).SyscallConn() //nolint:forcetypeassert // both have it
	if err != nil {
		return nil
	}
	s := &Socket{raw: raw}
	s.in.call, s.out.call = s.in.recv, s.out.send
	return s
}

// Read implements io.Reader. It waits for the first byte.
func (s *Socket) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	r := &s.in
	r.p = p[:min(len(p), Most)]
	err := s.raw.Read(r.call)
	r.p = nil
	switch {
	case err != nil:
		return 0, err
	case r.errno != 0:
		return 0, os.NewSyscallError("recvfrom", r.errno)
	case r.n == 0:
		return 0, io.EOF
	}
	return r.n, nil
}

// recv reports whether the wait is over.
//
// It is asked once more after each Read, when mostly there is nothing, instead
// of waiting at once after a read that was short: an end that came together
// with the last bytes has no event of its own.
func (r *reading) recv(fd uintptr) bool {
	for {
		switch r.n, r.errno = recvNow(fd, r.p); r.errno {
		case syscall.EINTR:
		case syscall.EAGAIN:
			return false
		default:
			received(fd)
			return true
		}
	}
}

// TryWrite writes head and then body, as far as the socket takes them at once,
// and returns how many bytes it took. With more than Most bytes it takes no more
// than that. Neither may be used by others before it returns.
func (s *Socket) TryWrite(head, body []byte) (int, error) {
	w := &s.out
	w.head = head[:min(len(head), Most)]
	w.body = body[:min(len(body), Most-len(w.head))]
	w.n, w.errno = 0, 0
	err := s.raw.Write(w.call)
	w.head, w.body = nil, nil
	switch {
	case err != nil:
		return 0, err
	case w.errno != 0:
		return 0, os.NewSyscallError("sendto", w.errno)
	}
	return w.n, nil
}

// send never waits, so it always reports that the wait is over.
func (w *writing) send(fd uintptr) bool {
	if len(w.head)+len(w.body) == 0 {
		return true
	}
	sending()
	for {
		switch w.n, w.errno = w.sendNow(fd); w.errno {
		case 0:
			return true
		case syscall.EINTR:
		case syscall.EAGAIN:
			w.n, w.errno = 0, 0
			return true
		default:
			w.n = 0
			return true
		}
	}
}
