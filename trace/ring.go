package trace

import (
	"sync"
	"sync/atomic"
)

// ring has the last records, each in a place of its own: a new one takes the oldest one's.
type ring struct {
	next  atomic.Uint64
	slots []slot
}

type slot struct {
	key atomic.Uint64 // of the trace, so that who looks for some need not lock all

	mu   sync.Mutex
	sent bool // exported
	r    Record
}

func newRing(n int) *ring { return &ring{slots: make([]slot, n)} }

// put takes a record. sent says that it is exported already.
func (g *ring) put(r *Record, sent bool) *slot {
	s := &g.slots[(g.next.Add(1)-1)%uint64(len(g.slots))]
	s.mu.Lock()
	s.r, s.sent = *r, sent
	s.key.Store(r.Trace.key())
	s.mu.Unlock()
	return s
}

// claim reports whether the record is there and was not sent; it is then.
func (s *slot) claim(id SpanID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sent || s.r.ID != id {
		return false
	}
	s.sent = true
	return true
}

// find calls f with each record of the traces that is there, and whether it was found before.
func (g *ring) find(keys map[uint64]bool, wanted func(ID) bool, f func(r *Record, again bool)) {
	n := min(g.next.Load(), uint64(len(g.slots)))
	for i := range g.slots[:n] {
		s := &g.slots[i]
		if !keys[s.key.Load()] {
			continue
		}
		s.mu.Lock()
		r, again := s.r, s.sent
		ok := wanted(r.Trace)
		s.sent = s.sent || ok
		s.mu.Unlock()
		if ok {
			f(&r, again)
		}
	}
}
