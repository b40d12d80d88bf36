package nanobus

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"

	"go.nanomsg.org/mangos/v3"

	"nanofront/nanobus/balance"
	"nanofront/nanobus/body"
	"nanofront/nanobus/wire"
)

// requester is the half of a link that sends our requests and takes the
// replies.
type requester struct {
	link   *Link
	target balance.Target // credit, and what choosing needs
	clock  peerClock

	heard      atomic.Int64    // bus time at which the last message came
	stalled    atomic.Bool     // it is silent, and gets no requests
	silence    balance.Silence // the sweep's alone, and
	recent     balance.Recent  // as of the last second
	quietLimit atomic.Int64    // how long it may be silent, in ns

	ended   int          // calls, by the message at hand; reader only
	answers []HeldAnswer // to held calls, of the message at hand; reader only
}

// response ends the call that the frame answers.
func (q *requester) response(f wire.Frame, msg *mangos.Message, now int64) error {
	if f.Flags&wire.FlagHeld != 0 {
		return q.late(f, msg, now)
	}
	if len(f.Body) < wire.ResponseFixed {
		return fmt.Errorf("%w: response of %d bytes", ErrMalformed, len(f.Body))
	}
	l := q.link
	b := l.bus
	if !b.calls.table.issued(f.ID) {
		b.metrics.droppedStray.Inc()
		return nil
	}
	if !q.target.Refund() {
		b.metrics.droppedStray.Inc() // a reply too many
		return nil
	}
	if f.Flags&wire.FlagError != 0 && b.calls.table.on(f.ID, l) && b.calls.outlives(f.ID) {
		q.target.ObserveError(0)
		return nil
	}
	c := b.calls.answered(f.ID, l)
	if c == nil {
		b.metrics.droppedLate.Inc()
		return nil
	}
	c.Nth = q.ended
	q.ended++
	if f.Flags&(wire.FlagMore|wire.FlagError) == wire.FlagMore {
		if c.Download = l.bodies.Receive(body.Key{ID: f.ID, Response: true}, now); c.Download == nil {
			b.metrics.cancelsOut.Inc()
			l.control(wire.KindCancel, 0, f.ID)
			c.Err = ErrTooManyBodies
			c.finish(nil)
			return nil
		}
	}
	c.Received = time.Duration(now)
	q.timing(c, f.Body, now)
	payload := f.Body[wire.ResponseFixed:]
	if f.Flags&wire.FlagError == 0 {
		c.Payload = payload
		if c.Upload == nil { // else it is the caller's pace that was measured
			q.target.Observe(c.Timing.Total)
		}
		q.target.Replied()
		c.finish(msg)
		return nil
	}
	remote := wire.DecodeRemoteError(payload)
	if remote.Code == CodeOverWindow && l.service != nil {
		l.service.Overloaded()
	}
	q.target.ObserveError(c.Timing.Total)
	c.Err = remote
	c.finish(nil)
	return nil
}

// timing works out the stages of a call from the reply's three figures.
func (q *requester) timing(c *Call, body []byte, now int64) {
	t, w := &c.Timing, &q.link.writer
	t.Total = time.Duration(now - c.sent)
	// Whatever the peer says, and by whatever clock: no stage is longer than
	// what is left of the whole.
	rest := t.Total
	t.HandlerQueue = min(time.Duration(binary.BigEndian.Uint32(body[8:]))*time.Microsecond, rest)
	rest -= t.HandlerQueue
	t.Handler = min(time.Duration(binary.BigEndian.Uint32(body[12:]))*time.Microsecond, rest)
	rest -= t.Handler
	if w.writes.Load()-c.batch < sentRing {
		t.Queue = min(time.Duration(max(atomic.LoadInt64(&w.sentAt[c.batch%sentRing])-c.sent, 0)), rest)
		rest -= t.Queue
	}
	if q.clock.known.Load() {
		// The peer's clock, turned into ours, then into bus time.
		read := int64(binary.BigEndian.Uint64(body)) - q.clock.offset.Load() - q.link.bus.epochMicros
		t.BusOut = min(max(time.Duration(read*1000-c.sent)-t.Queue, 0), rest)
		rest -= t.BusOut
	}
	t.BusBack = rest
}
