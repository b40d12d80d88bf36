package nanobus

import (
	"context"
	"fmt"
	"time"

	"nanofront/nanobus/sp"
	"nanofront/nanobus/wire"
)

// Drain tells the peers that this process takes no more requests, and waits
// until each has understood, all requests are answered, and the answers are
// with the system; or until ctx ends, with its error then.
func (b *Bus) Drain(ctx context.Context) error {
	b.mu.Lock()
	b.draining = true
	b.mu.Unlock()
	for _, l := range b.snapshotLinks() {
		if l.stateIs(linkGreeting) && l.challenge.ours.Nonce != nil {
			continue // gets it when it has proven itself
		}
		l.control(wire.KindDraining, 0, 0)
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
		l.flush(time.Now().Add(sp.WriteTimeout))
	}
	return nil
}

// leaveTimeout is how long Close waits for callers to read what they were sent.
const leaveTimeout = 2 * time.Second
