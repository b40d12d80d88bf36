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
		if now < nextSecond {
			continue
		}
		nextSecond = now + int64(pingInterval)
		b.table.trim()
		b.tend(now)
	}
}

// tend pings the links, ends those that are silent, and forgives those that
// are not asked.
func (b *Bus) tend(now int64) {
	for _, l := range b.snapshotLinks() {
		l.forgive()
		switch {
		case l.stateIs(linkGreeting) && now-l.attached > int64(helloTimeout):
			l.close("no_hello")
		case l.unanswered.Load() >= maxUnanswered:
			l.close("silent")
		case !l.stateIs(linkGreeting):
			l.ping(now)
		}
	}
	b.mu.Lock()
	b.prune(now)
	b.mu.Unlock()
}
