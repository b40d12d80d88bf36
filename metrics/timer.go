package metrics

import (
	"sync/atomic"
	"time"
)

// Timer is a distribution of durations. It is made by [Set.Timer]; the zero Timer has had none.
//
// It keeps counts in buckets whose width grows with the value, as an HDR
// histogram does, so that what it says of any duration between
// [MinDuration] and [MaxDuration] is off by less than 1 %. It has one set of
// buckets: two cores that observe at once mostly hit different ones, so that more
// sets gain nothing (BenchmarkTimer).
type Timer struct {
	buckets [bucketCount]atomic.Uint64
	clamped atomic.Uint64

	exemplars exemplars

	window timerWindow // Set.windowMu
}

// Observe counts one duration. Shorter ones than [MinDuration], negative ones
// too, count as that; longer ones than [MaxDuration] count as that, and
// their number is reported.
func (t *Timer) Observe(d time.Duration) {
	if d > MaxDuration {
		d = MaxDuration
		t.clamped.Add(1)
	}
	t.buckets[bucketOf(d)].Add(1)
}

// Clamped is how many durations were longer than [MaxDuration].
func (t *Timer) Clamped() uint64 { return t.clamped.Load() }

// Distribution is that of all durations since the start; its Rate is 0.
func (t *Timer) Distribution() Distribution {
	h := newHistogram()
	t.load(h)
	return distribution(h, 0)
}

// load copies the counts since the start into h.
func (t *Timer) load(h *histogram) {
	h.reset()
	for i := range t.buckets {
		if n := t.buckets[i].Load(); n != 0 {
			h.add(i, n)
		}
	}
}
