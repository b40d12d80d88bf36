package link

import (
	"time"

	"nanofront/nanobus/balance"
	"nanofront/nanobus/wire"
	"nanofront/nanobus/writer"
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
	never    = NoDeadline
)

// revoke does away with a copy: another answer has come first, or the call has ended.
func (q *calls) revoke(id uint64) {
	s := q.Table.At(id)
	l, sent := s.link.Load(), -s.repeat.Load()
	if _, _, ok := q.Table.claim(id); ok && l != nil {
		q.lost(l, id, sent)
	}
}

// lost tells a peer that the answer to a request isn't wanted any more, as another has come. What
// it answers is counted nowhere; what is known is that it took longer than until now.
func (q *calls) lost(l *Link, id uint64, sent int64) {
	q.node.Metrics.cancelsOut.Inc()
	l.Control(wire.KindCancel, 0, id)
	l.Target.Outrun(time.Duration(q.node.Nanos() - sent))
}

// isCopy reports whether what waits for the id is a copy.
func (q *calls) isCopy(id uint64) bool {
	s := q.Table.At(id)
	return s != nil && s.Awaited() == id && s.repeat.Load() < isCopied
}

// outlives takes note that what was sent under the id has failed, and reports whether the call
// lives on nonetheless: as it has been sent elsewhere too.
func (q *calls) outlives(id uint64) bool {
	t := q.Table
	s := t.At(id)
	if s == nil || s.repeat.Load() >= 0 {
		return false
	}
	t.making.Lock()
	defer t.making.Unlock()
	if !s.id.CompareAndSwap(id, id|copying) {
		return false
	}
	if s.call != nil { // of the two the call's own
		other := t.At(s.copied)
		l := other.link.Load()
		if alive := other.Awaited() == s.copied && l != nil && l != s.link.Load(); alive {
			s.link.Store(l)
			s.id.Store(id)
			return true
		}
		s.id.Store(id)
		return false
	}
	of := t.At(s.of)
	if of.Awaited() != s.of || of.link.Load() == s.link.Load() {
		s.id.Store(id)
		return false
	}
	s.id.Store(0)
	t.give(s, id)
	return true
}

// Again sends the request of the call with this id to another instance too. It reports whether it
// has.
func (q *calls) Again(id uint64) bool {
	t := q.Table
	s := t.At(id)
	t.making.Lock()
	defer t.making.Unlock()
	if !s.id.CompareAndSwap(id, id|copying) {
		return false // it has ended
	}
	defer s.id.Store(id)
	from := s.link.Load()
	if s.call == nil || s.repeat.Load() <= 0 || from.Service == nil {
		return false
	}
	l, err := from.Service.Pick(s.call, from)
	if err != nil {
		return false
	}
	if l == from || !l.Is(Live) || l.Stalled.Load() || s.call.Repeat == RepeatRemembered && !l.SharesMemory(from) {
		l.Target.Refund()
		return false
	}
	second, other := t.take()
	if second == nil {
		l.Target.Refund()
		return false
	}
	now := q.node.Nanos()
	budget := s.deadline.Load() - now
	start, err := l.Begin(wire.KindRequest, 0, other)
	if err == nil && (start > writer.MaxGathered || budget <= 0) {
		l.Abandon(start)
		err = balance.ErrNoCredit
	}
	if err == nil {
		us := micros32(budget)
		l.Out = append(l.Out, byte(us>>24), byte(us>>16), byte(us>>8), byte(us))
		err = l.Encode(start, s.call.request)
	}
	if err != nil {
		t.give(second, other)
		l.Target.Refund()
		return false
	}
	second.link.Store(l)
	second.deadline.Store(NoDeadline) // it ends with the call
	second.repeat.Store(-now)
	second.of = id
	t.arm(second, other) // before the frame can leave, and while the link is known to be open
	s.copied = other
	s.repeat.Store(isCopied)
	_ = l.Commit(start) // encode has seen to its size
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
	if f := q.node.Spare; f != nil {
		return f()
	}
	return q.spares.take(q.node.Metrics.Calls.Value())
}

// Rescue sends to others what may be repeated of what waits for a silent link, within the budget.
func (q *calls) Rescue(l *Link) {
	if l.Service == nil || l.Service.Chooses(l) {
		return // there is nobody else
	}
	slots := q.Table.InUse()
	for i := range slots {
		s := &slots[i]
		id := s.Awaited()
		if id == 0 || s.link.Load() != l || s.repeat.Load() <= 0 {
			continue
		}
		if !q.spare() {
			q.node.Metrics.copiesLeftOut.Inc()
			return
		}
		if q.Again(id) {
			q.node.Metrics.copiesStalled.Inc()
		}
	}
}

// hedge sends a request to another instance too, that has been under way for long, if there is one
// of the service's copies left; else the call waits as it did.
func (q *calls) hedge(s *slot, id uint64, at, now int64) {
	s.repeat.CompareAndSwap(at, never) // it is tried once
	l := s.link.Load()
	if l == nil || l.Hedging == nil {
		return
	}
	if !l.Hedging.Take(now) {
		q.node.Metrics.copiesLeftOut.Inc()
		return
	}
	if q.Again(id) {
		q.node.Metrics.CopiesSlow.Inc()
	}
}
