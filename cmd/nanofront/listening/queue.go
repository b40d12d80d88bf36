package listening

import (
	"sync"

	listen "nanofront/nanobus/tap"
)

// Bounds of what waits to be printed.
const (
	maxQueued      = 1 << 16
	maxQueuedBytes = 16 << 20
)

// heard is what came from an instance: a copy, or word of the tap.
type heard struct {
	copy  *listen.Copy
	state *listen.State
}

// queue stands between the goroutines that read the links, which must not
// block, and the one that prints, which may: on a terminal whose output was
// stopped, say. Copies that find it full are lost and counted.
type queue struct {
	wake chan struct{} // has a value when there is something

	mu    sync.Mutex
	items []heard
	bytes int
	lost  uint64
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

// copied takes a copy, whose memory isn't ours.
func (q *queue) copied(c listen.Copy) {
	q.mu.Lock()
	if len(q.items) >= maxQueued || q.bytes+len(c.Body) > maxQueuedBytes {
		q.lost++
		q.mu.Unlock()
		return
	}
	memory := append(append(make([]byte, 0, len(c.Peer)+len(c.Body)), c.Peer...), c.Body...)
	n := len(c.Peer)
	c.Peer, c.Body = memory[:n:n], memory[n:]
	q.bytes += len(c.Body)
	q.items = append(q.items, heard{copy: &c})
	q.mu.Unlock()
	q.ring()
}

// said takes word of the tap. It is never lost: there is little of it.
func (q *queue) said(s listen.State) {
	q.mu.Lock()
	q.items = append(q.items, heard{state: &s})
	q.mu.Unlock()
	q.ring()
}

func (q *queue) ring() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take returns all that waits.
func (q *queue) take() []heard {
	q.mu.Lock()
	defer q.mu.Unlock()
	items := q.items
	q.items, q.bytes = nil, 0
	return items
}

func (q *queue) losses() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lost
}
