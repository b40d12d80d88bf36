package metrics

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Exemplar is one duration that a timer has observed, with the trace that it is of.
type Exemplar struct {
	Trace [16]byte
	Took  time.Duration
	At    time.Time
}

// exemplars are the newest of each range of durations: up to 0.1 ms, and so on with four times as
// much.
type exemplars [10]atomic.Pointer[Exemplar]

// Exemplify notes that a trace was kept of a duration which was or will be observed. It allocates:
// for requests that are traced, not for all.
func (t *Timer) Exemplify(trace [16]byte, d time.Duration) {
	i := min(bits.Len64(uint64(max(d, 0)/(100*time.Microsecond)))/2, len(t.exemplars)-1)
	t.exemplars[i].Store(&Exemplar{trace, d, time.Now()})
}

// Exemplars are the newest ones, some at most, by rising duration.
func (t *Timer) Exemplars() []Exemplar {
	var list []Exemplar
	for i := range t.exemplars {
		if e := t.exemplars[i].Load(); e != nil {
			list = append(list, *e)
		}
	}
	return list
}
