package nanobus

import (
	"sync/atomic"
	"time"

	"nanofront/internal/chores"
)

// sweepInterval is how late a deadline may be noticed. One look at all calls in flight costs less
// than a timer for each call.
const sweepInterval = 10 * time.Millisecond

// sweepMost is how many calls one look ends itself. Ending a call tells its caller at once, so a
// front writes a response: for 4,096 that expire together that takes 60 ms, in which no other
// deadline, ping or body would be looked after. Another goroutine ends the rest.
const sweepMost = 64

// sweeper says when the sweep looks next: at the earliest deadline of a call or a body under way,
// and once a second. A process that ticks while nothing can end switches threads a hundred times a
// second in vain.
type sweeper struct {
	bus   *Bus
	at    atomic.Int64  // bus time of the next look
	kick  chan struct{} // at has come nearer
	looks atomic.Uint64
	watch watch
}

// due sees to it that the sweep looks at a deadline, in bus time. Called when what has
// it can be found by a look that begins now; mostly at is earlier anyway.
func (s *sweeper) due(deadline, now int64) {
	if at := max(deadline, now+int64(sweepInterval)); at < s.at.Load() && s.nearer(at) {
		select {
		case s.kick <- struct{}{}:
		default: // it was told, and hasn't looked at at yet
		}
	}
}

// nearer moves the next look to an earlier time. It returns false if that isn't
// one.
func (s *sweeper) nearer(at int64) bool {
	for {
		have := s.at.Load()
		if at >= have {
			return false
		}
		if s.at.CompareAndSwap(have, at) {
			return true
		}
	}
}

// run ends the calls whose time is up and looks after the links. It ends
// with the bus.
func (s *sweeper) run() {
	b := s.bus
	defer b.workers.Done()
	timer := time.NewTimer(0)
	defer timer.Stop()
	nextSecond := b.now()
	for {
		select {
		case <-b.done:
			return
		case <-s.kick:
			timer.Reset(time.Duration(s.at.Load() - b.now()))
			continue
		case <-timer.C:
		}
		s.looks.Add(1)
		now := b.now()
		second := now >= nextSecond
		if second {
			nextSecond = now + int64(chores.Next(pingInterval))
		}
		// First where the next look is at the latest, then the look: a call that
		// comes too late to be seen by it is too late to see the former time too,
		// and brings the next look nearer itself.
		s.at.Store(nextSecond)
		earliest := b.calls.sweep(now)
		earliest = min(earliest, b.bodies.Sweep(now))
		if second {
			b.calls.table.trim()
			s.second(now)
		}
		earliest = min(earliest, s.watch.look(b, now))
		s.nearer(max(earliest, now+int64(sweepInterval)))
		timer.Reset(time.Duration(s.at.Load() - b.now()))
	}
}

// sweep ends the calls whose time is up, and returns when that of the next
// one is.
func (q *calls) sweep(now int64) (earliest int64) {
	earliest = noDeadline
	ended := 0
	var rest []uint64
	slots := q.table.inUse()
	for i := range slots {
		s := &slots[i]
		// The id first: if the slot changes hands in between, the
		// deadline is another call's, but the id then claims nothing.
		id := s.awaited()
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
			q.abortNth(id, ErrTimeout, ended-1)
		} else {
			rest = append(rest, id)
		}
	}
	if rest != nil {
		q.bus.tasks.Go(func() {
			for i, id := range rest {
				q.abortNth(id, ErrTimeout, i) // nothing, if it has ended meanwhile
			}
		})
	}
	return earliest
}

// second pings the links, ends those that are silent, and has those that are not
// asked recover.
func (s *sweeper) second(now int64) {
	b := s.bus
	for _, l := range b.snapshotLinks() {
		l.target.Recover()
		l.renewPatience()
		l.controls.Store(0)
		switch {
		case l.challenge.owed.Load() && now-l.attached > int64(helloTimeout):
			l.close("no_proof")
		case l.stateIs(linkGreeting) && now-l.attached > int64(helloTimeout):
			l.close("no_hello")
		case l.clock.unanswered.Load() >= maxUnanswered:
			l.close("silent")
		case !l.stateIs(linkGreeting):
			l.clock.look(l, now)
		}
	}
	b.taps.report()
	b.mu.Lock()
	for _, service := range b.services {
		service.learn()
	}
	b.prune(now)
	b.mu.Unlock()
}
