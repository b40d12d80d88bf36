package terminator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"github.com/valyala/fasthttp"

	"nanofront/internal/logging"
	"nanofront/internal/metrics"
	"nanofront/internal/registry"
	"nanofront/nanobus"
	"nanofront/terminator/forwarded"
	"nanofront/terminator/http1"
)

const (
	// goneInterval is how often clients of requests that take long are looked
	// after: one whose request has been under way over two looks and that has
	// gone gets its request cancelled.
	goneInterval = 250 * time.Millisecond

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
	limit     *logging.Limiter
	metrics   *frontMetrics
	bus       *nanobus.Bus
	admission *admission
	retries   *retryBudget
	trusted   *forwarded.Policy
	accessLog *accessLog
	routing   atomic.Pointer[routing]
	readiness readiness

	listener *net.TCPListener
	guard    *guardListener
	server   *fasthttp.Server
	loops    *eventLoops // nil: each connection has a goroutine, in server
	leaving  atomic.Bool // told to end: not ready
	draining atomic.Bool // no longer accepting
}

// ErrSucceeded is the cause (context.WithCancelCause) with which Run's context ends when a successor
// has the listening socket already: no balancer needs to be told.
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
		opts:      opts,
		log:       opts.Logger,
		limit:     logging.NewLimiter(opts.Logger, 5, time.Second),
		metrics:   newFrontMetrics(opts.Metrics),
		admission: newAdmission(opts.MinInFlight, opts.MaxInFlight, opts.LatencyTarget),
		trusted:   trusted,
		accessLog: newAccessLog(opts.Logger, opts.AccessLog),
	}
	t.retries = &retryBudget{requests: t.metrics.requests.Value}
	t.bus, err = nanobus.New(nanobus.Options{
		Service: "terminator", Instance: opts.Instance, Version: opts.Version,
		Slots:    2 * opts.MaxInFlight,
		Bodies:   true,
		Security: opts.Security,
		Logger:   opts.Logger, Metrics: opts.Metrics,
	})
	if err != nil {
		return nil, err
	}
	opts.Metrics.GaugeFunc(metrics.HTTPInFlight, func() float64 { return float64(t.admission.inFlight.Load()) })
	opts.Metrics.GaugeFunc(metrics.UpstreamDegraded, func() float64 { return float64(len(t.Degraded())) })
	opts.Metrics.GaugeFunc(metrics.HTTPLimit, func() float64 { return float64(t.admission.limit.Load()) })
	return t, nil
}

// Listen takes the HTTP address. The error says what to do.
func (t *Terminator) Listen() error {
	t.listener = t.opts.Listener
	if t.listener == nil {
		l, err := net.Listen("tcp", t.opts.HTTP)
		if err != nil {
			var op *net.OpError
			if errors.As(err, &op) {
				err = op.Err
			}
			return fmt.Errorf("terminator: can't listen on %s: %w: choose another address with --http, or end what uses it", t.opts.HTTP, err)
		}
		t.listener = l.(*net.TCPListener) //nolint:forcetypeassert // what net.Listen("tcp") returns
	}
	t.guard = newGuardListener(&drainableListener{TCPListener: t.listener, draining: &t.draining}, guardOptions{
		maxConns: t.opts.MaxConns, maxHead: t.opts.MaxHeader, maxFields: t.opts.MaxFields, maxBody: registry.MaxBodyLimit,
		idleTimeout: t.opts.IdleTimeout, headTimeout: t.opts.HeaderTimeout,
		bodyTimeout: t.opts.BodyTimeout, writeTime: t.opts.WriteTimeout,
		respond: t.refuseRaw, trusted: t.trusted.Trusts,
		clock: func() int64 { return int64(t.bus.Now()) }, written: t.written, metrics: t.opts.Metrics,
	})
	t.opts.Metrics.GaugeFunc(metrics.HTTPConnections, func() float64 { return float64(t.guard.openConns.Load()) })
	t.server = &fasthttp.Server{
		Handler:                      t.serve,
		ErrorHandler:                 t.parseError,
		ExpectHandler:                t.expect,
		Logger:                       quietLogger{t.log, t.limit},
		SecureErrorLogMessage:        true,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		DisablePreParseMultipartForm: true,
		LazyRequestTime:              true,
		Concurrency:                  t.opts.MaxConns + 1024, // the guard bounds connections
		// One byte more than the guard lets through, so that it is the guard
		// who says no.
		ReadBufferSize:     t.opts.MaxHeader + 512,
		MaxRequestBodySize: registry.MaxBodyLimit + 1,
		StreamRequestBody:  true, // read by requestBody, or in chunks by upload
		// The guard keeps the deadlines, without a timer for each request.
	}
	if t.opts.EventLoops >= 0 {
		var err error
		if t.loops, err = newEventLoops(t, t.guard, t.opts.EventLoops); err != nil {
			return err
		}
	}
	return nil
}

// acceptClients accepts connections until the listener is closed, or draining.
func (t *Terminator) acceptClients() error {
	if t.loops != nil {
		return t.loops.accept()
	}
	return t.server.Serve(t.guard)
}

// connections returns how many clients wait for nothing, and how many have a
// request under way.
func (t *Terminator) connections() (idle, active int) {
	idle, active = t.guard.counts()
	if t.loops != nil {
		i, a := t.loops.counts()
		idle, active = idle+i, active+a
	}
	return idle, active
}

// Listener is the HTTP socket, to be handed over to a successor.
func (t *Terminator) Listener() *net.TCPListener { return t.listener }

// Addr is the address that Listen got.
func (t *Terminator) Addr() net.Addr { return t.listener.Addr() }

// Links returns the state of the links to the instances.
func (t *Terminator) Links() []nanobus.LinkInfo { return t.bus.Links() }

// Run serves until ctx ends, and for DrainDelay longer unless ErrSucceeded is
// the cause. Then it drains: it takes no new connections, answers what is in
// flight (within DrainTimeout), and returns.
func (t *Terminator) Run(ctx context.Context) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	watched := make(chan error, 1)
	go func() { watched <- t.opts.Discovery.Watch(background, t.discovered) }()
	go t.admission.run(background)
	go t.watchClients(background)
	served := make(chan error, 1)
	go func() { served <- t.acceptClients() }()
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
		failed = fmt.Errorf("terminator: serving ended: %w", err)
	case err := <-watched:
		if ctx.Err() == nil {
			failed = fmt.Errorf("terminator: discovery ended: %w", err)
		}
	}
	t.drain(served, serving)
	return errors.Join(failed, t.bus.Close())
}

// sayGoodbye serves for DrainDelay longer, so that whoever looks at /readyz can send its clients
// elsewhere first. It returns whether connections are still accepted.
func (t *Terminator) sayGoodbye(served <-chan error) (serving bool) {
	t.leaving.Store(true)
	if t.opts.DrainDelay == 0 {
		return true
	}
	t.log.Info().Stringer("for", t.opts.DrainDelay).Msg("told to end: not ready, still serving")
	t.guard.announceDrain()
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
	t.log.Info().Int64("in_flight", t.admission.inFlight.Load()).Msg("draining")
	deadline := time.Now().Add(t.opts.DrainTimeout)
	t.leaving.Store(true)
	t.draining.Store(true)
	t.guard.startDrain(idleGrace)
	// Connections that clients believe to be open may still wait to be
	// accepted: take those, then stop.
	if end := time.Now().Add(backlogGrace); t.loops != nil {
		t.loops.acceptUntil(end)
	} else {
		_ = t.listener.SetDeadline(end)
	}
	if serving {
		if err := <-served; err != nil { // ended by the deadline above
			t.log.Warn().Err(err).Msg("accepting connections ended with an error")
		}
	}
	_ = t.guard.Close()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		if t.guard.openConns.Load() == 0 { // also of those on their way from a loop to the guard
			break
		}
		if time.Now().After(deadline) {
			idle, active := t.connections()
			t.log.Warn().Int("active", active).Int("idle", idle).Msg("closing connections that were not done in time")
			if t.loops != nil {
				t.loops.closeAll()
			}
			break
		}
	}
	if t.loops != nil {
		t.loops.stop() // none comes to the guard any more
	}
	t.guard.closeAll()
}

// watchClients cancels requests whose clients have gone.
func (t *Terminator) watchClients(ctx context.Context) {
	tick := time.NewTicker(goneInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		t.noteLinks()
		t.guard.sweeper.each(func(c *guardConn) {
			id := c.waiting.Load()
			if id != 0 && id == c.watched && c.peerGone() {
				// By its id: if it has ended meanwhile, nothing happens.
				t.bus.Abort(id)
			}
			c.watched = id
		})
		if t.loops != nil {
			t.loops.watchClients()
		}
	}
}

// refuseRaw is the response to a request that the guard refused; begun, if
// serve has counted it already.
func (t *Terminator) refuseRaw(status int, reason string, begun, head bool) []byte {
	if !begun {
		t.metrics.requests.Inc()
	}
	t.metrics.classes[status/100].Inc()
	t.opts.Metrics.Counter(metrics.HTTPRefused, reason).Inc()
	return appendRefusal(nil, status, reason, head)
}

// parseError answers what fasthttp refuses and the guard let through, which
// should be nothing: it is logged, since either has a fault then.
func (t *Terminator) parseError(ctx *fasthttp.RequestCtx, err error) {
	if conn, ok := ctx.Conn().(*guardConn); ok && conn.ended() {
		return // the guard has answered; what is written now is swallowed
	}
	t.metrics.requests.Inc()
	t.metrics.classes[4].Inc()
	t.opts.Metrics.Counter(metrics.HTTPRefused, "parser").Inc()
	if t.limit.Allow("parser") {
		t.log.Warn().Err(err).Msg("the parser refused a request that the guard had passed")
	}
	refuse(ctx, badTarget)
	ctx.SetConnectionClose()
}

// expect answers Expect: 100-continue before the body is sent.
func (t *Terminator) expect(ctx *fasthttp.RequestCtx) int {
	routing := t.routing.Load()
	if routing == nil {
		return fasthttp.StatusContinue
	}
	header := &ctx.Request.Header
	target, _, err := http1.NormalizeTarget(header.RequestURI(), nil)
	if err != nil {
		return fasthttp.StatusContinue // the handler says what is wrong
	}
	host := header.Host()
	if len(target.Authority) > 0 {
		host = target.Authority
	}
	route, result := routing.router.Match(header.Method(), host, target.Path)
	if result != registry.Found || header.ContentLength() <= routing.routes[route].maxBody {
		return fasthttp.StatusContinue
	}
	t.metrics.requests.Inc()
	t.metrics.classes[4].Inc()
	t.metrics.outcomes[bodyTooLarge].Inc()
	refuse(ctx, bodyTooLarge)
	return fasthttp.StatusRequestEntityTooLarge
}

// drainableListener turns the deadline that draining sets into the end that
// fasthttp understands.
type drainableListener struct {
	*net.TCPListener
	draining *atomic.Bool
}

// Accept implements net.Listener.
func (l *drainableListener) Accept() (net.Conn, error) {
	c, err := l.TCPListener.Accept()
	if err != nil && l.draining.Load() && errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, io.EOF
	}
	return c, err
}

// quietLogger takes what fasthttp logs: nothing that a person would act on,
// a few lines per second for who looks for a fault.
type quietLogger struct {
	log   zerolog.Logger
	limit *logging.Limiter
}

// Printf implements fasthttp.Logger.
func (l quietLogger) Printf(format string, args ...any) {
	if l.log.GetLevel() <= zerolog.DebugLevel && l.limit.Allow("fasthttp") {
		l.log.Debug().Msgf(format, args...)
	}
}
