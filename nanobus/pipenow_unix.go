//go:build unix

package nanobus

import (
	"errors"
	"syscall"

	"go.nanomsg.org/mangos/v3"
	"go.nanomsg.org/mangos/v3/protocol"
)

// optionPipe is how a link gets at its busPipe, through mangos' own.
const optionPipe = "nanobus-pipe"

// nowWriter writes to a socket without ever waiting for it.
type nowWriter struct {
	raw  syscall.RawConn
	call func(fd uintptr) bool // made once, so that a write allocates nothing
	buf  []byte
	n    int
	err  error
}

// pipeNow is p's connection if it can be written to without blocking, else
// nil: TLS has state that half a write would spoil.
func pipeNow(p protocol.Pipe) *busPipe {
	mp, ok := p.(mangos.Pipe)
	if !ok {
		return nil
	}
	v, err := mp.GetOption(optionPipe)
	if err != nil {
		return nil
	}
	bp := v.(*busPipe) //nolint:forcetypeassert // our own
	sc, ok := bp.raw.(syscall.Conn)
	if !ok || bp.tls {
		return nil
	}
	w := &bp.now
	if w.raw, err = sc.SyscallConn(); err != nil {
		return nil
	}
	w.call = func(fd uintptr) bool {
		w.n, w.err = syscall.Write(int(fd), w.buf)
		return true
	}
	return bp
}

// tryWrite sends body as a message and returns what the system didn't take of
// it, which must be finished before anything else is sent. It is valid until
// the next tryWrite.
func (p *busPipe) tryWrite(body []byte) (rest []byte, err error) {
	w := &p.now
	w.buf = append(append(w.buf[:0], p.head[p.setHead(len(body)):]...), body...)
	w.n, w.err = 0, nil
	if err := p.arm(0); err != nil {
		return nil, err
	}
	if err := w.raw.Write(w.call); err != nil {
		return nil, err
	}
	p.settle(0)
	if w.err != nil && !errors.Is(w.err, syscall.EAGAIN) && !errors.Is(w.err, syscall.EINTR) {
		return nil, w.err
	}
	if n := max(w.n, 0); n < len(w.buf) {
		return w.buf[n:], nil
	}
	return nil, nil
}
