package nanobus

import (
	"time"

	"nanofront/nanobus/wire"
)

// A request may be sent to a second instance while the first has not answered (Call.Repeat). The
// copy has a slot of its own, and an id of its own on the wire, but no call: whoever claims the
// call's slot owns the call, as always.
//
//   - The call's slot knows its copy (copied). Whoever claims the call revokes the copy.
//   - The copy's slot knows whose it is (of). Whoever claims it by its answer claims the call next, and if that has ended
//     meanwhile the answer is a late one.
//   - An error, or a broken link, ends the one of the two that it concerns, and the call only if it is the last. What is
//     left of a call whose own request has failed waits for the copy's link, as its slot then says.
//   - To make a copy, or to do away with one of the two, the slot's id is marked (copying) under table.making; whoever
//     wants to claim it meanwhile waits for that lock, which is held for one append of a frame at the most.

// What slot.repeat says besides a time.
const (
	isCopied = -1 // there is a copy; less: it is one itself, sent at that time, negated
	never    = noDeadline
)

// claim ends the wait for id's call. What else was sent for it is revoked.
func (q *calls) claim(id uint64) *Call {
	c, other, ok := q.table.claim(id)
	if !ok || c == nil {
		return nil
	}
	if other != 0 {
		q.revoke(other)
	}
	return c
}

// revoke does away with a copy: another answer has come first, or the call has ended.
func (q *calls) revoke(id uint64) {
	s := q.table.at(id)
	l, sent := s.link.Load(), -s.repeat.Load()
	if _, _, ok := q.table.claim(id); ok && l != nil {
		q.lost(l, id, sent)
	}
}

// lost tells a peer that the answer to a request isn't wanted any more, as another has come. What
// it answers is counted nowhere; what is known is that it took longer than until now.
func (q *calls) lost(l *Link, id uint64, sent int64) {
	q.bus.metrics.cancelsOut.Inc()
	l.control(wire.KindCancel, 0, id)
	l.target.Outrun(time.Duration(q.bus.now() - sent))
}

// answered ends the wait for the call that a reply on a link answers.
func (q *calls) answered(id uint64, l *Link) *Call {
	t := q.table
	if !t.on(id, l) {
		return nil
	}
	sent := -t.at(id).repeat.Load()
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
	s := t.at(other)
	first := s.link.Load()
	if c, _, _ = t.claim(other); c == nil {
		return nil
	}
	if first != nil && first != l {
		q.lost(first, other, c.sent)
	}
	q.bus.metrics.copiesWon.Inc()
	c.Link, c.sent = l, sent
	c.batch = l.writes.Load() - sentRing // which write took it isn't known
	return c
}

// isCopy reports whether what waits for the id is a copy.
func (q *calls) isCopy(id uint64) bool {
	s := q.table.at(id)
	return s != nil && s.awaited() == id && s.repeat.Load() < isCopied
}

// outlives takes note that what was sent under the id has failed, and reports whether the call
// lives on nonetheless: as it has been sent elsewhere too.
func (q *calls) outlives(id uint64) bool {
	t := q.table
	s := t.at(id)
	if s == nil || s.repeat.Load() >= 0 {
		return false
	}
	t.making.Lock()
	defer t.making.Unlock()
	if !s.id.CompareAndSwap(id, id|copying) {
		return false
	}
	if s.call != nil { // of the two the call's own
		other := t.at(s.copied)
		l := other.link.Load()
		if alive := other.awaited() == s.copied && l != nil && l != s.link.Load(); alive {
			s.link.Store(l)
			s.id.Store(id)
			return true
		}
		s.id.Store(id)
		return false
	}
	of := t.at(s.of)
	if of.awaited() != s.of || of.link.Load() == s.link.Load() {
		s.id.Store(id)
		return false
	}
	s.id.Store(0)
	t.give(s, id)
	return true
}

// again sends the request of the call with this id to another instance too. It reports whether it
// has.
func (q *calls) again(s *slot, id uint64) bool {
	t := q.table
	t.making.Lock()
	defer t.making.Unlock()
	if !s.id.CompareAndSwap(id, id|copying) {
		return false // it has ended
	}
	defer s.id.Store(id)
	from := s.link.Load()
	if s.call == nil || s.repeat.Load() <= 0 || from.service == nil {
		return false
	}
	l, err := from.service.pick(s.call.Key, from)
	if err != nil {
		return false
	}
	if l == from || !l.stateIs(linkLive) || l.stalled.Load() || s.call.Repeat == RepeatRemembered && !shareMemory(l, from) {
		l.target.Refund()
		return false
	}
	second, other := t.take()
	if second == nil {
		l.target.Refund()
		return false
	}
	now := q.bus.now()
	budget := s.deadline.Load() - now
	start, err := l.begin(wire.KindRequest, 0, other)
	if err == nil && (start > maxGathered || budget <= 0) {
		l.abandon(start)
		err = ErrNoCredit
	}
	if err == nil {
		us := micros32(budget)
		l.out = append(l.out, byte(us>>24), byte(us>>16), byte(us>>8), byte(us))
		err = l.encode(start, s.call.request)
	}
	if err != nil {
		t.give(second, other)
		l.target.Refund()
		return false
	}
	second.link.Store(l)
	second.deadline.Store(noDeadline) // it ends with the call
	second.repeat.Store(-now)
	second.of = id
	t.arm(second, other) // before the frame can leave, and while the link is known to be open
	s.copied = other
	s.repeat.Store(isCopied)
	_ = l.commit(start) // encode has seen to its size
	return true
}

// spares are the copies of a bus that has no budget of its user's. Only the sweep takes of them.
type spares struct {
	calls uint64 // as of when they were last added to
	used  uint64 // of those that are kept
}

const (
	sparePart = 20 // one for so many calls
	spareKept = 100
)

// take reports whether one more is left, after so many calls since the start.
func (s *spares) take(calls uint64) bool {
	more := (calls - s.calls) / sparePart
	s.calls += more * sparePart
	s.used -= min(s.used, more)
	if s.used >= spareKept {
		return false
	}
	s.used++
	return true
}

// spare reports whether one more copy may be sent to rescue a request.
func (q *calls) spare() bool {
	if f := q.bus.opts.Spare; f != nil {
		return f()
	}
	return q.spares.take(q.bus.metrics.calls.Value())
}

// rescue sends to others what may be repeated of what waits for a silent link, within the budget.
func (q *calls) rescue(l *Link) {
	if l.service == nil || l.service.chooses(l) {
		return // there is nobody else
	}
	slots := q.table.inUse()
	for i := range slots {
		s := &slots[i]
		id := s.awaited()
		if id == 0 || s.link.Load() != l || s.repeat.Load() <= 0 {
			continue
		}
		if !q.spare() {
			q.bus.metrics.copiesLeftOut.Inc()
			return
		}
		if q.again(s, id) {
			q.bus.metrics.copiesStalled.Inc()
		}
	}
}
