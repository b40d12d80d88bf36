package metrics

import "sync/atomic"

// Counter is a number that only grows. It is made by [Set.Counter]; the zero Counter is 0.
//
// It is one atomic with cache lines for itself. Spreading it over shards that
// are chosen at random was measured (BenchmarkCounter, two cores) and does not
// pay: choosing costs 5 ns where the addition costs 2, and a shard's line was as
// likely written by the other core as the only line is. So two cores that do nothing
// but count need 5–6 ns an addition with one atomic and 7–12 with eight shards.
// Where many cores share a counter, a writer should gather what it counts and
// call Add once for a batch.
type Counter struct {
	_ [64]byte // CPUs fetch lines in pairs, and what lies before is someone's
	n atomic.Uint64
	_ [120]byte

	ring [windowMarks]uint64 // the value at each mark; Set.windowMu
	sum  atomic.Pointer[counterSum]
}

// Inc adds one.
func (c *Counter) Inc() { c.n.Add(1) }

// Add adds n.
func (c *Counter) Add(n uint64) { c.n.Add(n) }

// Value is what was added since the start.
func (c *Counter) Value() uint64 {
	n := c.n.Load()
	if sum := c.sum.Load(); sum != nil {
		n += sum.value()
	}
	return n
}
