package sp

import (
	"net"
	"os"
	"sync"
	"time"

	"go.nanomsg.org/mangos/v3"
	"go.nanomsg.org/mangos/v3/transport"
)

// listener accepts connections and shakes hands with each on a goroutine
// of its own, which ends with the handshake or its deadline.
type listener struct {
	t     transportOf
	addr  string
	proto transport.ProtocolInfo
	s     *Socket
	ready chan transport.Pipe

	mu      sync.Mutex
	l       net.Listener
	pending map[net.Conn]time.Time // in the handshake, and since when
	done    bool
	closed  chan struct{}
	workers sync.WaitGroup // what accepts, and handshakes
}

func (l *listener) Listen() error {
	if l.t.ipc() {
		removeStaleSocket(l.addr)
	}
	nl, err := net.Listen(l.t.network, l.addr)
	if err != nil {
		return err
	}
	l.mu.Lock()
	if l.done {
		l.mu.Unlock()
		_ = nl.Close()
		return mangos.ErrClosed
	}
	l.l = nl
	l.workers.Go(func() { l.acceptLoop(nl) })
	l.mu.Unlock()
	return nil
}

// removeStaleSocket removes a socket file that nobody listens on, which a
// killed process leaves behind.
func removeStaleSocket(path string) {
	st, err := os.Stat(path)
	if err != nil || st.Mode()&os.ModeSocket == 0 {
		return
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		_ = c.Close()
		return
	}
	_ = os.Remove(path)
}

// acceptLoop ends when Close closes the listener.
func (l *listener) acceptLoop(nl net.Listener) {
	for {
		c, err := nl.Accept()
		if err != nil {
			select {
			case <-l.closed:
				return
			case <-time.After(10 * time.Millisecond): // out of descriptors, say: don't spin
				continue
			}
		}
		l.mu.Lock()
		if l.done {
			l.mu.Unlock()
			_ = c.Close()
			continue
		}
		var crowded net.Conn
		if len(l.pending) >= MaxHandshakes {
			crowded = l.evict()
		}
		l.pending[c] = time.Now()
		l.workers.Go(func() { l.handshake(c) })
		l.mu.Unlock()
		if crowded != nil {
			l.s.config.Refused("crowded", l.remote(crowded), false, errCrowded)
		}
	}
}

// evict gives the place of the connection that has been in its handshake for
// longest to the next. An honest peer is through in a few round trips: however
// many connections say nothing, it is not among the oldest. mu is held.
func (l *listener) evict() net.Conn {
	var oldest net.Conn
	for c, since := range l.pending {
		if oldest == nil || since.Before(l.pending[oldest]) {
			oldest = c
		}
	}
	delete(l.pending, oldest)
	_ = oldest.Close() // its goroutine finds out
	return oldest
}

func (l *listener) handshake(c net.Conn) {
	p, err := newConn(c, l.t, l.proto, l.s.config, "")
	if err == nil {
		select {
		case l.ready <- p:
		case <-l.closed:
			_ = p.Close()
		}
	}
	// Not before it has been taken: what waits for that is bounded too.
	l.mu.Lock()
	_, pending := l.pending[c]
	delete(l.pending, c)
	done := l.done
	l.mu.Unlock()
	if err != nil && pending && !done { // else it was evicted, and counted then
		l.s.config.Refused(handshakeReason(err), l.remote(c), false, err)
	}
}

// remote is where an accepted connection comes from.
func (l *listener) remote(c net.Conn) string {
	if l.t.ipc() {
		return l.t.public(l.addr) // clients of a Unix socket have no address
	}
	return c.RemoteAddr().String()
}

func (l *listener) Accept() (transport.Pipe, error) {
	select {
	case p := <-l.ready:
		if !l.s.transit.begin() {
			_ = p.Close()
			return nil, mangos.ErrClosed
		}
		return p, nil
	case <-l.closed:
		return nil, mangos.ErrClosed
	}
}

func (l *listener) Address() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	addr := l.addr
	if l.l != nil {
		addr = l.l.Addr().String()
	}
	return l.t.scheme + "://" + addr
}

// Close waits for the listener's goroutines.
func (l *listener) Close() error {
	l.mu.Lock()
	if !l.done {
		l.done = true
		close(l.closed)
		if l.l != nil {
			_ = l.l.Close()
		}
		for c := range l.pending {
			_ = c.Close()
		}
	}
	l.mu.Unlock()
	l.workers.Wait()
	return nil
}
