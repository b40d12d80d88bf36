package chaos

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

var errCut = errors.New("chaos: cut")

// weather is what a network does to what goes through it.
type weather struct {
	// Delay is added to each piece, each way.
	Delay time.Duration
	// Stall happens to a share of the pieces and all that is behind them, as a lost packet does to
	// TCP, which sends it again after a while.
	Stall      time.Duration
	StallShare float64
	// CutShare of the pieces end the connection by a reset.
	CutShare float64
}

// proxy passes connections on, through the weather that there is.
type proxy struct {
	addr, to string
	listener net.Listener
	weather  atomic.Pointer[weather]
	ended    sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
	over  bool
}

const (
	pieceSize = 64 << 10
	onTheWay  = 256 // pieces
)

// startProxy listens on an address of its own for what goes to another.
func startProxy(to string) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{addr: l.Addr().String(), to: to, listener: l, conns: make(map[net.Conn]bool)}
	p.weather.Store(&weather{})
	p.ended.Go(p.accept) // ends with close
	return p, nil
}

// set changes the weather, also for connections that there are.
func (p *proxy) set(w weather) { p.weather.Store(&w) }

// cut ends all connections that there are.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		reset(c)
	}
}

func (p *proxy) close() {
	_ = p.listener.Close() // and what it passes on
	p.mu.Lock()
	p.over = true
	p.mu.Unlock()
	p.cut()
	p.ended.Wait()
}

func (p *proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		to, err := net.Dial("tcp", p.to)
		if err != nil { // nobody is there: to the one that asks, too
			reset(c)
			continue
		}
		if !p.own(c, to) {
			return
		}
		gone := make(chan struct{})
		both := sync.OnceFunc(func() { close(gone); reset(c); reset(to) })
		p.ended.Go(func() { p.pass(to, c, gone, both) }) // these end with either connection
		p.ended.Go(func() { p.pass(c, to, gone, both) })
	}
}

func (p *proxy) own(list ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range list {
		if p.over {
			_ = c.Close() // nobody will use it
		}
		p.conns[c] = true
	}
	return !p.over
}

// reset ends a connection in a way that its other end notices at once.
func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0) // closed, at worst
	}
	_ = c.Close() // as above
}

// piece is on its way until it is due.
type piece struct {
	data []byte
	due  time.Time
}

// pass passes on what from sends, and ends both when that ends; gone is closed then.
func (p *proxy) pass(to, from net.Conn, gone <-chan struct{}, end func()) {
	way := make(chan piece, onTheWay)
	var writing sync.WaitGroup
	writing.Go(func() {
		defer end()
		for d := range way {
			select {
			case <-time.After(time.Until(d.due)): // the way
			case <-gone:
			}
			if _, err := to.Write(d.data); err != nil {
				break
			}
		}
		for range way { // the reader may wait for room
		}
	})
	for {
		buf := make([]byte, pieceSize)
		n, err := from.Read(buf)
		w := p.weather.Load()
		if n > 0 {
			due := time.Now().Add(w.Delay)
			if rand.Float64() < w.StallShare {
				due = due.Add(w.Stall)
			}
			select {
			case way <- piece{buf[:n], due}: // those behind wait for it
			case <-gone:
			}
		}
		if err == nil && rand.Float64() < w.CutShare {
			err = errCut
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				end() // and at the end of the other's own accord, what is on its way arrives before
			}
			break
		}
	}
	close(way)
	writing.Wait()
	p.mu.Lock()
	delete(p.conns, from)
	p.mu.Unlock()
}
