package balance

import (
	"sync/atomic"
	"time"
)

// A request that may be repeated is sent to a second instance when the first has taken longer than
// nearly all of the service's requests lately have. That cuts the tail off which single instances
// have; it helps nobody when all are slow, and so has a budget, and is left alone while the service
// refuses.
const (
	// hedgePart of a service's requests, one in so many, may be sent twice for being slow: 2.5 %.
	// What isn't used of that is kept for hedgeKept, but for hedgeFew at the least.
	hedgePart = 40
	hedgeKept = time.Second / 2
	hedgeFew  = 2

	// minHedge is the least time after which a copy is sent. hedgeRate is how many requests in a
	// second an instance must have answered for its times to say something.
	minHedge  = time.Millisecond
	HedgeRate = 10

	// hedgePause is for how long nothing is sent twice after the service has refused something.
	hedgePause = time.Second
)

// Hedging is what a service knows of sending requests twice.
type Hedging struct {
	after  atomic.Int64 // ns until a copy is sent; 0: none are
	pushed atomic.Int64 // bus time of the last refusal; 0: none yet

	// The sweep's alone.
	rate   float64 // requests in a second
	tokens float64
	filled int64 // bus time
}

// Wait is for how long a call waits before its request is sent to another instance too; 0: for
// ever.
func (h *Hedging) Wait() int64 { return h.after.Load() }

// Refused takes note that a request to the service was refused for want of room.
func (h *Hedging) Refused(now int64) {
	now = max(now, 1)
	if last := h.pushed.Load(); last == 0 || now-last > int64(hedgePause/8) { // not a store for each refusal
		h.pushed.Store(now)
	}
}

// Learn goes by the service's usual time for nearly all of its requests, 0 if it isn't known, and
// by their rate. The sweep calls it.
func (h *Hedging) Learn(usual time.Duration, rate float64) {
	h.rate = rate
	if usual != 0 {
		usual = max(usual, minHedge)
	}
	h.after.Store(int64(usual))
}

// Take takes one of the copies that the service may have by now.
func (h *Hedging) Take(now int64) bool {
	if h.filled == 0 {
		h.tokens = hedgeFew
	}
	part := h.rate / hedgePart
	h.tokens = min(h.tokens+part*time.Duration(now-h.filled).Seconds(), max(part*hedgeKept.Seconds(), hedgeFew))
	h.filled = now
	if last := h.pushed.Load(); h.tokens < 1 || last != 0 && now-last < int64(hedgePause) {
		return false
	}
	h.tokens--
	return true
}
