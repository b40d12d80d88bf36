package nanobus

import (
	"time"

	"nanofront/nanobus/body"
	"nanofront/nanobus/wire"
)

// calls are the calls of a bus that are under way.
type calls struct {
	bus    *Bus
	table  *table
	spares spares
}

// failAll ends all calls under way on a link, or on any if l is nil.
func (q *calls) failAll(l *Link, err error) {
	slots, n := q.table.inUse(), 0
	for i := range slots {
		s := &slots[i]
		id := s.awaited()
		if id == 0 || (l != nil && s.link.Load() != l) || l != nil && q.outlives(id) {
			continue
		}
		if c := q.claim(id); c != nil {
			q.bus.metrics.droppedLinkDown.Inc()
			c.Err, c.Nth = err, n
			n++
			c.finish(nil)
		}
	}
}

// start sends a request on a link one of whose credits the caller has taken.
// On error the credit is given back and nothing was sent.
func (q *calls) start(l *Link, c *Call, p Payload, budget time.Duration, when sendWhen) error {
	flags := uint8(0)
	if c.SendMore {
		if h := l.hello.Load(); h == nil || !h.Bodies {
			l.target.Refund()
			return ErrNoBodies
		}
		flags = wire.FlagMore
	}
	s, id := q.table.take()
	if s == nil {
		l.target.Refund()
		return ErrNoCredit
	}
	b := q.bus
	now := b.now()
	c.Link, c.id, c.sent, c.Err = l, id, now, nil
	s.call = c
	s.link.Store(l)
	s.deadline.Store(now + int64(budget))
	switch {
	case c.Repeat == RepeatNever || c.SendMore:
		s.repeat.Store(0)
	case c.Repeat == RepeatStalled, c.Repeat == RepeatRemembered:
		c.request = p
		s.repeat.Store(never)
	default:
		c.request = p
		s.repeat.Store(now + l.service.hedgeAfter())
	}
	start, err := l.begin(wire.KindRequest, flags, id)
	if err == nil && l.stateIs(linkDraining) {
		// Since it was picked. What stands behind our ack would be lost.
		l.abandon(start)
		err = ErrLinkDown
	}
	if err == nil && start > maxGathered {
		l.abandon(start)
		err = ErrNoCredit
	}
	if err == nil {
		c.batch = l.writes.Load()
		us := micros32(int64(budget))
		l.out = append(l.out, byte(us>>24), byte(us>>16), byte(us>>8), byte(us))
		err = l.encode(start, p)
	}
	if err != nil {
		q.table.give(s, id)
		l.target.Refund()
		return err
	}
	if c.SendMore {
		// The sweep goes by the body from here on.
		s.deadline.Store(noDeadline)
		c.Upload = l.bodies.Send(body.Key{ID: id}, &upload{q, id}, int64(budget), now)
	}
	// Armed before the frame can leave, and while the link is known to be
	// open: whoever closes it looks for armed calls after that.
	q.table.arm(s, id)
	if !c.SendMore {
		b.sweeper.due(now+int64(budget), now)
	}
	b.metrics.calls.Inc()
	switch {
	case when == sendLater:
		return l.commitLater(start)
	case when == sendNow && l.target.InFlight() == 1:
		return l.commitNow(start)
	default:
		return l.commit(start)
	}
}

// sendWhen says when a request leaves.
type sendWhen uint8

const (
	sendNow   sendWhen = iota // at once, if it is the only one under way
	sendSoon                  // further ones follow at once: with them, when the writer comes
	sendLater                 // at push
)

// noDeadline is that of a request whose body is under way.
const noDeadline = body.Never

// upload is a call as the owner of its request's body.
type upload struct {
	calls *calls
	id    uint64
}

// Abandoned implements body.Owner.
func (u *upload) Abandoned() {}

// Ended implements body.Owner: the peer will answer what is broken, but nobody waits for it.
func (u *upload) Ended(broken bool) {
	if broken {
		u.calls.abort(u.id, ErrCancelled)
	}
}

// Overdue implements body.Owner.
func (u *upload) Overdue() { u.calls.abort(u.id, ErrTimeout) }

// Abort gives up the call with this id, if it is still under way: it ends with
// ErrCancelled and the peer is told. It reports whether it was.
func (b *Bus) Abort(id uint64) bool { return b.calls.abort(id, ErrCancelled) }

func (q *calls) abort(id uint64, err error) bool { return q.abortNth(id, err, 0) }

// abortNth is abort by a goroutine that has ended so many before.
func (q *calls) abortNth(id uint64, err error, nth int) bool {
	if !q.table.issued(id) {
		return false
	}
	c := q.claim(id)
	if c == nil {
		return false
	}
	b, l := q.bus, c.Link
	c.Err, c.Nth = err, nth
	c.Timing.Total = time.Duration(b.now() - c.sent)
	if err == ErrTimeout { //nolint:errorlint // ours, never wrapped
		b.metrics.expired.Inc()
		if c.Upload == nil {
			l.target.Observe(c.Timing.Total)
		}
		l.target.Failed()
	}
	b.metrics.cancelsOut.Inc()
	l.control(wire.KindCancel, 0, id)
	c.finish(nil)
	return true
}
