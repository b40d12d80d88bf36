package admission

import (
	"math"
	"sync/atomic"
	"time"
)

// Gate decides whether there is room for one more request to a service, in a handful of atomic
// operations. What doesn't fit is refused at once and never queued. What the limit is, judge says.
type Gate struct {
	all      *Limiter
	inFlight atomic.Int64
	limit    atomic.Int64
	load     atomic.Uint32
	rate     atomic.Int64 // answers a second, while the gate limits; 0: it doesn't

	gap  atomic.Int64 // ns between two requests that are let in; 0: as they come
	next atomic.Int64 // when the next one is let in, by Ask.Now

	crowd atomic.Pointer[crowd] // made in the first overload

	// What is written on the way out has a cache line apart from what is on the way in: those are
	// different cores.
	_ [64]byte

	// Of the window of now; written by all requests, read by adapt.
	answers  atomic.Int64
	own      atomic.Int64 // ns, the sum of their handlers' times
	leastOwn atomic.Int64 // ns, the least of those
	wait     atomic.Int64 // ns, the least time that one has spent otherwise
	refused  atomic.Int64
	timeouts atomic.Int64

	judge judge
	seen  int64 // by adapt in the window, at its last look
}

func newGate(l *Limiter) *Gate {
	g := &Gate{all: l, judge: judge{least: l.least, most: l.most, target: l.target}}
	g.limit.Store(g.judge.open())
	g.leastOwn.Store(math.MaxInt64)
	g.wait.Store(math.MaxInt64)
	return g
}

// Ask is what the gate is asked with.
type Ask struct {
	// Timeout is how long the request may take. While the service is overloaded it isn't let in if
	// the requests before it will take longer. 0: that doesn't matter.
	Timeout time.Duration
	// Now is the time since some beginning, needed while the gate paces. 0: it doesn't hold this
	// request up.
	Now time.Duration
	// Bonus is how many eighths the limit is higher, or lower, for this request. The cap on all is
	// the same.
	Bonus int64
	// Client is whom it is for. While the service is overloaded, who asks for more than a fair
	// share finds the limit an eighth lower than others. 0: not known.
	Client Client
}

// Enter takes a place, or returns false.
func (g *Gate) Enter(a Ask) bool {
	n := g.inFlight.Add(1)
	all := g.all.inFlight.Add(1)
	if all == 1 {
		g.all.rouse()
	}
	limit := g.limit.Load()
	if g.rate.Load() != 0 {
		if crowd := g.crowd.Load(); crowd != nil && crowd.asks(a.Client) {
			a.Bonus--
		}
	}
	if n <= raised(limit, a.Bonus) && g.room(n, all) && g.inTime(n, a.Timeout) && g.onPace(a) {
		return true
	}
	g.leave()
	g.refused.Add(1)
	return false
}

// raised is a limit with a bonus of so many eighths of it. With at least all of it as a bonus it is
// no less than without an overload: what came before the overload was found may be under way for a
// while, and far more than the limit.
func raised(limit, bonus int64) int64 {
	with := limit + limit*bonus/8
	if bonus >= 7 { // less one of a client that asks for much
		return max(with, openFloor)
	}
	return with
}

// room reports whether the n-th request of the gate, and all-th of all, is within the cap, and
// leaves enough to others: a gate may take as many places as it leaves free. So there are always
// some for a service that answers, however many of the others don't.
func (g *Gate) room(n, all int64) bool {
	free := g.all.most - all
	shares := g.all.shares.Load()
	return free >= 0 && (shares == 0 || n <= free || n <= shares)
}

// inTime reports whether the n-th request will have its answer in time.
func (g *Gate) inTime(n int64, timeout time.Duration) bool {
	rate := g.rate.Load()
	return rate == 0 || timeout == 0 || n <= max(g.all.least, rate*int64(timeout/time.Millisecond)/1000)
}

// Paces reports whether Enter must be told the time.
func (g *Gate) Paces() bool { return g.gap.Load() != 0 }

// behind is how many requests may catch up that came late for the pace.
const behind = 2

// onPace reports whether it is time for one more request. Workers that take the same time for each
// begin together once they have ended together, as after a stall, and then whoever waits for one
// waits for all of their time, however few wait. Let in evenly they fall out of step.
func (g *Gate) onPace(a Ask) bool {
	gap := g.gap.Load()
	if gap == 0 || a.Now == 0 || a.Bonus > 0 {
		return true
	}
	for {
		next := g.next.Load()
		if int64(a.Now) < next {
			return false
		}
		if g.next.CompareAndSwap(next, max(next, int64(a.Now)-behind*gap)+gap) {
			return true
		}
	}
}

// Full reports whether there is no place left. It is asked before a body is gathered, so that
// whoever is to be refused is so before sending it, and takes no place: a place is one with the
// handlers, and how long a body takes is its client's choice, who could keep others out by sending
// slowly. What a body that is being gathered does need is memory, which has a budget of its own. So
// there is nothing to give back when its client gives up.
func (g *Gate) Full() bool {
	n := g.inFlight.Load() + 1
	if n <= g.limit.Load() && g.room(n, g.all.inFlight.Load()+1) {
		return false
	}
	g.refused.Add(1)
	return true
}

// Limits reports whether the service is overloaded, and the gate lets in only what it can do.
func (g *Gate) Limits() bool { return g.rate.Load() != 0 }

// Load is how much more there is than the service can do: 0 no more, 1 hardly, 2 at least a tenth
// was refused in the last window, 3 at least half.
func (g *Gate) Load() uint8 { return uint8(g.load.Load()) }

func loadOf(w windowOf) uint32 {
	switch all := w.answers + w.refused; {
	case 2*w.refused >= all:
		return 3
	case 10*w.refused >= all:
		return 2
	default:
		return 1
	}
}

// InFlight is how many places are taken.
func (g *Gate) InFlight() int64 { return g.inFlight.Load() }

// Limit is how many there are at present.
func (g *Gate) Limit() int64 { return g.limit.Load() }

func (g *Gate) leave() {
	g.inFlight.Add(-1)
	g.all.inFlight.Add(-1)
}

// Leave gives the place back for a request that says nothing about how the service is doing: it was
// refused, streams, or its client has gone.
func (g *Gate) Leave() { g.leave() }

// Answered gives the place back for a request that was answered after total, of which the handler's
// own work was own; 0: that isn't known.
func (g *Gate) Answered(total, own time.Duration) {
	g.leave()
	if own <= 0 || own > total {
		own = total
	}
	g.answers.Add(1)
	g.own.Add(int64(own))
	lower(&g.leastOwn, own)
	lower(&g.wait, total-own)
}

func lower(least *atomic.Int64, d time.Duration) {
	for {
		l := least.Load()
		if int64(d) >= l || least.CompareAndSwap(l, int64(d)) {
			return
		}
	}
}

// TimedOut gives the place back for a request that had no answer in time. That is no answer after a
// long time: as such it would count for what the service does.
func (g *Gate) TimedOut() {
	g.leave()
	g.timeouts.Add(1)
}

// adapt ends the window, or has it go on if there is too little in it. It reports whether there was
// anything in it.
func (g *Gate) adapt(now time.Duration) (some bool) {
	n, refused, timeouts := g.answers.Load(), g.refused.Load(), g.timeouts.Load()
	seen := n + refused + timeouts
	some = seen != g.seen || g.inFlight.Load() > 0
	g.seen = seen
	if g.judge.goesOn(now, n+timeouts) {
		return some
	}
	w := windowOf{
		now: now, answers: g.answers.Swap(0), refused: g.refused.Swap(0), timeouts: g.timeouts.Swap(0),
		own: time.Duration(g.own.Swap(0)), inFlight: g.inFlight.Load(),
		leastOwn: time.Duration(g.leastOwn.Swap(math.MaxInt64)), wait: time.Duration(g.wait.Swap(math.MaxInt64)),
	}
	g.seen = 0
	limit, rate := g.judge.look(w)
	load := uint32(0)
	if rate != 0 {
		load = loadOf(w)
	}
	g.load.Store(load)
	crowded := g.crowd.Load()
	switch {
	case rate != 0 && crowded == nil:
		g.crowd.Store(new(crowd))
	case rate != 0:
		crowded.ends(w.answers)
	case g.rate.Load() != 0 && crowded != nil:
		crowded.clear()
	}
	g.limit.Store(limit)
	g.rate.Store(rate)
	gap := time.Duration(0)
	if load > 1 && g.judge.evens() {
		gap = g.judge.pace(w, limit)
	}
	g.gap.Store(int64(gap))
	return some
}
