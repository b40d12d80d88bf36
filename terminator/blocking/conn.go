package blocking

import (
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"nanofront/nanobus"
	"nanofront/terminator/conns"
	"nanofront/terminator/exchange"
	"nanofront/terminator/http1"
	"nanofront/terminator/memory"
)

// conn is a connection that a goroutine serves.
type conn struct {
	*conns.Conn
	d    *Driver
	sock Socket
	home Home // nil: none

	scanner   http1.Scanner
	at        http1.Head   // of the request being read
	in        []byte       // read, and not used up
	behind    int          // bytes of in behind the head
	held      int          // bytes of the front's memory, for the body that was gathered
	owner     memory.Owner // of those
	hasty     bool         // a client that pauses in its body isn't waited for: see pause
	skips     bool         // the rest of the refused request's body is read, and dropped
	firstByte int64        // Front.Now of the current request's first byte; 0: none has come
	small     [512]byte

	// The answer to the request under way comes from whoever completes it.
	x         *exchange.Exchange
	how       func(*conn, *exchange.Exchange) (goesOn bool)
	ready     chan struct{}
	answered  atomic.Bool
	uploading atomic.Bool

	mu       sync.Mutex
	download *nanobus.BodyReader // guarded by mu: the body that is being streamed
	gone     atomic.Bool         // its client has gone
	drained  atomic.Bool         // it was quiet for too long while draining
	closed   atomic.Bool
}

// pause is how long a client may pause in a body that goes on the bus in one piece before it is
// sent as far as it has come: its handler may have an answer that needn't wait for the rest.
const pause = 250 * time.Millisecond

// past is a deadline that interrupts at once.
var past = time.Unix(1, 0)

var (
	errIdle     = errors.New("blocking: the client sent nothing more")
	errPaused   = errors.New("blocking: the client has sent nothing for a while")
	errAnswered = errors.New("blocking: answered before the body had arrived")
)

// faultError is a fault of what was read.
type faultError http1.Fault

func (f faultError) Error() string {
	_, reason := http1.Fault(f).Response()
	return reason
}

// serve serves requests until the connection ends or goes back to where it came from.
func (c *conn) serve() {
	defer func() {
		if p := recover(); p != nil {
			c.d.Front.Panicked(p)
			c.d.Memory.Give(c.held, c.owner)
			c.Abort()
		}
	}()
	for {
		if c.home != nil && c.firstByte == 0 {
			// Between requests, and no byte of the next was looked at.
			home, rest := c.home, c.in
			c.home, c.in = nil, nil
			home.Return(c.sock, rest)
			return
		}
		if !c.request() {
			c.end()
			return
		}
		c.firstByte = 0
		if len(c.in) == 0 {
			c.in, c.at = nil, http1.Head{} // and their memory
		}
	}
}

// request reads and serves one request. It returns true if the connection goes on.
func (c *conn) request() (goesOn bool) {
	head, err := c.readHead()
	var fault faultError
	switch {
	case errors.As(err, &fault):
		x := c.take()
		x.Fault(http1.Fault(fault), c.scanner.Head())
		return c.await()
	case err != nil:
		return false
	}
	x := c.take()
	x.Read(head, &c.at)
	length := c.scanner.Length()
	if c.scanner.Chunked() {
		length = -1
	}
	c.in = c.in[len(c.in)-c.behind:]
	if !x.Route(length) {
		return c.refuse(x)
	}
	if c.scanner.InBody() {
		return c.body(x, length)
	}
	x.Start(nil)
	return c.await()
}

func (c *conn) take() *exchange.Exchange {
	c.Enter(conns.Serving)
	c.answered.Store(false)
	x := c.d.Front.Take(c, &c.Peer, &c.Call, c.firstByte)
	c.x = x
	return x
}

// refuse answers before the body has come. What has come of it already is dropped: if that is all,
// the connection can go on.
func (c *conn) refuse(x *exchange.Exchange) (goesOn bool) {
	for c.scanner.InBody() && len(c.in) > 0 {
		_, n, fault := c.scanner.ScanBody(c.in)
		if fault != http1.OK {
			break
		}
		c.in = c.in[n:]
	}
	c.skips = c.scanner.InBody() && !c.scanner.Chunked() && !c.scanner.Expects() && c.scanner.Left() <= skipMost
	x.Refuse()
	goesOn = c.await()
	for b := c.reader(); goesOn && c.scanner.InBody(); {
		if _, err := b.next(); err != nil {
			return false
		}
	}
	c.skips = false
	return goesOn
}

// skipMost is how much of a refused request's body is read, in bytes, for the connection to go on.
// A client that sends first and reads then hasn't read the answer before.
const skipMost = 64 << 10

// Answer implements exchange.Responder.
func (c *conn) Answer(x *exchange.Exchange) bool {
	return c.answer(x, func(c *conn, x *exchange.Exchange) bool { return c.hold(x, nil, 0) })
}

// Begin implements exchange.Responder.
func (c *conn) Begin(x *exchange.Exchange) bool { return c.answer(x, (*conn).stream) }

// Drop implements exchange.Responder.
func (c *conn) Drop(x *exchange.Exchange) bool {
	return c.answer(x, func(_ *conn, x *exchange.Exchange) bool {
		end := Lost(c.Conn)
		if end == exchange.ClientGone && c.scanner.InBody() {
			end = exchange.UploadAborted
		}
		x.Finish(0, 0, end)
		return false
	})
}

// Held implements exchange.Responder.
func (c *conn) Held(*exchange.Exchange) { c.Enter(conns.Held) }

// Next implements exchange.Responder.
func (*conn) Next() {}

// answer wakes the connection's goroutine, which responds: from whatever it is at, be it the
// client's body.
func (c *conn) answer(x *exchange.Exchange, how func(*conn, *exchange.Exchange) bool) bool {
	x.Keep()
	c.x, c.how = x, how
	c.answered.Store(true)
	if c.uploading.Load() {
		_ = c.sock.SetReadDeadline(past) // closed, else
	}
	c.ready <- struct{}{}
	return false
}

// await waits for the answer and responds.
func (c *conn) await() (goesOn bool) {
	<-c.ready
	return c.respond()
}

func (c *conn) respond() (goesOn bool) {
	c.d.Memory.Give(c.held, c.owner)
	c.held = 0
	if c.scanner.InBody() && !c.skips {
		// How much of the body is still to come may be known, but not when it will.
		c.x.Close = true
	}
	return c.how(c, c.x)
}

// Busy implements conns.Holder.
func (c *conn) Busy() bool {
	p, _ := c.Phase()
	return p != conns.Idle
}

// Overdue implements conns.Holder.
func (c *conn) Overdue(p conns.Phase, _ int64) {
	if p == conns.Streaming {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.download != nil {
			c.drained.Store(true)
			_ = c.download.Close() // it can't fail
		}
		return
	}
	if p == conns.Idle || p == conns.Head || p == conns.Body || p == conns.Lingering {
		_ = c.sock.SetReadDeadline(past) // closed, else
	}
}

// Gone implements conns.Holder.
func (c *conn) Gone() bool { return conns.PeekConn(c.sock) == conns.PeekGone }

// Outstanding implements conns.Holder.
func (c *conn) Outstanding() int { return conns.OutstandingConn(c.sock) }

// Abandon implements conns.Holder.
func (c *conn) Abandon(call uint64) {
	c.d.Front.Abandon(call)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.download != nil {
		c.gone.Store(true)
		_ = c.download.Close() // it can't fail
	}
}

// Abort implements conns.Holder.
func (c *conn) Abort() {
	c.closed.Store(true)
	conns.ForgetConn(c.sock)
	_ = c.sock.Close() // closed already, else
	c.Leave()
	if call := c.Call.Load(); call != 0 {
		c.Abandon(call)
	}
}

// end closes the connection: at once if the client has closed it, else in stages (RFC 9112 section
// 9.6), as a socket that is closed while something is unread sends a reset, at which the client's
// system throws away what its program hasn't read yet.
func (c *conn) end() {
	defer func() {
		_ = c.sock.Close() // closed already, else
		c.Leave()
	}()
	if c.closed.Load() || c.Gone() || conns.EndConn(c.sock) != nil || !c.Linger() {
		return
	}
	trash := pieces.Get().(*[piece]byte) //nolint:forcetypeassert // the pool has nothing else
	defer pieces.Put(trash)
	began := time.Now()
	_ = c.sock.SetReadDeadline(time.Time{}) // closed, else
	for total := 0; total < conns.LingerBytes && time.Since(began) < conns.LingerTimeout; {
		c.Enter(conns.Lingering)
		n, err := c.sock.Read(trash[:])
		if total += n; err == nil {
			continue
		}
		if p, since := c.Phase(); !errors.Is(err, os.ErrDeadlineExceeded) || c.Overstays(p, since) || c.sock.SetReadDeadline(time.Time{}) != nil {
			return
		}
	}
}

// fill reads what there is behind in. It waits for that in phase p, which began at since.
func (c *conn) fill(p conns.Phase, since int64) error {
	for {
		var n int
		var err error
		c.EnterSince(p, since)
		switch {
		case c.uploading.Load() && c.answered.Load():
			return errAnswered
		case p == conns.Idle:
			n, err = c.sock.Read(c.small[:]) // so that one who waits costs little
			c.in = append(c.in, c.small[:n]...)
		default:
			if c.hasty {
				_ = c.sock.SetReadDeadline(time.Now().Add(pause)) // closed, else
			}
			buf := pieces.Get().(*[piece]byte) //nolint:forcetypeassert // the pool has nothing else
			n, err = c.sock.Read(buf[:])
			c.in = append(c.in, buf[:n]...)
			pieces.Put(buf)
		}
		if n > 0 {
			c.d.Front.Read(n)
			if c.firstByte == 0 {
				c.firstByte = c.d.Front.Now()
			}
			return nil // an error that came with bytes comes again without
		}
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			if c.uploading.Load() && c.answered.Load() {
				return errAnswered
			}
			if c.Overstays(p, since) && !(p == conns.Idle && conns.PeekConn(c.sock) == conns.PeekData) {
				return overdue(c, p)
			}
			if err := c.sock.SetReadDeadline(time.Time{}); err != nil {
				return err
			}
			if c.hasty {
				return errPaused
			}
		case errors.Is(err, io.EOF) && p != conns.Idle:
			return faultError(http1.FaultEarly) // the client has closed its side, and may still listen
		default:
			return err
		}
	}
}

// overdue is what becomes of a phase that has lasted too long.
func overdue(c *conn, p conns.Phase) error {
	_ = c.sock.SetReadDeadline(time.Time{}) // closed, else
	switch p {
	case conns.Head:
		return faultError(http1.FaultHeadSlow)
	case conns.Body:
		return faultError(http1.FaultBodySlow)
	default:
		c.d.Table.Idled()
		return errIdle
	}
}
