package load

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// interval is one worker's part of a second. The worker owns it until it gives
// it to the collector.
type interval struct {
	second  int64 // from the start of the counted time; negative in the warm-up
	offered uint64
	backlog uint64
	Counts
}

func newInterval(second int64) *interval { return &interval{second: second, Counts: newCounts()} }

// collector puts the workers' seconds together. Workers only append to it.
type collector struct {
	workers  int
	duration time.Duration
	progress func(Snapshot)
	notify   chan struct{}

	mu   sync.Mutex
	in   []*interval
	free []*interval

	parts  map[int64]*interval // summed up so far; owned by run
	counts map[int64]int
	series []Second
}

func newCollector(workers int, duration time.Duration, progress func(Snapshot)) *collector {
	return &collector{
		workers: workers, duration: duration, progress: progress, notify: make(chan struct{}, 1),
		parts: make(map[int64]*interval), counts: make(map[int64]int),
	}
}

// put gives an interval over and returns an empty one. It doesn't block for longer than a copy.
func (c *collector) put(v *interval, second int64) *interval {
	c.mu.Lock()
	c.in = append(c.in, v)
	var next *interval
	if n := len(c.free); n > 0 {
		next = c.free[n-1]
		c.free = c.free[:n-1]
	}
	c.mu.Unlock()
	select {
	case c.notify <- struct{}{}:
	default:
	}
	if next == nil {
		return newInterval(second)
	}
	next.second = second
	return next
}

// run puts together what comes, until done is closed and nothing is left.
func (c *collector) run(done <-chan struct{}) {
	for {
		select {
		case <-c.notify:
			c.take()
		case <-done:
			c.take()
			for second, v := range c.parts {
				if second >= 0 && (v.Sent+v.OK+v.offered+v.Errors.Total() > 0) {
					c.finish(second, v)
				}
			}
			slices.SortFunc(c.series, func(a, b Second) int { return cmp.Compare(a.Start, b.Start) })
			return
		}
	}
}

func (c *collector) take() {
	c.mu.Lock()
	in := c.in
	c.in = nil
	c.mu.Unlock()
	for _, v := range in {
		second := v.second // v is emptied below
		sum := c.parts[second]
		if sum == nil {
			c.parts[second] = v
			sum = v
		} else {
			sum.add(v)
			c.recycle(v)
		}
		if c.counts[second]++; c.counts[second] == c.workers {
			c.finish(second, sum)
			c.recycle(sum)
			delete(c.parts, second)
			delete(c.counts, second)
		}
	}
}

func (v *interval) add(o *interval) {
	v.offered += o.offered
	v.backlog += o.backlog
	v.Counts.add(&o.Counts)
}

// recycle empties an interval for a worker to take.
func (c *collector) recycle(v *interval) {
	h := v.Latency
	h.Reset()
	*v = interval{Counts: Counts{Latency: h}}
	c.mu.Lock()
	c.free = append(c.free, v)
	c.mu.Unlock()
}

// finish makes a Second of a sum, and tells of it.
func (c *collector) finish(second int64, v *interval) {
	s := Second{
		Start: time.Duration(second) * time.Second, Length: time.Second,
		Offered: v.offered, Sent: v.Sent, OK: v.OK, Errors: v.Errors, Backlog: v.backlog,
	}
	if s.Start < c.duration {
		s.Length = min(time.Second, c.duration-s.Start)
	}
	if v.Latency.TotalCount() > 0 {
		s.P50, s.P99, s.Max = v.Latency.ValueAtQuantile(50), v.Latency.ValueAtQuantile(99), v.Latency.Max()
	}
	if second >= 0 {
		c.series = append(c.series, s)
	}
	if c.progress != nil {
		c.progress(Snapshot{Warmup: second < 0, Elapsed: s.Start + s.Length, Total: c.duration, Second: s})
	}
}
