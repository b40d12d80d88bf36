package admission

import (
	"container/heap"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"
)

// model is a service with workers and a queue, a front that admits to it, and clients that send
// whatever happens: a discrete-event simulation, without a clock of its own.
type model struct {
	workers int
	took    func(r *rand.Rand) time.Duration // by the handler for a request
	hidden  bool                             // the service doesn't say what of a request's time was its own
	shared  bool                             // its workers share two cores, and so its queue is within its own time
	timeout time.Duration
	rate    func(at time.Duration) float64 // requests a second
	until   time.Duration
	stalls  []stall
	seed    uint64

	// Instead of a rate, so many clients, of whom each sends the next request when it has its
	// answer, or was refused: the first few from the beginning, all others from joins on, one each
	// time that joining has passed.
	clients, first int
	joins, joining time.Duration
}

// stall is a time in which somebody didn't run.
type stall struct {
	from, lasts time.Duration
	front       bool // or else the service
}

// admitter is what is tried.
type admitter interface {
	enter(now time.Duration) bool
	answered(now, total, own time.Duration)
	timedOut(now time.Duration)
	tick(now time.Duration)
	limit() int
}

// gated is ours.
type gated struct {
	l *Limiter
	g *Gate
}

// trace prints what becomes of the limit.
var trace = os.Getenv("NANOFRONT_ADMISSION_TRACE") != ""

func newGated(minimum, maximum int) *gated {
	l := New(minimum, maximum, 50*time.Millisecond)
	return &gated{l, l.Gate("s")}
}

func (g *gated) enter(now time.Duration) bool {
	return g.g.Enter(Ask{Timeout: 5 * time.Second, Now: now})
}
func (g *gated) answered(_, total, own time.Duration) { g.g.Answered(total, own) }
func (g *gated) timedOut(time.Duration)               { g.g.TimedOut() }
func (g *gated) tick(now time.Duration) {
	g.l.adapt(now)
	if j := &g.g.judge; trace {
		fmt.Printf("%v limits %v limit %d in flight %d wait %v streak %d rate %.0f usual %+v\n", now, j.limits, g.g.Limit(), g.g.InFlight(), j.lastWait, j.streak, j.most4(), j.usual())
	}
}
func (g *gated) limit() int { return int(g.g.Limit()) }

// seen is one request's fate.
type seen struct {
	at, total time.Duration
	fate      byte // 'a'nswered, 'r'efused, 't'imed out
}

type eventKind byte

const (
	arrives eventKind = iota
	completes
	expires
	ticks
)

type simEvent struct {
	at   time.Duration
	kind eventKind
	r    *simRequest
	n    int
}

type simRequest struct {
	at, began, own time.Duration
	done           bool
	i              int
}

type eventHeap []simEvent

func (h eventHeap) Len() int { return len(h) }
func (h eventHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].n < h[j].n
}
func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *eventHeap) Push(x any)   { *h = append(*h, x.(simEvent)) }
func (h *eventHeap) Pop() any {
	o := *h
	e := o[len(o)-1]
	*h = o[:len(o)-1]
	return e
}

// run plays it.
func (m *model) run(a admitter) (all []seen) {
	r := rand.New(rand.NewPCG(m.seed, 1))
	var h eventHeap
	n := 0
	push := func(e simEvent) { n++; e.n = n; heap.Push(&h, e) }
	// away is until when somebody who wants to do something at that time is away.
	away := func(at time.Duration, front bool) time.Duration {
		for _, s := range m.stalls {
			if s.front == front && at >= s.from && at < s.from+s.lasts {
				at = s.from + s.lasts
			}
		}
		return at
	}
	// worked is when work that begins at that time, and takes so long, is done.
	worked := func(at, takes time.Duration) time.Duration {
		end := at + takes
		for _, s := range m.stalls {
			if !s.front && s.from >= at && s.from < end {
				end += s.lasts
			}
		}
		return end
	}
	next := func(at time.Duration) time.Duration {
		for {
			if rate := m.rate(at); rate > 0 {
				return at + time.Duration(r.ExpFloat64()/rate*float64(time.Second))
			}
			if at += time.Millisecond; at > m.until {
				return at
			}
		}
	}
	if m.clients == 0 {
		push(simEvent{at: next(0), kind: arrives})
	}
	for i := range m.clients {
		at := time.Duration(i) * time.Microsecond
		if i >= m.first {
			at = m.joins + time.Duration(i-m.first)*m.joining
		}
		push(simEvent{at: at, kind: arrives})
	}
	again := func(at time.Duration) { // a client's next
		if m.clients > 0 {
			push(simEvent{at: at, kind: arrives})
		}
	}
	push(simEvent{at: window, kind: ticks})
	var queue []*simRequest
	busy := 0
	begin := func(q *simRequest, now time.Duration) {
		busy++
		q.began = away(now, false)
		takes := m.took(r)
		if m.shared { // as many as are at work, the slower each
			takes = takes * time.Duration(max(busy, m.workers)) / time.Duration(m.workers)
		}
		push(simEvent{at: worked(q.began, takes), kind: completes, r: q})
	}
	for len(h) > 0 {
		e := heap.Pop(&h).(simEvent)
		now := e.at
		if e.kind != completes || e.r.own != 0 { // the front's
			if to := away(now, true); to > now {
				e.at = to
				heap.Push(&h, e) // in their order
				continue
			}
		}
		switch e.kind {
		case ticks:
			a.tick(now)
			if now < m.until+10*time.Second {
				push(simEvent{at: now.Truncate(window) + window, kind: ticks})
			}
		case arrives:
			if now > m.until {
				continue
			}
			if m.clients == 0 {
				push(simEvent{at: next(now), kind: arrives})
			}
			if !a.enter(now) {
				all = append(all, seen{now, 0, 'r'})
				again(now + time.Millisecond)
				continue
			}
			q := &simRequest{at: now, i: len(all)}
			all = append(all, seen{now, 0, 't'})
			push(simEvent{at: now + m.timeout, kind: expires, r: q})
			if busy < m.workers || m.shared {
				begin(q, now)
			} else {
				queue = append(queue, q)
			}
		case completes:
			if e.r.own == 0 { // at the service
				busy--
				e.r.own = now - e.r.began
				for len(queue) > 0 {
					q := queue[0]
					queue = queue[1:]
					if !q.done {
						begin(q, now)
						break
					}
				}
				push(simEvent{at: now, kind: completes, r: e.r})
				continue
			}
			if e.r.done {
				continue
			}
			e.r.done = true
			total, own := now-e.r.at, e.r.own
			if m.hidden {
				own = 0
			}
			a.answered(now, total, own)
			again(now + 100*time.Microsecond)
			all[e.r.i].total, all[e.r.i].fate = total, 'a'
		case expires:
			if !e.r.done {
				e.r.done = true
				a.timedOut(now)
			}
		}
	}
	return all
}

// account is what has become of the requests of a time.
type account struct {
	offered, answered, refused, timedOut int
	p50, p99                             time.Duration
}

func accountOf(all []seen, from, to time.Duration) (c account) {
	var times []time.Duration
	for _, s := range all {
		if s.at < from || s.at >= to {
			continue
		}
		c.offered++
		switch s.fate {
		case 'a':
			c.answered++
			times = append(times, s.total)
		case 'r':
			c.refused++
		default:
			c.timedOut++
		}
	}
	slices.Sort(times)
	if n := len(times); n > 0 {
		c.p50, c.p99 = times[n/2], times[n*99/100]
	}
	return c
}

func exponential(mean time.Duration) func(*rand.Rand) time.Duration {
	return func(r *rand.Rand) time.Duration {
		return max(time.Duration(r.ExpFloat64()*float64(mean)), time.Microsecond)
	}
}

func constant(d time.Duration) func(*rand.Rand) time.Duration {
	return func(*rand.Rand) time.Duration { return d }
}

func steady(rate float64) func(time.Duration) float64 {
	return func(time.Duration) float64 { return rate }
}

// during is one rate, and another in a time.
func during(usual, other float64, from, to time.Duration) func(time.Duration) float64 {
	return func(at time.Duration) float64 {
		if at >= from && at < to {
			return other
		}
		return usual
	}
}

// noisy is a recorded machine: stalls of 20 to 300 ms, some right after another.
func noisy(seed uint64, until time.Duration, front bool) (list []stall) {
	r := rand.New(rand.NewPCG(seed, 7))
	for at := 5 * time.Second; at < until; {
		lasts := 20*time.Millisecond + time.Duration(math.Pow(r.Float64(), 2)*float64(280*time.Millisecond))
		list = append(list, stall{at, lasts, front})
		at += lasts + 100*time.Millisecond + time.Duration(r.ExpFloat64()*float64(time.Second))
	}
	return list
}

const ms = time.Millisecond

// A stall isn't an overload: nothing is refused for it.
func TestModel_Noise(t *testing.T) {
	for _, c := range []struct {
		name  string
		model model
	}{
		{"front's stalls", model{workers: 64, took: exponential(ms), rate: steady(20_000), stalls: noisy(1, 20*time.Second, true)}},
		{"service's stalls", model{workers: 64, took: exponential(ms), rate: steady(20_000), stalls: noisy(2, 20*time.Second, false)}},
		{"service's stalls, not said", model{workers: 64, took: exponential(ms), rate: steady(20_000), hidden: true, stalls: noisy(3, 20*time.Second, false)}},
		{"both", model{workers: 64, took: exponential(ms), rate: steady(20_000), stalls: append(noisy(4, 20*time.Second, false), noisy(5, 20*time.Second, true)...)}},
		{"slow and few", model{workers: 100, took: exponential(400 * ms), rate: steady(75), stalls: noisy(6, 20*time.Second, false)}},
		{"one long", model{workers: 64, took: constant(ms), rate: steady(20_000), stalls: []stall{{10 * time.Second, 300 * ms, false}}}},
		{"one long of the front", model{workers: 64, took: constant(ms), rate: steady(20_000), stalls: []stall{{10 * time.Second, 300 * ms, true}}}},
		{"slow by nature", model{workers: 1000, took: constant(400 * ms), rate: steady(1000)}},
		{"slow by nature, not said", model{workers: 1000, took: exponential(400 * ms), rate: steady(1500), hidden: true}},
		{"one a second, half slow", model{workers: 10, took: func(r *rand.Rand) time.Duration {
			if r.IntN(2) == 0 {
				return 2 * time.Second
			}
			return ms
		}, rate: steady(1), hidden: true}},
		{"the first hundred slow", model{workers: 64, took: warming(10*ms, ms, 100), rate: steady(10_000)}},
		{"a burst", model{workers: 64, took: constant(ms), rate: during(1000, 100_000, 10*time.Second, 10*time.Second+10*ms)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := c.model
			m.timeout, m.until, m.seed = 5*time.Second, 20*time.Second, 1
			a := newGated(16, 16384)
			got := accountOf(m.run(a), 0, m.until)
			t.Logf("%+v", got)
			if got.refused > 0 || got.timedOut > 0 {
				t.Errorf("%d refused and %d timed out of %d", got.refused, got.timedOut, got.offered)
			}
		})
	}
}

// A hundred clients who send one request after the other aren't an overload of a small, quick
// handler.
func TestModel_FewClients(t *testing.T) {
	for _, hidden := range []bool{false, true} {
		for _, worker := range []time.Duration{500 * time.Microsecond, 3 * ms / 2, 2 * ms} {
			for _, joining := range []time.Duration{0, 50 * ms} {
				t.Run(fmt.Sprintf("hidden=%v/%v/%v", hidden, worker, joining), func(t *testing.T) {
					m := model{
						workers: 1, took: exponential(worker), hidden: hidden, clients: 100, first: 2, joins: 6 * time.Second, joining: joining,
						timeout: 5 * time.Second, until: 14 * time.Second, seed: 1,
					}
					got := accountOf(m.run(newGated(8, 16384)), 0, m.until)
					t.Logf("%+v", got)
					if got.refused > 0 || got.timedOut > 0 {
						t.Errorf("%d refused and %d timed out of %d", got.refused, got.timedOut, got.offered)
					}
				})
			}
		}
	}
}

func warming(first, then time.Duration, n int) func(*rand.Rand) time.Duration {
	return func(*rand.Rand) time.Duration {
		if n--; n >= 0 {
			return first
		}
		return then
	}
}

// What is too much is refused, and what is accepted hardly waits.
func TestModel_Overload(t *testing.T) {
	for _, c := range []struct {
		name  string
		model model
		knee  float64 // requests a second
		times float64
		lasts time.Duration
		borne float64 // how many times as long what is accepted may take
	}{
		{"1.2 times for half an hour", model{workers: 8, took: exponential(10 * ms)}, 800, 1.2, halfAnHour(t), 1.5},
		{"1.2 times for half an hour, not said", model{workers: 8, took: exponential(10 * ms), hidden: true}, 800, 1.2, halfAnHour(t), 1.5},
		{"twice", model{workers: 16, took: constant(10 * ms)}, 1600, 2, 30 * time.Second, 1.5},
		{"ten times", model{workers: 16, took: constant(10 * ms)}, 1600, 10, 30 * time.Second, 1.7},
		{"twice, forty", model{workers: 40, took: constant(20 * ms)}, 2000, 2, 30 * time.Second, 1.5},
		{"four times, forty", model{workers: 40, took: constant(20 * ms)}, 2000, 4, 30 * time.Second, 1.7},
		{"ten times, forty", model{workers: 40, took: constant(20 * ms)}, 2000, 10, 30 * time.Second, 1.7},
		{"ten times, fast", model{workers: 16, took: exponential(4 * ms)}, 4000, 10, 10 * time.Second, 1.5},
		{"twice, not said", model{workers: 16, took: exponential(10 * ms), hidden: true}, 1600, 2, 30 * time.Second, 1.5},
		{"ten times, not said", model{workers: 16, took: exponential(10 * ms), hidden: true}, 1600, 10, 30 * time.Second, 1.5},
		{"twice, shared", model{workers: 16, took: exponential(10 * ms), shared: true}, 1600, 2, 30 * time.Second, 2},
		{"slow", model{workers: 400, took: exponential(400 * ms)}, 1000, 2, 30 * time.Second, 1.5},
		{"noisy", model{workers: 16, took: exponential(4 * ms), stalls: noisy(8, 40*time.Second, false)}, 4000, 2, 30 * time.Second, 1.5},
	} {
		t.Run(c.name, func(t *testing.T) {
			const calm = 10 * time.Second
			m := c.model
			m.timeout, m.seed = 5*time.Second, 1
			m.until = calm + c.lasts + 5*time.Second
			m.rate = during(0.3*c.knee, c.times*c.knee, calm, calm+c.lasts)
			a := newGated(4, 16384)
			all := m.run(a)
			before, at := accountOf(all, 0, calm), accountOf(all, calm+500*ms, calm+c.lasts)
			whole := accountOf(all, calm, calm+c.lasts)
			after := accountOf(all, calm+c.lasts+time.Second, m.until)
			goodput := float64(at.answered) / (c.knee * (c.lasts - 500*ms).Seconds())
			if len(m.stalls) > 0 {
				goodput = 1 // how much it could do isn't known
			}
			t.Logf("before %+v, overloaded %+v, whole %+v, after %+v; goodput %.3f", before, at, whole, after, goodput)
			if before.refused > 0 || after.refused > 0 {
				t.Errorf("%d refused before, and %d a second after the overload", before.refused, after.refused)
			}
			if goodput < 0.97 {
				t.Errorf("goodput %.3f", goodput)
			}
			if lim := time.Duration(c.borne * float64(before.p99)); at.p99 > lim && len(m.stalls) == 0 {
				t.Errorf("p99 of what was accepted %v, more than %v", at.p99, lim)
			}
		})
	}
}

// Constant timeouts never let more in.
func TestModel_Stopped(t *testing.T) {
	m := model{workers: 10, took: constant(time.Hour), timeout: 5 * time.Second, rate: steady(1000), until: 60 * time.Second}
	a := newGated(16, 16384)
	all := m.run(a)
	if got := accountOf(all, 30*time.Second, m.until); got.offered-got.refused > 30*64/5 {
		t.Errorf("%+v: of 30 s, with nothing but timeouts", got)
	}
}

// halfAnHour is less where only the short tests run.
func halfAnHour(t *testing.T) time.Duration {
	if testing.Short() {
		t.Log("5 minutes instead of half an hour")
		return 5 * time.Minute
	}
	return 30 * time.Minute
}
