package eventloop

import (
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// queueMost is how many connections of its queue a loop looks at before it looks for events again.
const queueMost = 64

// queue is what others leave for a loop to look at: connections whose responses stream, and have
// more to send or are to end. However many are left while the loop is at work, it is woken once.
type queue struct {
	event int // an eventfd that the loop's epoll instance watches

	mu   sync.Mutex
	list []*conn
	over bool // the loop has ended: whoever leaves something does it himself, one after the other
	last sync.Mutex

	some  atomic.Bool // list isn't empty
	spare []*conn     // the loop's: becomes list
	now   []*conn     // the loop's: taken, and not looked at
}

// newEvent makes an eventfd that ep watches.
func newEvent(ep int) (fd int, err error) {
	if fd, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		return -1, fmt.Errorf("eventloop: eventfd: %w", err)
	}
	// Edge-triggered: each write is an event, and nobody reads it. No connection has a negative
	// descriptor.
	if err := unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: -1}); err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("eventloop: watching an eventfd: %w", err)
	}
	return fd, nil
}

// later has the loop look at c soon. Anybody may call it; it doesn't block.
func (l *loop) later(c *conn) {
	q := &l.queue
	q.mu.Lock()
	if q.over {
		q.mu.Unlock()
		q.last.Lock()
		l.pump(c)
		q.last.Unlock()
		return
	}
	if c.queued {
		q.mu.Unlock()
		return
	}
	c.queued = true
	q.list = append(q.list, c)
	wake := len(q.list) == 1
	if wake {
		q.some.Store(true)
		one := uint64(1)
		// Under the lock, so that end doesn't close it first. It fails only with the counter full,
		// when the loop is awake.
		_, _, _ = unix.RawSyscall(unix.SYS_WRITE, uintptr(q.event), uintptr(unsafe.Pointer(&one)), unsafe.Sizeof(one))
	}
	q.mu.Unlock()
}

// waiting reports whether there is something to look at.
func (q *queue) waiting() bool { return len(q.now) > 0 || q.some.Load() }

// takeQueue looks at what was left, at so many at most. It returns true if there is more.
func (l *loop) takeQueue() (more bool) {
	q := &l.queue
	if len(q.now) == 0 && q.some.Load() {
		q.mu.Lock()
		q.now, q.list = q.list, q.spare[:0]
		q.spare = q.now
		for _, c := range q.now {
			c.queued = false
		}
		q.some.Store(false)
		q.mu.Unlock()
	}
	n := min(len(q.now), queueMost)
	for i, c := range q.now[:n] {
		q.now[i] = nil
		l.pump(c)
	}
	q.now = q.now[n:]
	return q.waiting()
}

// end is called when the loop has ended.
func (q *queue) end(l *loop) {
	q.last.Lock()
	defer q.last.Unlock()
	q.mu.Lock()
	if q.over {
		q.mu.Unlock()
		return
	}
	q.over = true
	left := append(q.now, q.list...)
	q.now, q.list = nil, nil
	q.mu.Unlock()
	for _, c := range left {
		l.pump(c)
	}
	_ = unix.Close(q.event)
}
