package load

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"nanofront/internal/rawhttp"
)

const (
	// sweepInterval is how often timeouts are looked at: no timer for a request.
	sweepInterval = 10 * time.Millisecond
	// longestWait bounds how long a worker doesn't see that it should stop.
	longestWait = 50 * time.Millisecond
	// readBuffer is how much is read at once.
	readBuffer = 64 << 10
	// keepBuffer is how large a connection's own buffers may stay.
	keepBuffer = 64 << 10
	// continueTimeout is how long a body waits for 100 (Continue) before it is sent all the same
	// (RFC 9110, section 10.1.1).
	continueTimeout = time.Second
	// interruptGrace is how long answers are waited for after an interruption.
	interruptGrace = 2 * time.Second
	// Pauses after connections that failed, of a closed loop.
	firstPause, longestPause = 10 * time.Millisecond, time.Second
)

// worker is one thread of a run: it owns its connections, its part of the plan
// and its counts. Times are in ns from the start of the counted time.
type worker struct {
	plan  *plan
	index int
	poll  rawhttp.Poller

	base    time.Time
	conns   []conn
	avail   *queue
	dirty   []*conn
	draws   *draws
	planner *planner // of an open loop
	offered *planner // counts what is due, whether or not it can be sent
	backlog uint64   // due, and not sent
	stage   int      // of the plan, that began at stageAt
	stageAt int64

	end      int64         // of the counted time
	cut      *atomic.Int64 // an earlier end, after an interruption; else never
	counting bool          // in the counted time
	ended    bool          // past its end: nothing more is sent
	stopAt   int64         // no answers are waited for any longer
	inFlight int
	sweepAt  int64
	rollAt   int64

	collect *collector
	iv      *interval
	tally   *tally

	in      []byte
	scratch []byte
	err     error
}

func newWorker(p *plan, index int, poll rawhttp.Poller, cut *atomic.Int64, c *collector) *worker {
	n := p.share(index)
	w := &worker{
		plan: p, index: index, poll: poll, cut: cut, collect: c,
		conns: make([]conn, n), avail: newQueue(n), draws: newDraws(p.Seed, index, p.Workers, p.mix.seqs),
		end: int64(p.Duration), stopAt: never, tally: newTally(p), in: make([]byte, readBuffer),
	}
	for i := range w.conns {
		w.conns[i].i = i
		w.conns[i].slots = make([]slot, p.Pipeline)
		w.avail.push(&w.conns[i])
	}
	if p.open() {
		w.planner = newPlanner(p.profile, p.Arrivals, p.Seed, index, p.Workers)
		w.offered = newPlanner(p.profile, p.Arrivals, p.Seed, index, p.Workers)
	}
	return w
}

// share is the number of worker i's connections. The first workers have one
// more if they don't divide evenly.
func (p *plan) share(i int) int {
	n := p.Connections / p.Workers
	if i < p.Connections%p.Workers {
		n++
	}
	return n
}

// clock is the present time.
func (w *worker) clock() int64 { return int64(time.Since(w.base)) }

// connectAll opens all connections before the start, so that the first
// requests don't have to. What can't be opened is left to them.
func (w *worker) connectAll() error {
	w.base = time.Now()
	const atOnce = 64 // well below any listener's backlog
	next, pending, deadline := 0, 0, int64(w.plan.Timeout)
	for {
		for ; next < len(w.conns) && pending < atOnce; next++ {
			c := &w.conns[next]
			if w.poll.Open(c.i) == nil {
				c.state, c.since = connecting, w.clock()
				pending++
			}
		}
		if pending == 0 {
			return nil
		}
		events, err := w.poll.Wait(longestWait)
		if err != nil {
			return err
		}
		for i := range events {
			c := &w.conns[events[i].Conn]
			if c.state != connecting {
				continue
			}
			pending--
			if w.poll.Connected(c.i) == nil {
				c.state = open
			} else {
				w.poll.Close(c.i)
				c.state = closed
			}
		}
		now := w.clock()
		for i := range w.conns[:next] {
			if c := &w.conns[i]; c.state == connecting && now-c.since > deadline {
				w.poll.Close(c.i)
				c.state = closed
				pending--
			}
		}
	}
}

// run generates load from base - warm-up on, until all is done.
func (w *worker) run(base time.Time) error {
	w.base = base
	now := w.clock()
	second := floorSecond(now)
	w.iv = newInterval(second)
	w.rollAt = (second + 1) * int64(time.Second)
	for w.err == nil {
		now = w.clock()
		if now >= w.sweepAt {
			w.sweep(now)
		}
		if now >= w.rollAt {
			w.roll(now)
		}
		if !w.counting && !w.ended && now >= 0 {
			w.counting = true
		}
		if end := min(w.end, w.cut.Load()); now >= end && !w.ended {
			if end == w.end {
				now = w.send(now) // what came due in the last microseconds: only what found no connection is unsent
			}
			w.finish(end)
		}
		if w.ended && w.stopAt == never && w.cut.Load() != never {
			w.stopAt = now + int64(interruptGrace)
		}
		if w.ended && (w.inFlight == 0 || now >= w.stopAt) {
			break
		}
		now = w.send(now)
		if w.err = w.turn(time.Duration(w.wakeAt() - now)); w.err != nil {
			break
		}
	}
	for i := range w.conns {
		w.fail(&w.conns[i], CauseAborted, errStopped)
	}
	w.collect.put(w.iv, 0)
	w.poll.Shutdown()
	return w.err
}

var errStopped = errors.New("not answered when the run was stopped")

// turn waits and does what there is to do.
func (w *worker) turn(d time.Duration) error {
	events, err := w.poll.Wait(min(d, longestWait))
	if err != nil {
		return fmt.Errorf("worker %d: %w", w.index, err)
	}
	for i := range events {
		e := &events[i]
		if !w.poll.Current(e) {
			continue
		}
		now := w.handle(&w.conns[e.Conn], e)
		// What came due meanwhile doesn't wait for the other events.
		if w.planner != nil && w.planner.next <= now {
			w.send(now)
		}
	}
	w.flushDirty()
	return nil
}

// wakeAt is when there is something to do without an event.
func (w *worker) wakeAt() int64 {
	at := min(w.rollAt, w.end)
	if w.ended {
		at = min(w.rollAt, w.stopAt)
	}
	if w.inFlight > 0 || w.planner == nil {
		at = min(at, w.sweepAt)
	}
	if w.planner != nil && w.avail.size > 0 && !w.ended {
		at = min(at, w.planner.next)
	}
	if !w.counting && !w.ended {
		at = min(at, 0)
	}
	return at
}

// finish ends sending at the end of the counted time, and counts what was not sent.
func (w *worker) finish(end int64) {
	w.ended, w.counting = true, false
	w.end = end
	if w.planner == nil {
		return
	}
	w.countOffered(end)
	for w.planner.next < end {
		w.giveUp()
	}
}

func floorSecond(t int64) int64 {
	s := t / int64(time.Second)
	if t%int64(time.Second) < 0 {
		s--
	}
	return s
}

// roll gives the second that has ended over.
func (w *worker) roll(now int64) {
	second := floorSecond(now)
	// A worker that slept through whole seconds leaves none out.
	for s := w.iv.second + 1; s <= second; s++ {
		if w.offered != nil {
			w.countOffered(s*int64(time.Second) - 1)
		}
		w.iv.backlog = w.backlog
		w.iv = w.collect.put(w.iv, s)
	}
	w.rollAt = (second + 1) * int64(time.Second)
}

// sweep fails what is over its time.
func (w *worker) sweep(now int64) {
	w.sweepAt = now + int64(sweepInterval)
	timeout := int64(w.plan.Timeout)
	for i := range w.conns {
		c := &w.conns[i]
		switch {
		case c.count > 0 && now-c.oldest().sent >= timeout:
			if c.state == connecting {
				w.unconnected(c, errConnect)
				continue
			}
			w.fail(c, CauseTimeout, errTimeout)
		case len(c.later) > 0 && len(c.out) == 0 && now-c.since >= int64(continueTimeout):
			c.out, c.later = c.later, nil
			w.flush(c)
		}
	}
}

var (
	errTimeout = errors.New("no complete response in time")
	errConnect = errors.New("no connection in time")
)
