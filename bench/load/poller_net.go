package load

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// netChunk is how much a reader of the netPoller reads at once.
	netChunk = 16 << 10
	// netReadAhead is how much it reads before the worker has taken any.
	netReadAhead = 256 << 10
	// netConnectTimeout is a bound; workers give up earlier.
	netConnectTimeout = MaxTimeout
)

// netPoller is a poller on package net: a goroutine that reads and one that
// writes for each connection. It is for systems without epoll.
type netPoller struct {
	addr  string
	conns []*netConn // by connection; nil is closed
	gen   uint32
	wg    sync.WaitGroup

	mu     sync.Mutex
	ready  []*netConn // with something to tell
	notify chan struct{}

	events []event
	timer  *time.Timer
}

// netConn is one socket. mu guards what is below it.
type netConn struct {
	p      *netPoller
	i      int
	gen    uint32
	cancel context.CancelFunc

	mu      sync.Mutex
	changed sync.Cond
	conn    net.Conn // nil until connected
	in      []byte   // read, not yet taken
	out     []byte   // taken, not yet written
	err     error    // of connecting, reading or writing; io.EOF at the end
	closed  bool
	queued  bool // in p.ready; guarded by p.mu
	// readable and writable have something new; guarded by p.mu
	readable, writable bool
}

func newNetPoller(conns int, addr *net.TCPAddr) *netPoller {
	return &netPoller{addr: addr.String(), conns: make([]*netConn, conns), notify: make(chan struct{}, 1), timer: time.NewTimer(time.Hour)}
}

func (p *netPoller) open(i int) error {
	ctx, cancel := context.WithTimeout(context.Background(), netConnectTimeout)
	p.gen++
	c := &netConn{p: p, i: i, gen: p.gen, cancel: cancel}
	c.changed.L = &c.mu
	p.conns[i] = c
	p.wg.Go(func() { c.run(ctx) }) // ends with close
	return nil
}

// run connects, then reads until the end.
func (c *netConn) run(ctx context.Context) {
	defer c.cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", c.p.addr)
	c.mu.Lock()
	if c.closed && conn != nil {
		_ = conn.Close() // nobody wants it any more
		err = net.ErrClosed
	}
	c.conn, c.err = conn, err
	c.mu.Unlock()
	if err != nil {
		c.tell(true, true)
		return
	}
	c.tell(false, true)
	c.p.wg.Go(c.write) // ends with close, or when writing fails
	buf := make([]byte, netChunk)
	for {
		n, err := conn.Read(buf)
		c.mu.Lock()
		c.in = append(c.in, buf[:n]...)
		if err != nil && c.err == nil {
			c.err = err
		}
		c.mu.Unlock()
		c.tell(true, false)
		if err != nil {
			return
		}
		c.mu.Lock()
		for len(c.in) >= netReadAhead && !c.closed {
			c.changed.Wait()
		}
		c.mu.Unlock()
	}
}

// write writes what gathers in out.
func (c *netConn) write() {
	var b []byte
	for {
		c.mu.Lock()
		for len(c.out) == 0 && !c.closed {
			c.changed.Wait()
		}
		if c.closed {
			c.mu.Unlock()
			return
		}
		b = append(b[:0], c.out...)
		c.mu.Unlock()
		_, err := c.conn.Write(b)
		c.mu.Lock()
		c.out = c.out[:0]
		if err != nil && c.err == nil {
			c.err = err
		}
		c.mu.Unlock()
		c.tell(err != nil, true)
		if err != nil {
			return
		}
	}
}

// tell puts the connection on the list of those with events.
func (c *netConn) tell(readable, writable bool) {
	p := c.p
	p.mu.Lock()
	c.readable = c.readable || readable
	c.writable = c.writable || writable
	if !c.queued {
		c.queued = true
		p.ready = append(p.ready, c)
	}
	p.mu.Unlock()
	select {
	case p.notify <- struct{}{}:
	default:
	}
}

func (p *netPoller) connected(i int) error {
	c := p.conns[i]
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		return c.err
	}
	return nil
}

// maxNetWrite is how much one write takes.
const maxNetWrite = 256 << 10

func (p *netPoller) write(i int, b []byte) (int, error) {
	c := p.conns[i]
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil && c.err != io.EOF { //nolint:errorlint // a Conn's Read returns io.EOF itself
		return 0, c.err
	}
	if len(c.out) > 0 { // in the hands of the writer
		return 0, nil
	}
	n := min(len(b), maxNetWrite)
	c.out = append(c.out, b[:n]...)
	c.changed.Broadcast()
	return n, nil
}

func (p *netPoller) read(i int, b []byte) (int, error) {
	c := p.conns[i]
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.in) == 0 {
		if c.err != nil {
			return 0, c.err
		}
		return 0, errAgain
	}
	n := copy(b, c.in)
	c.in = c.in[:copy(c.in, c.in[n:])]
	c.changed.Broadcast()
	return n, nil
}

func (p *netPoller) close(i int) {
	c := p.conns[i]
	if c == nil {
		return
	}
	p.conns[i] = nil
	c.mu.Lock()
	c.closed = true
	if c.conn != nil {
		_ = c.conn.Close() // what can be lost with it was counted
	}
	c.changed.Broadcast()
	c.mu.Unlock()
	c.cancel()
}

func (p *netPoller) wait(d time.Duration) ([]event, error) {
	p.timer.Reset(max(0, d))
	select {
	case <-p.notify:
	case <-p.timer.C:
	}
	p.events = p.events[:0]
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.ready {
		c.queued = false
		if p.conns[c.i] == c {
			p.events = append(p.events, event{conn: c.i, readable: c.readable, writable: c.writable, ended: true, generation: c.gen})
		}
		c.readable, c.writable = false, false
	}
	clear(p.ready)
	p.ready = p.ready[:0]
	return p.events, nil
}

func (p *netPoller) current(e *event) bool {
	c := p.conns[e.conn]
	return c != nil && c.gen == e.generation
}

func (p *netPoller) shutdown() {
	for i := range p.conns {
		p.close(i)
	}
	p.timer.Stop()
	p.wg.Wait()
}
