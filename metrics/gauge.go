package metrics

import (
	"math"
	"sync/atomic"
)

// Gauge is a number that goes up and down. It is made by [Set.Gauge]; the zero Gauge is 0.
type Gauge struct {
	n  atomic.Int64
	fn atomic.Pointer[func() float64]
}

// Set makes the value v.
func (g *Gauge) Set(v int64) { g.n.Store(v) }

// Add adds v, which may be negative.
func (g *Gauge) Add(v int64) { g.n.Add(v) }

// SetFunc makes fn the value, in place of what was set. It must neither block nor panic.
func (g *Gauge) SetFunc(fn func() float64) { g.fn.Store(&fn) }

// Value is the value that was set, or what the function of [Gauge.SetFunc]
// says now. Values that no report can carry (NaN, infinities) are 0.
func (g *Gauge) Value() float64 {
	v, _ := g.known()
	return v
}

// known is the value, and whether there is one: a gauge that has none now, as its function says with
// NaN, is a gap in StatsD.
func (g *Gauge) known() (v float64, ok bool) {
	fn := g.fn.Load()
	if fn == nil {
		return float64(g.n.Load()), true
	}
	if v = (*fn)(); math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, false
	}
	return v, true
}
