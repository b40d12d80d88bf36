package metrics

import (
	"math"
	"time"
)

// Rates and distributions of "the last 10 s" are differences to what was
// counted some seconds ago. Once a second Set.Run sets a mark: counters note
// their value, timers what was added since the mark before. Ten marks are kept,
// so the window reaches back nine to ten seconds, up to this moment:
//
//	mark     mark     mark  …  mark     mark   now
//	 |________|________|________|________|______|
//	   delta    delta    delta    delta   the rest
const (
	windowMarks = 10
	markEvery   = time.Second
)

// timerWindow is a timer's part in the window; Set.mu guards it.
type timerWindow struct {
	prev   *histogram          // the counts at the last mark; nil before the first
	deltas [windowMarks][]cell // what was added before each mark, a ring as Set.marks
}

// cell is a bucket that isn't empty. A second's distribution has some hundred
// of them in over 2,000 buckets, so windows are kept as lists of cells.
type cell struct {
	bucket uint32
	n      uint32
}

// mark ends a part of the window at now.
func (s *Set) mark(now time.Time) {
	s.windowMu.Lock()
	defer s.windowMu.Unlock()
	k := s.marked % windowMarks
	s.marks[k] = now
	s.marked++
	for _, sr := range s.all() {
		switch {
		case sr.counter != nil:
			sr.counter.ring[k] = sr.counter.Value()
		case sr.timer != nil:
			sr.timer.mark(k, s.scratch)
		}
	}
}

// windowStart is the oldest mark: its place in the rings, and when it was.
// windowMu is held.
func (s *Set) windowStart() (int, time.Time) {
	k := max(0, s.marked-windowMarks) % windowMarks
	return k, s.marks[k]
}

// mark notes as delta k what was added since the last mark.
func (t *Timer) mark(k int, scratch *histogram) {
	w := &t.window
	cells := w.deltas[k][:0]
	t.load(scratch)
	if w.prev == nil {
		if scratch.total == 0 {
			return // most timers of most processes are never used
		}
		w.prev = newHistogram()
	}
	if scratch.total != w.prev.total {
		for i := scratch.first; i <= scratch.last; i++ {
			if n := scratch.counts[i] - w.prev.counts[i]; n != 0 {
				cells = append(cells, cell{bucket: uint32(i), n: uint32(min(n, math.MaxUint32))}) // bucketCount at most
				w.prev.add(i, n)
			}
		}
	}
	w.deltas[k] = cells
}

// since puts into h what was added since the mark at place oldest. now is what
// load has just given. windowMu is held.
func (t *Timer) since(oldest int, now, h *histogram) {
	w := &t.window
	h.reset()
	for k := range w.deltas {
		if k == oldest {
			continue // what came before that mark
		}
		for _, c := range w.deltas[k] {
			h.add(int(c.bucket), uint64(c.n))
		}
	}
	if w.prev != nil && now.total == w.prev.total {
		return
	}
	for i := now.first; i <= now.last; i++ {
		n := now.counts[i]
		if w.prev != nil {
			n -= w.prev.counts[i]
		}
		if n != 0 {
			h.add(i, n)
		}
	}
}
