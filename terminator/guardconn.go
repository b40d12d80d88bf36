package terminator

import (
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"nanofront/terminator/forwarded"
	"nanofront/terminator/http1"
)

// guardPeeked is what guardPeek finds on a socket.
type guardPeeked uint8

const (
	guardPeekNothing guardPeeked = iota // nothing to read, or no telling
	guardPeekData                       // something to read
	guardPeekGone                       // closed or reset by the client
)

// guardConn stands between a socket and fasthttp, whose parser accepts what a front must refuse. It follows the message
// framing of all bytes that it hands on, and at the first violation hands on nothing more.
//
// Two rules make the client see exactly one response for each of its requests, in their order:
//
//   - The response to a refused request is written by the guard itself, and only when fasthttp asks for more bytes.
//     fasthttp has by then written and flushed the responses to all requests before. Afterwards it is told EOF,
//     and what it may still have to say (its own 400 for the half of a head that it had got) is swallowed.
//   - fasthttp doesn't flush before it waits for the rest of a body. So a request whose body is incomplete is never
//     handed on together with requests before it: it is held back until the next Read.
//
// A violation in the same piece of bytes in which its request begins keeps all of that request from fasthttp.
//
// Read and Write belong to the one goroutine that serves the connection. Close, peerGone and what the sweeper does
// may come from any.
type guardConn struct {
	net.Conn // the socket; its deadlines are the guard's alone

	forwarded.Peer
	listener *guardListener
	state    atomic.Uint64 // guardPack of phase and beginning
	leave    atomic.Uint64 // the idle state in which closeIdle found the connection and told it to go
	closed   atomic.Bool
	lingers  atomic.Bool // Close has to linger: a response was written while unread bytes may be left

	shard *guardShard // with index: guarded by the shard's lock after add
	index int

	// The forwarder's: the correlation id of the request that waits for its reply, and the one that watchClients saw
	// at its last look.
	waiting atomic.Uint64
	watched uint64

	// Bus times in ns, for the stages of a request: its first byte, and its reply. 0: not known, or none.
	firstByte, replied int64

	scanner   http1.Scanner
	verdict   http1.Fault
	began     int64  // when the part being read of a request, head or body, began
	bodyBytes int    // bytes of a body since then
	handedAt  int64  // when the last of a body's bytes were handed on
	wasInHead bool   // it is a head
	held      []byte // bytes read and scanned but not handed on yet
	serving   bool   // the terminator has begun with the request whose body is being read
	answered  bool   // a response was begun before the request's body had come
	dead      bool   // nothing more goes either way
}

// guardNoLeave is a state that no connection has.
const guardNoLeave = ^uint64(0)

func newGuardConn(l *guardListener, inner net.Conn) *guardConn {
	c := &guardConn{Conn: inner, listener: l}
	c.scanner.Init(&l.limits)
	c.leave.Store(guardNoLeave)
	c.Peer = forwarded.NewPeer(forwarded.AddrOf(inner.RemoteAddr()), l.opt.trusted)
	c.enter(guardIdle)
	l.sweeper.add(c)
	return c
}

func (c *guardConn) enter(phase guardPhase) {
	c.state.Store(guardPack(phase, c.listener.sweeper.now()))
}

// Read hands on the next bytes that are in order. At a violation or a timeout it writes the response and returns
// io.EOF, at which fasthttp closes the connection.
func (c *guardConn) Read(p []byte) (int, error) {
	if len(c.held) > 0 {
		n := copy(p, c.held)
		if c.held = c.held[n:]; len(c.held) == 0 {
			c.held = nil
		}
		return n, nil
	}
	if c.dead {
		return 0, io.EOF
	}
	if c.verdict != http1.OK {
		return c.refuse()
	}
	if len(p) == 0 {
		return 0, nil
	}
	switch {
	case c.scanner.InBody():
		c.state.Store(guardPack(guardBody, c.bodyBegan()))
	case c.scanner.InHead():
		c.state.Store(guardPack(guardHead, c.began))
	default:
		c.enter(guardIdle)
	}
	for {
		n, err := c.Conn.Read(p)
		if n > 0 {
			c.listener.stats.bytesIn.Add(uint64(n))
			if c.firstByte == 0 {
				c.firstByte = c.listener.opt.clock()
			}
			// An error that came with bytes comes again without.
			if n = c.check(p[:n]); n > 0 {
				if c.scanner.InBody() {
					c.bodyBytes += n
					c.handedAt = c.listener.sweeper.now()
				}
				c.state.Store(guardPack(guardServing, 0))
				return n, nil
			}
			return c.refuse()
		}
		if err == nil {
			return 0, nil
		}
		if guardTimeout(err) {
			again, err := c.overdue()
			if again {
				continue
			}
			return 0, err
		}
		if phase, _ := guardUnpack(c.state.Load()); phase == guardIdle || !errors.Is(err, io.EOF) {
			// Between requests a reset ends a connection as well as anything; fasthttp would report an error.
			c.dead = true
			if phase == guardIdle {
				err = io.EOF
			}
			return 0, err
		}
		// The client has closed its side in the middle of a request, and may still listen.
		c.verdict = http1.FaultEarly
		return c.refuse()
	}
}

// guardBodyPiece is what the body timeout is for: what bounds the time is the
// slowest rate that is borne, so that a body of any size may come.
const guardBodyPiece = 64 << 10

// bodyBegan is since when the client is being waited for, for the next piece
// of a body. The time in which nobody read doesn't count.
func (c *guardConn) bodyBegan() int64 {
	if c.handedAt == 0 {
		return c.began
	}
	now := c.listener.sweeper.now()
	c.began += now - c.handedAt
	c.handedAt = 0
	if c.bodyBytes >= guardBodyPiece {
		c.began, c.bodyBytes = now, 0
	}
	return c.began
}

// check scans what was just read and returns how much of it may be handed on. 0 means that there is a verdict.
func (c *guardConn) check(b []byte) int {
	s := &c.scanner
	before := s.State()
	v := s.Scan(b)
	if s.State() != before || s.Start() > 0 {
		c.track(before)
	}
	if v != http1.OK {
		c.verdict = v
		return s.Start()
	}
	if s.Start() > 0 && s.InBody() {
		c.held = append([]byte(nil), b[s.Start():]...)
		return s.Start()
	}
	return len(b)
}

// track keeps began and answered up with the scanner, which has gone on from state before.
func (c *guardConn) track(before http1.State) {
	s := &c.scanner
	inHead, inBody := s.InHead(), s.InBody()
	if s.Start() == 0 && (inHead && c.wasInHead || inBody && before.InBody()) {
		return // further on in the same part of the same request
	}
	c.wasInHead = inHead
	c.began = c.listener.sweeper.now()
	c.bodyBytes, c.handedAt = 0, 0
	if c.answered {
		c.answered = false
		c.lingers.Store(false)
	}
}

// overdue is called when a Read was interrupted. again means that it was for nothing, or no longer is due.
func (c *guardConn) overdue() (again bool, err error) {
	state := c.state.Load()
	phase, since := guardUnpack(state)
	over := c.listener.sweeper.over(phase, since)
	if phase == guardIdle && (over || c.leave.Load() == state) {
		// While a deadline is past, the runtime doesn't even look whether there are bytes. What has come is served.
		if guardPeek(c.Conn) != guardPeekData {
			c.dead = true
			c.listener.stats.idleClosed.Inc()
			return false, io.EOF
		}
		over = false
	}
	switch {
	case !over:
		c.leave.Store(guardNoLeave)
		if err := c.Conn.SetReadDeadline(time.Time{}); err != nil {
			c.dead = true
			return false, err
		}
		return true, nil
	case phase == guardHead:
		c.verdict = http1.FaultHeadSlow
	default:
		c.verdict = http1.FaultBodySlow
	}
	_, err = c.refuse()
	return false, err
}

// refuse ends the connection with the response that the verdict asks for.
func (c *guardConn) refuse() (int, error) {
	c.dead = true
	if c.answered {
		// The handler has answered without waiting for the body; Close lingers.
		return 0, io.EOF
	}
	status, reason := c.verdict.Response()
	if _, err := c.write(c.listener.opt.respond(status, reason, c.serving, c.scanner.Head())); err == nil {
		c.lingers.Store(false)
		c.lingerNow()
	}
	return 0, io.EOF
}

// Write sends b. The write timeout is for each 64 KiB of it: what bounds the time is the slowest rate that is
// borne, so a large response to a slow but living client isn't cut off.
func (c *guardConn) Write(b []byte) (int, error) {
	if c.dead {
		return len(b), nil
	}
	// With bytes held or a verdict pending, the scanner is ahead of fasthttp, and b belongs to a request before.
	switch {
	case c.verdict != http1.OK:
		// If this is the last response for another reason, Close meets unread bytes.
		c.lingers.Store(true)
	case c.scanner.InBody() && len(c.held) == 0 && !c.answered && string(b) != guardContinue:
		c.answered = true
		c.lingers.Store(true)
	}
	n, err := c.write(b)
	c.state.Store(guardPack(guardServing, 0))
	c.listener.stats.bytesOut.Add(uint64(n)) //nolint:gosec // not negative
	if c.replied != 0 && err == nil {
		c.listener.opt.written(c.firstByte, c.replied)
	}
	c.firstByte, c.replied = 0, 0
	return n, err
}

// guardContinue is the interim response that fasthttp writes to Expect: 100-continue, alone and flushed.
const guardContinue = "HTTP/1.1 100 Continue\r\n\r\n"

const guardWritePiece = 64 << 10

func (c *guardConn) write(b []byte) (n int, err error) {
	for n < len(b) {
		c.enter(guardWriting)
		var m int
		m, err = c.Conn.Write(b[n:min(n+guardWritePiece, len(b))])
		n += m
		if err == nil {
			continue
		}
		if guardTimeout(err) {
			if _, since := guardUnpack(c.state.Load()); !c.listener.sweeper.over(guardWriting, since) {
				if err = c.Conn.SetWriteDeadline(time.Time{}); err == nil {
					continue
				}
			} else {
				c.listener.stats.writeTimeouts.Inc()
			}
		}
		c.dead = true
		c.lingers.Store(false)
		return n, err
	}
	return n, nil
}

// guardTimeout reports whether a deadline has interrupted a Read or Write. Not every net.Conn says so with
// os.ErrDeadlineExceeded.
func guardTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// guardLingerBytes bounds what is read and thrown away while lingering.
const guardLingerBytes = 256 << 10

// lingerNow closes the sending side and reads until the client closes its own. Closed with unread bytes in it, a
// socket sends a reset, at which the client's system throws away the response that its program hasn't read yet.
func (c *guardConn) lingerNow() {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	c.enter(guardLinger)
	end := time.Now().Add(c.listener.opt.linger)
	if c.Conn.SetReadDeadline(end) != nil {
		return
	}
	trash := make([]byte, 4<<10)
	for total := 0; total < guardLingerBytes; {
		n, err := c.Conn.Read(trash)
		total += n
		if err == nil {
			continue
		}
		// The sweeper may have been about to interrupt what the connection was at before.
		if !guardTimeout(err) || time.Now().After(end) || c.Conn.SetReadDeadline(end) != nil {
			return
		}
	}
}

// Close closes the connection, after a linger if the client was answered while there were bytes of it left unread. It may be called
// more than once and from any goroutine.
func (c *guardConn) Close() error {
	if c.lingers.Swap(false) && !c.closed.Load() {
		c.lingerNow()
	}
	return c.abort()
}

// abort is Close without the linger.
func (c *guardConn) abort() error {
	if c.closed.Swap(true) {
		return nil
	}
	c.listener.sweeper.remove(c)
	err := c.Conn.Close()
	c.listener.openConns.Add(-1)
	return err
}

// guardPast is a deadline that interrupts at once.
var guardPast = time.Unix(1, 0)

// interruptRead has a Read under way, or else the next, look whether it is overdue.
func (c *guardConn) interruptRead() {
	if c.Conn.SetReadDeadline(guardPast) != nil {
		_ = c.Conn.Close()
	}
}

// interruptWrite is interruptRead for Write.
func (c *guardConn) interruptWrite() {
	if c.Conn.SetWriteDeadline(guardPast) != nil {
		_ = c.Conn.Close()
	}
}

// ended reports whether the guard has ended the connection. Nothing that is written then reaches the client; an error that
// fasthttp reports is only its view of that end, and isn't to be counted or logged. For the serving goroutine.
func (c *guardConn) ended() bool { return c.dead }

// peerGone reports whether the client has closed or reset the connection, as far as can be seen without waiting. It
// costs a system call. While bytes that the client sent before are still unread, it says false. It may be called
// from any goroutine until Close.
func (c *guardConn) peerGone() bool { return guardPeek(c.Conn) == guardPeekGone }

// guardBareResponse is what a refused client gets when nobody supplies anything better.
func guardBareResponse(status int) []byte {
	return []byte("HTTP/1.1 " + strconv.Itoa(status) + " \r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}
