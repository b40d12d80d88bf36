package admission

import (
	"errors"
	"sync"
	"time"

	"nanofront/nanobus"
)

// RetryBudget keeps retries from making an overload worse: one for each twenty
// requests, so that what is behind the front gets 5 % more at most when
// everything fails. What isn't used is kept: two seconds' worth, and always a
// hundred, so that one instance's end is felt neither under load nor on a quiet
// system.
type RetryBudget struct {
	requests func() uint64 // since the start

	mu     sync.Mutex
	seen   uint64 // requests when left was last added to
	left   float64
	most   float64 // what may be kept
	second int64
	before uint64 // requests at the beginning of the second
}

// NewRetryBudget makes a budget. requests returns how many requests there have been since the
// start.
func NewRetryBudget(requests func() uint64) *RetryBudget {
	return &RetryBudget{requests: requests, left: retryFloor, most: retryFloor}
}

const (
	retryFloor = 100
	retryPart  = 20
	retryKept  = 2 // seconds
)

// Take reports whether one more retry is within the budget at bus time now.
func (b *RetryBudget) Take(now time.Duration) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.add(now)
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}

// Mark is to be called now and then, for what may be kept to go by the rate of late.
func (b *RetryBudget) Mark(now time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.add(now)
}

func (b *RetryBudget) add(now time.Duration) {
	n := b.requests()
	b.left += float64(n-b.seen) / retryPart
	b.seen = n
	// Not "other than": a goroutine may come with a time of the second before.
	if s := int64(now / time.Second); s > b.second {
		rate := float64(n-b.before) / float64(s-b.second)
		b.most = max(retryFloor, retryKept*rate/retryPart)
		b.second, b.before = s, n
	}
	b.left = min(b.left, b.most)
}

// Retryable reports whether a request may be sent once more after err: if it
// was surely not acted upon, or if doing it twice is the same as doing it once.
func Retryable(err error, method []byte) bool {
	var remote *nanobus.RemoteError
	if errors.As(err, &remote) {
		return remote.Code.NotActedUpon() && remote.Code != nanobus.CodeExpired
	}
	return errors.Is(err, nanobus.ErrLinkDown) && Safe(method)
}

// Safe reports whether the method is safe (RFC 9110 section 9.2.1).
func Safe(method []byte) bool {
	switch string(method) {
	case "GET", "HEAD", "OPTIONS":
		return true
	default:
		return false
	}
}
