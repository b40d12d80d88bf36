package nanobus

import (
	"fmt"
	"sync/atomic"
	"time"

	"nanofront/nanobus/body"
	"nanofront/nanobus/sp"
	"nanofront/nanobus/wire"
)

const (
	pingInterval = time.Second
	// maxUnanswered looks, one a second, end a link: nothing at all has come
	// in since the first of them, though all but that one pinged. Counted and not timed, so that a process
	// that was stopped itself doesn't blame its peers when it goes on.
	maxUnanswered = 5
	helloTimeout  = 5 * time.Second
)

// linkState says what a link may be used for.
type linkState int32

const (
	linkGreeting linkState = iota // no hello from the peer yet
	linkLive
	linkDraining // the peer takes no more requests
	linkDown
)

// Link is the connection to one peer. It has two goroutines, the reader and the writer, which start
// when it is attached and end when it closes.
type Link struct {
	writer
	requester
	responder

	bus      *Bus
	instance *instance // the table entry that was dialled; nil on accepted links
	service  *Service  // what is called on it; nil if nothing is
	remote   string
	attached int64

	state atomic.Int32
	hello atomic.Pointer[wire.Hello]
	down  chan struct{}

	challenge challenge
	controls  controlCount
	events    atomic.Int32 // its events in the queue

	bodies body.Table // the writer's lock guards it

	closing     atomic.Bool // close was called
	closeReason atomic.Pointer[string]
}

func newLink(b *Bus, p *sp.Pipe, in *instance) *Link {
	l := &Link{
		writer: writer{pipe: p, canTry: p.CanTry(), wake: make(chan struct{}, 1)},
		bus:    b, instance: in,
		remote:   p.Remote(),
		attached: b.now(),
		down:     make(chan struct{}),
	}
	l.writer.link, l.requester.link, l.responder.link, l.challenge.link = l, l, l, l
	l.space.L = &l.mu
	l.bodies.Init(b.bodies, carrier{&l.writer})
	l.target.Owner = l
	if in != nil {
		l.remote = in.Address
	}
	return l
}

// Peer returns the peer's hello; nil before it has arrived.
func (l *Link) Peer() *wire.Hello { return l.hello.Load() }

// Clock is how far the peer's clock is ahead of ours, by the pings; not known at first.
func (l *Link) Clock() (ahead time.Duration, known bool) {
	c := &l.clock
	return time.Duration(c.ahead.Load()) * time.Microsecond, c.known.Load()
}

// InFlight is the number of our requests in flight on the link.
func (l *Link) InFlight() int { return l.target.InFlight() }

// String names the link in logs: the peer and its address.
func (l *Link) String() string {
	if h := l.hello.Load(); h != nil {
		return fmt.Sprintf("%s/%s at %s", h.Service, h.Instance, l.remote)
	}
	return l.remote
}

// close ends the link: its pipe closes, both goroutines end, calls in flight on it end with
// ErrLinkDown, and the peer's requests are cancelled. Idempotent. It may be called from any
// goroutine, under any lock, and doesn't wait: the bus does.
func (l *Link) close(reason string) {
	l.closeReason.CompareAndSwap(nil, &reason)
	if l.closing.CompareAndSwap(false, true) {
		// Closing the pipe makes its socket call Bus.detach, which calls detached.
		l.bus.tasks.Go(func() { _ = l.pipe.Close() })
	}
}

// detached is called once, when the pipe has gone.
func (l *Link) detached() {
	l.mu.Lock()
	l.closed = true
	wake := l.parked
	l.parked = false
	l.active.each((*Request).cancel)
	endReaders := l.bodies.Break(ErrLinkDown)
	l.mu.Unlock()
	l.endHeld()
	endReaders()
	l.space.Broadcast()
	if wake {
		l.wake <- struct{}{}
	}
	l.state.Store(int32(linkDown))
	close(l.down)
}

func (l *Link) reason() string {
	if r := l.closeReason.Load(); r != nil {
		return *r
	}
	if found := l.pipe.Ending(); found != "" {
		return found
	}
	return "peer"
}

func (l *Link) stateIs(s linkState) bool { return l.state.Load() == int32(s) }
