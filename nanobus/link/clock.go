package link

import (
	"encoding/binary"
	"sync/atomic"
	"time"

	"nanofront/nanobus/wire"
)

const (
	// pingAtLeast is after how long a quiet link is pinged, however often the peer is heard of, for
	// the time.
	pingAtLeast = 5 * time.Second
	// quietWrites is how many messages a second a link sends for its pings alone: a ping, and a
	// pong.
	quietWrites = 2
)

// peerClock is the clock of a peer against ours, as the pings show it.
type peerClock struct {
	Offset atomic.Int64 // in µs; unknown until known
	Known  atomic.Bool
	ahead  atomic.Int64 // offset, but 0 if it may be just as well, for all that the round trip tells

	Pinged     atomic.Uint64 // t0 of the last ping
	unanswered atomic.Int32  // looks since the last message came in

	bestRTT, bestAt int64 // reader only

	// sweep only
	pingedAt int64
	writes   uint32 // of the link, at the look before
}

// pong estimates how far the peer's clock is from ours, from the answer with
// the shortest round trip of the last ten seconds: the shorter it was, the
// less can have been unequal between there and back (NTP's clock filter,
// RFC 5905 section 10). now is the bus time of t2.
func (c *peerClock) pong(t0, t1, t2, now int64) {
	rtt := t2 - t0
	if rtt < 0 {
		return
	}
	if c.Known.Load() && rtt > c.bestRTT && now-c.bestAt < int64(10*time.Second) {
		return
	}
	c.bestRTT, c.bestAt = rtt, now
	offset := t1 - (t0+t2)/2
	c.Offset.Store(offset)
	if max(offset, -offset) <= rtt/2 {
		c.ahead.Store(0)
	} else {
		c.ahead.Store(offset)
	}
	c.Known.Store(true)
}

// look is called once a second. It pings, unless nothing goes on and the peer was heard of within
// that second: as either side pings, each then sends a third of the pings or fewer. They are what
// an idle process wakes for most often.
func (c *peerClock) look(l *Link, now int64) {
	if c.due(l.Writes.Load(), now) {
		c.ping(l, now)
	} else {
		c.unanswered.Add(1) // as if: if nothing comes, the next look pings
	}
}

// due reports whether a look is to ping. writes is how many messages the link has sent.
func (c *peerClock) due(writes uint32, now int64) bool {
	quiet := writes-c.writes <= quietWrites
	c.writes = writes
	if quiet && c.unanswered.Load() == 0 && now-c.pingedAt < int64(pingAtLeast) {
		return false
	}
	c.pingedAt = now
	return true
}

// ping asks the peer for a sign of life and the time.
func (c *peerClock) ping(l *Link, now int64) {
	c.unanswered.Add(1)
	c.send(l, now)
}

// Probe is ping, but nothing is made of it if no answer comes.
func (c *peerClock) Probe(l *Link, now int64) { c.send(l, now) }

func (c *peerClock) send(l *Link, now int64) {
	t0 := l.bus.WallMicros(now)
	c.Pinged.Store(t0)
	l.Control(wire.KindPing, 0, 0, binary.BigEndian.AppendUint64(nil, t0)...)
}
