package admission

import (
	"math"
	"time"
)

// judge tells overload from noise, and says how many requests a service may have under way. It has
// no clock: its times are those at which it is asked, since some beginning.
//
// A service is overloaded if a queue stands in front of it: if in some windows in a row even the
// request that waited least has waited too long, and the waits don't get shorter. A queue that a
// stall or a burst has left does get shorter. What counts as waiting is all but the handler's own
// work; of that, only what even the quickest takes beyond twice what is usual, as a handler without
// a queue of its own, one that shares the processor among its requests, shows its overload there.
//
// While there is no overload the limit is open: it bounds no more than the queue that may grow
// until one is found. In an overload it is what the service does in its usual time and a short wait
// (rate × time, Little's law), and moves with the wait from there. It opens again when nobody is
// refused.
type judge struct {
	least, most int64
	target      time.Duration // the longest wait that is borne

	began  time.Duration // of the window
	looked time.Duration // when goesOn was asked last
	away   bool          // this process was, in the window

	past   [6]usualTimes // of ten seconds each
	bucket int
	until  time.Duration // the end of the bucket
	known  time.Duration // since when something is

	rates    [4]float64 // of the last windows, per second
	rateNext int

	streak   int           // windows in a row with a queue that doesn't get shorter
	lastWait time.Duration // in the last window

	limits bool          // there is an overload
	limit  int64         // in that
	pushed time.Duration // when a request was refused last

	short bool    // cores are: see Cores
	best  float64 // the highest rate of the overload

	// even is how many windows in a row handlers took the same time for each request.
	even    int
	failing int // windows in a row that ended with timeouts

	// Of when the limit began to go down. Whether there is a queue, or the service takes as long
	// from now on, shows when there is less under way.
	waitThen  time.Duration
	underThen int64         // 0: it doesn't go down
	less      time.Duration // since when there is much less under way, and the wait no shorter; 0: it isn't so
	moved     time.Duration // when the limit has moved
}

// usualTimes is what was usual in some seconds.
type usualTimes struct {
	answers int64         // 0: nothing is known
	own     time.Duration // the sum of their handlers' times; of usual, the mean
	wait    time.Duration // the least wait
	rate    float64       // the most answers per second
}

// windowOf is what has happened in a window.
type windowOf struct {
	now                        time.Duration // its end
	answers, refused, timeouts int64
	own                        time.Duration // sum
	leastOwn, wait             time.Duration // least; nothing if there are no answers
	inFlight                   int64         // at its end
}

const (
	samples     = 8               // fewer ends in a window say nothing, and it goes on
	longest     = 2 * time.Second // until then, when they are forgotten
	manySamples = 64              // with fewer, ten seconds don't say what is usual by themselves
	knows       = 5 * time.Second // until then, only the quickest of the first requests may have been answered
	settles     = 10 * window     // with half as much under way: what is waited for isn't the queue of before
	calm        = 5 * window      // without a refusal: the overload may be over
	standing    = 3               // so many windows in a row with a queue that stands are an overload; a long one counts twice
	openFloor   = 1024            // the least that the open limit is
	burst       = 400 * time.Millisecond
	bucketLasts = 10 * time.Second
	shortBears  = 2 // times the target is the wait that is borne where cores are short

	// leastWait is below what a wait is never too long in an overload: on an ordinary machine
	// others make it that.
	leastWait = 5 * time.Millisecond

	// evenly is for so many windows in a row that handlers take as long for each request, to
	// within an evenIs-th. Then a queue of an evenBears-th of the time is long enough.
	evenly    = 4
	evenIs    = 8
	evenBears = 16

	// fewClients are so few, one request each, that their queue can't grow: it is no overload
	// unless they wait for longer than fewBear times the target.
	fewClients = 128
	fewBear    = 6
)

// goesOn reports whether the window goes on, as of the ends in it are too few to say something.
func (j *judge) goesOn(now time.Duration, ends int64) bool {
	if now-j.looked > late {
		j.away = true
	}
	j.looked = now
	return ends < samples && now-j.began < longest && !j.away
}

// look takes the window that has ended, and returns the limit from now on, and how many requests a
// second the service answers if there is an overload, or 0.
func (j *judge) look(w windowOf) (limit, rate int64) {
	lasted, away := w.now-j.began, j.away
	j.began, j.away = w.now, false
	j.pass(w.now)
	if away {
		// Our own absence: what was waited for wasn't the service.
		j.streak, j.failing = 0, 0
		return j.result()
	}
	if w.answers < samples {
		j.few(w)
		return j.result()
	}
	j.failing = 0
	perSecond := float64(w.answers) / lasted.Seconds()
	j.rates[j.rateNext] = perSecond
	j.rateNext = (j.rateNext + 1) % len(j.rates)
	usual := j.usual()
	mean := w.own / time.Duration(w.answers)
	if usual.answers == 0 { // the first that is known
		usual.own, usual.wait = mean, w.wait
		j.known = w.now
	}
	if mean-w.leastOwn > mean/evenIs {
		j.even = 0
	} else {
		j.even++
	}
	wait := max(w.wait-usual.wait, w.leastOwn-2*usual.own, 0)
	if w.now-j.known > knows {
		wait = max(wait, mean-3*usual.own)
	}
	if j.limits {
		wait = max(wait, mean-usual.own-usual.own/2)
	}
	own, borne := usual.own, j.borne(usual.own)
	shorter := wait < j.lastWait-j.lastWait/10
	j.lastWait = wait
	switch {
	case wait <= borne, !j.limits && j.bears(wait, w.inFlight):
		j.streak = 0
	case j.limits && w.now-j.moved < wait+2*window:
		// These came before the limit was what it is.
		j.streak = 0
	case shorter:
		j.streak = 0
	default:
		if j.streak++; wait > j.target {
			j.streak++ // so long a queue is found sooner, as it takes as long to go
		}
	}
	if w.refused > 0 {
		j.pushed = w.now
	}
	if j.limits {
		if j.evens() {
			borne = own / evenBears
		}
		j.limited(w, own, mean, wait, borne)
	} else {
		if wait <= borne && (mean <= own+own/2 || w.now-j.known <= knows) {
			j.note(w, perSecond)
		}
		if j.streak >= standing {
			j.waitThen, j.underThen = wait, w.inFlight
			j.limits, j.moved, j.less, j.pushed = true, w.now, 0, w.now
			j.limit = min(j.little(own, mean, borne), j.open())
			j.streak = 0
		}
	}
	return j.result()
}

// few is a window with too few answers to say something.
func (j *judge) few(w windowOf) {
	j.streak = 0
	if w.timeouts < samples || w.timeouts < w.answers {
		j.failing = 0
		if j.limits && w.refused == 0 && w.now-j.pushed > calm {
			j.opens()
		}
		return
	}
	// Hardly anything but timeouts: more of them don't help.
	if j.failing++; j.failing >= standing {
		limit := min(j.limit, w.inFlight)
		if !j.limits {
			limit = w.inFlight
		}
		j.limits, j.underThen, j.pushed = true, 0, w.now
		j.limit = max(limit/2, j.least)
		j.rates = [len(j.rates)]float64{}
	}
}

// limited moves the limit in an overload.
func (j *judge) limited(w windowOf, own, mean, wait, borne time.Duration) {
	if 4*w.inFlight > 5*j.limit {
		j.moved = w.now // what came before it was limited is still there, and is what waits
	}
	if w.inFlight > j.limit || 10*w.inFlight > 7*j.underThen || wait < borne/2 || wait < j.waitThen-j.waitThen/5 {
		j.less = 0
	} else if j.less == 0 {
		j.less = w.now
	}
	switch {
	case j.less != 0 && w.now-j.less > settles+2*wait:
		// With much less under way it takes as long: this isn't a queue, it is the service's nature
		// now.
		j.past = [len(j.past)]usualTimes{}
		j.note(w, j.most4())
		j.known = w.now
		j.limit, j.moved, j.underThen, j.less = j.underThen, w.now, 0, 0
	case w.refused == 0 && w.now-j.pushed > calm:
		j.opens()
	case j.streak >= standing:
		j.goesDown(wait)
		j.limit -= j.limit / 10
		j.streak, j.moved = 0, w.now
	case wait > borne/2 && w.now-j.moved > wait+2*window:
		// By as many as wait too long.
		j.goesDown(wait)
		over := int64(j.most4() * (wait - borne/4).Seconds())
		j.limit = max(j.limit-over, min(j.limit, j.little(own, mean, borne)))
		j.moved = w.now
	case w.refused == 0:
	case wait < borne/8 && w.now-j.moved > wait+window:
		// There is hardly a queue, and requests are refused.
		j.limit = max(j.limit, min(j.limit+j.limit/10+1, j.little(own, mean, 2*borne)))
		j.moved, j.underThen = w.now, 0
	}
	if j.limit >= j.open() {
		j.limits = false
	}
}

// goesDown notes where the limit comes from.
func (j *judge) goesDown(wait time.Duration) {
	if j.underThen == 0 {
		j.waitThen, j.underThen, j.less = wait, j.limit, 0
	}
}

// opens is for a window in which nobody was refused.
func (j *judge) opens() {
	j.limit += j.limit/2 + 1
	if j.limit >= j.open() {
		j.limits = false
	}
}

// borne is the wait that is borne of a service whose handlers usually take so long.
func (j *judge) borne(own time.Duration) time.Duration {
	return max(min(max(own/2, leastWait), j.target), min(leastWait, j.target))
}

// bears reports whether a queue with that wait is none that makes an overload, unless it is one
// already: it is shorter than half the target, or so many wait as a few clients do, each of whom
// sends his next request when he has his answer.
func (j *judge) bears(wait time.Duration, inFlight int64) bool {
	return wait <= j.target/2 || inFlight <= fewClients && wait <= fewBear*j.target
}

// little is how many requests are under way if each takes the handlers' own time and half the wait
// that is borne.
func (j *judge) little(own, mean, borne time.Duration) int64 {
	// Where the handlers have workers, as many requests as those take are no queue.
	each := max(own, min(mean, own+own/4)) + borne/2
	n := j.most4() * each.Seconds()
	// The fewer there are, the more does chance empty the queue in between.
	if j.evens() {
		return max(int64(n)+2, j.least)
	}
	return max(int64(n+math.Sqrt(n)), j.least)
}

// most4 is the highest rate of the last windows.
func (j *judge) most4() (rate float64) {
	for _, r := range j.rates {
		rate = max(rate, r)
	}
	return rate
}

// evens reports whether handlers take the same time for each request.
func (j *judge) evens() bool { return j.even > evenly }

// pace is the time between two requests that are let in, a little less than between two answers;
// much less where there is room.
func (j *judge) pace(w windowOf, limit int64) time.Duration {
	var rate float64 // the mean: of few workers that begin together a window may have one batch more
	for _, r := range j.rates {
		rate += r / float64(len(j.rates))
	}
	if 8*w.inFlight < 7*limit {
		rate += rate / 4
	}
	return time.Duration(float64(time.Second) / (rate + rate/32))
}

// open is the limit without an overload: what comes in the time of a long stall fits.
func (j *judge) open() int64 {
	u := j.usual()
	rate := u.rate
	if j.short {
		rate = max(rate, j.best)
	}
	n := int64(rate * (u.own + burst).Seconds())
	return min(max(n, openFloor, j.least), j.most)
}

func (j *judge) result() (limit, rate int64) {
	now := j.most4()
	if j.limits {
		j.best = max(j.best, now)
	} else if !j.short {
		j.best = 0
	}
	if !j.limits {
		return j.open(), 0
	}
	// To refuse more would cost answers, and make the wait no shorter.
	if few := int64(j.best * shortBears * j.target.Seconds()); j.short && j.failing == 0 && j.limit < few {
		j.limit, j.underThen, j.less = few, 0, 0
	}
	return min(max(j.limit, j.least), j.most), max(int64(now), 1)
}

// suspects reports whether there is an overload, or may be.
func (j *judge) suspects() bool { return j.limits || j.streak > 0 }

// pass forgets what was usual too long ago. Not in an overload: what is usual then isn't known
// before it ends.
func (j *judge) pass(now time.Duration) {
	if j.limits {
		j.until = now + bucketLasts
		return
	}
	for n := 0; now >= j.until; n++ {
		if n == len(j.past) {
			j.until = now + bucketLasts
			return
		}
		j.until += bucketLasts
		j.bucket = (j.bucket + 1) % len(j.past)
		j.past[j.bucket] = usualTimes{}
	}
}

// note keeps what a window without a queue has shown.
func (j *judge) note(w windowOf, rate float64) {
	b := &j.past[j.bucket]
	if b.answers == 0 {
		b.wait = w.wait
	}
	b.answers += w.answers
	b.own += w.own
	b.wait, b.rate = min(b.wait, w.wait), max(b.rate, rate)
}

// usual is what was usual in the last minute: of the ten seconds in which handlers were quickest.
func (j *judge) usual() (u usualTimes) {
	var quickest time.Duration
	for _, b := range j.past {
		if b.answers == 0 {
			continue
		}
		if u.answers == 0 {
			u.wait = b.wait
		}
		u.answers += b.answers
		u.own += b.own
		u.wait, u.rate = min(u.wait, b.wait), max(u.rate, b.rate)
		if mean := b.own / time.Duration(b.answers); b.answers >= manySamples && (quickest == 0 || mean < quickest) {
			quickest = mean
		}
	}
	switch {
	case quickest != 0:
		u.own = quickest
	case u.answers != 0:
		u.own /= time.Duration(u.answers)
	}
	return u
}
