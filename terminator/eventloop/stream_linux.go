package eventloop

import (
	"errors"
	"io"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"nanofront/nanobus"
	"nanofront/terminator/blocking"
	"nanofront/terminator/conns"
	"nanofront/terminator/exchange"
	"nanofront/terminator/http1"
	"nanofront/terminator/memory"
)

// pumpMost is how many pieces of one stream are written in a row before others have their turn.
const pumpMost = 8

// stream is a response that streams. From its beginning to its end it, and with it the connection,
// belongs to the connection's loop, which looks at it when more of the body has come
// (nanobus.BodyReader.TryRead), when the client has taken what waits for it (EPOLLOUT), and when it
// is to end. In between it waits, without a goroutine, a timer or a buffer. What the client hasn't
// taken is kept here, and no more is read before it has: the sender gets no credit for that.
type stream struct {
	http1.BodyFramer

	x     *exchange.Exchange
	body  *nanobus.BodyReader
	ready func() // has the loop look
	end   error  // of the body: io.EOF, or why there is no more

	head  int          // bytes of the response's head; 0: it isn't written
	size  int          // bytes of the body that were framed
	tail  []byte       // what the system hasn't taken, held against the front's memory
	owed  int          // how much is held there
	owner memory.Owner // of that

	waited *atomic.Bool // for the first byte of the body, see blocking.FirstWait; nil: not yet
}

// pump goes on with the response that streams on c, if there is one. Called by its loop.
func (l *loop) pump(c *conn) {
	if x := c.writes.Swap(nil); x != nil {
		l.write(c, x)
		return
	}
	if x := c.begins.Swap(nil); x != nil {
		c.stream = &stream{
			x: x, body: x.Stream(), ready: func() { l.later(c) },
			BodyFramer: http1.BodyFramer{Left: x.Response.Length, Chunked: x.Response.Length == exchange.NotKnown},
		}
		c.Enter(conns.Streaming)
	}
	s := c.stream
	if s == nil {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			l.all.Front.Panicked(p)
			if c.stream != nil {
				c.finish(s, exchange.Broken)
			}
		}
	}()
	for range pumpMost {
		switch {
		case c.closing.Load():
			c.finish(s, blocking.Lost(&c.Conn))
			return
		case l.all.Table.Over(c.Phase()):
			c.finish(s, exchange.Drained) // the client sees that it isn't complete
			return
		case c.left.Load() == c.Call.Load(), c.hungUp.Load() && c.broken():
			c.finish(s, exchange.ClientGone)
			return
		}
		if len(s.tail) > 0 {
			if !c.send(s, s.tail, nil) {
				return
			}
			continue
		}
		switch {
		case s.end == nil:
		case errors.Is(s.end, io.EOF):
			c.finish(s, exchange.Complete)
			return
		default:
			c.finish(s, exchange.Broken)
			return
		}
		if s.head == 0 && len(s.x.Response.Body) > 0 {
			s.x.Response.Body = s.x.Response.Body[:s.Take(len(s.x.Response.Body))]
			s.size = len(s.x.Response.Body)
			if s.Full() {
				s.end = io.EOF
			}
			if !c.begin(s, nil) {
				return
			}
			continue
		}
		n, err := s.body.TryRead(l.buf[http1.FramingRoom:loopBuffer-http1.FramingRoom], s.ready)
		switch {
		case err != nil && s.head == 0 && !errors.Is(err, io.EOF):
			c.stream = nil
			if s.x.Broken(err) { // calls Answer
				c.goOn(&l.batch)
			}
			return
		case err != nil:
			if s.end = err; errors.Is(err, io.EOF) && s.Left > 0 {
				s.end = io.ErrUnexpectedEOF // less than was announced
			}
			end := []byte(nil)
			if errors.Is(s.end, io.EOF) {
				end = append(l.buf[:0], s.End()...)
			}
			if !c.put(s, end) {
				return
			}
		case n == 0 && s.head == 0 && s.waits():
			return
		case n == 0:
			if s.head != 0 {
				return
			}
			if !c.begin(s, nil) {
				return
			}
		default:
			n = s.Take(n)
			s.size += n
			if s.Full() {
				s.end = io.EOF
			}
			out := s.Frame(l.buf[:], n)
			if !c.put(s, out) {
				return
			}
		}
	}
	l.later(c)
}

// write writes a response that came among many.
func (l *loop) write(c *conn, x *exchange.Exchange) {
	defer func() {
		if p := recover(); p != nil {
			l.all.Front.Panicked(p)
			c.close()
		}
	}()
	if c.answer(x) {
		c.goOn(&l.batch)
	}
}

// waits reports whether the head is to wait for the first byte of the body, and if so, has the loop
// look again when it has waited.
func (s *stream) waits() bool {
	if s.waited == nil {
		s.waited = new(atomic.Bool)
		waited, ready := s.waited, s.ready
		time.AfterFunc(blocking.FirstWait, func() {
			waited.Store(true)
			ready()
		})
	}
	return !s.waited.Load()
}

// put writes a piece, framed, with the head in front of the first. The result is send's.
func (c *conn) put(s *stream, piece []byte) (goesOn bool) {
	if s.head == 0 {
		return c.begin(s, piece)
	}
	return c.send(s, piece, nil)
}

// begin writes the head, what of the body came with it, and a first piece, framed. The result is
// send's.
func (c *conn) begin(s *stream, piece []byte) (goesOn bool) {
	c.head(s.x)
	s.head = len(s.x.Out)
	out := s.Append(s.x.Out, s.x.Response.Body)
	s.waited = nil
	goesOn = c.send(s, out, piece)
	if c.stream == s {
		s.x.Begun()
	}
	return goesOn
}

// send writes a and b and keeps what the system doesn't take. It returns true if that is nothing,
// and the stream goes on.
func (c *conn) send(s *stream, a, b []byte) (goesOn bool) {
	all := len(a) + len(b)
	if all == 0 {
		return true
	}
	n, ok := c.write(a, b)
	if !ok {
		c.finish(s, exchange.ClientGone)
		return false
	}
	c.Wrote(n, n < all)
	ls := c.loop.all
	if n == all {
		ls.Memory.Give(s.owed, s.owner)
		s.tail, s.owed = nil, 0
		c.Enter(conns.Streaming)
		return true
	}
	if len(s.tail) > 0 {
		s.tail = s.tail[n:] // a is the tail
	} else {
		s.owner = s.x.Owner()
		if !ls.Memory.Take(all-n, s.owner) {
			c.OutOfMemory()
			c.finish(s, exchange.NoMemory)
			return false
		}
		s.owed = all - n
		s.tail = append(append(make([]byte, 0, all-n), a[min(n, len(a)):]...), b[max(n-len(a), 0):]...)
	}
	c.Enter(conns.Writing)
	// Said anew each time, so that room that is there just now is an event, too.
	_ = unix.EpollCtl(c.loop.ep, unix.EPOLL_CTL_MOD, c.socket(), &unix.EpollEvent{
		Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET, Fd: int32(c.socket()), Pad: int32(c.gen),
	})
	return false
}

// broken reports whether the connection has been reset.
func (c *conn) broken() bool {
	e, err := unix.GetsockoptInt(c.socket(), unix.SOL_SOCKET, unix.SO_ERROR)
	return err != nil || e != 0
}

// finish ends the response. If the connection goes on, the next request is served.
func (c *conn) finish(s *stream, end exchange.End) {
	c.stream = nil
	ls := c.loop.all
	ls.Memory.Give(s.owed, s.owner)
	closes := s.x.Close || end != exchange.Complete
	// What waits isn't taken.
	taken := s.head + s.size - len(s.tail)
	if s.head == 0 {
		taken = 0
	}
	s.x.Finish(int64(min(s.head, max(taken, 0))), int64(max(taken-s.head, 0)), end)
	switch {
	case end == exchange.ClientGone, c.closing.Load(), c.Aborted() != conns.NotAborted:
		c.close()
	case closes:
		c.end()
	default:
		c.goOn(&c.loop.batch)
	}
}

// goOn serves what else the client has sent, on the connection's loop.
func (c *conn) goOn(b *batch) {
	if c.loop.all.stop() {
		c.close()
		return
	}
	if len(c.held) > 0 || !c.release() {
		c.firstByte = c.loop.all.Front.Now()
		c.serve(b, serveMost)
	}
}
