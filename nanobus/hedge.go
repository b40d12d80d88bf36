package nanobus

import (
	"slices"
	"sync/atomic"
	"time"

	"nanofront/nanobus/balance"
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
	hedgeRate = 10

	// hedgePause is for how long nothing is sent twice after the service has refused something.
	hedgePause = time.Second
)

// hedging is what a service knows of sending requests twice.
type hedging struct {
	after  atomic.Int64 // ns until a copy is sent; 0: none are
	pushed atomic.Int64 // bus time of the last refusal; 0: none yet

	// The sweep's alone.
	rate   float64 // requests in a second
	tokens float64
	filled int64 // bus time
}

// hedgeAfter is for how long a call waits before its request is sent to another instance too.
func (s *Service) hedgeAfter() int64 {
	if after := s.hedging.after.Load(); after != 0 {
		return after
	}
	return never
}

// Overloaded takes note that a request to the service was refused for want of room, by whomever:
// for a while none is sent twice for being slow.
func (s *Service) Overloaded() {
	now := max(s.bus.now(), 1)
	if last := s.hedging.pushed.Load(); last == 0 || now-last > int64(hedgePause/8) { // not a store for each refusal
		s.hedging.pushed.Store(now)
	}
}

// learn goes by what the service's instances have taken lately. The sweep calls it once a second.
func (s *Service) learn() {
	v := s.live.Load()
	var p99s []time.Duration
	rate := 0.0
	for i := range v.Len() {
		recent := &linkOf(v.Target(i)).recent
		if rate += recent.Rate; recent.Rate >= hedgeRate && recent.P99 > 0 {
			p99s = append(p99s, recent.P99)
		}
	}
	s.judge(v)
	h := &s.hedging
	h.rate = rate
	if len(p99s) == 0 || v.Len() < 2 {
		h.after.Store(0)
		return
	}
	// The median: one that is slow doesn't make it usual.
	slices.Sort(p99s)
	h.after.Store(int64(max(p99s[(len(p99s)-1)/2], minHedge)))
}

// take takes one of the copies that the service may have by now.
func (h *hedging) take(now int64) bool {
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

// hedge sends a request to another instance too, that has been under way for long, if there is one
// of the service's copies left; else the call waits as it did.
func (q *calls) hedge(s *slot, id uint64, at, now int64) {
	s.repeat.CompareAndSwap(at, never) // it is tried once
	l := s.link.Load()
	if l == nil || l.service == nil {
		return
	}
	if !l.service.hedging.take(now) {
		q.bus.metrics.copiesLeftOut.Inc()
		return
	}
	if q.again(s, id) {
		q.bus.metrics.copiesSlow.Inc()
	}
}

// judge ejects those of the instances that do worse than their peers, and lets others back. Bus.mu
// is held.
func (s *Service) judge(v *balance.View) {
	changed, ejected := v.JudgeAll()
	if ejected > 0 {
		s.bus.metrics.ejected.Add(uint64(ejected))
	}
	if changed {
		s.rebuild()
	}
}
