package terminator

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

	"nanofront/internal/metrics"
	"nanofront/nanobus"
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

// eventLoops serve ordinary requests: those that are there whole at the first
// look, and whose response the socket takes at once. That is nearly all of
// them, and for those neither a goroutine nor a timer nor a second read is
// needed: one read, one write, and a share of what finds out which
// connections are ready. All else (a large or slow request, chunks, Expect,
// HTTP/1.0, anything malformed, a body that streams) is handed
// over to fasthttp, behind the guard, with all bytes read so far; the
// connection stays there. So there is one place that judges what is malformed, and
// one that waits.
//
// A connection's state says who may touch it: see loopConn.
type eventLoops struct {
	t     *Terminator
	guard *guardListener
	loops []*eventLoop
	date  dateLine
	// Connections handed over, by reason.
	overRequest, overResponse, overStream *metrics.Counter

	next uint32 // the loop of the connection accepted next

	// listener is another descriptor of the listening socket, as net's listener
	// lets nobody wait for it.
	listener *os.File

	running sync.WaitGroup
	stopped atomic.Bool
	ending  chan struct{} // closed with stopped
}

// eventLoop watches a part of the connections.
type eventLoop struct {
	all  *eventLoops
	ep   int
	file *os.File        // ep, as the runtime's poller knows it
	wait syscall.RawConn // of file

	mu    sync.Mutex
	conns []*loopConn // by descriptor
	gen   uint32

	// Of the goroutine that runs the loop:
	events [loopEvents]unix.EpollEvent
	ready  [loopEvents]*loopConn
	batch  nanobus.Batch
	buf    [loopBuffer]byte
}

// newEventLoops makes n loops, or as many as befit the machine if n is 0, and
// starts them. They end with stop.
func newEventLoops(t *Terminator, guard *guardListener, n int) (_ *eventLoops, err error) {
	if n == 0 {
		n = max(1, runtime.GOMAXPROCS(0)/2)
	}
	over := func(reason string) *metrics.Counter { return t.opts.Metrics.Counter(metrics.HTTPHandedOver, reason) }
	ls := &eventLoops{
		t: t, guard: guard, ending: make(chan struct{}),
		overRequest: over("request"), overResponse: over("response"), overStream: over("stream"),
	}
	ls.date.renew(time.Now())
	if ls.listener, err = t.listener.File(); err != nil {
		return nil, fmt.Errorf("terminator: %w", err)
	}
	for range n {
		l, err := ls.newLoop()
		if err != nil {
			ls.stop()
			return nil, err
		}
		ls.loops = append(ls.loops, l)
	}
	for _, l := range ls.loops {
		ls.running.Add(1)
		go l.run()
	}
	ls.running.Add(1)
	go ls.sweep()
	return ls, nil
}

// newLoop makes a loop whose epoll instance is itself watched by the runtime's
// poller, so that a loop that waits is a goroutine that waits and holds no thread.
func (ls *eventLoops) newLoop() (*eventLoop, error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("terminator: epoll_create1: %w", err)
	}
	if err := unix.SetNonblock(ep, true); err != nil { // has os.NewFile register it
		_ = unix.Close(ep)
		return nil, fmt.Errorf("terminator: epoll: %w", err)
	}
	l := &eventLoop{all: ls, ep: ep, file: os.NewFile(uintptr(ep), "epoll")}
	if l.wait, err = l.file.SyscallConn(); err != nil {
		_ = l.file.Close()
		return nil, fmt.Errorf("terminator: epoll: %w", err)
	}
	return l, nil
}

// stop ends the loops. Connections that they still have are closed, those with
// a request under way when that has ended.
func (ls *eventLoops) stop() {
	if ls.stopped.Swap(true) {
		return
	}
	close(ls.ending)
	for _, l := range ls.loops {
		_ = l.file.SetReadDeadline(guardPast)
	}
	ls.running.Wait()
	ls.each(func(c *loopConn) {
		c.closing.Store(true)
		if c.state.CompareAndSwap(loopIdle, loopBusy) {
			c.close()
		}
	})
	for _, l := range ls.loops {
		_ = l.file.Close()
	}
	_ = ls.listener.Close() // if accept hasn't
}

// run waits for connections that are ready, and serves them.
//
// After a look that found many, it yields and looks again: those that were made
// ready meanwhile go first, and the more come together in the next look, the
// larger the messages. After a look that found few it waits at once. A yield
// would wake another thread to look for work that isn't there, and a second
// look find nothing; what becomes ready after the first one is an event that
// ends the wait, as all of it happens within one Read.
func (l *eventLoop) run() {
	defer l.all.running.Done()
	_ = l.wait.Read(func(uintptr) (over bool) { // its error is the deadline that stop sets
		for !l.all.stopped.Load() {
			n := l.poll()
			if n < 0 {
				return true // epoll doesn't fail
			}
			if n > 0 {
				l.serve(n)
			}
			if n <= loopFew {
				return false
			}
			runtime.Gosched()
		}
		return true
	})
}

// poll asks what is ready, without waiting.
func (l *eventLoop) poll() int {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.ep), uintptr(unsafe.Pointer(&l.events[0])), loopEvents, 0, 0, 0) //nolint:gosec // as package unix does, without telling the scheduler: it doesn't block
		switch errno {
		case 0:
			return int(n)
		case unix.EINTR:
		default:
			return -1
		}
	}
}

// serve takes up n events.
func (l *eventLoop) serve(n int) {
	l.mu.Lock()
	for i := range n {
		e := &l.events[i]
		l.ready[i] = nil
		if fd := int(e.Fd); fd < len(l.conns) {
			if c := l.conns[fd]; c != nil && c.gen == uint32(e.Pad) { //nolint:gosec // as it was put in
				l.ready[i] = c
			}
		}
	}
	l.mu.Unlock()
	now := int64(l.all.t.bus.Now())
	for i := range n {
		if c := l.ready[i]; c != nil {
			if l.events[i].Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
				c.hungUp.Store(true)
			}
			c.wake(&l.batch, l.buf[:], now)
			l.ready[i] = nil
		}
	}
	l.batch.Flush()
}

// add has the loop watch c.
func (l *eventLoop) add(c *loopConn) error {
	l.mu.Lock()
	l.gen++
	c.gen = l.gen
	for len(l.conns) <= c.fd {
		l.conns = append(l.conns, make([]*loopConn, 1+len(l.conns))...)
	}
	l.conns[c.fd] = c
	l.mu.Unlock()
	// Once and for all: edge-triggered, so that nothing has to be said about
	// when the connection is of interest.
	err := unix.EpollCtl(l.ep, unix.EPOLL_CTL_ADD, c.fd, &unix.EpollEvent{
		Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET,
		Fd:     int32(c.fd),  //nolint:gosec // a descriptor
		Pad:    int32(c.gen), //nolint:gosec // compared for being equal only
	})
	if err != nil {
		l.forget(c)
	}
	return err
}

// forget ends the watch. The caller owns c.
func (l *eventLoop) forget(c *loopConn) {
	l.mu.Lock()
	if l.conns[c.fd] == c {
		l.conns[c.fd] = nil
	}
	l.mu.Unlock()
}

// each calls f for all connections of all loops, without a lock.
func (ls *eventLoops) each(f func(*loopConn)) {
	var all []*loopConn
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

// sweep closes what has been idle for too long, and renews the date.
func (ls *eventLoops) sweep() {
	defer ls.running.Done()
	s := &ls.guard.sweeper
	tick := time.NewTicker(s.tick)
	defer tick.Stop()
	for {
		select {
		case <-ls.ending:
			return
		case now := <-tick.C:
			ls.date.renew(now)
		}
		ls.each(func(c *loopConn) {
			if since := c.idleSince.Load(); s.over(guardIdle, since) {
				c.leave(since)
			}
		})
	}
}

// counts is guardListener.counts, of the loops' connections.
func (ls *eventLoops) counts() (idle, active int) {
	ls.each(func(c *loopConn) {
		if c.state.Load() == loopIdle {
			idle++
		} else {
			active++
		}
	})
	return idle, active
}

// watchClients cancels requests whose clients have gone, as of two looks.
func (ls *eventLoops) watchClients() {
	ls.each(func(c *loopConn) {
		id := c.waiting.Load()
		if id != 0 && id == c.watched && c.hungUp.Load() && c.gone() {
			ls.t.bus.Abort(id) // by its id: if it has ended meanwhile, nothing happens
		}
		c.watched = id
	})
}

// closeAll gives up all that is under way.
func (ls *eventLoops) closeAll() {
	ls.each(func(c *loopConn) {
		if id := c.waiting.Load(); id != 0 {
			c.closing.Store(true)
			ls.t.bus.Abort(id)
			return
		}
		c.leave(c.idleSince.Load())
	})
}
