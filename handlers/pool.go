package handlers

import (
	"sync"
	"time"
)

// pool runs exchanges on at most a fixed number of workers. It queues no more
// than the bus' window lets in.
//
// A worker that takes work wakes one other if work is left over, and no more
// than one wake-up is under way at a time. Handlers that don't block so share
// one or two busy workers, however large a burst is, while handlers that
// block get a further worker each: a wake-up for each request would cost more
// than many a handler does.
type pool struct {
	run    func(batch []*Exchange)
	stream func(*Exchange) (left bool) // in place of run, if it isn't nil; left: it has called leave

	mu       sync.Mutex
	queue    []*Exchange // waiting, from head on
	head     int
	maxBatch int
	workers  int // started and not ended
	max      int
	idle     int  // parked
	waking   bool // a worker was woken, or started, and has not yet looked
	streams  int  // at work, and no workers any more: see leave
	closed   bool
	wake     chan struct{}
	done     sync.WaitGroup
}

func newPool(workers, maxBatch int, run func([]*Exchange)) *pool {
	return &pool{run: run, max: workers, maxBatch: maxBatch, wake: make(chan struct{}, workers)}
}

// submit queues the exchanges; the slice stays the caller's.
func (p *pool) submit(batch []*Exchange) {
	p.mu.Lock()
	if p.head > 0 && len(p.queue)+len(batch) > cap(p.queue) {
		p.queue = p.queue[:copy(p.queue, p.queue[p.head:])]
		p.head = 0
	}
	p.queue = append(p.queue, batch...)
	p.more()
	p.mu.Unlock()
}

// more gets one more worker to look at the queue, if there is reason to and
// none is on its way. mu is held.
func (p *pool) more() {
	if p.waking || p.head == len(p.queue) {
		return
	}
	switch {
	case p.idle > 0:
		p.idle--
		p.waking = true
		p.wake <- struct{}{}
	case p.workers < p.max && !p.closed:
		p.workers++
		p.waking = true
		p.done.Add(1)
		go p.work()
	}
}

// leave gives the place of a worker, which calls it while it is at work, to another: what it is at
// may take long. It ends, or finds a place again, when it is done. What bounds those is the bus
// (nanobus.Options.MaxBodies).
func (p *pool) leave() {
	p.mu.Lock()
	p.workers--
	p.streams++
	p.more()
	p.mu.Unlock()
}

// back is called by a worker that has left when it is done. It returns false if there is no place
// for it: it ends.
func (p *pool) back() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.streams--
	if p.closed || p.workers >= p.max {
		return false
	}
	p.workers++
	return true
}

// work is one worker. It ends when the pool closes.
func (p *pool) work() {
	defer p.done.Done()
	batch := make([]*Exchange, 0, p.maxBatch)
	woken := true
	for {
		p.mu.Lock()
		if woken {
			p.waking, woken = false, false
		}
		n := min(len(p.queue)-p.head, p.maxBatch)
		if n == 0 {
			if p.closed {
				p.workers--
				p.mu.Unlock()
				return
			}
			p.idle++
			p.mu.Unlock()
			<-p.wake
			woken = true
			continue
		}
		batch = append(batch[:0], p.queue[p.head:p.head+n]...)
		clear(p.queue[p.head : p.head+n])
		p.head += n
		if p.head == len(p.queue) {
			p.queue, p.head = p.queue[:0], 0
		}
		p.more()
		p.mu.Unlock()
		if p.stream == nil {
			p.run(batch)
		} else if p.stream(batch[0]) && !p.back() {
			return
		}
	}
}

// close ends the workers when the queue is empty and waits for them, but no
// longer than patience. It returns how many are still at work then: they end
// when their handlers do.
func (p *pool) close(patience time.Duration) int {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		for ; p.idle > 0; p.idle-- {
			p.wake <- struct{}{}
		}
	}
	p.mu.Unlock()
	ended := make(chan struct{})
	go func() { // ends with the last worker
		p.done.Wait()
		close(ended)
	}()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-ended:
		return 0
	case <-late.C:
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.workers + p.streams
	}
}
