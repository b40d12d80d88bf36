package eventloop

import (
	"sync/atomic"
	"time"

	"nanofront/metrics"
	"nanofront/terminator/admission"
)

// lateness is how late a loop looks at its connections: by that bound, what it reads has waited in
// a socket, where no stage's time includes it. It belongs to the loop's goroutine.
type lateness struct {
	lag      admission.Lag
	complete int64 // Front.Now of the last look that found all there was; 0: the loop has waited since

	refused atomic.Int64 // Front.Now of the last look, if it came so late that what it found was refused; else 0
}

// look notes a look that has found n connections, and reports whether they are to be served. The
// clock is the one that is read anyway.
func (l *lateness) look(now int64, n int, timer *metrics.Timer) (serve bool) {
	serve = true
	if l.complete != 0 {
		lag := time.Duration(now - l.complete)
		timer.Observe(lag)
		serve = l.lag.Look(time.Duration(now), lag)
		switch {
		case !serve:
			l.refused.Store(now)
		case l.refused.Load() != 0:
			l.refused.Store(0)
		}
	}
	if n < loopEvents {
		l.complete = now
	}
	return serve
}

// waits notes that the loop waits: the next look comes as soon as there is something.
func (l *lateness) waits() { l.complete = 0 }

// lateFor is for how long a look says that a loop is late, if none follows.
const lateFor = 50 * time.Millisecond

// Late reports whether a loop doesn't keep up at present, and refuses what it finds.
func (ls *Loops) Late() bool {
	for _, l := range ls.loops {
		if at := l.late.refused.Load(); at != 0 && ls.Front.Now()-at < int64(lateFor) {
			return true
		}
	}
	return false
}
