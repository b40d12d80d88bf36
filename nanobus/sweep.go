package nanobus

import (
	"sync/atomic"
	"time"

	"nanofront/internal/chores"
	"nanofront/nanobus/link"
)

// sweeper ends what is late, and looks after the links.
type sweeper struct {
	bus   *Bus
	looks atomic.Uint64
	watch watch
}

// run ends the calls whose time is up and looks after the links. It ends
// with the bus.
func (s *sweeper) run() {
	b := s.bus
	defer b.node.Workers.Done()
	timer := time.NewTimer(0)
	defer timer.Stop()
	nextSecond := b.node.Nanos()
	for {
		select {
		case <-b.done:
			return
		case <-b.node.Schedule.Kick:
			timer.Reset(time.Duration(b.node.Schedule.At.Load() - b.node.Nanos()))
			continue
		case <-timer.C:
		}
		s.looks.Add(1)
		now := b.node.Nanos()
		second := now >= nextSecond
		if second {
			nextSecond = now + int64(chores.Next(link.PingInterval))
		}
		// First where the next look is at the latest, then the look: a call that
		// comes too late to be seen by it is too late to see the former time too,
		// and brings the next look nearer itself.
		b.node.Schedule.At.Store(nextSecond)
		earliest := b.node.Calls.Sweep(now)
		earliest = min(earliest, b.node.Bodies.Sweep(now))
		if second {
			b.node.Calls.Table.Trim()
			s.second(now)
		}
		earliest = min(earliest, s.watch.look(b, now))
		b.node.Schedule.Nearer(max(earliest, now+int64(link.SweepInterval)))
		timer.Reset(time.Duration(b.node.Schedule.At.Load() - b.node.Nanos()))
	}
}

// second pings the links, ends those that are silent, and has those that are not
// asked recover.
func (s *sweeper) second(now int64) {
	b := s.bus
	for _, l := range b.snapshotLinks() {
		l.Second(now)
	}
	b.taps.report()
	b.mu.Lock()
	for _, service := range b.services {
		service.learn()
	}
	b.prune(now)
	b.mu.Unlock()
}
