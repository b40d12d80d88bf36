package logging

import (
	"io"
	"sync"
	"time"
)

const (
	// ringLines is how many lines wait for the writer at most.
	ringLines = 4096
	// gatherTime is for how long the writer lets lines gather after it has written
	// some. The first one after a quiet time is written at once.
	gatherTime = 10 * time.Millisecond
	// keepLine caps the memory that stays with each place for a line.
	keepLine = 4 << 10
)

// ring holds lines until its goroutine has written them to out. The logging goroutine copies a
// line under a lock that nobody holds for longer. The writer sleeps while there
// are none, and is woken: a process that looks for lines again and again
// switches threads some hundred times a second for nothing.
type ring struct {
	out     io.Writer
	dropped Adder
	stop    chan struct{} // closed by Close
	done    chan struct{} // closed by the goroutine

	mu     sync.Mutex
	lines  [ringLines][]byte
	first  int // the oldest line
	n      int // lines that wait
	asleep bool
	wake   chan struct{} // has room for one: sent to by whoever clears asleep
}

func newRing(out io.Writer, dropped Adder) *ring {
	r := &ring{out: out, dropped: dropped, stop: make(chan struct{}), done: make(chan struct{}), wake: make(chan struct{}, 1)}
	go r.run() // ends with Close
	return r
}

// Write implements io.Writer. It never waits for out: if there is no room the
// oldest line is dropped.
func (r *ring) Write(p []byte) (int, error) {
	r.mu.Lock()
	if r.n == ringLines {
		r.first = (r.first + 1) % ringLines
		r.n--
		r.dropped.Add(1)
	}
	line := &r.lines[(r.first+r.n)%ringLines]
	*line = append((*line)[:0], p...)
	r.n++
	woken := r.asleep
	r.asleep = false
	r.mu.Unlock()
	if woken {
		r.wake <- struct{}{}
	}
	return len(p), nil
}

// take returns the oldest line, and leaves spare in its place.
func (r *ring) take(spare []byte) (line []byte, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n == 0 {
		return spare, false
	}
	line, r.lines[r.first] = r.lines[r.first], spare
	r.first = (r.first + 1) % ringLines
	r.n--
	return line, true
}

// park has the next line wake the writer. It returns false if there is one.
func (r *ring) park() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asleep = r.n == 0
	return r.asleep
}

func (r *ring) run() {
	defer close(r.done)
	gather := time.NewTimer(0)
	defer gather.Stop()
	var line []byte
	for {
		some, stopped := false, false
		select {
		case <-r.stop: // seen before the last look, so that nothing logged before Close is missed
			stopped = true
		default:
		}
		for {
			var ok bool
			if cap(line) > keepLine {
				line = nil
			}
			if line, ok = r.take(line); !ok {
				break
			}
			_, _ = r.out.Write(line) // what fails is counted there
			some = true
		}
		switch {
		case stopped:
			return
		case some:
			gather.Reset(gatherTime)
			select {
			case <-gather.C:
			case <-r.stop:
			}
		case r.park():
			select {
			case <-r.wake:
			case <-r.stop:
			}
		}
	}
}

// Close writes what is left and ends the goroutine. To be called once.
func (r *ring) Close() error {
	close(r.stop)
	<-r.done
	return nil
}
