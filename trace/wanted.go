package trace

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// wantedFor is for how long a trace that was asked for is waited for: as long as a request may
	// take that its front has given up.
	wantedFor = 30 * time.Second
	// maxWanted is how many there are at most.
	maxWanted = 1 << 15
)

// want is a trace that was asked for.
type want struct {
	ask     Ask
	expires time.Time
	ours    bool // the asker knows that we were called for it
	found   bool // something of it
}

// wantedSet is the traces that were asked for lately.
type wantedSet struct {
	n    atomic.Int64
	life time.Duration // wantedFor, but in tests
	mu   sync.Mutex
	m    map[ID]*want
}

// add takes an ask, and reports whether it is the first for its trace. There may be no room for it.
func (s *wantedSet) add(a Ask, ours bool, now time.Time) (first bool) {
	if !ours {
		a.Offset = UnknownOffset // it is another process' clock
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.m[a.Trace]; w != nil {
		if ours && !w.ours {
			w.ours, w.ask = true, a
		}
		return false
	}
	if len(s.m) >= maxWanted {
		return false
	}
	if s.m == nil {
		s.m = make(map[ID]*want)
	}
	s.m[a.Trace] = &want{ask: a, expires: now.Add(s.life), ours: ours}
	s.n.Store(int64(len(s.m)))
	return true
}

// found notes that there is something of a trace, if it was asked for.
func (s *wantedSet) found(id ID) (want, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.m[id]
	if w == nil {
		return want{}, false
	}
	w.found = true
	return *w, true
}

// forget drops those whose time is over, and returns the ones of which we ought to have had
// something.
func (s *wantedSet) forget(now time.Time) (missing []Ask) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, w := range s.m {
		if now.Before(w.expires) {
			continue
		}
		if w.ours && !w.found {
			missing = append(missing, w.ask)
		}
		delete(s.m, id)
	}
	s.n.Store(int64(len(s.m)))
	return missing
}
