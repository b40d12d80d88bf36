package terminator

import (
	"sync"
	"sync/atomic"
	"time"
)

// guardPhase says what a connection is waiting for, and so which of the timeouts holds.
type guardPhase uint64

const (
	guardIdle    guardPhase = iota // a request's first byte
	guardHead                      // the rest of its head
	guardBody                      // the rest of its body
	guardServing                   // its response: the business of the deadlines further in
	guardWriting                   // the client, to take the response
	guardLinger                    // the client, to read an error response; bounded by itself
	guardPhases
)

// A phase and its beginning, in milliseconds of the sweeper's clock, share a word: one store a change, and the
// sweeper never sees one without the other.
func guardPack(phase guardPhase, since int64) uint64 {
	return uint64(since)<<3 | uint64(phase) //nolint:gosec // not negative
}

func guardUnpack(state uint64) (guardPhase, int64) { return guardPhase(state & 7), int64(state >> 3) }

// guardShards keeps connections that open and close on different cores off each other's locks.
const guardShards = 16

type guardShard struct {
	mu    sync.Mutex
	conns []*guardConn
	_     [64]byte // a cache line of its own
}

// guardSweeper knows all open connections of a listener and looks at each of them once a tick. That takes the place of a
// deadline set on the socket for each request and each response, which costs a lock and a timer of the
// runtime each time: about 200 ns a request.
//
// Its clock counts milliseconds since it began and moves once a tick, by no more than two ticks: on a machine so busy
// that the sweeper itself comes late, timeouts come late too and don't hit clients that were in time.
type guardSweeper struct {
	tick     time.Duration
	slack    int64 // ms by which a timestamp may lag
	clock    atomic.Int64
	limits   [guardPhases]atomic.Int64 // ms; 0 for none, and for idle with draining: at once
	draining atomic.Bool
	next     atomic.Uint32
	shards   [guardShards]guardShard
}

func (s *guardSweeper) init(opt guardOptions) {
	shortest := min(opt.idleTimeout, opt.headTimeout, opt.bodyTimeout, opt.writeTime)
	s.tick = min(max(shortest/4, 5*time.Millisecond), 200*time.Millisecond)
	s.slack = (2 * s.tick).Milliseconds()
	s.limits[guardIdle].Store(max(opt.idleTimeout.Milliseconds(), 1))
	s.limits[guardHead].Store(max(opt.headTimeout.Milliseconds(), 1))
	s.limits[guardBody].Store(max(opt.bodyTimeout.Milliseconds(), 1))
	s.limits[guardWriting].Store(max(opt.writeTime.Milliseconds(), 1))
}

// run sweeps until closing is closed and then empty returns true.
func (s *guardSweeper) run(closing <-chan struct{}, empty func() bool) {
	ticker := time.NewTicker(s.tick)
	defer ticker.Stop()
	last, ending := time.Now(), false
	for {
		select {
		case <-closing:
			closing, ending = nil, true
		case <-ticker.C:
		}
		now := time.Now()
		s.clock.Add(min(now.Sub(last), 2*s.tick).Milliseconds())
		last = now
		s.each(func(c *guardConn) {
			phase, since := guardUnpack(c.state.Load())
			if !s.over(phase, since) {
				return
			}
			// If the connection has moved on meanwhile, it finds itself in time and clears the interruption; if
			// that clears one too many, the next sweep makes it again.
			if phase == guardWriting {
				c.interruptWrite()
			} else {
				c.interruptRead()
			}
		})
		if ending && empty() {
			return
		}
	}
}

func (s *guardSweeper) now() int64 { return s.clock.Load() }

// over reports whether a phase that began at since has lasted too long. The slack makes up for how far since may be
// behind, so that no timeout comes early.
func (s *guardSweeper) over(phase guardPhase, since int64) bool {
	limit := s.limits[phase].Load()
	if limit == 0 && (phase != guardIdle || !s.draining.Load()) {
		return false
	}
	return s.now()-since > limit+s.slack
}

func (s *guardSweeper) each(f func(*guardConn)) {
	for i := range s.shards {
		shard := &s.shards[i]
		shard.mu.Lock()
		for _, c := range shard.conns {
			f(c)
		}
		shard.mu.Unlock()
	}
}

func (s *guardSweeper) add(c *guardConn) {
	c.shard = &s.shards[s.next.Add(1)%guardShards]
	c.shard.mu.Lock()
	c.index = len(c.shard.conns)
	c.shard.conns = append(c.shard.conns, c)
	c.shard.mu.Unlock()
}

// remove is called once for each connection added, not from within each.
func (s *guardSweeper) remove(c *guardConn) {
	shard := c.shard
	shard.mu.Lock()
	last := len(shard.conns) - 1
	moved := shard.conns[last]
	shard.conns[c.index] = moved
	moved.index = c.index
	shard.conns[last] = nil
	shard.conns = shard.conns[:last]
	shard.mu.Unlock()
}
