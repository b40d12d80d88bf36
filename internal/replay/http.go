package replay

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"nanofront/internal/rawhttp"
)

const (
	sweepInterval = 10 * time.Millisecond
	readBuffer    = 64 << 10
	keepBuffer    = 64 << 10
	// turn is how many events are handled before it is looked at what is due.
	turn = 16
)

// Dial makes Senders that speak HTTP/1.1 to an address, one request at a time on each connection.
// The connection that was used last is used first, so that there are no more than are needed.
func Dial(addr *net.TCPAddr) NewSender {
	return func(connections int, timeout time.Duration, clock func() int64, r Report) (Sender, error) {
		poll, err := rawhttp.NewPoller(connections, addr, false)
		if err != nil {
			return nil, err
		}
		s := &httpSender{addr: addr, poll: poll, clock: clock, report: r, timeout: int64(timeout), conns: make([]conn, connections), in: make([]byte, readBuffer)}
		for i := range s.conns {
			c := &s.conns[i]
			c.i = i
			c.parser.Head, c.parser.Body = c.tookHead, c.tookBody
			c.answer.Field = c.field
			s.free = append(s.free, c)
		}
		return s, nil
	}
}

type connState uint8

const (
	closed connState = iota
	connecting
	open
)

// conn is a connection, with the request that is on it.
type conn struct {
	i     int
	state connState
	busy  bool
	since int64 // when the request was given to it

	item   Item
	want   int // bytes of the body to be kept
	answer Answer
	out    []byte // not yet written, a part of buf
	buf    []byte
	head   []byte // of the answer
	body   []byte // the beginning
	parser rawhttp.Parser
}

func (c *conn) tookHead(b []byte) { c.head = append(c.head[:0], b...) }

func (c *conn) tookBody(b []byte) {
	if n := min(len(b), c.want-len(c.body)); n > 0 {
		c.body = append(c.body, b[:n]...)
	}
}

func (c *conn) field(name string) []byte { return fieldOf(c.head, name) }

type httpSender struct {
	addr    *net.TCPAddr
	poll    rawhttp.Poller
	clock   func() int64
	report  Report
	timeout int64

	conns    []conn
	free     []*conn
	inFlight int
	sweepAt  int64
	events   []rawhttp.Event // not yet handled
	in       []byte
}

func (s *httpSender) Room() bool { return len(s.free) > 0 }

func (s *httpSender) InFlight() int { return s.inFlight }

func (s *httpSender) Send(it *Item) {
	c := s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	s.inFlight++
	c.busy, c.since, c.item = true, s.clock(), *it
	if c.buf = append(c.buf[:0], it.Wire...); cap(c.buf) > keepBuffer && len(c.buf) <= keepBuffer {
		c.buf = append([]byte(nil), it.Wire...)
	}
	c.item.Wire = nil // the feed's
	c.answer = Answer{Field: c.answer.Field}
	if c.state == open {
		s.begin(c)
		return
	}
	if err := s.poll.Open(c.i); err != nil {
		s.fail(c, Connect, s.unconnected(err))
		return
	}
	c.state = connecting
}

func (s *httpSender) unconnected(err error) error { return fmt.Errorf("connect %s: %w", s.addr, err) }

// begin writes a request on its open connection.
func (s *httpSender) begin(c *conn) {
	c.answer.Sent = s.clock()
	s.report.Sent(&c.item, c.answer.Sent)
	c.parser.Reset(c.item.Head)
	c.head, c.body = c.head[:0], c.body[:0]
	c.want = int(min(c.item.Want.Copied, maxKept))
	c.out = c.buf
	s.flush(c)
}

// maxKept is the most of a body that is kept to be hashed, whatever a recording says: a tap copies no
// more of an answer.
const maxKept = 1 << 20

func (s *httpSender) flush(c *conn) {
	for len(c.out) > 0 {
		n, err := s.poll.Write(c.i, c.out)
		if err != nil {
			// The answer may have come all the same, before the end.
			c.out = nil
			if s.receive(c, true); c.busy && c.state == open {
				s.fail(c, Reset, err)
			}
			return
		}
		if n == 0 {
			return // an event comes when there is room
		}
		c.out = c.out[n:]
	}
}

func (s *httpSender) Wait(d time.Duration) error {
	now := s.clock()
	if now >= s.sweepAt {
		s.sweepAt = now + int64(sweepInterval)
		s.sweep(now)
	}
	if len(s.events) == 0 {
		if s.inFlight > 0 {
			d = min(d, time.Duration(s.sweepAt-now))
		}
		var err error
		if s.events, err = s.poll.Wait(max(d, 0)); err != nil {
			return err
		}
	}
	n := min(turn, len(s.events))
	for i := range s.events[:n] {
		if e := &s.events[i]; s.poll.Current(e) {
			s.handle(&s.conns[e.Conn], e)
		}
	}
	s.events = s.events[n:]
	return nil
}

func (s *httpSender) handle(c *conn, e *rawhttp.Event) {
	switch {
	case c.state == connecting:
		if err := s.poll.Connected(c.i); err != nil {
			s.fail(c, Connect, s.unconnected(err))
			return
		}
		c.state = open
		s.begin(c)
	case e.Writable && len(c.out) > 0:
		s.flush(c)
	}
	if c.state == open && e.Readable {
		s.receive(c, e.Ended)
	}
}

// receive reads what is there. With toEnd, also to learn whether the connection has ended.
func (s *httpSender) receive(c *conn, toEnd bool) {
	for c.state == open {
		n, err := s.poll.Read(c.i, s.in)
		if n > 0 {
			s.feed(c, s.in[:n])
		}
		switch {
		case errors.Is(err, rawhttp.ErrAgain):
			return
		case err != nil:
			s.over(c, err)
			return
		case n < len(s.in) && !toEnd:
			return
		}
	}
}

func (s *httpSender) feed(c *conn, data []byte) {
	if !c.busy {
		s.close(c) // what nobody has asked for
		return
	}
	n, done, err := c.parser.Feed(data)
	switch {
	case err != nil:
		s.fail(c, Protocol, fmt.Errorf("%w: %.60q", err, data))
	case done:
		if n < len(data) {
			c.parser.Close = true
		}
		s.complete(c)
	}
}

var (
	errClosed  = errors.New("the server closed the connection instead of answering")
	errCut     = errors.New("the server closed the connection in the middle of an answer")
	errTimeout = errors.New("no complete answer in time")
	errConnect = errors.New("no connection in time")
	errAborted = errors.New("not answered when the replay was stopped")
)

// over is called when a connection has ended.
func (s *httpSender) over(c *conn, err error) {
	switch eof := errors.Is(err, io.EOF); {
	case !c.busy:
		s.close(c)
	case eof && c.parser.End():
		s.complete(c)
	case eof && !c.parser.Begun():
		s.fail(c, Reset, errClosed)
	case eof:
		s.fail(c, Reset, errCut)
	default:
		s.fail(c, Reset, err)
	}
}

// complete ends a request with the parser's answer.
func (s *httpSender) complete(c *conn) {
	a := &c.answer
	a.Done, a.Status, a.Size, a.Body = s.clock(), c.parser.Status, c.parser.Length, c.body
	// An answer before the whole request is sent leaves a connection on which nobody knows what
	// comes next.
	if c.parser.Close || len(c.out) > 0 {
		s.close(c)
	}
	s.end(c)
}

func (s *httpSender) fail(c *conn, cause Cause, err error) {
	c.answer.Cause, c.answer.Err, c.answer.Done = cause, err, s.clock()
	s.close(c)
	s.end(c)
}

// end reports a request and frees its connection.
func (s *httpSender) end(c *conn) {
	c.busy, c.out = false, nil
	s.inFlight--
	s.report.Ended(&c.item, &c.answer)
	c.item, c.answer.Err, c.answer.Body = Item{}, nil, nil // it would keep the recording's memory
	s.free = append(s.free, c)
}

func (s *httpSender) close(c *conn) {
	if c.state != closed {
		s.poll.Close(c.i)
		c.state = closed
	}
}

// sweep fails what is over its time.
func (s *httpSender) sweep(now int64) {
	for i := range s.conns {
		c := &s.conns[i]
		if !c.busy || now-c.since < s.timeout {
			continue
		}
		if c.state == connecting {
			s.fail(c, Connect, errConnect)
			continue
		}
		s.fail(c, Timeout, errTimeout)
	}
}

func (s *httpSender) Close() {
	for i := range s.conns {
		if c := &s.conns[i]; c.busy {
			s.fail(c, Aborted, errAborted)
		}
	}
	s.poll.Shutdown()
}
