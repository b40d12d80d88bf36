package admission

import (
	"context"
	"sync/atomic"
	"time"
)

// Limiter decides whether there is room for one more request, in two atomic
// operations. What doesn't fit is refused at once and never queued.
//
// The limit adapts as TCP's window does (additive increase, multiplicative
// decrease, each tenth of a second), on the mean latency of what was
// answered. It goes down while that is above the target and above twice what
// has been usual in the last minute: the target alone would choke a system
// whose handlers are slow by nature, the comparison alone one that got from
// 1 ms to 3 ms. It goes up while it is being used and latency is fine.
type Limiter struct {
	inFlight atomic.Int64
	limit    atomic.Int64
	target   time.Duration

	min, max, start int64

	// Of the window of now; written by all requests, read by adapt.
	sum  atomic.Int64 // ns
	n    atomic.Int64
	peak atomic.Int64 // most in flight

	// usual holds the least mean latency of each of the last buckets.
	usual  [6]time.Duration
	bucket int
	ticks  int

	// Run sleeps while nothing is under way: a window of nothing says nothing.
	asleep atomic.Bool
	wake   chan struct{} // has room for one: sent to by whoever clears asleep
}

const (
	admissionWindow  = 100 * time.Millisecond
	admissionBucket  = 100 // windows: 10 s
	admissionStart   = 1024
	admissionSamples = 8 // fewer answers in a window say nothing
	quietWindows     = 10
)

// New makes a limiter that lets in between minimum and maximum requests at once, and looks for a mean latency of
// target.
func New(minimum, maximum int, target time.Duration) *Limiter {
	a := &Limiter{min: int64(minimum), max: int64(maximum), target: target, wake: make(chan struct{}, 1)}
	a.start = min(max(admissionStart, a.min), a.max)
	a.limit.Store(a.start)
	return a
}

// Enter takes a place, or returns false.
func (a *Limiter) Enter() bool { return a.enter(a.limit.Load()) }

// EnterGathered is Enter for a request that found the limiter not Full, and whose body has been gathered since. The
// limit may have been reached meanwhile: it is let in all the same up to an eighth above, though never above the
// maximum, so that a body that has come is thrown away only if very many have come together.
func (a *Limiter) EnterGathered() bool {
	limit := a.limit.Load()
	return a.enter(max(min(limit+limit/8, a.max), limit))
}

func (a *Limiter) enter(limit int64) bool {
	n := a.inFlight.Add(1)
	if n == 1 {
		a.rouse()
	}
	if n > limit {
		a.inFlight.Add(-1)
		a.notePeak(n)
		return false
	}
	a.notePeak(n)
	return true
}

// InFlight is how many places are taken.
func (a *Limiter) InFlight() int64 { return a.inFlight.Load() }

// Limit is how many there are at present.
func (a *Limiter) Limit() int64 { return a.limit.Load() }

// Full reports whether there is no place left. It is asked before a body is gathered, so that whoever is to be refused
// is so before sending it, and takes no place: a place is one with the handlers, and how long a body takes is its
// client's choice, who could keep others out by sending slowly. What a body that is being gathered does need is memory,
// which has a budget of its own. So there is nothing to give back when its client gives up.
func (a *Limiter) Full() bool { return a.inFlight.Load() >= a.limit.Load() }

func (a *Limiter) notePeak(n int64) {
	for {
		p := a.peak.Load()
		if n <= p || a.peak.CompareAndSwap(p, n) {
			return
		}
	}
}

// Leave gives the place back. latency is 0 for a request that says nothing
// about how the system behind is doing.
func (a *Limiter) Leave(latency time.Duration) {
	a.inFlight.Add(-1)
	if latency > 0 {
		a.sum.Add(int64(latency))
		a.n.Add(1)
	}
}

// Run adapts the limit until ctx ends.
func (a *Limiter) Run(ctx context.Context) {
	tick := time.NewTicker(admissionWindow)
	defer tick.Stop()
	for quiet := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if quiet++; a.adapt() {
			quiet = 0
		}
		if quiet < quietWindows {
			continue
		}
		quiet = 0
		a.asleep.Store(true)
		if a.inFlight.Load() > 0 { // in this order: it came too early to see that
			a.rouse()
		}
		tick.Stop()
		began := time.Now()
		select {
		case <-ctx.Done():
			return
		case <-a.wake:
		}
		a.passed(int(time.Since(began) / admissionWindow))
		tick.Reset(admissionWindow)
	}
}

// rouse has Run go on.
func (a *Limiter) rouse() {
	if a.asleep.Load() && a.asleep.CompareAndSwap(true, false) {
		a.wake <- struct{}{}
	}
}

// passed lets windows pass, and forgets what was usual too long ago.
func (a *Limiter) passed(windows int) {
	before := a.ticks / admissionBucket
	a.ticks += windows
	for range min(a.ticks/admissionBucket-before, len(a.usual)) {
		a.bucket = (a.bucket + 1) % len(a.usual)
		a.usual[a.bucket] = 0
	}
}

// adapt looks at the window that ends and moves the limit. It reports whether there was anything in it.
func (a *Limiter) adapt() (some bool) {
	under := a.inFlight.Load()
	sum, n, peak := a.sum.Swap(0), a.n.Swap(0), a.peak.Swap(under)
	a.passed(1)
	if some = n > 0 || peak > 0 || under > 0; n < admissionSamples {
		return some
	}
	limit := a.limit.Load()
	mean := time.Duration(sum / n)
	usual := a.note(mean)
	switch {
	case mean > max(a.target, 2*usual) && peak*2 >= limit:
		limit -= limit / 10
	case mean <= a.target && peak*10 >= limit*8:
		limit += max(limit/20, 8)
	case 2*mean <= 3*usual && peak*10 >= limit*8 && limit < a.start:
		// Above the target, but no more than is usual here: handlers that are
		// slow by nature, after a spike. Slowly, and only back to where it
		// began, so that a lasting overload doesn't come to pass for usual.
		limit += max(limit/100, 1)
	default:
		return some
	}
	a.limit.Store(min(max(limit, a.min), a.max))
	return some
}

// note keeps the least of the means of the last minute, and returns it.
func (a *Limiter) note(mean time.Duration) time.Duration {
	if b := &a.usual[a.bucket]; *b == 0 || mean < *b {
		*b = mean
	}
	least := mean
	for _, u := range a.usual {
		if u != 0 {
			least = min(least, u)
		}
	}
	return least
}
