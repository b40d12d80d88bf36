package load

import (
	"fmt"
	"math"
)

// send sends what is due, as far as there is room on connections, and
// returns the present time. A closed loop always has something due.
func (w *worker) send(now int64) int64 {
	if w.ended {
		return now
	}
	if w.planner == nil {
		return w.sendClosed(now)
	}
	if now >= w.rollAt { // what came due after the second is not offered in it
		w.roll(now)
	}
	w.countOffered(now)
	sent := false
	for w.planner.next <= now && w.planner.next < w.end {
		if w.plan.Patience > 0 && w.planner.next < max(now-int64(w.plan.Patience), w.stageBegan(now)) {
			w.giveUp()
			w.backlog--
			continue
		}
		c := w.avail.pop()
		if c == nil {
			break
		}
		w.assign(c, w.planner.next)
		w.planner.advance()
		w.backlog--
		if c.room() {
			w.avail.push(c)
		}
		sent = true
	}
	if !sent {
		return now
	}
	w.flushDirty()
	return w.clock()
}

// stageBegan is when the stage of now did.
func (w *worker) stageBegan(now int64) int64 {
	for stages := w.plan.Stages; w.stage+1 < len(stages) && now >= w.stageAt+int64(stages[w.stage].Duration); w.stage++ {
		w.stageAt += int64(stages[w.stage].Duration)
	}
	if w.stage == 0 { // the warm-up belongs to it
		return math.MinInt64
	}
	return w.stageAt
}

// giveUp counts the request that is next as one that never leaves, and goes to the one after it.
func (w *worker) giveUp() {
	if planned := w.planner.next; planned >= 0 {
		w.tally.Unsent++
		if st := w.tally.step(planned); st != nil {
			st.Unsent++
		}
	}
	w.planner.advance()
}

// sendClosed fills the connections that have room.
func (w *worker) sendClosed(now int64) int64 {
	for range w.avail.size {
		c := w.avail.pop()
		if c.retry > now {
			w.avail.push(c)
			continue
		}
		w.fill(c)
	}
	w.flushDirty()
	return w.clock()
}

// fill gives a connection of a closed loop as many requests as it takes. One that
// is to be opened gets them when there is a first answer.
func (w *worker) fill(c *conn) {
	for c.room() {
		if w.assign(c, never); c.state != open {
			return
		}
	}
}

// countOffered counts requests whose planned time has come.
func (w *worker) countOffered(now int64) {
	for w.offered.next <= now && w.offered.next < w.end {
		w.iv.offered++
		w.backlog++
		w.offered.advance()
	}
}

// assign gives a connection a request. planned is never in a closed loop,
// where it is the time of sending.
func (w *worker) assign(c *conn, planned int64) {
	now := w.clock()
	if planned == never {
		planned = now
		w.iv.offered++
	}
	s := slot{planned: planned, sent: now, entry: w.plan.mix.pick(w.draws)}
	w.iv.Sent++
	if planned >= 0 {
		w.tally.Sent++
		st := w.tally.step(planned)
		if st != nil {
			st.Sent++
		}
		if len(w.tally.Entries) > 1 {
			w.tally.Entries[s.entry].Sent++
		}
		if w.planner != nil {
			if !record(w.tally.Delay, now-planned) {
				w.tally.Clipped++
			}
			if now-planned > int64(w.plan.LateAfter) {
				w.tally.Late++
				if st != nil {
					st.Late++
				}
			}
		}
	}
	e := w.plan.mix.entries[s.entry]
	if c.push(s); c.count == 1 {
		c.expect(e)
	}
	w.inFlight++
	w.put(c, e)
	switch {
	case c.state == closed:
		w.connect(c)
	case c.state == open && !c.dirty:
		if w.plan.Pipeline == 1 {
			w.flush(c)
			return
		}
		c.dirty = true
		w.dirty = append(w.dirty, c)
	}
}

// put puts a request behind what a connection has to send.
func (w *worker) put(c *conn, e *entry) {
	bodyAt := e.headLen
	switch {
	case len(c.out) == 0 && e.fixed != nil:
		c.out = e.fixed
	case len(c.out) == 0:
		c.buf, bodyAt = e.append(c.buf[:0], &w.scratch, w.draws)
		c.out = c.buf
	default:
		if len(c.buf) != len(c.out) || &c.buf[0] != &c.out[0] {
			c.buf = append(c.buf[:0], c.out...)
		}
		c.buf, bodyAt = e.append(c.buf, &w.scratch, w.draws)
		c.out = c.buf
	}
	if e.waits { // alone on its connection
		c.out, c.later = c.out[:bodyAt], c.out[bodyAt:]
		c.since = w.clock()
	}
}

// flushDirty writes what pipelining has gathered, for each connection in one go.
func (w *worker) flushDirty() {
	for _, c := range w.dirty {
		c.dirty = false
		if c.state == open {
			w.flush(c)
		}
	}
	w.dirty = w.dirty[:0]
}

// flush writes as much as the connection takes; an event comes when it takes more.
func (w *worker) flush(c *conn) {
	for len(c.out) > 0 {
		n, err := w.poll.Write(c.i, c.out)
		if err != nil {
			// The response may have come all the same, before the end.
			c.out, c.later = nil, nil
			if w.receive(c, true); c.state == open {
				w.fail(c, CauseReset, err)
			}
			return
		}
		if n == 0 {
			return
		}
		if w.counting {
			w.tally.BytesOut += uint64(n) // not negative without an error
		}
		c.out = c.out[n:]
	}
	c.out = nil
	if cap(c.buf) > keepBuffer && len(c.later) == 0 {
		c.buf = nil
	}
}

// connect opens a connection for the requests that it has.
func (w *worker) connect(c *conn) {
	if w.counting {
		w.tally.Opened++
		if c.idled {
			w.tally.Reopened++
		}
	}
	c.idled = false
	if err := w.poll.Open(c.i); err != nil {
		w.unconnected(c, fmt.Errorf("connect %s: %w", w.plan.address, err))
		return
	}
	c.state = connecting
}

// unconnected fails the requests of a connection that couldn't be opened.
func (w *worker) unconnected(c *conn, err error) {
	c.retry = w.clock() + int64(min(longestPause, firstPause<<min(c.failures, 10)))
	c.failures++
	w.fail(c, CauseConnect, err)
}
