package toggles

import (
	"context"
	"time"
)

// At is all toggles as of a revision, that of a request: the same in every process that the request
// comes to. A revision of 0 is the present one. One that has not come yet, as the request was
// faster than etcd's word, is waited for, for 100 ms at most and within ctx; after a wait in vain
// the present one counts, and revisions up to that one aren't waited for again. So it does for a
// revision that is no longer kept. Both are counted.
func (s *Store) At(ctx context.Context, revision int64) *Set {
	// Where there are no toggles nobody writes of revisions either.
	if revision > s.seen.Load() && revision > s.gaveUp.Load() && s.current.Load().count > 0 {
		s.await(ctx, revision)
	}
	return s.now(revision)
}

// Now is At for callers that must not wait.
func (s *Store) Now(revision int64) *Set { return s.now(revision) }

func (s *Store) now(revision int64) *Set {
	seen := s.seen.Load() // first: the Set that is read after it has all of that
	current := s.current.Load()
	if revision == 0 || current.count == 0 && revision > seen {
		return current
	}
	if revision > seen {
		s.gauges.late.Inc()
		return current
	}
	if current.revision <= revision {
		return current
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.kept) - 1; i >= 0; i-- {
		if s.kept[i].revision <= revision {
			return s.kept[i]
		}
	}
	s.gauges.gone.Inc()
	return s.current.Load()
}

// await waits until a revision has come.
func (s *Store) await(ctx context.Context, revision int64) {
	end := time.NewTimer(lateness)
	defer end.Stop()
	for {
		s.mu.Lock()
		arrived := s.arrived
		s.mu.Unlock()
		if s.seen.Load() >= revision {
			return
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return
		case <-end.C:
			for {
				old := s.gaveUp.Load()
				if old >= revision || s.gaveUp.CompareAndSwap(old, revision) {
					return
				}
			}
		}
	}
}
