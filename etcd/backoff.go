package etcd

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	minBackoff = 100 * time.Millisecond
	maxBackoff = time.Second
)

// backoff spaces attempts: doubling, capped, and with jitter, so that a
// thousand processes that lost etcd together don't return together. The zero
// value is ready.
type backoff struct{ next time.Duration }

func (b *backoff) reset() { b.next = 0 }

// delay is half fixed and half random.
func (b *backoff) delay() time.Duration {
	b.next = min(max(2*b.next, minBackoff), maxBackoff)
	return b.next/2 + rand.N(b.next/2)
}

// wait pauses until the next attempt, at most until wake or the end of ctx.
// A nil wake never fires.
func (b *backoff) wait(ctx context.Context, wake <-chan struct{}) {
	t := time.NewTimer(b.delay())
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-wake:
	case <-t.C:
	}
}
