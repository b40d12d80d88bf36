package metrics

import (
	"slices"
	"strings"
	"time"
)

// Sample is one series at one moment, for reports in other forms than this package's own.
type Sample struct {
	Desc *Desc
	// Details fill the placeholders of the name, in their order.
	Details []string
	// Value is that of a counter or gauge.
	Value float64
	// Timer is the series if it is one; else nil.
	Timer *Timer
}

// Samples returns every series that has been asked for so far, in the order of the catalogue, those
// of one metric sorted by their details.
func (s *Set) Samples() []Sample {
	if s.nowhere() {
		return nil
	}
	s.mu.RLock()
	var list []Sample
	var gauges []*Gauge // their functions aren't called under the lock
	for _, family := range s.families {
		from := len(list)
		for key, sr := range family {
			sample := Sample{Desc: sr.desc, Timer: sr.timer}
			if sr.desc.Details() > 0 {
				sample.Details = strings.Split(key, ".")
			}
			if sr.counter != nil {
				sample.Value = float64(sr.counter.Value())
			}
			list = append(list, sample)
		}
		slices.SortFunc(list[from:], func(a, b Sample) int { return slices.Compare(a.Details, b.Details) })
		for _, sample := range list[from:] {
			gauges = append(gauges, family[strings.Join(sample.Details, ".")].gauge)
		}
	}
	s.mu.RUnlock()
	for i, g := range gauges {
		if g != nil {
			list[i].Value = g.Value()
		}
	}
	return list
}

// Histogram is a copy of the counts of a [Timer]. It is some 17 KiB large, so that whoever reads
// many timers keeps one. It is for one goroutine at a time.
type Histogram struct{ h histogram }

// NewHistogram makes an empty one.
func NewHistogram() *Histogram { return &Histogram{*newHistogram()} }

// Read takes the counts of t since the start, in place of what was there.
func (h *Histogram) Read(t *Timer) { t.load(&h.h) }

// Count is how many durations there are.
func (h *Histogram) Count() uint64 { return h.h.total }

// Sum is that of all durations in seconds, to 1 %.
func (h *Histogram) Sum() float64 { return h.h.mean() * float64(h.h.total) / 1e9 }

// Cumulative puts into counts, which is as long, how many durations there are of up to each of the
// bounds, which rise. It is exact for bounds that [UpperBound] gives.
func (h *Histogram) Cumulative(bounds []time.Duration, counts []uint64) {
	var seen uint64
	next := 0
	for i := h.h.first; i <= h.h.last; i++ {
		for high := upper(i); next < len(bounds) && bounds[next] < high; next++ {
			counts[next] = seen
		}
		seen += h.h.counts[i]
	}
	for ; next < len(bounds); next++ {
		counts[next] = seen
	}
}

// All calls fn with each duration, in seconds, that stands for about equal ones, by rising
// duration, and how many there are.
func (h *Histogram) All(fn func(seconds float64, n uint64)) {
	for i := h.h.first; i <= h.h.last; i++ {
		if n := h.h.counts[i]; n != 0 {
			fn(bucketMiddle(i)/1e9, n)
		}
	}
}

// UpperBound is the longest duration that a timer can't tell from d: at most 1.6 % above it.
func UpperBound(d time.Duration) time.Duration {
	return upper(bucketOf(min(d, MaxDuration)))
}

// upper is the longest duration of a bucket.
func upper(i int) time.Duration {
	shift := i / subCount
	return time.Duration(uint64(i%subCount+subCount+1)<<shift - 1)
}
