package nanobus

import (
	"context"
	"fmt"
	"time"

	"nanofront/nanobus/link"
	"nanofront/nanobus/sp"
	"nanofront/nanobus/wire"
)

// Drain tells the peers that this process takes no more requests, and waits
// until each has understood, all requests are answered, and the answers are
// with the system; or until ctx ends, with its error then. The contexts of requests
// whose responses stream, and have been quiet for 2 seconds, end.
func (b *Bus) Drain(ctx context.Context) error {
	b.mu.Lock()
	b.draining = true
	b.mu.Unlock()
	for _, l := range b.snapshotLinks() {
		if l.Is(link.Greeting) && l.Challenge.Ours.Nonce != nil {
			continue // gets it when it has proven itself
		}
		l.Control(wire.KindDraining, 0, 0)
	}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	look := b.node.Nanos() + int64(quietGrace)
	for !b.drained() {
		if now := b.node.Nanos(); now >= look {
			b.endQuiet(now)
			look = now + int64(quietGrace)/8
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("nanobus: %d requests still unanswered when draining ended: %w", b.Served(), ctx.Err())
		case <-b.done:
			return ErrClosed
		case <-tick.C:
		}
	}
	for _, l := range b.snapshotLinks() {
		l.Flush(time.Now().Add(sp.WriteTimeout))
	}
	return nil
}

// quietGrace is for how long a response's body may be quiet while draining.
const quietGrace = 2 * time.Second

// endQuiet tells the handlers of responses that stream and are quiet, by their requests' contexts
// and OnGone, that the process is about to end. They end the bodies, in their own way; those that
// don't are waited for.
func (b *Bus) endQuiet(now int64) {
	for _, l := range b.snapshotLinks() {
		l.Mu.Lock()
		l.Bodies.EndQuiet(now - int64(quietGrace))
		l.Mu.Unlock()
	}
}

// leaveTimeout is how long Close waits for callers to read what they were sent.
const leaveTimeout = 2 * time.Second
