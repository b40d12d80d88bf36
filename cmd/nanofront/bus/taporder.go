package bus

import (
	"container/heap"
	"time"

	listen "nanofront/nanobus/tap"
)

const (
	// orderTime is how long a copy waits for those of earlier frames.
	orderTime = 250 * time.Millisecond
	// maxWaiting and maxWaitingBytes bound those that wait.
	maxWaiting      = 1 << 16
	maxWaitingBytes = 16 << 20
)

// order brings copies from several instances into the order of their times. By clocks that go
// differently a response of a hop can stand before its request.
type order struct {
	waiting waiting
	bytes   int
	count   uint64
}

// waitingCopy is a copy, and when it came.
type waitingCopy struct {
	*listen.Copy
	came  time.Time
	count uint64
}

func (o *order) put(c *listen.Copy, now time.Time) {
	o.count++
	o.bytes += len(c.Body)
	heap.Push(&o.waiting, waitingCopy{c, now, o.count})
}

func (o *order) full() bool { return len(o.waiting) > maxWaiting || o.bytes > maxWaitingBytes }

// take takes the first.
func (o *order) take() *listen.Copy {
	c := heap.Pop(&o.waiting).(waitingCopy) //nolint:forcetypeassert // nothing else is in it
	o.bytes -= len(c.Body)
	return c.Copy
}

// due takes the first if it came before that time, or at all for the zero time; else nil.
func (o *order) due(before time.Time) *listen.Copy {
	if len(o.waiting) == 0 || !before.IsZero() && o.waiting[0].came.After(before) {
		return nil
	}
	return o.take()
}

// waiting is a heap by the times of the frames; of equal ones the first that came is first.
type waiting []waitingCopy

func (w waiting) Len() int { return len(w) }

func (w waiting) Less(i, j int) bool {
	if w[i].At.Equal(w[j].At) {
		return w[i].count < w[j].count
	}
	return w[i].At.Before(w[j].At)
}

func (w waiting) Swap(i, j int) { w[i], w[j] = w[j], w[i] }

// Push is for package heap.
func (w *waiting) Push(c any) { *w = append(*w, c.(waitingCopy)) } //nolint:forcetypeassert // as above

// Pop is for package heap.
func (w *waiting) Pop() any {
	n := len(*w) - 1
	c := (*w)[n]
	(*w)[n] = waitingCopy{}
	*w = (*w)[:n]
	return c
}
