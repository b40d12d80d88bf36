package eventloop

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"nanofront/metrics"
	"nanofront/nanobus"
	"nanofront/terminator/blocking"
)

const (
	// loopEvents is how many ready connections a loop takes up at once: what
	// they ask goes to the handlers as one message each.
	loopEvents = 256

	// loopBuffer is what is read of a connection at once. A request that isn't
	// whole in that is not for the loops.
	loopBuffer = 64 << 10

	// loopFew is up to how many events a look is one of a quiet time: see run.
	loopFew = 3
)

// Loops are event loops that share a listener.
type Loops struct {
	*blocking.Driver
	loops []*loop
	// Connections that passed to the blocking driver, by reason, and that came back.
	overRequest, overResponse, back *metrics.Counter
	lag                             *metrics.Timer

	next atomic.Uint32 // the loop of the connection that comes next

	// listener is another descriptor of the listening socket, as net's listener
	// lets nobody wait for it.
	listener *os.File

	bequest bequest

	running sync.WaitGroup
	mode    atomic.Uint32
}

// Modes of Loops: what becomes of a connection that is idle.
const (
	serving uint32 = iota // it waits for its next request
	passing               // a successor inherits it
	stopped               // it is closed
)

// stop reports whether the loops are to end, or have ended.
func (ls *Loops) stop() bool { return ls.mode.Load() == stopped }

// loop watches a part of the connections.
type loop struct {
	all  *Loops
	ep   int
	file *os.File        // ep, as the runtime's poller knows it
	wait syscall.RawConn // of file

	mu    sync.Mutex
	conns []*conn // by descriptor
	gen   uint32

	queue queue
	late  lateness

	turns atomic.Uint32 // how often it has served what it found

	// Of the goroutine that runs the loop:
	events   [loopEvents]unix.EpollEvent
	ready    [loopEvents]*conn
	requests nanobus.Batch
	buf      [loopBuffer]byte
	batch    batch
}

// New makes loops and starts them. They end with Stop.
func New(o Options) (_ *Loops, err error) {
	n := o.N
	if n == 0 {
		n = max(1, runtime.GOMAXPROCS(0)/2)
	}
	over := func(reason string) *metrics.Counter { return o.Metrics.Counter(metrics.HTTPHandedOver, reason) }
	ls := &Loops{
		Driver:      o.Blocking,
		overRequest: over("request"), overResponse: over("response"),
		back: o.Metrics.Counter(metrics.HTTPCameBack), lag: o.Metrics.Timer(metrics.HTTPLoopLag),
		bequest: bequest{some: make(chan struct{}, 1)},
	}
	if ls.listener, err = o.Listener.File(); err != nil {
		return nil, fmt.Errorf("eventloop: %w", err)
	}
	for range n {
		l, err := ls.newLoop()
		if err != nil {
			ls.Stop()
			return nil, err
		}
		ls.loops = append(ls.loops, l)
	}
	for _, l := range ls.loops {
		l.batch = batch{requests: &l.requests, buf: l.buf[:]}
		l.late.lag.Cores = o.Cores
		ls.running.Add(1)
		go l.run()
	}
	return ls, nil
}

// newLoop makes a loop whose epoll instance is itself watched by the runtime's
// poller, so that a loop that waits is a goroutine that waits and holds no thread.
func (ls *Loops) newLoop() (*loop, error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("eventloop: epoll_create1: %w", err)
	}
	if err := unix.SetNonblock(ep, true); err != nil { // has os.NewFile register it
		_ = unix.Close(ep)
		return nil, fmt.Errorf("eventloop: epoll: %w", err)
	}
	l := &loop{all: ls, ep: ep, file: os.NewFile(uintptr(ep), "epoll")}
	if l.queue.event, err = newEvent(ep); err != nil {
		_ = l.file.Close()
		return nil, err
	}
	if l.wait, err = l.file.SyscallConn(); err != nil {
		l.queue.end(l)
		_ = l.file.Close()
		return nil, fmt.Errorf("eventloop: epoll: %w", err)
	}
	return l, nil
}

// Stop ends the loops. Connections that they still have are closed, those with a request under way
// when that has ended. Idempotent.
func (ls *Loops) Stop() {
	if ls.mode.Swap(stopped) == stopped {
		return
	}
	ls.bequest.wake()
	for _, l := range ls.loops {
		_ = l.file.SetReadDeadline(past)
	}
	ls.running.Wait()
	ls.each(func(c *conn) { c.Abort() })
	for _, l := range ls.loops {
		l.queue.end(l)
		_ = l.file.Close()
	}
	_ = ls.listener.Close() // if Accept hasn't
}

// past is a deadline that interrupts at once.
var past = time.Unix(1, 0)

// run waits for connections that are ready, and serves them.
//
// After a look that found many, it yields and looks again: those that were made
// ready meanwhile go first, and the more come together in the next look, the
// larger the messages. After a look that found few it waits at once. A yield
// would wake another thread to look for work that isn't there, and a second
// look find nothing; what becomes ready after the first one is an event that
// ends the wait, as all of it happens within one Read.
func (l *loop) run() {
	defer l.all.running.Done()
	_ = l.wait.Read(func(uintptr) (over bool) { // its error is the deadline that stop sets
		for !l.all.stop() {
			n := l.poll()
			if n < 0 {
				return true // epoll doesn't fail
			}
			more := false
			if n > 0 || l.queue.waiting() {
				more = l.serve(n)
			}
			if n <= loopFew && !more {
				l.late.waits()
				return false
			}
			runtime.Gosched()
		}
		return true
	})
}

// poll asks what is ready, without waiting.
func (l *loop) poll() int {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.ep), uintptr(unsafe.Pointer(&l.events[0])), loopEvents, 0, 0, 0) // as package unix does, without telling the scheduler: it doesn't block
		switch errno {
		case 0:
			return int(n)
		case unix.EINTR:
		default:
			return -1
		}
	}
}

// serve takes up n events, and what others have left for the loop. It returns true if there is more
// of that.
func (l *loop) serve(n int) (more bool) {
	l.mu.Lock()
	for i := range n {
		e := &l.events[i]
		l.ready[i] = nil
		if fd := int(e.Fd); fd >= 0 && fd < len(l.conns) {
			if c := l.conns[fd]; c != nil && c.gen == uint32(e.Pad) {
				l.ready[i] = c
			}
		}
	}
	l.mu.Unlock()
	l.turns.Add(1)
	now := l.all.Front.Now()
	l.batch.refuses = !l.late.look(now, n, l.all.lag)
	for i := range n {
		if c := l.ready[i]; c != nil {
			e := l.events[i].Events
			if e&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
				c.hungUp.Store(true)
			}
			if e&^unix.EPOLLOUT != 0 {
				c.wake(&l.batch, now)
			}
			if c.stream != nil && e&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
				l.pump(c)
			}
			l.ready[i] = nil
		}
	}
	more = l.takeQueue()
	l.batch.refuses = false
	l.requests.Flush()
	return more
}

// add has the loop watch c.
func (l *loop) add(c *conn) error {
	l.mu.Lock()
	l.gen++
	c.gen = l.gen
	for len(l.conns) <= c.socket() {
		l.conns = append(l.conns, make([]*conn, 1+len(l.conns))...)
	}
	l.conns[c.socket()] = c
	fd, gen := c.socket(), c.gen // once it is watched, c is another's
	l.mu.Unlock()
	// Once and for all: edge-triggered, so that nothing has to be said about
	// when the connection is of interest.
	err := unix.EpollCtl(l.ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{
		Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET,
		Fd:     int32(fd),
		Pad:    int32(gen), // compared for being equal only
	})
	if err != nil {
		l.forget(c)
	}
	return err
}

// choose is the loop of a connection that comes.
func (ls *Loops) choose() *loop { return ls.loops[ls.next.Add(1)%uint32(len(ls.loops))] }

// unwatch has the loop neither watch nor know c. The caller owns it.
func (l *loop) unwatch(c *conn) {
	l.forget(c)
	_ = unix.EpollCtl(l.ep, unix.EPOLL_CTL_DEL, c.socket(), nil) // it is watched
}

// forget has the loop not know c any more. The caller owns c.
func (l *loop) forget(c *conn) {
	l.mu.Lock()
	if l.conns[c.socket()] == c {
		l.conns[c.socket()] = nil
	}
	l.mu.Unlock()
}

// each calls f for all connections of all loops, without a lock.
func (ls *Loops) each(f func(*conn)) {
	var all []*conn
	for _, l := range ls.loops {
		l.mu.Lock()
		all = all[:0]
		for _, c := range l.conns {
			if c != nil {
				all = append(all, c)
			}
		}
		l.mu.Unlock()
		for _, c := range all {
			f(c)
		}
	}
}
