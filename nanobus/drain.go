package nanobus

import (
	"context"
	"fmt"
	"time"
)

// Drain tells the peers that this process takes no more requests, and waits
// until each has understood, all requests are answered, and the answers are
// with the system; or until ctx ends, with its error then.
func (b *Bus) Drain(ctx context.Context) error {
	b.mu.Lock()
	b.draining = true
	b.mu.Unlock()
	for _, l := range b.snapshotLinks() {
		l.control(kindDraining, 0, 0)
	}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !b.drained() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("nanobus: %d requests unanswered at the end of draining: %w", b.Served(), ctx.Err())
		case <-b.done:
			return ErrClosed
		case <-tick.C:
		}
	}
	for _, l := range b.snapshotLinks() {
		l.flush(time.Now().Add(writeTimeout))
	}
	return nil
}

func (b *Bus) drained() bool {
	for _, l := range b.snapshotLinks() {
		l.mu.Lock()
		// A link without the peer's hello counts: the peer may have ours, and
		// have sent requests behind its own. One that stays silent is ended
		// by its helloTimeout.
		ok := l.drainAck || l.closed || !l.calls()
		l.mu.Unlock()
		if !ok {
			return false
		}
	}
	return b.Served() == 0
}
