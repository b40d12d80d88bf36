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
		if l.stateIs(linkGreeting) && l.challenge.mine.Nonce != nil {
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

// leaveTimeout is how long Close waits for callers to read what they were sent.
const leaveTimeout = 2 * time.Second

// leave ends the links of those who call us so that they get all that was sent:
// we say no more, and go on reading until they have closed. A connection that is
// closed while something comes in, a ping or a cancel, is reset, and what the
// system has not delivered yet is lost. For Close, after Drain.
func (b *Bus) leave() {
	deadline := time.Now().Add(leaveTimeout)
	var leaving []*Link
	for _, l := range b.snapshotLinks() {
		if l.instance == nil && l.endWriting(deadline) {
			leaving = append(leaving, l)
		}
	}
	timeout := time.NewTimer(time.Until(deadline))
	defer timeout.Stop()
	for _, l := range leaving {
		select {
		case <-l.down:
		case <-timeout.C:
			return
		}
	}
}

// endWriting tells the peer that nothing more comes, once all that was gathered
// has been given to the system. It returns false if it can't.
func (l *Link) endWriting(deadline time.Time) bool {
	if !l.pipe.CanCloseWrite() {
		return false
	}
	for time.Now().Before(deadline) {
		l.flush(deadline)
		l.mu.Lock()
		switch {
		case l.closed:
			l.mu.Unlock()
			return false
		case len(l.out) == 0 && l.parked:
			l.closed, l.parked = true, false // for writers; the reader goes on
			l.mu.Unlock()
			l.wake <- struct{}{} // the writer ends
			return l.pipe.CloseWrite() == nil
		}
		l.mu.Unlock()
	}
	return false
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
