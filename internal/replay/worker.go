package replay

import (
	"sync/atomic"
	"time"
)

const (
	// longestWait bounds how long a worker doesn't see that it should stop.
	longestWait = 50 * time.Millisecond
	// starvedWait is how long it waits for the feed.
	starvedWait = 200 * time.Microsecond
	// atOnce is how many requests are sent before answers are looked at.
	atOnce = 64
	// abortAfter is how long answers are waited for after an interruption.
	abortAfter = 2 * time.Second
)

// worker sends what its lane brings, each request when it is due.
type worker struct {
	flat   bool
	lane   *lane
	sender Sender
	clock  func() int64
	cut    *atomic.Bool // stop sending

	starved bool // there was nothing to send when it was looked at last
	busy    bool // there was no room for what is next when it was due
	stopAt  int64
	count   *tally
}

func newWorker(o *Options, l *lane, clock func() int64, cut *atomic.Bool) *worker {
	return &worker{flat: o.Speed == 0, lane: l, clock: clock, cut: cut, count: newTally(o)}
}

// run sends until the lane has ended and all is answered.
func (w *worker) run() error {
	defer w.sender.Close()
	for {
		now := w.clock()
		var next int64
		if w.cut.Load() {
			if w.stopAt == 0 {
				w.stopAt = now + int64(abortAfter)
			}
			if w.sender.InFlight() == 0 || now >= w.stopAt {
				return nil
			}
			next = w.stopAt
		} else {
			next = w.send(now)
			if w.lane.ended && w.sender.InFlight() == 0 {
				return nil
			}
			now = w.clock()
		}
		if err := w.sender.Wait(min(max(0, time.Duration(next-now)), longestWait)); err != nil {
			return err
		}
	}
}

// send sends what is due, and returns when there will be more to do.
func (w *worker) send(now int64) (next int64) {
	for range atOnce {
		it := w.lane.peek()
		switch {
		case it == nil && w.lane.ended:
			return now + int64(longestWait)
		case it == nil:
			w.starved = true
			return now + int64(starvedWait)
		case !w.flat && it.Due > now:
			w.starved, w.busy = false, false
			return it.Due
		case !w.sender.Room():
			w.busy = true
			return now + int64(longestWait) // an answer comes first
		}
		if !w.flat {
			w.count.reason(w.starved, w.busy)
		}
		w.starved, w.busy = false, false
		w.sender.Send(it)
		w.lane.advance()
		now = w.clock()
	}
	return now
}
