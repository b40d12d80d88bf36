package metrics

import (
	"math"
	"math/bits"
	"time"
)

// The range that a [Timer] tells durations apart in.
const (
	MinDuration = 100 * time.Nanosecond
	MaxDuration = 10 * time.Minute
)

// The buckets are log-linear: each octave (a value's highest bit) is divided
// into 64 of the same width, so a bucket is at most 1/64 of its value wide and its
// middle is less than 1/128, 0.8 %, from any value in it.
//
//	ns       64 … 127   128 … 255   256 … 511  …
//	width        1           2           4
//	bucket    0 … 63     64 … 127   128 … 191  …
const (
	subBits     = 6
	subCount    = 1 << subBits
	bucketCount = (39-subBits)*subCount + (int(MaxDuration) >> (39 - subBits)) - subCount + 1 // MaxDuration's highest bit is 39
)

// bucketOf is the bucket of a duration of at most MaxDuration.
func bucketOf(d time.Duration) int {
	v := uint64(max(d, MinDuration))
	shift := bits.Len64(v) - 1 - subBits
	return shift*subCount + int(v>>shift) - subCount // 7 bits are left
}

// bucketMiddle is the duration that stands for all in the bucket, in ns.
func bucketMiddle(i int) float64 {
	shift := i / subCount
	low := uint64(i%subCount+subCount) << shift
	return float64(low) + float64(uint64(1)<<shift-1)/2
}

// histogram is counts of durations, for one goroutine at a time.
type histogram struct {
	counts      [bucketCount]uint64
	total       uint64
	first, last int // the buckets that may be other than 0; first > last if empty
}

func newHistogram() *histogram { return &histogram{first: bucketCount, last: -1} }

func (h *histogram) reset() {
	if h.first <= h.last {
		clear(h.counts[h.first : h.last+1])
	}
	h.total, h.first, h.last = 0, bucketCount, -1
}

func (h *histogram) add(i int, n uint64) {
	h.counts[i] += n
	h.total += n
	h.first, h.last = min(h.first, i), max(h.last, i)
}

// quantiles puts the durations in ns below which the shares qs (ascending,
// 0 to 1) of all lie into out, which is as long as qs. All are 0 if the
// histogram is empty.
func (h *histogram) quantiles(qs, out []float64) {
	clear(out)
	if h.total == 0 {
		return
	}
	var seen uint64
	next := 0
	for i := h.first; i <= h.last && next < len(qs); i++ {
		seen += h.counts[i]
		for next < len(qs) && seen >= h.rank(qs[next]) {
			out[next] = bucketMiddle(i)
			next++
		}
	}
}

// rank is the ordinal, from 1, of the observation at share q.
func (h *histogram) rank(q float64) uint64 {
	// The small difference keeps what should be whole (0.9 × 10) from
	// becoming the next number by rounding.
	r := uint64(math.Ceil(q*float64(h.total) - 1e-9*float64(h.total)))
	return min(max(r, 1), h.total)
}

// mean is the mean duration in ns, 0 if the histogram is empty.
func (h *histogram) mean() float64 {
	if h.total == 0 {
		return 0
	}
	var sum float64
	for i := h.first; i <= h.last; i++ {
		if n := h.counts[i]; n != 0 {
			sum += float64(n) * bucketMiddle(i)
		}
	}
	return sum / float64(h.total)
}

// buckets are those that are not empty.
func (h *histogram) buckets() []Bucket {
	var list []Bucket
	for i := h.first; i <= h.last; i++ {
		if n := h.counts[i]; n != 0 {
			list = append(list, Bucket{round(bucketMiddle(i) / 1e6), float64(n)})
		}
	}
	return list
}
