package link

import (
	"time"
)

const (
	// minSilence is the least limit, and silenceFactor how often a link's p99 it is else.
	// maxSilence is the most: after that the pings decide.
	minSilence    = 200 * time.Millisecond
	maxSilence    = 4 * time.Second
	silenceFactor = 4
)

// Patience is for how long the peer may be silent with requests under way.
func (q *requester) Patience() time.Duration {
	return max(time.Duration(q.quietLimit.Load()), minSilence)
}

// renewPatience goes by what the link's requests have taken lately. Once a second.
func (q *requester) renewPatience() {
	q.Recent = q.Target.Recent()
	q.quietLimit.Store(int64(min(silenceFactor*q.Recent.P99, maxSilence)))
}

// Stall notes that the peer is silent with requests under way; false if it has just spoken.
func (q *requester) Stall(now int64) bool {
	q.Stalled.Store(true)
	if q.Heard.Load() > q.Silence.Heard() {
		q.Stalled.Store(false)
		return false
	}
	q.link.bus.Metrics.Stalled.Inc()
	return true
}

// spoke brings the link back.
func (q *requester) spoke() {
	l := q.link
	if l.Stalled.CompareAndSwap(true, false) {
		l.bus.upper.Rechoose(l)
		l.Event("recovered").Stringer("link", l).Msg("peer speaks again")
	}
}

// Blame takes note that an answer on the link says that its peer has failed, such as a status of
// 500: for choosing only.
func (q *requester) Blame() { q.Target.Blame() }

// Second is called once a second. It pings the peer, or ends the link of one that is silent.
func (l *Link) Second(now int64) {
	l.Target.Recover()
	l.renewPatience()
	l.controls.Store(0)
	switch {
	case l.Challenge.Owed.Load() && now-l.Attached > int64(helloTimeout):
		l.Close("no_proof")
	case l.Is(Greeting) && now-l.Attached > int64(helloTimeout):
		l.Close("no_hello")
	case l.PeerClock.unanswered.Load() >= maxUnanswered:
		l.Close("silent")
	case !l.Is(Greeting):
		l.PeerClock.look(l, now)
	}
}
