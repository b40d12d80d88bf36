package balance

import (
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// Recent is what became of a target's requests in the last ten seconds or so.
type Recent struct {
	Rate     float64 // answers in a second, errors among them
	Failed   float64 // errors in a second
	Outrun   float64 // requests in a second that another target, asked later, has answered; not among Rate
	P50, P99 time.Duration
}

// Times are counted in buckets, eight to each doubling, so that what is said of one is off by 6 %
// at most; from a microsecond to a minute.
const (
	recentSteps   = 8
	recentBuckets = 24 * recentSteps
	recentMarks   = 10
)

// recent counts a target's answers. A mark a second makes the last ten seconds of what was counted
// since the start. Counts may wrap: only differences are read.
type recent struct {
	failed atomic.Uint32
	blamed atomic.Uint32 // answers that say that the target has failed
	outrun atomic.Uint32 // requests whose copies elsewhere, sent later, were answered first
	times  [recentBuckets]atomic.Uint32

	mu     sync.Mutex
	marks  [recentMarks]recentMark
	marked int // how many marks there were; the last is at (marked-1) % recentMarks
}

type recentMark struct {
	at                              time.Time
	replies, failed, blamed, outrun uint32
	times                           [recentBuckets]uint32
}

// bucketOf is where a time is counted.
func bucketOf(took time.Duration) int {
	v := uint64(max(took, 0)) >> 10 // about a microsecond
	if v < recentSteps {
		return int(v)
	}
	e := bits.Len64(v) - 4 // v>>e is 8 to 15
	return min(e*recentSteps+int(v>>e), recentBuckets-1)
}

// timeOf is the middle of a bucket.
func timeOf(bucket int) time.Duration {
	if bucket < 2*recentSteps {
		return time.Duration(2*bucket+1) << 9
	}
	e := bucket/recentSteps - 1
	return time.Duration(2*(bucket-e*recentSteps)+1) << (e + 9)
}

// mark is to be called once a second.
func (r *recent) mark(replies uint64, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := &r.marks[r.marked%recentMarks]
	r.marked++
	m.at, m.replies, m.failed = now, uint32(replies), r.failed.Load() // it may wrap
	m.blamed, m.outrun = r.blamed.Load(), r.outrun.Load()
	for i := range r.times {
		m.times[i] = r.times[i].Load()
	}
}

// Recent says what became of the requests since the oldest mark of [Target.Recover]; nothing before
// the first.
func (t *Target) Recent() Recent { return t.recent.since(t.replies.Load(), time.Now()) }

func (r *recent) since(replies uint64, now time.Time) Recent {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.marked == 0 {
		return Recent{}
	}
	m := &r.marks[max(0, r.marked-recentMarks)%recentMarks]
	span := max(now.Sub(m.at), time.Millisecond).Seconds()
	failed := r.failed.Load() - m.failed
	out := Recent{
		Failed: float64(failed) / span, Rate: float64(uint32(replies)-m.replies+failed) / span, Outrun: float64(r.outrun.Load()-m.outrun) / span,
	}
	var counts [recentBuckets]uint32
	total := uint64(0)
	for i := range counts {
		counts[i] = r.times[i].Load() - m.times[i]
		total += uint64(counts[i])
	}
	quantile := func(q float64) time.Duration {
		rank, seen := uint64(math.Ceil(q*float64(total))), uint64(0)
		for i, n := range counts {
			if seen += uint64(n); seen >= rank && seen > 0 {
				return timeOf(i)
			}
		}
		return 0
	}
	out.P50, out.P99 = quantile(0.5), quantile(0.99)
	return out
}

// windowMarks is how many seconds a [Window] goes back, and the one under way.
const windowMarks = 3

// window is what became of the target's requests in the last few seconds.
func (r *recent) window(replies uint64) (w Window) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.marked == 0 {
		return w
	}
	m := &r.marks[max(0, r.marked-windowMarks)%recentMarks]
	blamed := r.blamed.Load() - m.blamed
	w.Faults = int(r.failed.Load()-m.failed) + int(blamed)
	w.Answers = max(0, int(uint32(replies)-m.replies)-int(blamed))
	var total, seen uint32
	for i := range r.times {
		total += r.times[i].Load() - m.times[i]
	}
	for i := range r.times {
		if seen += r.times[i].Load() - m.times[i]; 2*seen >= total && seen > 0 {
			w.P50 = timeOf(i)
			break
		}
	}
	return w
}
