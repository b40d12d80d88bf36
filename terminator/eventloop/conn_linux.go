package eventloop

import (
	"bytes"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"nanofront/terminator/blocking"
	"nanofront/terminator/conns"
	"nanofront/terminator/exchange"
	"nanofront/terminator/http1"
)

// States of a conn.
const (
	stateIdle  uint32 = iota // nobody's: whoever makes it busy owns it
	stateBusy                // somebody's
	stateAgain               // somebody's, who has to look for more before leaving it idle
	stateGone                // closed, or passed to the blocking driver: nobody's until it comes back
)

// conn is a client's connection on an event loop.
//
// Whoever sets state from idle to busy owns the connection: the loop when there is
// something to read, the sweep when it was idle for too long. While a request
// is under way nobody does anything with it; the ownership is with the call,
// and passes to whoever completes that. What comes meanwhile is noted
// (stateAgain) and read when the response is written. So there is no lock, and
// no two goroutines ever read or write the same socket.
type conn struct {
	conns.Conn

	loop *loop
	fd   atomic.Int32 // the socket; changes when the connection comes back
	gen  uint32       // tells the events of this connection from those of one that had its descriptor before

	state   atomic.Uint32
	hungUp  atomic.Bool // the client has closed its side, or more
	closing atomic.Bool // to be closed with what is under way

	// begins is a response that is to stream, until its loop takes it up, and left the call whose
	// client has gone.
	begins atomic.Pointer[exchange.Exchange]
	writes atomic.Pointer[exchange.Exchange] // a response that its loop is to write
	left   atomic.Uint64
	queued bool    // guarded by loop.queue.mu: its loop is about to look at it
	stream *stream // the loop's: the response that streams; the loop owns the connection then

	// The owner's:
	scanner   http1.Scanner
	held      []byte // read, but not served yet: further requests of a client that doesn't wait
	full      bool   // the last read filled its buffer: there may be more, of which no event tells
	ended     bool   // the response to the last request was written: what still comes is dropped
	endedAt   int64  // when that was, on the table's clock
	dropped   int    // how much has come since, in bytes
	firstByte int64  // Front.Now at which the request that is served was found
}

func (c *conn) socket() int { return int(c.fd.Load()) }

// wake is called when there is something to read.
func (c *conn) wake(b *batch, now int64) {
	for {
		switch c.state.Load() {
		case stateIdle:
			if c.state.CompareAndSwap(stateIdle, stateBusy) {
				c.firstByte = now
				c.serve(b, serveMost)
				return
			}
		case stateBusy:
			if c.state.CompareAndSwap(stateBusy, stateAgain) {
				return
			}
		default:
			return
		}
	}
}

// release leaves the connection idle, or reports that there is more to read.
func (c *conn) release() (idle bool) {
	if c.full || c.hungUp.Load() {
		// Of the end that came together with the bytes no further event tells.
		c.full = false
		return false
	}
	if c.ended {
		c.Enter(conns.Lingering)
	} else {
		c.Enter(conns.Idle)
	}
	if !c.state.CompareAndSwap(stateBusy, stateIdle) {
		c.state.Store(stateBusy)
		return false
	}
	if mode := c.loop.all.mode.Load(); mode != serving {
		c.leave(mode)
	}
	return true
}

// leave does with an idle connection what is to be done where the loops don't go on.
func (c *conn) leave(mode uint32) {
	switch {
	case mode == passing && c.ended, !c.state.CompareAndSwap(stateIdle, stateBusy):
	case mode == passing:
		c.loop.all.bequest.add(c)
	default:
		c.close() // nobody would look after it
	}
}

// Busy implements conns.Holder.
func (c *conn) Busy() bool { return c.state.Load() != stateIdle }

// Overdue implements conns.Holder.
func (c *conn) Overdue(p conns.Phase, since int64) {
	if p == conns.Streaming {
		c.loop.later(c)
		return
	}
	if !c.state.CompareAndSwap(stateIdle, stateBusy) {
		return
	}
	if now, at := c.Phase(); now != p || at != since { // a request was served meanwhile
		if !c.release() {
			c.serveLater(serveMost)
		}
		return
	}
	if p == conns.Idle {
		if conns.Peek(c.socket()) == conns.PeekData {
			c.serveLater(serveMost)
			return
		}
		c.loop.all.Table.Idled()
		if conns.Outstanding(c.socket()) > 0 {
			c.end() // it has yet to take its last response
			return
		}
	}
	c.close()
}

// Gone implements conns.Holder. The caller doesn't own the connection, which may have been closed
// meanwhile, and the answer is about another one then, so it is to be used for nothing but a call
// by its id.
func (c *conn) Gone() bool {
	return c.hungUp.Load() && c.state.Load() != stateGone && conns.Peek(c.socket()) == conns.PeekGone
}

// Abandon implements conns.Holder.
func (c *conn) Abandon(call uint64) {
	c.loop.all.Front.Abandon(call)
	c.left.Store(call)
	c.loop.later(c) // if its response streams
}

// Outstanding implements conns.Holder.
func (c *conn) Outstanding() int {
	if c.state.Load() == stateGone {
		return 0
	}
	return conns.Outstanding(c.socket())
}

// Abort implements conns.Holder.
func (c *conn) Abort() {
	c.closing.Store(true)
	if c.state.CompareAndSwap(stateIdle, stateBusy) {
		c.close()
		return
	}
	if call := c.Call.Load(); call != 0 {
		c.Abandon(call)
	}
}

// close ends the connection. The caller owns it.
func (c *conn) close() {
	if c.state.Swap(stateGone) == stateGone {
		return
	}
	c.loop.forget(c)
	if c.Aborted() != conns.NotAborted {
		conns.Forget(c.socket())
	}
	_ = unix.Close(c.socket()) // it can't fail in a way that matters
	c.Leave()
}

// end closes the connection in stages (RFC 9112 section 9.6): our side now, the rest when the
// client has closed its own. Closed at once, a socket with something unread, or to which something
// more comes, sends a reset, at which the client's system throws away what its program hasn't read
// yet. The caller owns the connection, and doesn't afterwards.
func (c *conn) end() {
	if c.hungUp.Load() && conns.Peek(c.socket()) == conns.PeekGone || c.closing.Load() || !c.Linger() || conns.End(c.socket()) != nil {
		c.close()
		return
	}
	c.ended, c.endedAt, c.held = true, c.loop.all.Table.Now(), nil
	if !c.release() {
		c.serveLater(serveMost)
	}
}

// drop reads what a client sends after its last response. It returns true if there may be more.
func (c *conn) drop(buf []byte) (goesOn bool) {
	n, ended := c.read(buf)
	c.dropped += n
	if ended || c.dropped > conns.LingerBytes || c.loop.all.Table.Now()-c.endedAt > conns.LingerTimeout.Milliseconds() {
		c.close()
		return false
	}
	return n > 0 || !c.release()
}

// read reads what is there. n is 0 if nothing is; ended says that nothing will be.
func (c *conn) read(buf []byte) (n int, ended bool) {
	for {
		r, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(c.socket()), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)), unix.MSG_DONTWAIT, 0, 0) // as package unix does, without telling the scheduler: it doesn't block
		switch errno {
		case 0:
			c.full = int(r) == len(buf)
			c.loop.all.Front.Read(int(r))
			return int(r), r == 0
		case unix.EINTR:
		case unix.EAGAIN:
			c.full = false
			c.hungUp.Store(false) // what was it then? A new event would tell
			return 0, false
		default:
			return 0, true
		}
	}
}

// write writes head and body as far as the socket takes them. ok is false if
// the connection has broken.
func (c *conn) write(head, body []byte) (n int, ok bool) {
	const flags = unix.MSG_NOSIGNAL | unix.MSG_DONTWAIT
	for {
		var r uintptr
		var errno unix.Errno
		if len(body) == 0 {
			r, _, errno = unix.RawSyscall6(unix.SYS_SENDTO, uintptr(c.socket()), uintptr(unsafe.Pointer(&head[0])), uintptr(len(head)), flags, 0, 0)
		} else {
			iov := [2]unix.Iovec{{Base: &head[0]}, {Base: &body[0]}}
			iov[0].SetLen(len(head))
			iov[1].SetLen(len(body))
			msg := unix.Msghdr{Iov: &iov[0]}
			msg.SetIovlen(len(iov))
			r, _, errno = unix.RawSyscall(unix.SYS_SENDMSG, uintptr(c.socket()), uintptr(unsafe.Pointer(&msg)), flags)
		}
		switch errno {
		case 0:
			return int(r), true
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, true
		default:
			return 0, false
		}
	}
}

// detach takes the connection from its loop, for the blocking driver. The caller owns it.
func (c *conn) detach() *os.File {
	c.state.Store(stateGone)
	c.loop.unwatch(c)
	return os.NewFile(uintptr(c.socket()), "client")
}

// pass leaves the connection to the blocking driver before or within a request, of which in is the
// beginning.
func (c *conn) pass(in []byte) {
	ls := c.loop.all
	ls.overRequest.Inc()
	in = bytes.Clone(in)
	c.held = nil
	ls.Serve(c.detach(), &c.Conn, c, in, c.firstByte)
}

// passWriting leaves the connection to the blocking driver in the middle of a response, of which
// done bytes were written.
func (c *conn) passWriting(x *exchange.Exchange, head []byte, done int) {
	ls := c.loop.all
	ls.overResponse.Inc()
	x.Keep()
	held := c.held
	c.held = nil
	ls.Write(c.detach(), &c.Conn, c, x, head, done, held)
}

// Return implements blocking.Home.
func (c *conn) Return(s blocking.Socket, rest []byte) {
	ls := c.loop.all
	fd, err := -1, error(nil)
	raw, rawErr := s.SyscallConn()
	if rawErr == nil {
		// A descriptor of its own, as there is no other way of taking it back from package os.
		rawErr = raw.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) })
	}
	_ = s.Close() // the copy is open
	if rawErr != nil || err != nil {
		ls.Table.NotPassed(&c.Conn)
		return
	}
	c.fd.Store(int32(fd))
	c.full = false
	c.hungUp.Store(false)
	c.scanner = http1.Scanner{}
	c.scanner.Init(ls.Limits)
	c.held = rest
	c.firstByte = ls.Front.Now()
	c.state.Store(stateBusy)
	ls.Table.Pass(&c.Conn, c)
	if err := c.loop.add(c); err != nil {
		ls.Table.NotPassed(&c.Conn)
		_ = unix.Close(fd)
		return
	}
	ls.back.Inc()
	if len(rest) > 0 || !c.release() {
		c.serveLater(serveMost)
	}
}
