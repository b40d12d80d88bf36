package nanobus

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"go.nanomsg.org/mangos/v3"

	"nanofront/internal/tasks"
	"nanofront/metrics"
	"nanofront/nanobus/balance"
	"nanofront/nanobus/body"
	"nanofront/nanobus/sp"
	"nanofront/nanobus/wire"
)

// Bus is a process' end of all its links. It is made by New and ended by
// Close; its methods may be called from any goroutine.
type Bus struct {
	opts Options
	reporter
	sockets sp.Config
	undial  context.CancelFunc // ends what is being dialled
	calls   calls
	events  eventQueue
	served  atomic.Int64 // peers' requests that are not answered yet
	held    atomic.Int64 // peers' requests that are held
	taps    tapSet

	process []byte // Hello.Process

	epoch       time.Time
	epochMicros int64
	sweeper     sweeper
	bodies      *body.Set

	done    chan struct{}
	ended   chan struct{}  // Close is through
	workers sync.WaitGroup // sweep, dispatch, readers and writers
	tasks   tasks.Group    // what closes links and sockets

	linkSet
}

// New makes a bus. It is linked with nobody until Listen or SetInstances.
func New(opts Options) (*Bus, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	b := &Bus{
		opts:     opts,
		reporter: newReporter(&opts),
		calls:    calls{table: newTable(opts.Slots, uint16(rand.Uint32()))},
		events:   eventQueue{c: make(chan Event, maxEvents)},
		epoch:    time.Now(),
		done:     make(chan struct{}),
		ended:    make(chan struct{}),
		process:  newProcess(),
		linkSet: linkSet{
			links:     make(map[*Link]struct{}),
			instances: make(map[instanceKey]*instance),
			services:  make(map[string]*Service),
		},
	}
	b.epochMicros = b.epoch.UnixMicro()
	b.sweeper.kick = make(chan struct{}, 1)
	b.linkSet.bus, b.taps.bus, b.calls.bus, b.sweeper.bus, b.events.bus = b, b, b, b, b
	m := b.metrics
	b.bodies = body.NewSet(body.Config{
		Most: opts.MaxBodies, Now: b.now, Due: b.sweeper.due, Go: b.tasks.Go,
		Late: m.droppedLate, Stray: m.droppedStray, Over: m.droppedBodies, Cancels: m.cancelsOut,
	})
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
	opts.Metrics.GaugeFunc(metrics.BusSlotsInUse, func() float64 { return float64(b.calls.table.used.Load()) })
	opts.Metrics.GaugeFunc(metrics.BusTaps, func() float64 { return float64(len(b.taps.list())) })
	b.workers.Add(2)
	go b.sweeper.run()
	go b.events.dispatch()
	return b, nil
}

// Now is the bus time: time since the bus was made, by the monotonic clock.
func (b *Bus) Now() time.Duration { return time.Duration(b.now()) }

func (b *Bus) now() int64 { return int64(time.Since(b.epoch)) }

// wallMicros turns bus time into µs since 1970.
func (b *Bus) wallMicros(ns int64) uint64 {
	return uint64(b.epochMicros + ns/1000)
}

// Served is the number of peers' requests that are not answered yet.
func (b *Bus) Served() int { return int(b.served.Load()) }

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
func (b *Bus) attach(p *sp.Pipe, dialled any) error {
	in, _ := dialled.(*instance)
	l := newLink(b, p, in)
	err := b.admitLink(l)
	if err != nil && !errors.Is(err, mangos.ErrClosed) {
		b.refusedConnection("too_many", l.remote, in != nil, err)
	}
	return err
}

// admitLink makes l one of the bus, unless that is closed or full.
func (b *Bus) admitLink(l *Link) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, in := l.pipe, l.instance
	if b.closed || (in != nil && b.instances[in.key()] != in) {
		return mangos.ErrClosed
	}
	if !b.admits(in) {
		return fmt.Errorf("nanobus: more than %d links: raise Options.MaxLinks", b.opts.MaxLinks)
	}
	p.SetOwner(l)
	if in != nil {
		in.link.Store(l)
		if !in.EventsOnly {
			l.service = b.service(in.Service)
		}
	}
	b.links[l] = struct{}{}
	b.metrics.opened.Inc()
	if in == nil && b.opts.Serve != nil {
		l.granted = b.windowShare(b.callers() + 1)
	}
	hello := b.helloFor(l)
	if len(b.opts.Security.Secret) > 0 {
		hello.Nonce = newNonce()
	}
	l.challenge.ours = hello
	l.out = hello.AppendTo(l.out)
	l.frames = 1
	if b.draining && hello.Nonce == nil {
		start := len(l.out)
		l.out = wire.Begin(l.out, wire.KindDraining, 0, 0)
		wire.End(l.out, start)
		l.frames++
	}
	b.workers.Add(2)
	go func() {
		defer b.workers.Done()
		l.run()
	}()
	go l.reader()
	return nil
}

func (b *Bus) helloFor(l *Link) *wire.Hello {
	h := &wire.Hello{
		Version: wire.ProtocolVersion, Service: b.opts.Service, CodeVersion: b.opts.Version, Instance: b.opts.Instance,
		EventsOnly: l.instance != nil && l.instance.EventsOnly,
		Bodies:     b.opts.Bodies,
		Holds:      b.opts.Holder != nil,
		Process:    b.process,
		Memory:     b.opts.Memory,
	}
	if b.opts.Serve != nil && !b.draining {
		h.Window = uint32(l.granted) // bounded by the window
	}
	for t := range b.opts.Subscriptions {
		h.Topics = append(h.Topics, t)
	}
	return h
}

// greeted makes a link usable, or takes note of another hello.
func (b *Bus) greeted(l *Link, first bool) {
	up, duplicate := b.join(l, first)
	switch {
	case duplicate:
		b.warn("duplicate").Stringer("link", l).Int("max", maxPeerLinks).Msg("refusing a link: the peer already has too many; does it reconnect over and over?")
		l.close("duplicate")
	case up:
		l.event("up").Stringer("link", l).Str("version", l.hello.Load().CodeVersion).Msg("link up")
	}
}

// detach forgets a link and ends what was under way on it. Called by the
// socket.
func (b *Bus) detach(owner any) {
	l := owner.(*Link) //nolint:forcetypeassert // attach has set it
	l.detached()
	b.taps.end(l)
	b.mu.Lock()
	delete(b.links, l)
	if l.instance != nil {
		l.instance.link.CompareAndSwap(l, nil)
	}
	if l.hello.Load() != nil { // else nobody has known it
		b.refresh(l)
		b.shareWindow()
	}
	closed := b.closed
	b.mu.Unlock()
	l.backOff(l.reason())
	b.metrics.set.Counter(metrics.BusLinkClosed, l.reason()).Inc()
	if !closed {
		l.event("down").Stringer("link", l).Str("reason", l.reason()).Int("in_flight", l.InFlight()).Msg("link down")
	}
	err := ErrLinkDown
	if closed {
		err = ErrClosed
	}
	b.calls.failAll(l, err)
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
	b.workers.Wait()
	b.tasks.Wait()
	b.calls.failAll(nil, ErrClosed)
	b.limit.Close()
	return nil
}
