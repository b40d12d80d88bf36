package link

import (
	"encoding/binary"
	"fmt"
	"time"

	"go.nanomsg.org/mangos/v3"

	"nanofront/nanobus/wire"
	"nanofront/nanobus/writer"
)

// Holder keeps the calls that their responders hold (Call.Held) and answer later. Its methods are
// called on the goroutines of links and must not block.
type Holder interface {
	// Answered is called with answers to held calls, in their order. The answers are valid until it
	// returns, except those that are kept. It is up to the holder whether it knows their ids: a
	// call may have timed out.
	Answered(batch []HeldAnswer)
	// LinkDown is called when a link has gone: what is held on it is answered no more. A call may
	// still be told to be held on it afterwards, or just now: look whether Link.Down then.
	LinkDown(l *Link)
}

// HeldAnswer is the answer to a held call.
type HeldAnswer struct {
	Link *Link
	ID   uint64
	// Err is nil if Payload is the answer, else a *RemoteError.
	Err error
	// Payload aliases the received message.
	Payload []byte
	// Received is the bus time at which it was read.
	Received time.Duration

	msg *mangos.Message
}

// Keep makes Payload valid until Release.
func (a *HeldAnswer) Keep() { a.msg.Clone() }

// Release gives the memory of an answer back that was kept.
func (a *HeldAnswer) Release() { a.msg.Free() }

// maxLate is how many answers to held calls are handed over at once.
const maxLate = 64

// Resume makes the answer that of the call, which was held: as if Done had been called with it.
func (c *Call) Resume(a *HeldAnswer) {
	c.msg, c.kept = a.msg, false
	c.Payload, c.Err, c.Received = a.Payload, a.Err, a.Received
}

// CancelHeld tells the responder that nobody waits any more for the answer to a call that it holds.
func (l *Link) CancelHeld(id uint64) {
	l.bus.Metrics.cancelsOut.Inc()
	l.Control(wire.KindCancel, 0, id)
}

// Down reports whether the link has gone.
func (l *Link) Down() bool { return l.Is(Down) }

// holding ends the call that the frame says is held: slot, credit and what tells of the service's
// latency are as if it had been answered.
func (q *requester) holding(f wire.Frame, msg *mangos.Message, now int64) error {
	l := q.link
	if len(f.Body) < wire.HoldFixed {
		return fmt.Errorf("%w: hold of %d bytes", wire.ErrMalformed, len(f.Body))
	}
	b := l.bus
	switch {
	case !b.Calls.Table.issued(f.ID):
		b.Metrics.DroppedStray.Inc()
		return nil
	case b.Holder == nil:
		b.Metrics.DroppedUnknown.Inc() // we have not said that we take those
		return nil
	case !l.Target.Refund():
		b.Metrics.DroppedStray.Inc() // a reply too many
		return nil
	}
	if b.Calls.isCopy(f.ID) && b.Calls.Table.on(f.ID, l) {
		// What it answers later would come under another id than the call has.
		l.CancelHeld(f.ID)
		if !b.Calls.outlives(f.ID) {
			if c := b.Calls.answered(f.ID, l); c != nil {
				c.Err = writer.ErrLinkDown
				c.finish(nil)
			}
		}
		return nil
	}
	c := b.Calls.answered(f.ID, l)
	if c == nil {
		b.Metrics.DroppedLate.Inc() // it was cancelled, and so is what is held
		return nil
	}
	c.Received = time.Duration(now)
	l.timing(c, f.Body, now)
	l.Target.Observe(c.Timing.Total)
	l.Target.Replied()
	c.Held = true
	c.HoldFor = time.Duration(binary.BigEndian.Uint32(f.Body[wire.ResponseFixed:])) * time.Millisecond
	c.Payload = f.Body[wire.HoldFixed:]
	c.finish(msg)
	return nil
}

// late takes the answer to a held call. It goes to the holder at the end of the message, or earlier
// if there are many.
func (q *requester) late(f wire.Frame, msg *mangos.Message, now int64) error {
	l := q.link
	if len(f.Body) < wire.ResponseFixed || f.Flags&wire.FlagMore != 0 {
		return fmt.Errorf("%w: answer to a held request of %d bytes, flags %#x", wire.ErrMalformed, len(f.Body), f.Flags)
	}
	b := l.bus
	switch {
	case !b.Calls.Table.issued(f.ID):
		b.Metrics.DroppedStray.Inc()
		return nil
	case b.Holder == nil:
		b.Metrics.DroppedUnknown.Inc()
		return nil
	}
	a := HeldAnswer{Link: l, ID: f.ID, Payload: f.Body[wire.ResponseFixed:], Received: time.Duration(now), msg: msg}
	if f.Flags&wire.FlagError != 0 {
		a.Err, a.Payload = wire.DecodeRemoteError(a.Payload), nil
	}
	if l.answers = append(l.answers, a); len(l.answers) == maxLate {
		l.handAnswers()
	}
	return nil
}

// handAnswers hands over the answers that have come.
func (q *requester) handAnswers() {
	q.link.bus.Holder.Answered(q.answers)
	clear(q.answers)
	q.answers = q.answers[:0]
}
