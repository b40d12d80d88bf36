package link

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"

	"go.nanomsg.org/mangos/v3"

	"nanofront/nanobus/balance"
	"nanofront/nanobus/body"
	"nanofront/nanobus/wire"
	"nanofront/nanobus/writer"
)

// requester is the half of a link that sends our requests and takes the
// replies.
type requester struct {
	link      *Link
	Target    balance.Target // credit, and what choosing needs
	PeerClock peerClock

	Heard      atomic.Int64    // bus time at which the last message came
	Stalled    atomic.Bool     // it is silent, and gets no requests
	Silence    balance.Silence // the sweep's alone, and
	Recent     balance.Recent  // as of the last second
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
		return fmt.Errorf("%w: response of %d bytes", wire.ErrMalformed, len(f.Body))
	}
	l := q.link
	b := l.bus
	if !b.Calls.Table.issued(f.ID) {
		b.Metrics.DroppedStray.Inc()
		return nil
	}
	if !q.Target.Refund() {
		b.Metrics.DroppedStray.Inc() // a reply too many
		return nil
	}
	if f.Flags&wire.FlagError != 0 && b.Calls.Table.on(f.ID, l) && b.Calls.outlives(f.ID) {
		q.Target.ObserveError(0)
		return nil
	}
	c := b.Calls.answered(f.ID, l)
	if c == nil {
		b.Metrics.DroppedLate.Inc()
		return nil
	}
	c.Nth = q.ended
	q.ended++
	if f.Flags&(wire.FlagMore|wire.FlagError) == wire.FlagMore {
		if c.Download = l.Bodies.Receive(body.Key{ID: f.ID, Response: true}, now); c.Download == nil {
			b.Metrics.cancelsOut.Inc()
			l.Control(wire.KindCancel, 0, f.ID)
			c.Err = body.ErrTooMany
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
			q.Target.Observe(c.Timing.Total)
		}
		q.Target.Replied()
		c.finish(msg)
		return nil
	}
	remote := wire.DecodeRemoteError(payload)
	if remote.Code == wire.CodeOverWindow && l.Hedging != nil {
		l.Hedging.Refused(now)
	}
	q.Target.ObserveError(c.Timing.Total)
	c.Err = remote
	c.finish(nil)
	return nil
}

// timing works out the stages of a call from the reply's three figures.
func (q *requester) timing(c *Call, body []byte, now int64) {
	t, w := &c.Timing, &q.link.sender
	t.Total = time.Duration(now - c.sent)
	// Whatever the peer says, and by whatever clock: no stage is longer than
	// what is left of the whole.
	rest := t.Total
	t.HandlerQueue = min(time.Duration(binary.BigEndian.Uint32(body[8:]))*time.Microsecond, rest)
	rest -= t.HandlerQueue
	t.Handler = min(time.Duration(binary.BigEndian.Uint32(body[12:]))*time.Microsecond, rest)
	rest -= t.Handler
	if w.Writes.Load()-c.batch < writer.SentRing {
		t.Queue = min(time.Duration(max(atomic.LoadInt64(&w.SentAt[c.batch%writer.SentRing])-c.sent, 0)), rest)
		rest -= t.Queue
	}
	if q.PeerClock.Known.Load() {
		// The peer's clock, turned into ours, then into bus time.
		read := int64(binary.BigEndian.Uint64(body)) - q.PeerClock.Offset.Load() - q.link.bus.EpochMicros
		t.BusOut = min(max(time.Duration(read*1000-c.sent)-t.Queue, 0), rest)
		rest -= t.BusOut
	}
	t.BusBack = rest
}
