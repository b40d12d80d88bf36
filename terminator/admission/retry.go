package admission

import (
	"errors"
	"sync"
	"time"

	"nanofront/nanobus"
)

// RetryBudget keeps retries from making an overload worse: in each second at
// most a fifth as many as there were requests in the second before, but
// always a hundred, so that one instance's end is never felt on a quiet
// system.
type RetryBudget struct {
	requests func() uint64 // since the start

	mu     sync.Mutex
	second int64
	before uint64 // requests at the beginning of the second
	left   uint64
}

// NewRetryBudget makes a budget. requests returns how many requests there have been since the start.
func NewRetryBudget(requests func() uint64) *RetryBudget { return &RetryBudget{requests: requests} }

const (
	retryFloor = 100
	retryPart  = 5
)

// Take reports whether one more retry is within the budget at bus time now.
func (b *RetryBudget) Take(now time.Duration) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	// Not "other than": a goroutine may come with a time of the second before.
	if s := int64(now / time.Second); s > b.second || b.left == 0 && b.before == 0 {
		n := b.requests()
		span := uint64(max(s-b.second, 1))
		b.left = max(retryFloor, (n-b.before)/retryPart/span)
		b.second, b.before = s, n
	}
	if b.left == 0 {
		return false
	}
	b.left--
	return true
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
