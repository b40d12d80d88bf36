package profile

import (
	"sync"

	"nanofront/handlers"
)

// writers runs writes on goroutines of their own, so that the reads of the same
// batch don't wait for a disk, and enough of them at a time that they share
// its syncs. It queues no more than the window of the process lets in.
type writers struct {
	run func(*handlers.Exchange)
	max int

	mu      sync.Mutex
	queue   []*handlers.Exchange
	running int
	done    sync.WaitGroup
}

func newWriters(most int, run func(*handlers.Exchange)) *writers {
	return &writers{run: run, max: most}
}

// submit runs a write soon. It never blocks.
func (w *writers) submit(x *handlers.Exchange) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running == w.max {
		w.queue = append(w.queue, x)
		return
	}
	w.running++
	w.done.Add(1)
	go w.work(x) // ends when the queue is empty
}

func (w *writers) work(x *handlers.Exchange) {
	defer w.done.Done()
	for x != nil {
		w.run(x)
		x = w.next()
	}
}

// next takes from the queue; nil: the worker is to end.
func (w *writers) next() *handlers.Exchange {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 {
		w.queue = nil
		w.running--
		return nil
	}
	x := w.queue[0]
	w.queue[0] = nil
	w.queue = w.queue[1:]
	return x
}

// wait returns when no write is at work.
func (w *writers) wait() { w.done.Wait() }
