package metrics

import "math"

// statsdWindow is what a timer has had in the last reports, which a Reporter's percentiles are of.
//
// A StatsD server keeps of a gauge the last value before its flush, and nobody keeps its clock and
// ours together. So between the last report before one flush and the last one before the next there
// may be as many reports as fit in the time of a flush, and one more. If percentiles were of the
// time since the report before, only a part would ever be seen:
//
//	reports    |---|---|---|---|---|---|---|---|---|---|---|
//	flushes      ^                   ^                   ^
//	without      |a|                 |f|                 |k|      the rest is lost
//	window    |a…………………………|   |…………………………f|   |…………………………k|   all of it is in one at least
type statsdWindow struct {
	seen  *histogram // all up to the last report
	parts [][]cell   // what came before each of the last reports; a ring
	at    int        // the place of the last
	total uint64     // in all parts
}

func newStatsdWindow(reports int) *statsdWindow {
	return &statsdWindow{seen: newHistogram(), parts: make([][]cell, reports)}
}

// move takes what t has had since the last report in, and lets the oldest part go. It puts the new
// part into delta, with scratch.
func (w *statsdWindow) move(t *Timer, delta, scratch *histogram) {
	w.at = (w.at + 1) % len(w.parts)
	cells := w.parts[w.at]
	for _, c := range cells {
		w.total -= uint64(c.n)
	}
	cells = cells[:0]
	delta.reset()
	t.load(scratch)
	if scratch.total != w.seen.total {
		for i := scratch.first; i <= scratch.last; i++ {
			if n := scratch.counts[i] - w.seen.counts[i]; n != 0 {
				delta.add(i, n)
				w.seen.add(i, n)
				part := cell{bucket: uint32(i), n: uint32(min(n, math.MaxUint32))}
				w.total += uint64(part.n)
				cells = append(cells, part)
			}
		}
	}
	w.parts[w.at] = cells
}

// sum puts what is in the window into h.
func (w *statsdWindow) sum(h *histogram) {
	h.reset()
	for _, part := range w.parts {
		for _, c := range part {
			h.add(int(c.bucket), uint64(c.n))
		}
	}
}
