package nanobus

import (
	"encoding/binary"
	"sync/atomic"
	"time"

	"nanofront/nanobus/wire"
)

// timing works out the stages of a call from the reply's three figures.
func (l *Link) timing(c *Call, body []byte, now int64) {
	t := &c.Timing
	t.Total = time.Duration(now - c.sent)
	// Whatever the peer says, and by whatever clock: no stage is longer than
	// what is left of the whole.
	rest := t.Total
	t.HandlerQueue = min(time.Duration(binary.BigEndian.Uint32(body[8:]))*time.Microsecond, rest)
	rest -= t.HandlerQueue
	t.Handler = min(time.Duration(binary.BigEndian.Uint32(body[12:]))*time.Microsecond, rest)
	rest -= t.Handler
	if l.writes.Load()-c.batch < sentRing {
		t.Queue = min(time.Duration(max(atomic.LoadInt64(&l.sentAt[c.batch%sentRing])-c.sent, 0)), rest)
		rest -= t.Queue
	}
	if l.offsetKnown.Load() {
		// The peer's clock, turned into ours, then into bus time.
		read := int64(binary.BigEndian.Uint64(body)) - l.offset.Load() - l.bus.epochMicros
		t.BusOut = min(max(time.Duration(read*1000-c.sent)-t.Queue, 0), rest)
		rest -= t.BusOut
	}
	t.BusBack = rest
}

// ping asks the peer for a sign of life and the time.
func (l *Link) ping(now int64) {
	l.unanswered.Add(1)
	t0 := l.bus.wallMicros(now)
	l.pinged.Store(t0)
	l.control(wire.KindPing, 0, 0, binary.BigEndian.AppendUint64(nil, t0)...)
}

// pong estimates how far the peer's clock is from ours, from the answer with
// the shortest round trip of the last ten seconds: the shorter it was, the
// less can have been unequal between there and back (NTP's clock filter,
// RFC 5905 section 10).
func (l *Link) pong(t0, t1, now int64) {
	t2 := int64(l.bus.wallMicros(now))
	rtt := t2 - t0
	if rtt < 0 {
		return
	}
	if l.offsetKnown.Load() && rtt > l.bestRTT && now-l.bestAt < int64(10*time.Second) {
		return
	}
	l.bestRTT, l.bestAt = rtt, now
	l.offset.Store(t1 - (t0+t2)/2)
	l.offsetKnown.Store(true)
}
