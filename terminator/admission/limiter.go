package admission

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Limiter is the cap on all requests under way, and the [Gate] of each service. It adapts the gates
// once a window, and sleeps while nothing is under way.
type Limiter struct {
	inFlight atomic.Int64
	_        [120]byte // a cache line for itself, and its neighbour: each request writes it twice
	most     int64
	least    int64
	target   time.Duration

	mu     sync.Mutex
	gates  map[string]*Gate
	shares atomic.Int64 // what a gate may take however full it is: see Gate.room. 0: one gate, and no shares
	cores  Cores

	// Run sleeps while nothing is under way: a window of nothing says nothing.
	asleep atomic.Bool
	wake   chan struct{} // has room for one: sent to by whoever clears asleep
}

const (
	// window is how often the gates are looked at. Short, so that an overload is found within four
	// of them and the queue that has grown meanwhile drains soon; long enough for some dozens of
	// answers in each at the rates at which there is an overload.
	window = 50 * time.Millisecond

	// late is up to what a window may last. In a longer one this process was away: what the
	// requests in it waited for was the processor, and not the handlers.
	late = window + window/2

	quietWindows = 20 // without requests, until Run sleeps
)

// New makes a limiter of at most maximum requests at once in all. A service that is overloaded is
// left minimum at the least, and a wait in its queue of up to target.
func New(minimum, maximum int, target time.Duration) *Limiter {
	return &Limiter{
		least: int64(minimum), most: int64(maximum), target: target,
		gates: make(map[string]*Gate), wake: make(chan struct{}, 1),
	}
}

// Gate is the gate of that name, which is made if there is none.
func (l *Limiter) Gate(name string) *Gate {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.gates[name]
	if g == nil {
		g = newGate(l)
		l.gates[name] = g
		l.share()
	}
	return g
}

// Keep drops all gates but those of these names. Requests that have entered one leave it as before.
func (l *Limiter) Keep(names map[string]bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name := range l.gates {
		if !names[name] {
			delete(l.gates, name)
		}
	}
	l.share()
}

func (l *Limiter) share() {
	if n := int64(len(l.gates)); n > 1 {
		l.shares.Store(max(1, l.most/(4*n)))
	} else {
		l.shares.Store(0)
	}
}

// Cores tells whether the processor is the scarce resource.
func (l *Limiter) Cores() *Cores { return &l.cores }

// InFlight is how many requests are under way in all.
func (l *Limiter) InFlight() int64 { return l.inFlight.Load() }

// Most is how many there may be.
func (l *Limiter) Most() int64 { return l.most }

// Run adapts the gates until ctx ends.
func (l *Limiter) Run(ctx context.Context) {
	tick := time.NewTicker(window)
	defer tick.Stop()
	began := time.Now()
	l.cores.read = threadTimes
	for quiet := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if quiet++; l.adapt(time.Since(began)) {
			quiet = 0
		}
		if quiet < quietWindows {
			continue
		}
		quiet = 0
		l.asleep.Store(true)
		if l.inFlight.Load() > 0 { // in this order: it came too early to see that
			l.rouse()
		}
		tick.Stop()
		select {
		case <-ctx.Done():
			return
		case <-l.wake:
		}
		l.begin(time.Since(began))
		tick.Reset(window)
	}
}

// rouse has Run go on.
func (l *Limiter) rouse() {
	if l.asleep.Load() && l.asleep.CompareAndSwap(true, false) {
		l.wake <- struct{}{}
	}
}

// adapt ends a window of each gate at a time since Run began. It reports whether there was anything
// in one.
func (l *Limiter) adapt(now time.Duration) (some bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cores.look(now)
	for _, g := range l.gates {
		if g.judge.suspects() {
			l.cores.Ask()
		}
		g.judge.short = l.cores.short.Load()
		some = g.adapt(now) || some
	}
	return some || l.inFlight.Load() > 0
}

// begin begins a window of each gate.
func (l *Limiter) begin(now time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, g := range l.gates {
		g.judge.began, g.judge.looked = now, now
	}
}
