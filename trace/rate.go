package trace

import (
	"sync/atomic"
	"time"
)

// Rate lets so many pass in each second.
type Rate struct {
	n      int64
	second atomic.Uint64 // the second, and how many have passed in it
}

// NewRate lets n pass.
func NewRate(n int) *Rate { return &Rate{n: int64(n)} }

// Take reports whether one more may pass at now, of any clock.
func (r *Rate) Take(now time.Duration) bool {
	s := uint64(now/time.Second) << 32
	for {
		old := r.second.Load()
		next := max(old, s) + 1 // whoever comes with a time of the second before is of this one
		if int64(next&(1<<32-1)) > r.n {
			return false
		}
		if r.second.CompareAndSwap(old, next) {
			return true
		}
	}
}
