package nanobus

import "time"

// sweepInterval is how late a deadline may be noticed. One look at the calls
// under way each time costs less than a timer for each call.
const sweepInterval = 10 * time.Millisecond

// sweep ends the calls whose time is up and looks after the links. It ends
// with the bus.
func (b *Bus) sweep() {
	defer b.workers.Done()
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	nextSecond := b.now()
	for {
		select {
		case <-b.done:
			return
		case <-tick.C:
		}
		now := b.now()
		slots := b.table.inUse()
		for i := range slots {
			s := &slots[i]
			// The id first: if the slot changes hands in between, the
			// deadline is another call's, but the id then claims nothing.
			if id := s.id.Load(); id != 0 && s.deadline.Load() <= now {
				b.abort(id, ErrTimeout)
			}
		}
		if b.bodiesOut.Load() > 0 {
			b.sweepBodies(now)
		}
		if now < nextSecond {
			continue
		}
		nextSecond = now + int64(pingInterval)
		b.table.trim()
		b.tend(now)
	}
}

// sweepBodies ends what is sent in chunks and stands still, and the calls
// whose request's body is complete and whose time is up.
func (b *Bus) sweepBodies(now int64) {
	for _, l := range b.snapshotLinks() {
		var overdue []*BodyWriter
		l.mu.Lock()
		for _, w := range l.writers {
			if w.overdue(now) {
				w.halt(ErrTimeout)
				overdue = append(overdue, w)
			}
		}
		l.mu.Unlock()
		l.space.Broadcast()
		for _, w := range overdue {
			if !w.key.response {
				b.abort(w.key.id, ErrTimeout)
			}
		}
	}
}

// tend pings the links, ends those that are silent, and forgives those that
// are not asked.
func (b *Bus) tend(now int64) {
	for _, l := range b.snapshotLinks() {
		l.forgive()
		l.endStalled(now)
		l.chores.Store(0)
		switch {
		case l.unproven.Load() && now-l.attached > int64(helloTimeout):
			l.close("no_proof")
		case l.stateIs(linkGreeting) && now-l.attached > int64(helloTimeout):
			l.close("no_hello")
		case l.unanswered.Load() >= maxUnanswered:
			l.close("silent")
		case !l.stateIs(linkGreeting):
			l.ping(now)
		}
	}
	b.taps.tend()
	b.mu.Lock()
	b.prune(now)
	b.mu.Unlock()
}
