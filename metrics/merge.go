package metrics

import (
	"math"
	"time"
)

// Cell is a bucket of a timer that isn't empty.
type Cell struct {
	Bucket uint16
	N      uint32
}

// Cells are the buckets of a timer that aren't empty, by rising duration: how a reader of reports
// keeps a distribution, to take differences and to add up those of several processes.
type Cells []Cell

// Add appends a bucket as a report has it. Durations must rise.
func (c Cells) Add(b Bucket) Cells {
	ns := b[0] * 1e6
	if !(ns >= 0) || !(b[1] > 0) { // not a number, too
		return c
	}
	d := MaxDuration
	if ns < float64(MaxDuration) {
		d = time.Duration(ns)
	}
	return append(c, Cell{Bucket: uint16(bucketOf(d)), N: uint32(min(b[1], math.MaxUint32))}) // bucketCount at most
}

// Since appends to dst what c has more than before, which is of the same timer, earlier.
func (c Cells) Since(before, dst Cells) Cells {
	k := 0
	for _, cell := range c {
		for k < len(before) && before[k].Bucket < cell.Bucket {
			k++
		}
		if k < len(before) && before[k].Bucket == cell.Bucket {
			if cell.N -= min(cell.N, before[k].N); cell.N == 0 {
				continue
			}
		}
		dst = append(dst, cell)
	}
	return dst
}

// Count is how many durations there were.
func (c Cells) Count() (n uint64) {
	for _, cell := range c {
		n += uint64(cell.N)
	}
	return n
}

// Sum is that of all durations in ms, to 1 %.
func (c Cells) Sum() (ms float64) {
	for _, cell := range c {
		ms += float64(cell.N) * bucketMiddle(int(cell.Bucket))
	}
	return ms / 1e6
}

// Merged is a distribution that is put together from the cells of several reports. It is for one
// goroutine at a time; [NewMerged] makes it.
type Merged struct{ h *histogram }

// NewMerged makes an empty one.
func NewMerged() *Merged { return &Merged{newHistogram()} }

// Reset empties it.
func (m *Merged) Reset() { m.h.reset() }

// Add adds cells.
func (m *Merged) Add(c Cells) {
	for _, cell := range c {
		m.h.add(int(cell.Bucket), uint64(cell.N))
	}
}

// Remove takes cells away that were added.
func (m *Merged) Remove(c Cells) {
	for _, cell := range c {
		n := min(uint64(cell.N), m.h.counts[cell.Bucket])
		m.h.counts[cell.Bucket] -= n
		m.h.total -= n
	}
}

// Count is how many durations there are.
func (m *Merged) Count() uint64 { return m.h.total }

// Quantiles puts the durations in ms below which the shares qs (ascending, 0 to 1) of all lie into
// out, which is as long as qs. All are 0 if there are none.
func (m *Merged) Quantiles(qs, out []float64) {
	m.h.quantiles(qs, out)
	for i := range out {
		out[i] /= 1e6
	}
}

// Mean is the mean in ms, 0 if there are none.
func (m *Merged) Mean() float64 { return m.h.mean() / 1e6 }

// MS is the duration in ms that stands for all in the cell.
func (c Cell) MS() float64 { return bucketMiddle(int(c.Bucket)) / 1e6 }
