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
		if l.stateIs(linkGreeting) && l.challenge.mine.Nonce != nil {
			continue // gets it when it has proven itself
		}
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
		h := l.hello.Load()
		ok := l.drainAck || l.closed || l.instance != nil || (h != nil && h.EventsOnly)
		l.mu.Unlock()
		if !ok {
			return false
		}
	}
	return b.Served() == 0
}

// drainAcked takes note of a peer's ack, unless it was not asked for: a stock
// peer's goes to everybody.
func (b *Bus) drainAcked(l *Link) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.draining {
		return
	}
	l.mu.Lock()
	l.drainAck = true
	l.mu.Unlock()
}
