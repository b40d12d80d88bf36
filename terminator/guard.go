package terminator

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"nanofront/internal/metrics"
	"nanofront/terminator/http1"
)

// What a zero field of guardOptions stands for.
const (
	guardDefaultMaxConns    = 100_000
	guardDefaultMaxHead     = 16 << 10
	guardDefaultMaxFields   = 100
	guardDefaultMaxTarget   = 8000
	guardDefaultMaxBody     = 4 << 20
	guardDefaultHeadTimeout = 10 * time.Second
	guardDefaultBodyTimeout = 60 * time.Second
	guardDefaultIdleTimeout = 75 * time.Second
	guardDefaultWriteTime   = 30 * time.Second
	guardDefaultLinger      = 500 * time.Millisecond
)

// guardHeadSlack is how much larger than maxHead fasthttp's ReadBufferSize has to be: room for an empty line before the
// request, and for the one byte too many at which the guard sees that the head is too large. With less, fasthttp is the first to see
// it.
const guardHeadSlack = 16

// guardOptions says what the guard lets through and for how long. Its zero value is usable.
type guardOptions struct {
	maxConns  int   // open connections; one more is accepted and closed at once
	maxHead   int   // bytes of request line and header section. fasthttp's ReadBufferSize must be guardHeadSlack more
	maxFields int   // header fields of a request
	maxTarget int   // bytes of a request target
	maxBody   int64 // bytes of a body. fasthttp's MaxRequestBodySize must not be less

	idleTimeout time.Duration // between requests, and before the first
	headTimeout time.Duration // from a request's first byte to the end of its header section
	bodyTimeout time.Duration // from there on, for each 64 KiB of its body
	writeTime   time.Duration // to take 64 KiB of a response, or what there is of it
	linger      time.Duration // after an error response, for the client to read it before the socket is closed

	// respond returns the whole response to a refused request, with Connection: close. It is called once for each
	// refused request, from the goroutine that serves the connection, which makes it the place to count; what
	// it returns is written and not kept. reason is one of a small fixed set. Nil means a bare status line.
	// begun says that the request was already handed on, up to a part of its body, head that its method is HEAD.
	respond func(status int, reason string, begun, head bool) []byte

	// trusted reports whether a peer is a trusted proxy. It is called once for each connection. Nil means none is.
	trusted func(netip.Addr) bool

	// clock is the bus time in ns; written is told, when the response to a forwarded request has been written, when
	// the request's first byte and its reply had come. Nil both or neither.
	clock   func() int64
	written func(firstByte, replied int64)

	// metrics is where the guard counts. Nil: nowhere that anyone sees.
	metrics *metrics.Set
}

func (o guardOptions) withDefaults() guardOptions {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	setInt := func(n *int, v int) {
		if *n <= 0 {
			*n = v
		}
	}
	setInt(&o.maxConns, guardDefaultMaxConns)
	setInt(&o.maxHead, guardDefaultMaxHead)
	setInt(&o.maxFields, guardDefaultMaxFields)
	setInt(&o.maxTarget, guardDefaultMaxTarget)
	if o.maxBody <= 0 {
		o.maxBody = guardDefaultMaxBody
	}
	set(&o.idleTimeout, guardDefaultIdleTimeout)
	set(&o.headTimeout, guardDefaultHeadTimeout)
	set(&o.bodyTimeout, guardDefaultBodyTimeout)
	set(&o.writeTime, guardDefaultWriteTime)
	set(&o.linger, guardDefaultLinger)
	if o.clock == nil {
		o.clock = func() int64 { return 0 }
		o.written = func(int64, int64) {}
	}
	if o.metrics == nil {
		o.metrics = metrics.New(metrics.Terminator, "")
	}
	if o.respond == nil {
		o.respond = func(status int, _ string, _, _ bool) []byte { return guardBareResponse(status) }
	}
	return o
}

// guardStats counts what nobody else could: bytes, connections, and what ends a connection without a response.
type guardStats struct {
	accepted, bytesIn, bytesOut *metrics.Counter

	refused       *metrics.Counter // closed at once, being one connection too many
	acceptErrors  *metrics.Counter // accepting failed for want of something, mostly descriptors, and was tried again
	idleClosed    *metrics.Counter // idle for too long, or at the end of a drain
	writeTimeouts *metrics.Counter // didn't take its response in time
	handOver      *metrics.Counter // an event loop could not hand it over, for want of a descriptor
}

func newGuardStats(s *metrics.Set) guardStats {
	closed := func(reason string) *metrics.Counter { return s.Counter(metrics.HTTPClosed, reason) }
	return guardStats{
		accepted: s.Counter(metrics.HTTPAccepted),
		bytesIn:  s.Counter(metrics.HTTPBytesIn), bytesOut: s.Counter(metrics.HTTPBytesOut),
		refused: closed("too_many"), acceptErrors: closed("accept_error"),
		idleClosed: closed("idle"), writeTimeouts: closed("write_timeout"), handOver: closed("hand_over"),
	}
}

// guardListener puts a guardConn around each connection of the listener inside, bounds how many there are, and closes
// those that take too long.
//
// It runs one goroutine, the sweeper, which ends when the listener is closed and its last connection too; stopped
// is closed then. Closing the listener leaves its connections alone: draining is up to the caller, with
// startDrain, closeIdle, counts and at last closeAll.
type guardListener struct {
	inner  net.Listener
	opt    guardOptions
	limits http1.Limits
	stats  guardStats

	openConns atomic.Int64 // guardConns that aren't closed
	accepting atomic.Int64 // calls of Accept that are under way
	closeOnce sync.Once
	closeErr  error
	closing   chan struct{}
	stopped   chan struct{}

	sweeper guardSweeper
}

// newGuardListener takes over inner: closing the result closes it.
func newGuardListener(inner net.Listener, opt guardOptions) *guardListener {
	opt = opt.withDefaults()
	l := &guardListener{
		inner:   inner,
		opt:     opt,
		limits:  http1.Limits{Head: opt.maxHead, Fields: opt.maxFields, Target: opt.maxTarget, Body: opt.maxBody},
		stats:   newGuardStats(opt.metrics),
		closing: make(chan struct{}),
		stopped: make(chan struct{}),
	}
	l.sweeper.init(opt)
	go func() {
		defer close(l.stopped)
		l.sweeper.run(l.closing, func() bool {
			// In this order: a call of Accept counts its connection before it ends.
			return l.accepting.Load() == 0 && l.openConns.Load() == 0
		})
	}()
	return l
}

// Accept returns the next connection, a *guardConn. A shortage that passes (descriptors, memory) is waited out, where
// fasthttp would give up the listener.
func (l *guardListener) Accept() (net.Conn, error) {
	l.accepting.Add(1)
	defer l.accepting.Add(-1)
	for delay := time.Duration(0); ; {
		c, err := l.inner.Accept()
		if err != nil {
			if !guardPassing(err) {
				return nil, err
			}
			l.stats.acceptErrors.Inc()
			delay = min(max(2*delay, 5*time.Millisecond), time.Second)
			timer := time.NewTimer(delay)
			select {
			case <-timer.C:
				continue
			case <-l.closing:
				timer.Stop()
				return nil, net.ErrClosed
			}
		}
		delay = 0
		if l.openConns.Add(1) > int64(l.opt.maxConns) {
			l.openConns.Add(-1)
			l.stats.refused.Inc()
			_ = c.Close()
			continue
		}
		l.stats.accepted.Inc()
		return newGuardConn(l, c), nil
	}
}

// guardPassing reports whether Accept may succeed when tried again.
func guardPassing(err error) bool {
	for _, e := range []error{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EINTR,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Close closes the listener inside and lets the connections be. It may be called more than once.
func (l *guardListener) Close() error {
	l.closeOnce.Do(func() {
		close(l.closing)
		l.closeErr = l.inner.Close()
	})
	return l.closeErr
}

// Addr is that of the listener inside.
func (l *guardListener) Addr() net.Addr { return l.inner.Addr() }

// counts returns how many connections wait for a request, and how many have one: from its first byte until its
// response is written.
func (l *guardListener) counts() (idle, active int) {
	l.sweeper.each(func(c *guardConn) {
		if phase, _ := guardUnpack(c.state.Load()); phase == guardIdle {
			idle++
		} else {
			active++
		}
	})
	return idle, active
}

// startDrain has connections closed from now on once they have been idle for grace, with which the client that sends its
// next request just now still gets an answer. Responses should say Connection: close from here on (draining).
func (l *guardListener) startDrain(grace time.Duration) {
	idle := &l.sweeper.limits[guardIdle]
	idle.Store(min(max(grace.Milliseconds(), 0), idle.Load()))
	l.sweeper.draining.Store(true)
}

// announceDrain has responses say Connection: close, and leaves all else as it is until startDrain.
func (l *guardListener) announceDrain() { l.sweeper.draining.Store(true) }

// draining reports whether announceDrain or startDrain has been called.
func (l *guardListener) draining() bool { return l.sweeper.draining.Load() }

// closeIdle has those connections closed that have been idle for at least olderThan, and returns how many. A
// request that has reached the socket by then is still served.
func (l *guardListener) closeIdle(olderThan time.Duration) int {
	n := 0
	now := l.sweeper.now()
	l.sweeper.each(func(c *guardConn) {
		state := c.state.Load()
		if phase, since := guardUnpack(state); phase == guardIdle && now-since >= olderThan.Milliseconds() {
			c.leave.Store(state)
			c.interruptRead()
			n++
		}
	})
	return n
}

// closeAll closes all connections, whatever they are about, and returns how many.
func (l *guardListener) closeAll() int {
	var all []*guardConn
	l.sweeper.each(func(c *guardConn) { all = append(all, c) })
	for _, c := range all {
		_ = c.abort()
	}
	return len(all)
}
