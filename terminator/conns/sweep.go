package conns

import (
	"time"

	"nanofront/internal/chores"
)

// sweep looks at all connections once a tick.
func (t *Table) sweep() {
	defer close(t.swept)
	timer := time.NewTimer(chores.Next(t.tick))
	defer timer.Stop()
	last := time.Now()
	var list []held
	for {
		select {
		case <-t.closing:
			return
		case <-timer.C:
		}
		if t.open.Load() == 0 {
			if !t.rest(timer) {
				return
			}
			last = time.Now()
			continue
		}
		timer.Reset(chores.Next(t.tick))
		now := time.Now()
		t.clock.Add(min(now.Sub(last), 2*t.tick).Milliseconds())
		last = now
		t.told(now)
		open := t.open.Load()
		t.tooMany = max(crowd(open, int64(t.opt.Max)), t.Intake.look(open))
		for i := range t.roster.shards {
			list = t.roster.shards[i].appendTo(list[:0])
			for j := range list {
				t.look(list[j].Conn, list[j].by)
				list[j] = held{}
			}
		}
	}
}

// restTick is how often the sweep looks while there are no connections.
const restTick = time.Second

// rest waits for the first connection. The clock rests, too: nobody goes by it. It returns false
// when the table is closed.
func (t *Table) rest(timer *time.Timer) (goesOn bool) {
	t.told(time.Now())
	t.Intake.look(0)
	t.asleep.Store(true)
	if t.open.Load() > 0 { // in this order: it came too early to see that
		t.rouse()
	}
	for {
		timer.Reset(chores.Next(restTick))
		select {
		case <-t.closing:
			return false
		case <-t.wake:
			timer.Reset(chores.Next(t.tick))
			return true
		case now := <-timer.C:
			t.told(now)
			t.Intake.look(0)
		}
	}
}

// rouse has the sweep look after a connection that comes, if it is the first. What Tick keeps is of
// this moment then.
func (t *Table) rouse() {
	if t.asleep.Load() && t.asleep.CompareAndSwap(true, false) {
		t.told(time.Now())
		t.wake <- struct{}{}
	}
}

// told calls Options.Tick.
func (t *Table) told(now time.Time) {
	if t.opt.Tick == nil {
		return
	}
	t.ticking.Lock()
	defer t.ticking.Unlock()
	t.opt.Tick(now)
}

// look ends what takes too long.
func (t *Table) look(c *Conn, h Holder) {
	p, since := c.Phase()
	switch {
	case t.Over(p, since):
		h.Overdue(p, since)
	case t.tooMany > 0 && p == Idle && t.Now()-since > crowdedIdle+t.slack:
		t.tooMany--
		c.dismissed.Store(since + 1)
		h.Overdue(p, since)
	}
	if (c.owing.Load() || p == Writing) && t.stuck(c, h) {
		t.stats.writeTimeouts.Inc()
		c.abort(h, WriteTimeout)
		return
	}
	if call := c.leftAlone(p); call != 0 && h.Gone() {
		h.Abandon(call) // by its id: if it has ended meanwhile, nothing happens
	}
}

// leftAlone returns the id of the call under way if nothing was written for it since the look
// before: most are over by the second. A client that has closed its sending side can't be told from
// one that has gone but by writing to it, so one whose response streams, or is held, is left alone
// for longer: what is written soon tells.
func (c *Conn) leftAlone(p Phase) uint64 {
	call, wrote := c.Call.Load(), c.wrote.Load()
	if call == 0 || call != c.watched || wrote != c.watchedWrote {
		c.watched, c.watchedWrote, c.quiet = call, wrote, 0
		return 0
	}
	if c.quiet++; (p == Streaming || p == Held) && c.quiet < quietLooks {
		return 0
	}
	return call
}

// quietLooks is how many looks in a row have to find a stream quiet.
const quietLooks = 3

// stuck reports whether the client has acknowledged too little of what was written, for too long.
// What the system has taken isn't with the client yet, and stays in the machine's memory until it
// is: the timeout is held against what the client acknowledges, of a response that is still being
// written and of one that is with the system whole.
func (t *Table) stuck(c *Conn, h Holder) bool {
	wrote := c.wrote.Load()
	out := h.Outstanding()
	now := t.Now()
	if out < 0 { // not known: by what the system takes
		out = 0
		if p, _ := c.Phase(); p == Writing {
			out = 1
		}
	}
	if p, _ := c.Phase(); out == 0 && p != Writing {
		c.owing.Store(false) // set again by the next large response
		if c.wrote.Load() != wrote {
			c.owing.Store(true) // that was just now
		}
		c.ackedAt = 0
		return false
	}
	acked := wrote - min(uint64(out), wrote)
	switch {
	case c.ackedAt == 0 || out == 0 || acked-c.acked >= AckPiece:
		c.acked, c.ackedAt = acked, max(now, 1)
		return false
	default:
		return now-c.ackedAt > t.opt.WriteTimeout.Milliseconds()+t.slack
	}
}
