package link

import (
	"sync/atomic"
	"time"

	"nanofront/nanobus/balance"
	"nanofront/nanobus/body"
	"nanofront/nanobus/wire"
	"nanofront/nanobus/writer"
)

// calls are the calls of a bus that are under way.
type calls struct {
	node   *Node
	Table  *table
	spares spares
}

// FailAll ends all calls under way on a link, or on any if l is nil.
func (q *calls) FailAll(l *Link, err error) {
	slots, n := q.Table.InUse(), 0
	for i := range slots {
		s := &slots[i]
		id := s.Awaited()
		if id == 0 || (l != nil && s.link.Load() != l) || l != nil && q.outlives(id) {
			continue
		}
		if c := q.claim(id); c != nil {
			q.node.Metrics.droppedLinkDown.Inc()
			c.Err, c.Nth = err, n
			n++
			c.finish(nil)
		}
	}
}

// Start sends a request on a link one of whose credits the caller has taken.
// On error the credit is given back and nothing was sent.
func (q *calls) Start(l *Link, c *Call, p wire.Payload, budget time.Duration, when SendWhen) error {
	flags := uint8(0)
	if c.SendMore {
		if h := l.Hello.Load(); h == nil || !h.Bodies {
			l.Target.Refund()
			return ErrNoBodies
		}
		flags = wire.FlagMore
	}
	s, id := q.Table.take()
	if s == nil {
		l.Target.Refund()
		return balance.ErrNoCredit
	}
	b := q.node
	now := b.Nanos()
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
		at := int64(never)
		if wait := l.Hedging.Wait(); wait != 0 {
			at = now + wait
		}
		s.repeat.Store(at)
	}
	start, err := l.Begin(wire.KindRequest, flags, id)
	if err == nil && l.Is(Draining) {
		// Since it was picked. What stands behind our ack would be lost.
		l.Abandon(start)
		err = writer.ErrLinkDown
	}
	if err == nil && start > writer.MaxGathered {
		l.Abandon(start)
		err = balance.ErrNoCredit
	}
	if err == nil {
		c.batch = l.Writes.Load()
		us := micros32(int64(budget))
		l.Out = append(l.Out, byte(us>>24), byte(us>>16), byte(us>>8), byte(us))
		err = l.Encode(start, p)
	}
	if err != nil {
		q.Table.give(s, id)
		l.Target.Refund()
		return err
	}
	if c.SendMore {
		// The sweep goes by the body from here on.
		s.deadline.Store(NoDeadline)
		c.Upload = l.Bodies.Send(body.Key{ID: id}, &upload{q, id}, int64(budget), now)
	}
	// Armed before the frame can leave, and while the link is known to be
	// open: whoever closes it looks for armed calls after that.
	q.Table.arm(s, id)
	if !c.SendMore {
		b.Schedule.due(now+int64(budget), now)
	}
	b.Metrics.Calls.Inc()
	switch {
	case when == SendLater:
		return l.CommitLater(start)
	case when == SendNow && l.Target.InFlight() == 1:
		return l.CommitNow(start)
	default:
		return l.Commit(start)
	}
}

// SendWhen says when a request leaves.
type SendWhen uint8

const (
	SendNow   SendWhen = iota // at once, if it is the only one under way
	SendSoon                  // further ones follow at once: with them, when the writer comes
	SendLater                 // at push
)

// NoDeadline is that of a request whose body is under way.
const NoDeadline = body.Never

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
		u.calls.Abort(u.id, ErrCancelled)
	}
}

// Overdue implements body.Owner.
func (u *upload) Overdue() { u.calls.Abort(u.id, body.ErrTimeout) }

// Abort gives up the call with this id, if it is still under way: it ends with
// err and the peer is told. It reports whether it was.
func (q *calls) Abort(id uint64, err error) bool { return q.abortNth(id, err, 0) }

// abortNth is abort by a goroutine that has ended so many before.
func (q *calls) abortNth(id uint64, err error, nth int) bool {
	if !q.Table.issued(id) {
		return false
	}
	c := q.claim(id)
	if c == nil {
		return false
	}
	b, l := q.node, c.Link
	c.Err, c.Nth = err, nth
	c.Timing.Total = time.Duration(b.Nanos() - c.sent)
	if err == body.ErrTimeout { //nolint:errorlint // ours, never wrapped
		b.Metrics.expired.Inc()
		if c.Upload == nil {
			l.Target.Observe(c.Timing.Total)
		}
		l.Target.Failed()
	}
	b.Metrics.cancelsOut.Inc()
	l.Control(wire.KindCancel, 0, id)
	c.finish(nil)
	return true
}

// sweepMost is how many calls one look ends itself. Ending a call tells its caller at once, so a
// front writes a response: for 4,096 that expire together that takes 60 ms, in which no other
// deadline, ping or body would be looked after. Another goroutine ends the rest.
const sweepMost = 64

// Sweep ends the calls whose time is up, and returns when that of the next
// one is.
func (q *calls) Sweep(now int64) (earliest int64) {
	earliest = NoDeadline
	ended := 0
	var rest []uint64
	slots := q.Table.InUse()
	for i := range slots {
		s := &slots[i]
		// The id first: if the slot changes hands in between, the
		// deadline is another call's, but the id then claims nothing.
		id := s.Awaited()
		if id == 0 {
			continue
		}
		if deadline := s.deadline.Load(); deadline > now {
			earliest = min(earliest, deadline)
			switch at := s.repeat.Load(); {
			case at <= 0 || at >= never:
			case at <= now:
				q.hedge(s, id, at, now)
			default:
				earliest = min(earliest, at)
			}
		} else if ended++; ended <= sweepMost {
			q.abortNth(id, body.ErrTimeout, ended-1)
		} else {
			rest = append(rest, id)
		}
	}
	if rest != nil {
		q.node.Tasks.Go(func() {
			for i, id := range rest {
				q.abortNth(id, body.ErrTimeout, i) // nothing, if it has ended meanwhile
			}
		})
	}
	return earliest
}

// claim ends the wait for id's call. What else was sent for it is revoked.
func (q *calls) claim(id uint64) *Call {
	c, other, ok := q.Table.claim(id)
	if !ok || c == nil {
		return nil
	}
	if other != 0 {
		q.revoke(other)
	}
	return c
}

// answered ends the wait for the call that a reply on a link answers.
func (q *calls) answered(id uint64, l *Link) *Call {
	t := q.Table
	if !t.on(id, l) {
		return nil
	}
	sent := -t.At(id).repeat.Load()
	c, other, ok := t.claim(id)
	switch {
	case !ok:
		return nil
	case c != nil:
		if other != 0 {
			q.revoke(other)
		}
		return c
	}
	s := t.At(other)
	first := s.link.Load()
	if c, _, _ = t.claim(other); c == nil {
		return nil
	}
	if first != nil && first != l {
		q.lost(first, other, c.sent)
		first.Target.Overtaken()
	}
	q.node.Metrics.CopiesWon.Inc()
	c.Link, c.sent = l, sent
	c.batch = l.Writes.Load() - writer.SentRing // which write took it isn't known
	return c
}

// micros32 is ns in µs, held within what the wire carries.
func micros32(ns int64) uint32 {
	return uint32(min(max(ns/1000, 0), 1<<32-1))
}

// SweepInterval is how late a deadline may be noticed. One look at all calls in flight costs less
// than a timer for each call.
const SweepInterval = 10 * time.Millisecond

// schedule says when the sweep looks next: at the earliest deadline of a call or a body under way,
// and once a second. A process that ticks while nothing can end switches threads a hundred times a
// second in vain.
type schedule struct {
	At   atomic.Int64  // bus time of the next look
	Kick chan struct{} // at has come nearer
}

// due sees to it that the sweep looks at a deadline, in bus time. Called when what has
// it can be found by a look that begins now; mostly at is earlier anyway.
func (s *schedule) due(deadline, now int64) {
	if at := max(deadline, now+int64(SweepInterval)); at < s.At.Load() && s.Nearer(at) {
		select {
		case s.Kick <- struct{}{}:
		default: // it was told, and hasn't looked at at yet
		}
	}
}

// Nearer moves the next look to an earlier time. It returns false if that isn't
// one.
func (s *schedule) Nearer(at int64) bool {
	for {
		have := s.At.Load()
		if at >= have {
			return false
		}
		if s.At.CompareAndSwap(have, at) {
			return true
		}
	}
}
