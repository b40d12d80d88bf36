package link

import (
	"fmt"
	"sync/atomic"
	"time"

	"nanofront/nanobus/balance"
	"nanofront/nanobus/body"
	"nanofront/nanobus/sp"
	"nanofront/nanobus/tap"
	"nanofront/nanobus/wire"
	"nanofront/nanobus/writer"
)

const (
	// PingInterval is how often a link is looked after.
	PingInterval = time.Second
	// maxUnanswered looks, one a second, end a link: nothing at all has come in since the first of
	// them, though all but that one pinged. Counted and not timed, so that a process that was
	// stopped itself doesn't blame its peers when it goes on.
	maxUnanswered = 5
	helloTimeout  = 5 * time.Second
)

// linkState says what a link may be used for.
type linkState int32

const (
	Greeting linkState = iota // no hello from the peer yet
	Live                      // the peer is known
	Draining                  // the peer takes no more requests
	Down                      // it has gone
)

// Link is the connection to one peer. It has two goroutines, the reader and the writer, which start
// when it is attached and end when it closes.
//
// Its users need Peer, InFlight, Down, Blame, CancelHeld and String; what else is exported is for
// package nanobus.
type Link struct {
	sender
	requester
	responder

	bus      *Node
	Instance *Dialled         // what was dialled; nil on accepted links
	Service  service          // what is called on it; nil if nothing is
	Hedging  *balance.Hedging // the service's
	Remote   string
	Attached int64

	State atomic.Int32
	Hello atomic.Pointer[wire.Hello]
	Ended chan struct{}

	Challenge challenge
	controls  controlCount
	Events    atomic.Int32 // its events in the queue

	Bodies body.Table // the writer's lock guards it

	closing     atomic.Bool // close was called
	CloseReason atomic.Pointer[string]
}

// sender is what a link sends with.
type sender = writer.Writer

// Dialled is what a link was made for: an instance of a service, and its address.
type Dialled struct {
	Service, ID, Address string
	EventsOnly           bool
}

// service chooses among the links to the instances of one service.
type service interface {
	// Pick takes a credit of a link for the call, of the version that it went to: of another than
	// avoid if it can.
	Pick(c *Call, avoid *Link) (*Link, error)
	// Chooses reports whether it would pick the link.
	Chooses(l *Link) bool
}

// New makes a link of a connection that was dialled, or accepted if in is nil.
func New(b *Node, p *sp.Pipe, in *Dialled) *Link {
	l := &Link{
		sender: sender{Shared: &b.common, Pipe: p, CanTry: p.CanTry(), Wake: make(chan struct{}, 1)},
		bus:    b, Instance: in,
		Remote:   p.Remote(),
		Attached: b.Nanos(),
		Ended:    make(chan struct{}),
	}
	l.End, l.Copy = l.Close, func(batch []byte) { b.upper.Copy(l, tap.Sent, batch) }
	l.requester.link, l.responder.link, l.Challenge.link = l, l, l
	l.Space.L = &l.Mu
	l.Bodies.Init(b.Bodies, writer.Carrier{Writer: &l.sender})
	l.Target.Owner = l
	if in != nil {
		l.Remote = in.Address
	}
	return l
}

// Peer returns the peer's hello; nil before it has arrived.
func (l *Link) Peer() *wire.Hello { return l.Hello.Load() }

// Clock is how far the peer's clock is ahead of ours, by the pings; not known at first.
func (l *Link) Clock() (ahead time.Duration, known bool) {
	c := &l.PeerClock
	return time.Duration(c.ahead.Load()) * time.Microsecond, c.Known.Load()
}

// InFlight is the number of our requests in flight on the link.
func (l *Link) InFlight() int { return l.Target.InFlight() }

// String names the link in logs: the peer and its address.
func (l *Link) String() string {
	if h := l.Hello.Load(); h != nil {
		return fmt.Sprintf("%s/%s at %s", h.Service, h.Instance, l.Remote)
	}
	return l.Remote
}

// Close ends the link: its pipe closes, both goroutines end, calls in flight on it end with
// ErrLinkDown, and the peer's requests are cancelled. Idempotent. It may be called from any
// goroutine, under any lock, and doesn't wait: the bus does.
func (l *Link) Close(reason string) {
	l.CloseReason.CompareAndSwap(nil, &reason)
	if l.closing.CompareAndSwap(false, true) {
		// Closing the pipe makes its socket tell the bus, which calls Detached.
		l.bus.Tasks.Go(func() { _ = l.Pipe.Close() })
	}
}

// Detached is called once, when the pipe has gone.
func (l *Link) Detached() {
	l.Mu.Lock()
	l.Closed = true
	wake := l.Parked
	l.Parked = false
	l.Active.Each((*Request).cancel)
	endReaders := l.Bodies.Break(writer.ErrLinkDown)
	l.Mu.Unlock()
	l.endHeld()
	endReaders()
	l.Space.Broadcast()
	if wake {
		l.Wake <- struct{}{}
	}
	l.State.Store(int32(Down))
	close(l.Ended)
}

// Reason is why the link has ended, for logs: who closed it, or what went wrong.
func (l *Link) Reason() string {
	if r := l.CloseReason.Load(); r != nil {
		return *r
	}
	if found := l.Pipe.Ending(); found != "" {
		return found
	}
	return "peer"
}

// Is reports whether the link is in that state at this moment.
func (l *Link) Is(s linkState) bool { return l.State.Load() == int32(s) }

// Memory names where the peer remembers requests.
func (l *Link) Memory() string {
	if h := l.Hello.Load(); h != nil {
		return h.Memory
	}
	return ""
}

// SharesMemory reports whether the peers of both links know the same requests again.
func (l *Link) SharesMemory(other *Link) bool {
	return l.Memory() != "" && l.Memory() == other.Memory()
}
