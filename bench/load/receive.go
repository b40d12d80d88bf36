package load

import (
	"errors"
	"fmt"
	"io"

	"nanofront/internal/rawhttp"
)

// handle does what an event calls for, and returns the present time, or an
// earlier one if nothing was done.
func (w *worker) handle(c *conn, e *rawhttp.Event) int64 {
	switch c.state {
	case connecting:
		if err := w.poll.Connected(c.i); err != nil {
			w.unconnected(c, fmt.Errorf("connect %s: %w", w.plan.address, err))
			return w.clock()
		}
		c.state, c.failures = open, 0
		w.flush(c)
	case open:
		if e.Writable && len(c.out) > 0 {
			w.flush(c)
		}
	}
	if c.state != open || !e.Readable {
		return w.clock()
	}
	return w.receive(c, e.Ended)
}

// receive reads all that is there. With toEnd, also to learn whether the
// connection has ended. It returns the time of the last read.
func (w *worker) receive(c *conn, toEnd bool) (now int64) {
	for {
		n, err := w.poll.Read(c.i, w.in)
		now = w.clock()
		if n > 0 {
			if w.counting {
				w.tally.BytesIn += uint64(n)
			}
			if w.feed(c, w.in[:n], now); c.state != open {
				return now
			}
		}
		if err != nil {
			if !errors.Is(err, rawhttp.ErrAgain) {
				w.over(c, err, now)
				return now
			}
			break
		}
		if n < len(w.in) && !toEnd {
			break
		}
	}
	if !c.room() {
		return now
	}
	if w.planner == nil && !w.ended {
		w.fill(c)
		return now
	}
	w.avail.push(c)
	return now
}

// feed gives what was read to the parser.
func (w *worker) feed(c *conn, data []byte, now int64) {
	for len(data) > 0 {
		if c.count == 0 {
			w.tally.Stray++
			w.close(c)
			return
		}
		n, done, err := c.parser.Feed(data)
		if err != nil {
			w.fail(c, CauseProtocol, fmt.Errorf("%w: %.60q", err, data))
			return
		}
		data = data[n:]
		if !done {
			if c.parser.Continued && len(c.later) > 0 {
				c.out, c.later = c.later, nil
				if w.flush(c); c.state != open {
					return
				}
			}
			continue
		}
		if w.complete(c, now); c.state != open {
			return
		}
	}
}

// over is called when a connection has ended.
func (w *worker) over(c *conn, err error, now int64) {
	switch {
	case c.count == 0:
		c.idled = true
		w.close(c)
	case errors.Is(err, io.EOF) && c.parser.End():
		w.complete(c, now)
	case errors.Is(err, io.EOF) && !c.parser.Begun():
		w.fail(c, CauseReset, errClosed)
	case errors.Is(err, io.EOF):
		w.fail(c, CauseReset, errCut)
	default:
		w.fail(c, CauseReset, err)
	}
}

var (
	errClosed = errors.New("the server closed the connection instead of answering")
	errCut    = errors.New("the server closed the connection in the middle of a response")
	errBehind = errors.New("sent behind a request whose connection was given up")
)

// complete ends the oldest request of a connection with the parser's response.
func (w *worker) complete(c *conn, now int64) {
	s := c.pop()
	w.inFlight--
	p := &c.parser
	x := w.plan.mix.entries[s.entry].expect
	if now >= 0 {
		w.tally.Statuses[p.Status]++
		if st := w.tally.step(max(s.planned, 0)); st != nil && s.planned >= 0 {
			st.Statuses[p.Status]++
		}
	}
	switch {
	case !x.status[p.Status]:
		if s.planned >= 0 && (p.Status == 503 || p.Status == 429) {
			w.refused(&s, now)
		}
		if w.failed(&s, now, CauseStatus) {
			w.example(&s, CauseStatus, fmt.Errorf("status %d", p.Status))
		}
	case x.length >= 0 && p.Length != x.length:
		if w.failed(&s, now, CauseBody) {
			w.example(&s, CauseBody, fmt.Errorf("a body of %d bytes, not %d", p.Length, x.length))
		}
	case !c.match.found:
		if w.failed(&s, now, CauseBody) {
			w.example(&s, CauseBody, fmt.Errorf("a body without %.60q", x.contains))
		}
	default:
		w.succeeded(&s, now)
	}
	// A response before the whole request is sent leaves a connection on which
	// nobody knows what comes next.
	if p.Close || w.plan.Churn || c.count == 0 && len(c.out)+len(c.later) > 0 {
		w.fail(c, CauseAborted, errBehind)
		return
	}
	if c.count > 0 {
		c.expect(w.plan.mix.entries[c.oldest().entry])
	}
}

// succeeded counts a request that was answered as expected.
func (w *worker) succeeded(s *slot, now int64) {
	latency := now - s.planned
	w.iv.OK++
	record(w.iv.Latency, latency)
	t := w.tally
	if w.counting {
		t.Answered++
		if st := t.step(now); st != nil {
			st.Answered++
		}
	}
	if s.planned < 0 {
		return
	}
	t.OK++
	if !record(t.Latency, latency) {
		t.Clipped++
	}
	if w.planner != nil {
		record(t.Service, now-s.sent)
	}
	if st := t.step(s.planned); st != nil {
		st.OK++
		record(st.Latency, latency)
		record(st.Service, now-s.sent)
	}
	if len(t.Entries) > 1 {
		t.Entries[s.entry].OK++
		record(t.Entries[s.entry].Latency, latency)
	}
}

// refused counts how long a refusal took; that it is a failure is for failed to count.
func (w *worker) refused(s *slot, now int64) {
	record(w.tally.Refused, now-s.sent)
	if st := w.tally.step(s.planned); st != nil {
		record(st.Refused, now-s.sent)
	}
}

// failed counts a request that was not, and reports whether it is the first of its cause.
func (w *worker) failed(s *slot, now int64, cause Cause) bool {
	w.iv.Errors[cause]++
	if s.planned < 0 {
		return false
	}
	t := w.tally
	t.Errors[cause]++
	if st := t.step(s.planned); st != nil {
		st.Errors[cause]++
	}
	if len(t.Entries) > 1 {
		t.Entries[s.entry].Errors[cause]++
	}
	if !record(t.Failed, now-s.planned) {
		t.Clipped++
	}
	return t.Errors[cause] == 1
}

// example keeps the text of an error.
func (w *worker) example(s *slot, cause Cause, err error) {
	w.tally.Examples[cause] = w.plan.mix.entries[s.entry].name + ": " + err.Error()
}

// fail fails all requests of a connection and closes it: the oldest with the cause, and
// those behind it too, unless the cause is of the oldest alone.
func (w *worker) fail(c *conn, cause Cause, err error) {
	now := int64(0)
	if c.count > 0 {
		now = w.clock()
	}
	for c.count > 0 {
		s := c.pop()
		w.inFlight--
		if w.failed(&s, now, cause) {
			w.example(&s, cause, err)
		}
		if cause == CauseTimeout || cause == CauseProtocol {
			cause, err = CauseAborted, errBehind
		}
	}
	w.close(c)
}

// close closes a connection without requests on it.
func (w *worker) close(c *conn) {
	if c.state != closed {
		w.poll.Close(c.i)
		c.state = closed
	}
	c.out, c.later = nil, nil
	w.avail.push(c)
}
