package nanobus

import (
	"time"

	"nanofront/nanobus/balance"
	"nanofront/nanobus/link"
)

// A peer whose process is stopped, or whose machine has hung, still has a kernel that acknowledges:
// its link breaks only when five pings have not been answered. Long before that it is taken out of
// choice: when nothing has come from it for longer than its limit while requests are under way
// there, and others of the service speak. Its link stays; the first message brings it back.

const (
	// What the sweep looks after with requests under way: every watchMost calls, but not more often
	// than sweepInterval, nor less often than watchInterval, until nothing new is called.
	watchMost     = 10
	watchLate     = link.SweepInterval / 2 // by how much a look may be late and count whole
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
		switch l.Silence.Look(now, l.Heard.Load(), has, passed, l.Patience()) {
		case balance.Ask:
			w.ask(l, now)
		case balance.Silent:
			w.suspects = append(w.suspects, l)
		}
	}
	suspected := false
	for _, l := range w.links {
		suspected = suspected || l.Silence.Suspected() && !l.Stalled.Load()
	}
	for _, l := range w.suspects {
		w.judge(b, l, now)
	}
	calls := b.node.Metrics.Calls.Value()
	fresh := calls - w.calls
	w.calls = calls
	switch {
	case fresh > 0:
		w.planned, w.pause = min(max(since*watchMost/time.Duration(fresh), link.SweepInterval), watchInterval), watchInterval
	case !under && w.planned >= watchInterval:
		w.planned = link.PingInterval
		return link.NoDeadline
	case !under:
		// So soon that says little: we may have been away just now, and the callers with us.
		w.planned = watchInterval
	case suspected:
		w.planned = watchInterval
	default:
		w.pause = min(2*w.pause, link.PingInterval)
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
		if l.Instance != nil && !l.Instance.EventsOnly && (l.Is(link.Live) || l.Is(link.Draining)) {
			w.links = append(w.links, l)
		}
	}
}

// ask asks l for a sign of life, and those others of its service that would have to testify.
func (w *watch) ask(l *Link, now int64) {
	for _, other := range w.links {
		if other == l || other.Instance.Service == l.Instance.Service && now-other.Heard.Load() > int64(link.SweepInterval) {
			other.PeerClock.Probe(other, now)
		}
	}
}

// judge takes a silent link out of choice, if another of its service testifies against it.
func (w *watch) judge(b *Bus, l *Link, now int64) {
	if l.Stalled.Load() {
		b.node.Calls.Rescue(l) // what was sent while it was being found out
		return
	}
	limit := l.Patience()
	for _, other := range w.links {
		if other != l && other.Instance.Service == l.Instance.Service && other.Is(link.Live) && other.Silence.Testifies(&l.Silence, now, limit) {
			w.stall(b, l, now)
			return
		}
	}
	l.Silence.Again(now, limit)
	w.ask(l, now)
}

// stall takes the link out of choice.
func (w *watch) stall(b *Bus, l *Link, now int64) {
	if l.Stall(now) {
		b.rechoose(l)
		b.node.Calls.Rescue(l)
		l.Event("stalled").Stringer("link", l).Dur("silent", time.Duration(now-l.Heard.Load())).Int("in_flight", l.InFlight()).
			Msg("peer is silent with requests under way: it gets no more until it speaks")
	}
}

// rechoose makes the view anew of the service behind l.
func (s *linkSet) rechoose(l *Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refresh(l)
}
