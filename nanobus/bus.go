package nanobus

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.nanomsg.org/mangos/v3"

	"nanofront/metrics"
	"nanofront/nanobus/balance"
	"nanofront/nanobus/link"
	"nanofront/nanobus/sp"
	"nanofront/nanobus/tap"
	"nanofront/nanobus/wire"
)

// Bus is a process' end of all its links. It is made by New and ended by
// Close; its methods may be called from any goroutine.
type Bus struct {
	node    link.Node
	opts    Options
	sockets sp.Config
	undial  context.CancelFunc // ends what is being dialled
	events  eventQueue
	taps    tapSet
	sweeper sweeper

	process []byte // Hello.Process

	done  chan struct{}
	ended chan struct{} // Close is through

	linkSet
}

// New makes a bus. It is linked with nobody until Listen or SetInstances.
func New(opts Options) (*Bus, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	b := &Bus{
		opts:    opts,
		events:  eventQueue{c: make(chan Event, maxEvents)},
		done:    make(chan struct{}),
		ended:   make(chan struct{}),
		process: link.NewProcess(),
		linkSet: linkSet{
			links:     make(map[*Link]*instance),
			instances: make(map[instanceKey]*instance),
			services:  make(map[string]*Service),
		},
	}
	b.linkSet.bus, b.taps.bus, b.sweeper.bus, b.events.bus = b, b, b, b
	b.node.Reporter = link.NewReporter(opts.Logger, opts.Metrics)
	b.node.Init(link.Config{
		Serve: opts.Serve, Window: opts.Window, Slots: opts.Slots, Takes: opts.Bodies, Most: opts.MaxBodies,
		Holder: opts.Holder, MaxHeld: opts.MaxHeld, Spare: opts.Spare, Secret: opts.Security.Secret,
	}, told{b}, uint16(rand.Uint32()))
	b.node.NoYield = opts.noYield
	ctx, undial := context.WithCancel(context.Background())
	var err error
	if b.sockets, err = b.socketConfig(ctx); err != nil {
		undial()
		return nil, err
	}
	b.undial = undial
	opts.Metrics.GaugeFunc(metrics.BusLinks, func() float64 {
		b.mu.Lock()
		defer b.mu.Unlock()
		return float64(len(b.links))
	})
	opts.Metrics.GaugeFunc(metrics.BusSlotsInUse, func() float64 { return float64(b.node.Calls.Table.Used.Load()) })
	opts.Metrics.GaugeFunc(metrics.BusTaps, func() float64 { return float64(len(b.taps.list())) })
	b.node.Workers.Add(2)
	go b.sweeper.run()
	go b.events.dispatch()
	return b, nil
}

// Now is the bus time: time since the bus was made, by the monotonic clock.
func (b *Bus) Now() time.Duration { return time.Duration(b.node.Nanos()) }

// Served is the number of peers' requests that are not answered yet.
func (b *Bus) Served() int { return int(b.node.Serving.Load()) }

// Held is how many requests of peers are held.
func (b *Bus) Held() int { return int(b.node.Holding.Load()) }

// Abort gives up the call with this id, if it is still under way: it ends with
// ErrCancelled and the peer is told. It reports whether it was.
func (b *Bus) Abort(id uint64) bool { return b.node.Calls.Abort(id, ErrCancelled) }

// Listen takes links at addr (tcp://HOST:PORT or tls+tcp://HOST:PORT, port 0
// for any free one, or ipc:///PATH) and returns the address to announce.
func (b *Bus) Listen(addr string) (string, error) {
	s, err := sp.NewSocket(&b.sockets, nil, nil)
	if err != nil {
		return "", err
	}
	addr, err = s.Listen(addr)
	if err != nil {
		_ = s.Close()
		return "", err
	}
	b.mu.Lock()
	closed := b.closed
	if !closed {
		b.listeners = append(b.listeners, s)
	}
	b.mu.Unlock()
	if closed {
		_ = s.Close()
		return "", ErrClosed
	}
	return addr, nil
}

// Service returns the handle on a service. It need not have instances yet.
func (b *Bus) Service(name string) *Service {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.service(name)
}

func (b *Bus) service(name string) *Service {
	s := b.services[name]
	if s == nil {
		s = &Service{bus: b, name: name}
		s.live.Store(&balance.View{})
		b.services[name] = s
	}
	return s
}

// attach makes a link of a connection: one with an instance if it was dialled.
// Called by the socket.
func (b *Bus) attach(p *sp.Pipe, owner any) error {
	in, _ := owner.(*instance)
	var to *link.Dialled
	if in != nil {
		to = &in.dialled
	}
	l := link.New(&b.node, p, to)
	err := b.admitLink(l, in)
	if err != nil && !errors.Is(err, mangos.ErrClosed) {
		b.refusedConnection("too_many", l.Remote, in != nil, err)
	}
	return err
}

// admitLink makes l one of the bus, unless that is closed or full.
func (b *Bus) admitLink(l *Link, in *instance) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || (in != nil && b.instances[in.key()] != in) {
		return mangos.ErrClosed
	}
	if !b.admits(in) {
		return fmt.Errorf("nanobus: more than %d links: raise Options.MaxLinks", b.opts.MaxLinks)
	}
	l.Pipe.SetOwner(l)
	if in != nil {
		in.link.Store(l)
		if !in.EventsOnly {
			service := b.service(in.Service)
			l.Service, l.Hedging = chooser{service}, &service.hedging
		}
	}
	b.links[l] = in
	b.node.Metrics.Opened.Inc()
	if in == nil && b.opts.Serve != nil {
		l.Granted = b.windowShare(b.callers() + 1)
	}
	hello := b.helloFor(l)
	if len(b.opts.Security.Secret) > 0 {
		hello.Nonce = link.NewNonce()
	}
	l.Challenge.Ours = hello
	l.Out = hello.AppendTo(l.Out)
	l.Frames = 1
	if b.draining && hello.Nonce == nil {
		start := len(l.Out)
		l.Out = wire.Begin(l.Out, wire.KindDraining, 0, 0)
		wire.End(l.Out, start)
		l.Frames++
	}
	b.node.Workers.Add(2)
	go func() {
		defer b.node.Workers.Done()
		l.Run()
	}()
	go l.Read()
	return nil
}

func (b *Bus) helloFor(l *Link) *wire.Hello {
	h := &wire.Hello{
		Version: wire.ProtocolVersion, Service: b.opts.Service, CodeVersion: b.opts.Version, Instance: b.opts.Instance,
		EventsOnly: l.Instance != nil && l.Instance.EventsOnly,
		Bodies:     b.opts.Bodies,
		Holds:      b.opts.Holder != nil,
		Process:    b.process,
		Memory:     b.opts.Memory,
	}
	if b.opts.Serve != nil && !b.draining {
		h.Window = uint32(l.Granted) // bounded by the window
	}
	for t := range b.opts.Subscriptions {
		h.Topics = append(h.Topics, t)
	}
	return h
}

// told is the bus as its links see it.
type told struct{ *Bus }

func (b told) Greeted(l *Link, first bool)                    { b.greeted(l, first) }
func (b told) Draining(l *Link)                               { b.setDraining(l) }
func (b told) DrainAcked(l *Link)                             { b.drainAcked(l) }
func (b told) Rechoose(l *Link)                               { b.rechoose(l) }
func (b told) Event(topic string, payload []byte, from *Link) { b.events.deliver(topic, payload, from) }
func (b told) Tap(l *Link, body []byte) error                 { return b.taps.frame(l, body) }
func (b told) Copy(l *Link, d tap.Direction, frames []byte)   { b.taps.copy(l, d, frames) }

// greeted makes a link usable, or takes note of another hello.
func (b *Bus) greeted(l *Link, first bool) {
	if first {
		b.taps.listenIn(l)
	}
	up, duplicate := b.join(l, first)
	switch {
	case duplicate:
		b.node.Warn("duplicate").Stringer("link", l).Int("max", link.MaxPeerLinks).Msg("refusing a link: the peer already has too many; does it reconnect over and over?")
		l.Close("duplicate")
	case up:
		l.Event("up").Stringer("link", l).Str("version", l.Hello.Load().CodeVersion).Msg("link up")
	}
}

// detach forgets a link and ends what was under way on it. Called by the
// socket.
func (b *Bus) detach(owner any) {
	l := owner.(*Link) //nolint:forcetypeassert // attach has set it
	l.Detached()
	b.taps.end(l)
	b.mu.Lock()
	in := b.links[l]
	delete(b.links, l)
	if in != nil {
		in.link.CompareAndSwap(l, nil)
	}
	if l.Hello.Load() != nil { // else nobody has known it
		b.refresh(l)
		b.shareWindow()
	}
	closed := b.closed
	b.mu.Unlock()
	if in != nil {
		b.backOff(l, in)
	}
	b.node.Metrics.Set.Counter(metrics.BusLinkClosed, l.Reason()).Inc()
	if !closed {
		l.Event("down").Stringer("link", l).Str("reason", l.Reason()).Int("in_flight", l.InFlight()).Msg("link down")
	}
	err := ErrLinkDown
	if closed {
		err = ErrClosed
	}
	b.node.Calls.FailAll(l, err)
	if b.opts.Holder != nil {
		b.opts.Holder.LinkDown(l)
	}
}

// Close ends all links and all calls under way (ErrClosed), and waits for the
// bus' goroutines. It doesn't wait for requests to be answered: see Drain. After
// that it waits, for some seconds at most, until callers have read the answers.
// Idempotent. Not to be called from Serve, Done or a subscriber.
func (b *Bus) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		<-b.ended
		return nil
	}
	defer close(b.ended)
	b.closed = true
	draining := b.draining
	sockets := b.listeners
	for _, in := range b.instances {
		sockets = append(sockets, in.socket)
	}
	b.mu.Unlock()
	if draining {
		b.leave()
	}
	b.undial()
	close(b.done)
	for _, s := range sockets {
		_ = s.Close()
	}
	b.node.Workers.Wait()
	b.node.Tasks.Wait()
	b.node.Calls.FailAll(nil, ErrClosed)
	b.node.Limit.Close()
	return nil
}
