package terminator

import (
	"bufio"
	"bytes"
	"net"
	"os"
	"sync/atomic"
	"unsafe"

	"github.com/valyala/fasthttp"
	"golang.org/x/sys/unix"

	"nanofront/nanobus"
	"nanofront/terminator/forwarded"
	"nanofront/terminator/http1"
)

// States of a loopConn.
const (
	loopIdle  uint32 = iota // nobody's: whoever makes it busy owns it
	loopBusy                // somebody's
	loopAgain               // somebody's, who has to look for more before leaving it idle
	loopGone                // closed, or handed over: nobody's for good
)

// loopConn is a client's connection on an event loop.
//
// Who sets state from idle to busy owns the connection: the loop when there is
// something to read, the sweep when it was idle for too long. While a request
// is under way nobody does anything with it; the ownership is with the call,
// and passes to whoever completes that. What comes meanwhile is noted
// (loopAgain) and read when the response is written. So there is no lock, and
// no two goroutines ever read or write the same socket.
type loopConn struct {
	forwarded.Peer

	loop *eventLoop
	fd   int
	gen  uint32 // tells the events of this connection from those of one that had its descriptor before

	state     atomic.Uint32
	idleSince atomic.Int64 // the sweeper's clock
	hungUp    atomic.Bool  // the client has closed its side, or more
	closing   atomic.Bool  // to be closed with what is under way

	waiting atomic.Uint64 // id of the call under way; 0: none
	watched uint64        // as watchClients saw it last

	// The owner's:
	scanner   http1.Scanner
	held      []byte // read, but not served yet: further requests of a client that doesn't wait
	full      bool   // the last read filled its buffer: there may be more, of which no event tells
	firstByte int64  // bus time at which the request that is served was found, in ns
}

// wake is called when there is something to read.
func (c *loopConn) wake(b *nanobus.Batch, buf []byte, now int64) {
	for {
		switch c.state.Load() {
		case loopIdle:
			if c.state.CompareAndSwap(loopIdle, loopBusy) {
				c.firstByte = now
				c.serve(b, buf, serveMost)
				return
			}
		case loopBusy:
			if c.state.CompareAndSwap(loopBusy, loopAgain) {
				return
			}
		default:
			return
		}
	}
}

// release leaves the connection idle, or reports that there is more to read.
func (c *loopConn) release() (idle bool) {
	if c.full || c.hungUp.Load() {
		// Of the end that came together with the bytes no further event tells.
		c.full = false
		return false
	}
	all := c.loop.all
	c.idleSince.Store(all.guard.sweeper.now())
	if !c.state.CompareAndSwap(loopBusy, loopIdle) {
		c.state.Store(loopBusy)
		return false
	}
	if all.stopped.Load() && c.state.CompareAndSwap(loopIdle, loopBusy) {
		c.close() // nobody would look after it
	}
	return true
}

// leave closes the connection if it has been idle since then, and nothing has
// come.
func (c *loopConn) leave(since int64) {
	if !c.state.CompareAndSwap(loopIdle, loopBusy) {
		return
	}
	if c.idleSince.Load() != since { // a request was served meanwhile
		if !c.release() {
			c.serveLater(serveMost)
		}
		return
	}
	if peekSocket(c.fd) == guardPeekData {
		c.serveLater(serveMost)
		return
	}
	c.loop.all.guard.stats.idleClosed.Inc()
	c.close()
}

// close ends the connection. The caller owns it.
func (c *loopConn) close() {
	c.state.Store(loopGone)
	c.loop.forget(c)
	_ = unix.Close(c.fd) // it can't fail in a way that matters
	c.loop.all.guard.openConns.Add(-1)
}

// gone reports whether the client has closed or reset the connection. Called
// by who doesn't own it: it may have been closed meanwhile, and the answer is
// about another one then, so it is to be used for nothing but a call by its id.
func (c *loopConn) gone() bool {
	return c.state.Load() != loopGone && peekSocket(c.fd) == guardPeekGone
}

// read reads what is there. n is 0 if nothing is; ended says that nothing will be.
func (c *loopConn) read(buf []byte) (n int, ended bool) {
	for {
		r, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(c.fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)), unix.MSG_DONTWAIT, 0, 0) //nolint:gosec // as package unix does, without telling the scheduler: it doesn't block
		switch errno {
		case 0:
			c.full = int(r) == len(buf)
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
func (c *loopConn) write(head, body []byte) (n int, ok bool) {
	const flags = unix.MSG_NOSIGNAL | unix.MSG_DONTWAIT
	for {
		var r uintptr
		var errno unix.Errno
		if len(body) == 0 {
			r, _, errno = unix.RawSyscall6(unix.SYS_SENDTO, uintptr(c.fd), uintptr(unsafe.Pointer(&head[0])), uintptr(len(head)), flags, 0, 0) //nolint:gosec // as in read
		} else {
			iov := [2]unix.Iovec{{Base: &head[0]}, {Base: &body[0]}}
			iov[0].SetLen(len(head))
			iov[1].SetLen(len(body))
			msg := unix.Msghdr{Iov: &iov[0]}
			msg.SetIovlen(len(iov))
			r, _, errno = unix.RawSyscall(unix.SYS_SENDMSG, uintptr(c.fd), uintptr(unsafe.Pointer(&msg)), flags) //nolint:gosec // as in read
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

// detach takes the connection from its loop, for a goroutine of its own. The
// caller owns it. pre is what was read of it and not served.
func (c *loopConn) detach(pre []byte) (*guardConn, error) {
	all := c.loop.all
	c.state.Store(loopGone)
	c.loop.forget(c)
	_ = unix.EpollCtl(c.loop.ep, unix.EPOLL_CTL_DEL, c.fd, nil) // it is watched
	file := os.NewFile(uintptr(c.fd), "tcp")
	conn, err := net.FileConn(file)
	_ = file.Close() // conn has a copy
	if err != nil {
		all.guard.openConns.Add(-1)
		all.guard.stats.handOver.Inc()
		return nil, err
	}
	g := newGuardConn(all.guard, &readConn{TCPConn: conn.(*net.TCPConn), pre: pre}) //nolint:forcetypeassert // it was accepted from a TCP listener
	if all.stopped.Load() {                                                         // in this order: the guard's closeAll comes after stop
		_ = g.abort()
		return nil, net.ErrClosed
	}
	return g, nil
}

// handOver leaves the rest of the connection to fasthttp, before or within a
// request of which in is the beginning.
func (c *loopConn) handOver(in []byte) {
	c.loop.all.overRequest.Inc()
	first := c.firstByte
	g, err := c.detach(bytes.Clone(in))
	if err != nil {
		return
	}
	g.firstByte = first
	go c.loop.all.serveConn(g)
}

// handOverWriting is handOver in the middle of a response, whose rest is still
// to be written. replied is as in guardConn.
func (c *loopConn) handOverWriting(rest []byte, replied int64, closing bool) {
	c.loop.all.overResponse.Inc()
	first := c.firstByte
	g, err := c.detach(c.held)
	if err != nil {
		return
	}
	g.firstByte, g.replied = first, replied
	go func() {
		if _, err := g.Write(rest); err != nil || closing {
			_ = g.Close()
			return
		}
		c.loop.all.serveConn(g)
	}()
}

// handOverStream is handOver with a response that streams. It releases resp
// and f.
func (c *loopConn) handOverStream(resp *fasthttp.Response, f *loopFlight) {
	c.loop.all.overStream.Inc()
	g, err := c.detach(c.held)
	go func() {
		if err == nil {
			w := bufio.NewWriterSize(g, 4<<10)
			if err = resp.Write(w); err == nil {
				err = w.Flush()
			}
		}
		closing := f.close || err != nil
		_ = resp.CloseBodyStream() // written, or not to be
		fasthttp.ReleaseResponse(resp)
		f.release()
		switch {
		case g == nil:
		case closing:
			_ = g.Close()
		default:
			c.loop.all.serveConn(g)
		}
	}()
}

// serveConn serves the connection until it ends.
func (ls *eventLoops) serveConn(g *guardConn) {
	_ = ls.t.server.ServeConn(g) // errors are counted where they show
}

// readConn is a socket of which some was read before.
type readConn struct {
	*net.TCPConn
	pre []byte
}

// Read implements net.Conn.
func (c *readConn) Read(p []byte) (int, error) {
	if len(c.pre) > 0 {
		n := copy(p, c.pre)
		if c.pre = c.pre[n:]; len(c.pre) == 0 {
			c.pre = nil
		}
		return n, nil
	}
	return c.TCPConn.Read(p)
}
