package load

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// interval is one worker's part of a second. The worker owns it until it gives
// it to the collector.
type interval struct {
	second  int64 // from the start of the counted time; negative in the warm-up
	offered uint64
	sent    uint64
	ok      uint64
	errors  Errors
	backlog uint64
	latency *hdrhistogram.Histogram
}

func newInterval(second int64) *interval { return &interval{second: second, latency: newHistogram()} }

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
				if second >= 0 && (v.sent+v.ok+v.offered+v.errors.Total() > 0) {
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
	v.sent += o.sent
	v.ok += o.ok
	v.errors.add(&o.errors)
	v.backlog += o.backlog
	v.latency.Merge(o.latency)
}

// recycle empties an interval for a worker to take.
func (c *collector) recycle(v *interval) {
	h := v.latency
	h.Reset()
	*v = interval{latency: h}
	c.mu.Lock()
	c.free = append(c.free, v)
	c.mu.Unlock()
}

// finish makes a Second of a sum, and tells of it.
func (c *collector) finish(second int64, v *interval) {
	s := Second{
		Start: time.Duration(second) * time.Second, Length: time.Second,
		Offered: v.offered, Sent: v.sent, OK: v.ok, Errors: v.errors, Backlog: v.backlog,
	}
	if s.Start < c.duration {
		s.Length = min(time.Second, c.duration-s.Start)
	}
	if v.latency.TotalCount() > 0 {
		s.P50, s.P99, s.Max = v.latency.ValueAtQuantile(50), v.latency.ValueAtQuantile(99), v.latency.Max()
	}
	if second >= 0 {
		c.series = append(c.series, s)
	}
	if c.progress != nil {
		c.progress(Snapshot{Warmup: second < 0, Elapsed: s.Start + s.Length, Total: c.duration, Second: s})
	}
}

// tally is what a worker counts over the whole run. Run adds the workers' up.
type tally struct {
	sent, late, ok, answered uint64
	clipped                  uint64
	unsent                   uint64
	errors                   Errors
	examples                 [causes]string
	statuses                 [600]uint64
	bytesIn, bytesOut        uint64
	opened, reopened, stray  uint64
	latency, service         *hdrhistogram.Histogram
	delay, failed, refused   *hdrhistogram.Histogram
	entries                  []Entry
	steps                    []Step
	at                       int // the step that was looked up last
}

func newTally(m *compiledMix, stages []Stage) *tally {
	t := &tally{latency: newHistogram(), service: newHistogram(), delay: newHistogram(), failed: newHistogram(), refused: newHistogram(), steps: newSteps(stages)}
	for _, e := range m.entries {
		t.entries = append(t.entries, Entry{Name: e.name, Latency: newHistogram()})
	}
	return t
}

// addTo adds a tally to a result.
func (t *tally) addTo(r *Result) {
	r.Sent += t.sent
	r.Unsent += t.unsent
	r.Late += t.late
	r.OK += t.ok
	r.Answered += t.answered
	r.Clipped += t.clipped
	r.Errors.add(&t.errors)
	for c, text := range t.examples {
		if _, ok := r.Examples[Cause(c)]; text != "" && !ok {
			r.Examples[Cause(c)] = text
		}
	}
	for status, n := range t.statuses {
		if n > 0 {
			r.Statuses[status] += n
		}
	}
	r.BytesIn += t.bytesIn
	r.BytesOut += t.bytesOut
	r.Opened += t.opened
	r.Reopened += t.reopened
	r.Stray += t.stray
	r.Latency.Merge(t.latency)
	r.Service.Merge(t.service)
	r.Delay.Merge(t.delay)
	r.Failed.Merge(t.failed)
	r.Refused.Merge(t.refused)
	for i := range t.steps {
		r.Steps[i].add(&t.steps[i])
	}
	for i := range t.entries {
		e, o := &r.Entries[i], &t.entries[i]
		e.Sent += o.Sent
		e.OK += o.OK
		e.Errors.add(&o.Errors)
		e.Latency.Merge(o.Latency)
	}
}
