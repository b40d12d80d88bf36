package terminator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"nanofront/internal/logging"
	"nanofront/metrics"
	"nanofront/nanobus"
	"nanofront/registry"
	"nanofront/terminator/admission"
	"nanofront/terminator/blocking"
	"nanofront/terminator/conns"
	"nanofront/terminator/eventloop"
	"nanofront/terminator/exchange"
	"nanofront/terminator/forwarded"
	"nanofront/terminator/held"
	"nanofront/terminator/http1"
	"nanofront/terminator/memory"
)

const (
	// idleGrace is for how long an idle connection stays open when draining.
	// A client that is about to send its next request gets its answer, and is
	// told to close.
	idleGrace = time.Second

	// backlogGrace is for how long connections that the system has already
	// completed are still accepted when draining.
	backlogGrace = 20 * time.Millisecond
)

// Terminator is the HTTP front. Make it with New, then Listen, then Run.
type Terminator struct {
	opts      Options
	log       zerolog.Logger
	bus       *nanobus.Bus
	admission *admission.Limiter
	front     *exchange.Front
	trusted   *forwarded.Policy
	table     *conns.Table // nil until Listen
	memory    *memory.Budget
	held      *held.Keeper
	readiness readiness
	pressure  *pressure

	listener *net.TCPListener
	blocking *blocking.Driver
	loops    *eventloop.Loops // nil: each connection has a goroutine
	heir     atomic.Pointer[Heir]
	accept   chan struct{} // closed by Accept
	accepts  sync.Once
	leaving  atomic.Bool // told to end: not ready
	draining atomic.Bool // no longer accepting
}

// ErrSucceeded is the cause (context.WithCancelCause) with which Run's context ends when a
// successor has the listening socket already: no balancer needs to be told.
var ErrSucceeded = errors.New("terminator: a successor has taken over")

// New makes a terminator that listens nowhere yet. The error names the flag
// that is wrong.
func New(opts Options) (*Terminator, error) {
	if err := opts.setDefaults(); err != nil {
		return nil, err
	}
	trusted, err := forwarded.NewPolicy(opts.TrustedProxies)
	if err != nil {
		return nil, fmt.Errorf("terminator: --trusted-proxies: %w", err)
	}
	t := &Terminator{
		opts: opts, log: opts.Logger, trusted: trusted, pressure: newPressure(opts.Logger), accept: make(chan struct{}),
		memory:    memory.New(int64(opts.ClientMemory) / 2),
		admission: admission.New(opts.MinInFlight, opts.MaxInFlight, opts.LatencyTarget),
	}
	if !opts.Waits {
		t.Accept()
	}
	t.held = held.New(held.Options{Most: opts.MaxConns, Memory: t.memory, Metrics: opts.Metrics})
	t.bus, err = nanobus.New(nanobus.Options{
		Service: "terminator", Instance: opts.Instance, Version: opts.Version,
		Slots:    2 * opts.MaxInFlight,
		Bodies:   true,
		Holder:   t.held,
		Spare:    func() bool { return t.front.Spare() },
		Security: opts.Security,
		Logger:   opts.Logger, Metrics: opts.Metrics,
	})
	if err != nil {
		return nil, err
	}
	t.held.Clock(t.bus.Now)
	t.front = exchange.New(exchange.Options{
		Bus: t.bus, Holder: t.held, Memory: t.memory, Admission: t.admission, Trusted: trusted,
		AccessLog: exchange.AccessLog{
			Rate: opts.AccessLog, Slower: opts.LogSlowerThan, To: opts.AccessLogTo, Combined: opts.AccessLogCombined,
		},
		Tracing:  exchange.Tracing{Recorder: opts.Tracer, Sample: opts.TraceSample, Slower: opts.TraceSlowerThan},
		Draining: func() bool { return t.table.Draining() }, Observe: t.readiness.observe,
		Logger: opts.Logger, Limit: logging.NewLimiter(opts.Logger, 5, time.Second), Metrics: opts.Metrics,
	})
	if opts.Tracer != nil {
		opts.Tracer.Start(t.bus)
	}
	opts.Metrics.GaugeFunc(metrics.HTTPInFlight, func() float64 { return float64(t.admission.InFlight()) })
	opts.Metrics.GaugeFunc(metrics.HTTPMemory, func() float64 { return float64(t.memory.Held()) })
	opts.Metrics.GaugeFunc(metrics.UpstreamDegraded, func() float64 { return float64(len(t.Degraded())) })
	opts.Metrics.GaugeFunc(metrics.HTTPLimit, func() float64 { return float64(t.admission.Most()) })
	return t, nil
}

// Listen takes the HTTP address. The error says what to do; the terminator is closed then.
func (t *Terminator) Listen() (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, t.Close())
		}
	}()
	t.listener = t.opts.Listener
	if t.listener == nil {
		// Plain TCP: what a socket is told once, all connections that it accepts inherit
		// (conns.Prepare).
		var lc net.ListenConfig
		lc.SetMultipathTCP(false)
		l, err := lc.Listen(context.Background(), "tcp", t.opts.HTTP)
		if err != nil {
			var op *net.OpError
			if errors.As(err, &op) {
				err = op.Err
			}
			return fmt.Errorf("terminator: can't listen on %s: %w: choose another address with --http, or end what uses it", t.opts.HTTP, err)
		}
		t.listener = l.(*net.TCPListener) //nolint:forcetypeassert // what net.Listen("tcp") returns
	}
	date := new(http1.Date)
	date.Renew(time.Now())
	t.table = conns.New(conns.Options{
		Max: t.opts.MaxConns, IdleTimeout: t.opts.IdleTimeout, HeadTimeout: t.opts.HeaderTimeout,
		BodyTimeout: t.opts.BodyTimeout, WriteTimeout: t.opts.WriteTimeout,
		Trusted: t.trusted.Trusts, Tick: func(now time.Time) { date.Renew(now); t.noteLinks(); t.front.Tick() }, Metrics: t.opts.Metrics,
		Short: t.pressure.short, Paused: t.pressure.paused, Late: t.pressure.late,
	})
	t.opts.Metrics.GaugeFunc(metrics.HTTPConnections, func() float64 { return float64(t.table.Open()) })
	t.blocking = &blocking.Driver{
		Front: t.front, Table: t.table, Date: date, Memory: t.memory, Prepared: conns.Prepare(t.listener),
		Limits: &http1.Limits{Head: t.opts.MaxHeader, Fields: t.opts.MaxFields, Target: maxTarget, Body: registry.MaxBodyLimit},
	}
	if t.opts.EventLoops >= 0 {
		t.loops, err = eventloop.New(eventloop.Options{
			N: t.opts.EventLoops, Listener: t.listener, Blocking: t.blocking, Metrics: t.opts.Metrics,
			Cores: t.admission.Cores(),
		})
		t.pressure.loops.Store(t.loops)
	}
	return err
}

// maxTarget is the longest request target, in bytes.
const maxTarget = 8000

// Close ends a terminator that isn't to be run. Run does it by itself.
func (t *Terminator) Close() error {
	if t.loops != nil {
		t.loops.Stop()
	}
	if t.table != nil {
		t.table.AbortAll()
		t.table.Close()
	}
	if t.opts.Tracer != nil {
		t.opts.Tracer.Close() // its last asks go by the bus
	}
	err := t.bus.Close()
	t.held.Close()
	return err
}

// acceptClients accepts connections until the listener is closed, or draining.
func (t *Terminator) acceptClients() error {
	if t.loops != nil {
		return t.loops.Accept()
	}
	return t.blocking.Accept(t.listener)
}

// Listener is the HTTP socket, to be handed over to a successor.
func (t *Terminator) Listener() *net.TCPListener { return t.listener }

// Addr is the address that Listen got.
func (t *Terminator) Addr() net.Addr { return t.listener.Addr() }

// Links returns the state of the links to the instances.
func (t *Terminator) Links() []nanobus.LinkInfo { return t.bus.Links() }

// Revision is etcd's of the routes document that t decides requests by; 0 before there is one.
func Revision(t *Terminator) int64 { return t.front.Revision() }

// Slowest returns t's requests after that one, by its number, that were among the slowest.
func Slowest(t *Terminator, after uint64) []exchange.Slow { return t.front.Slow(after) }

// Run serves until ctx ends, and for DrainDelay longer unless ErrSucceeded is
// the cause. Then it drains: it takes no new connections, answers what is in
// flight (within DrainTimeout), and returns.
func (t *Terminator) Run(ctx context.Context) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	watched, served := make(chan error, 1), make(chan error, 1)
	running.Go(func() { watched <- t.opts.Discovery.Watch(background, t.front.Discovered) })
	running.Go(func() { t.admission.Run(background) })
	running.Go(func() {
		select {
		case <-t.accept:
			served <- t.acceptClients()
		case <-ctx.Done():
			served <- nil
		}
	})
	t.log.Info().Str(logging.Addr, t.Addr().String()).Msg("serving HTTP")

	var failed error
	serving := true
	select {
	case <-ctx.Done():
		if !errors.Is(context.Cause(ctx), ErrSucceeded) {
			serving = t.sayGoodbye(served)
		}
	case err := <-served:
		serving = false
		if ctx.Err() == nil {
			failed = fmt.Errorf("terminator: serving ended: %w", err)
		}
	case err := <-watched:
		if ctx.Err() == nil {
			failed = fmt.Errorf("terminator: discovery ended: %w", err)
		}
	}
	var passing sync.WaitGroup
	heir := t.heir.Load()
	if heir != nil && errors.Is(context.Cause(ctx), ErrSucceeded) {
		t.bequeath(*heir, served, serving, &passing)
	} else {
		t.drain(served, serving)
	}
	stop()
	running.Wait()
	err := t.Close()
	passing.Wait()
	if heir != nil {
		err = errors.Join(err, (*heir).Close())
	}
	return errors.Join(failed, err)
}

// sayGoodbye serves for DrainDelay longer, so that whoever looks at /readyz can send its clients
// elsewhere first. It returns whether connections are still accepted.
func (t *Terminator) sayGoodbye(served <-chan error) (serving bool) {
	t.leaving.Store(true)
	if t.opts.DrainDelay == 0 {
		return true
	}
	t.log.Info().Stringer("for", t.opts.DrainDelay).Msg("signalled to end: not ready, still serving")
	t.table.Announce()
	delay := time.NewTimer(t.opts.DrainDelay)
	defer delay.Stop()
	select {
	case <-delay.C:
		return true
	case err := <-served:
		t.log.Warn().Err(err).Msg("accepting connections ended with an error")
		return false
	}
}

// drain ends the connections. What was accepted is answered.
func (t *Terminator) drain(served <-chan error, serving bool) {
	deadline := t.beginEnd()
	t.table.StartDrain(idleGrace)
	// Connections that clients believe to be open may still wait to be
	// accepted: take those, then stop.
	t.stopAccepting(time.Now().Add(backlogGrace), served, serving)
	t.awaitEnd(deadline)
}

// beginEnd returns when the end is to come.
func (t *Terminator) beginEnd() time.Time {
	t.log.Info().Int64("in_flight", t.admission.InFlight()).Msg("draining")
	t.leaving.Store(true)
	t.draining.Store(true)
	t.held.Drain(t.opts.DrainTimeout / 2)
	return time.Now().Add(t.opts.DrainTimeout)
}

// stopAccepting accepts until then.
func (t *Terminator) stopAccepting(end time.Time, served <-chan error, serving bool) {
	if t.loops != nil {
		t.loops.AcceptUntil(end)
	} else {
		_ = t.listener.SetDeadline(end)
	}
	if serving {
		if err := <-served; err != nil { // ended by the deadline above
			t.log.Warn().Err(err).Msg("accepting connections ended with an error")
		}
	}
	_ = t.listener.Close() // a successor's descriptor of it stays open
}

// awaitEnd waits until there are no connections.
func (t *Terminator) awaitEnd(deadline time.Time) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for t.table.Open() > 0 {
		<-tick.C
		if time.Now().After(deadline) {
			idle, active := t.table.Counts()
			t.log.Warn().Int("active", active).Int("idle", idle).Msg("closing connections that did not finish in time")
			break
		}
	}
}
