package nanobus

import (
	"time"

	"nanofront/nanobus/balance"
)

// A peer whose process is stopped, or whose machine has hung, still has a kernel that acknowledges:
// its link breaks only when five pings have not been answered. Long before that it is taken out of
// choice: when nothing has come from it for longer than its limit while requests are under way
// there, and others of the service speak. Its link stays; the first message brings it back.

const (
	// minSilence is the least limit, and silenceFactor how often a link's p99 it is else.
	// maxSilence is the most: after that the pings decide.
	minSilence    = 200 * time.Millisecond
	maxSilence    = 4 * time.Second
	silenceFactor = 4

	// What the sweep looks after with requests under way: every watchMost calls, but not more often
	// than sweepInterval, nor less often than watchInterval, until nothing new is called.
	watchMost     = 10
	watchLate     = sweepInterval / 2 // by how much a look may be late and count whole
	watchInterval = 100 * time.Millisecond
)

// watch is what the sweep knows of the links that have requests under way. Only the sweep uses it.
type watch struct {
	last     int64         // bus time of the last look
	planned  time.Duration // from there to the next
	pause    time.Duration // while nothing new is called
	calls    uint64        // as of the last look
	links    []*Link
	suspects []*Link
}

// look looks after the links, and returns when to look again: in bus time, noDeadline if nothing is
// under way.
func (w *watch) look(b *Bus, now int64) (next int64) {
	since := time.Duration(now - w.last)
	passed := min(since, w.planned+watchLate)
	w.last = now
	w.gather(b)
	under := false
	w.suspects = w.suspects[:0]
	for _, l := range w.links {
		has := l.InFlight() > 0
		under = under || has
		switch l.silence.Look(now, l.heard.Load(), has, passed, l.patience()) {
		case balance.Ask:
			w.ask(l, now)
		case balance.Silent:
			w.suspects = append(w.suspects, l)
		}
	}
	suspected := false
	for _, l := range w.links {
		suspected = suspected || l.silence.Suspected() && !l.stalled.Load()
	}
	for _, l := range w.suspects {
		w.judge(l, now)
	}
	calls := b.metrics.calls.Value()
	fresh := calls - w.calls
	w.calls = calls
	switch {
	case fresh > 0:
		w.planned, w.pause = min(max(since*watchMost/time.Duration(fresh), sweepInterval), watchInterval), watchInterval
	case !under && w.planned >= watchInterval:
		w.planned = pingInterval
		return noDeadline
	case !under:
		// So soon that says little: we may have been away just now, and the callers with us.
		w.planned = watchInterval
	case suspected:
		w.planned = watchInterval
	default:
		w.pause = min(2*w.pause, pingInterval)
		w.planned = w.pause
	}
	return now + int64(w.planned)
}

// gather lists the links that requests may be under way on.
func (w *watch) gather(b *Bus) {
	clear(w.links)
	w.links = w.links[:0]
	b.mu.Lock()
	defer b.mu.Unlock()
	for l := range b.links {
		if l.instance != nil && !l.instance.EventsOnly && (l.stateIs(linkLive) || l.stateIs(linkDraining)) {
			w.links = append(w.links, l)
		}
	}
}

// ask asks l for a sign of life, and those others of its service that would have to testify.
func (w *watch) ask(l *Link, now int64) {
	for _, other := range w.links {
		if other == l || other.instance.Service == l.instance.Service && now-other.heard.Load() > int64(sweepInterval) {
			other.clock.probe(other, now)
		}
	}
}

// judge takes a silent link out of choice, if another of its service testifies against it.
func (w *watch) judge(l *Link, now int64) {
	if l.stalled.Load() {
		l.bus.calls.rescue(l) // what was sent while it was being found out
		return
	}
	limit := l.patience()
	for _, other := range w.links {
		if other != l && other.instance.Service == l.instance.Service && other.stateIs(linkLive) && other.silence.Testifies(&l.silence, now, limit) {
			l.stall(now)
			return
		}
	}
	l.silence.Again(now, limit)
	w.ask(l, now)
}

// patience is for how long the peer may be silent with requests under way.
func (q *requester) patience() time.Duration {
	return max(time.Duration(q.quietLimit.Load()), minSilence)
}

// renewPatience goes by what the link's requests have taken lately. Once a second.
func (q *requester) renewPatience() {
	q.recent = q.target.Recent()
	q.quietLimit.Store(int64(min(silenceFactor*q.recent.P99, maxSilence)))
}

// stall takes the link out of choice.
func (l *Link) stall(now int64) {
	b := l.bus
	l.stalled.Store(true)
	if l.heard.Load() > l.silence.Heard() {
		l.stalled.Store(false) // it has just spoken
		return
	}
	b.metrics.stalled.Inc()
	b.rechoose(l)
	b.calls.rescue(l)
	l.event("stalled").Stringer("link", l).Dur("silent", time.Duration(now-l.heard.Load())).Int("in_flight", l.InFlight()).
		Msg("peer is silent with requests under way: it gets no more until it speaks")
}

// spoke brings the link back.
func (q *requester) spoke() {
	l := q.link
	if l.stalled.CompareAndSwap(true, false) {
		l.bus.rechoose(l)
		l.event("recovered").Stringer("link", l).Msg("peer speaks again")
	}
}

// rechoose makes the view anew of the service behind l.
func (s *linkSet) rechoose(l *Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refresh(l)
}

// Blame takes note that an answer on the link says that its peer has failed, such as a status of
// 500: for choosing only.
func (q *requester) Blame() { q.target.Blame() }
