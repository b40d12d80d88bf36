// Package body has the bodies of requests and responses that are too large for one frame: they pass
// in chunks, and no more of them exist anywhere than their readers have granted.
//
// A [Writer] sends one and a [Reader] receives one. The [Table] of a link has those that are under
// way on it, and a [Set] bounds those of all links of a process. What a body needs of its link is
// a [Link], and of the exchange that it is part of, an [Owner].
package body

import (
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"nanofront/metrics"
)

const (
	// MaxCredit is what a reader that keeps up has granted at any time. On
	// loopback the throughput of one body grows until here and not beyond.
	MaxCredit = 256 << 10

	// Memory is what all bodies that a process receives may hold together,
	// beyond wire.BodyCredit for each, and mostHeld what they may hold in all: one
	// more byte, and the body that it belongs to is given up.
	Memory   = 32 << 20
	mostHeld = 128 << 20

	// Idle is for how long a request's body may stand still: without data
	// though there is credit, or without credit. A response's body may for as
	// long as its link lives.
	Idle = 60 * time.Second

	// Never is later than any deadline.
	Never = math.MaxInt64 / 2
)

var (
	// ErrTimeout: the body stood still for too long.
	ErrTimeout = errors.New("nanobus: deadline passed")
	// ErrTooMany: as many bodies are under way as there may be.
	ErrTooMany = errors.New("nanobus: too many bodies are arriving at once")
	// ErrAnswered: the request has been answered, and the rest of its body is not needed.
	ErrAnswered = errors.New("nanobus: answered before the body ended; the rest is not needed")
	// ErrClosed: the body was closed on this side.
	ErrClosed = errors.New("nanobus: closed")
)

// Link is what bodies need of the link that they pass on. Its lock guards them: a body is known as
// its first frame is appended.
type Link interface {
	sync.Locker
	// Gathered is how many bytes wait to be written. Locked.
	Gathered() int
	// Hurry sees to it that they are being written: somebody is about to wait for that. Locked.
	Hurry()
	// WhenRoom has f called, locked, each time that what has gathered is taken to be written; nil:
	// nobody waits for it any more. Locked.
	WhenRoom(f func())
	// Down is why nothing can be sent any more; nil if it can. Locked.
	Down() error
	// Chunk appends a data frame. Locked.
	Chunk(flags uint8, id uint64, p []byte)
	// Send has what was appended be written. Locked, and unlocks.
	Send()
	// Credit grants the sender of a body n more bytes.
	Credit(flags uint8, id uint64, n int)
	// Cancel says that nothing more is wanted for the request with this id.
	Cancel(id uint64)
}

// Owner has the exchange that a body that is sent is part of.
type Owner interface {
	// Abandoned: nobody reads it any more, or it is to be ended for another reason. The link is
	// locked.
	Abandoned()
	// Ended: it has been ended. broken: it is not complete, though somebody would have read it.
	Ended(broken bool)
	// Overdue: it has stood still for too long, or the reply to it is late.
	Overdue()
}

// Config is what a Set needs of its process.
type Config struct {
	Most int                       // bodies that may be received at once, and sent
	Now  func() int64              // time in ns, by one clock for all
	Due  func(deadline, now int64) // Sweep is to be called by then
	Go   func(func())              // runs it elsewhere

	// What is counted: data for a body that has ended, a body of an id that is in use, those that
	// are too many, and what was cancelled.
	Late, Stray, Over, Cancels *metrics.Counter
}

// Set bounds the bodies of a process that are under way.
type Set struct {
	Config
	in, out  atomic.Int64
	held     atomic.Int64 // bytes that were received and not read
	standing standing
}

// NewSet returns the set of a process that has no bodies yet.
func NewSet(c Config) *Set { return &Set{Config: c} }

// Full reports whether as many are being sent as may be, and counts it.
func (s *Set) Full() bool {
	full := s.out.Load() >= int64(s.Most)
	if full {
		s.Over.Inc()
	}
	return full
}

// UnderWay is how many are being received and sent, and how many bytes of the former wait for their
// readers.
func (s *Set) UnderWay() (in, out, held int64) { return s.in.Load(), s.out.Load(), s.held.Load() }

// Sweep ends the bodies of requests that have stood still for too long, and what is late after one.
// It returns when to look again.
func (s *Set) Sweep(now int64) (earliest int64) { return s.standing.sweep(now) }
