package handlers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"nanofront/internal/logging"
	"nanofront/internal/tasks"
	"nanofront/metrics"
	"nanofront/nanobus"
	"nanofront/registry"
)

// Runtime is one backend process. Most need only Run; one that calls other services or publishes
// events makes a Runtime first.
type Runtime struct {
	opts    Options
	log     zerolog.Logger
	limit   *logging.Limiter
	metrics *handlerMetrics
	bus     *nanobus.Bus
	pool    *pool
	weight  weight
	tasks   tasks.Group // replies that wait for their link, and what looks after waiting calls

	draining atomic.Bool // told to end
	claims   *claims     // of writes with a key; nil: they are like others

	serve func(batch []*Exchange)
}

// Run announces the service, serves with h until ctx ends, and shuts down without losing a request.
// See Runtime for more control.
func Run(ctx context.Context, opts Options, h Handler) error {
	rt, err := New(opts)
	if err != nil {
		return err
	}
	defer func() { _ = rt.Close() }() // of one that h doesn't suit
	return rt.Run(ctx, h)
}

// New makes a backend that serves nothing yet.
func New(opts Options) (*Runtime, error) {
	if err := opts.setDefaults(); err != nil {
		return nil, err
	}
	rt := &Runtime{opts: opts, log: opts.Logger, metrics: newHandlerMetrics(opts.Metrics)}
	rt.limit = logging.NewLimiter(opts.Logger, 5, time.Second)
	probe := registry.Instance{Service: opts.Service, ID: opts.Instance, Address: "tcp://127.0.0.1:1", Version: opts.Version, Window: opts.Window, Weight: opts.Weight, Owner: opts.Owner, Started: time.Now()}
	if err := probe.Validate(); err != nil {
		return nil, err
	}
	memory := ""
	if i := opts.Idempotency; i != nil {
		rt.claims = &claims{Idempotency: *i, rt: rt}
		_, rt.claims.own = i.Memory.(*ownMemory)
		memory = i.Memory.Name()
	}
	var err error
	rt.bus, err = nanobus.New(nanobus.Options{
		Service: opts.Service, Instance: opts.Instance, Version: opts.Version,
		Serve: rt.arrived, Window: opts.Window, MaxHeld: opts.MaxHeld, Bodies: opts.Bodies, Subscriptions: opts.subscriptions(),
		Memory:   memory,
		Security: opts.Security, NoTap: opts.NoTap,
		Logger: opts.Logger, Metrics: opts.Metrics,
	})
	if err != nil {
		return nil, err
	}
	if opts.Tracer != nil {
		opts.Tracer.Start(rt.bus)
	}
	opts.Metrics.GaugeFunc(metrics.HandlerHeldNow, func() float64 { return float64(rt.bus.Held()) })
	if rt.claims != nil && rt.claims.own {
		own := rt.claims.Memory.(*ownMemory) //nolint:forcetypeassert // so it says
		opts.Metrics.GaugeFunc(metrics.HandlerWritesRemembered, func() float64 { return float64(own.Len()) })
	}
	opts.Metrics.GaugeFunc(metrics.HandlerInFlight, func() float64 { return float64(rt.bus.Served()) })
	return rt, nil
}

// Close discards a Runtime that was never run; after Run there is nothing left to close.
// Idempotent.
func (rt *Runtime) Close() error {
	if rt.opts.Tracer != nil {
		rt.opts.Tracer.Close()
	}
	err := rt.bus.Close()
	rt.tasks.Wait()
	rt.limit.Close()
	return err
}

// Instance is the name under which the process is announced.
func (rt *Runtime) Instance() string { return rt.opts.Instance }

// Client returns a client of another service, which must be in Options.Calls.
func (rt *Runtime) Client(service string) *Client {
	if !slices.Contains(rt.opts.Calls, service) {
		panic(fmt.Sprintf("handlers: %q is not in Options.Calls", service))
	}
	return &Client{rt: rt, svc: rt.bus.Service(service)}
}

// Publish sends an event to every linked process that subscribed to the topic,
// best effort. It never blocks. It returns how many it was sent to.
func (rt *Runtime) Publish(topic string, payload []byte) (int, error) {
	return rt.bus.Publish(topic, payload)
}

// Ready returns nil when the process is announced and a live instance of each service that it calls
// is known; otherwise what is missing. A process that others can no longer find, because its record
// was lost or another process has taken its name, is not ready either.
func (rt *Runtime) Ready() error {
	if rt.draining.Load() {
		return errors.New("draining")
	}
	if err := rt.weight.registered(); err != nil {
		return err
	}
	for _, s := range rt.opts.Calls {
		if rt.bus.Service(s).Live() == 0 {
			return fmt.Errorf("no live instance of %q", s)
		}
	}
	return nil
}

// Links returns the state of the links to the services that are called.
func (rt *Runtime) Links() []nanobus.LinkInfo { return rt.bus.Links() }

// Run serves with h until ctx ends, then drains: it withdraws the process, tells its callers,
// answers the requests at work (within DrainTimeout), and returns. A Runtime can be run only once.
func (rt *Runtime) Run(ctx context.Context, h Handler) error {
	if err := rt.takes(h, false); err != nil {
		return err
	}
	rt.pool = newPool(rt.opts.Workers, 1, func(batch []*Exchange) { rt.runOne(h, batch[0]) })
	return rt.run(ctx, rt.pool.submit)
}

// RunBatch is Run for a BatchHandler.
func (rt *Runtime) RunBatch(ctx context.Context, h BatchHandler) error {
	if err := rt.takes(h, false); err != nil {
		return err
	}
	run := func(batch []*Exchange) { rt.runBatch(h, batch) }
	if rt.opts.Inline {
		return rt.run(ctx, func(batch []*Exchange) {
			for len(batch) > maxBatch {
				run(batch[:maxBatch])
				batch = batch[maxBatch:]
			}
			run(batch)
		})
	}
	rt.pool = newPool(rt.opts.Workers, rt.opts.MaxBatch, run)
	return rt.run(ctx, rt.pool.submit)
}

// takes reports why the runtime can't be run with h, which streams or doesn't.
func (rt *Runtime) takes(h any, streams bool) error {
	if rt.opts.Bodies != streams {
		return errNotBodies
	}
	if isNil(h) {
		return errors.New("handlers: the handler is nil: pass one to Run, RunBatch or RunStream")
	}
	return nil
}

func (rt *Runtime) run(ctx context.Context, serve func([]*Exchange)) error {
	rt.serve = serve
	stuck := false
	defer func() {
		_ = rt.bus.Close()
		defer func() { _ = rt.Close() }() // what is left, when the handlers have ended
		if rt.pool == nil {
			return
		}
		// The handlers' contexts have ended. Those that don't care were given
		// the drain timeout already; a moment more is for those that do.
		patience := rt.opts.DrainTimeout
		if stuck {
			patience = stuckGrace
		}
		if n := rt.pool.close(patience); n > 0 {
			rt.log.Error().Int("workers", n).Msg("abandoning handlers that are still at work")
		}
	}()
	addr, err := rt.bus.Listen(rt.opts.Listen)
	if err != nil {
		return err
	}
	if rt.opts.Advertise != "" {
		addr = rt.opts.Advertise
	} else if host, _, err := net.SplitHostPort(strings.TrimPrefix(strings.TrimPrefix(addr, "tls+"), "tcp://")); err == nil && net.ParseIP(host).IsUnspecified() {
		return fmt.Errorf("handlers: %s means all addresses, so there is none to announce: name one with --advertise tcp://HOST:PORT", addr)
	}
	self := registry.Instance{
		Service: rt.opts.Service, ID: rt.opts.Instance, Address: addr, Version: rt.opts.Version,
		Window: rt.opts.Window, Weight: rt.opts.Weight, Admin: rt.opts.Admin, Owner: rt.opts.Owner, Started: time.Now().UTC(),
	}
	// What follows must outlive ctx: the process is still found, and still
	// finds others, until it has been withdrawn.
	live, stop := context.WithCancel(context.WithoutCancel(ctx))
	watched := make(chan struct{})
	var watchErr error
	go func() {
		defer close(watched)
		watchErr = rt.opts.Discovery.Watch(live, rt.discovered)
	}()
	var said tasks.Group // says when the announcement is in force
	defer func() {
		stop()
		<-watched
		said.Wait()
	}()
	reg, err := rt.weight.register(self, func(self registry.Instance) (registry.Registration, error) {
		return rt.opts.Discovery.Register(live, self)
	})
	if err != nil {
		return err
	}
	said.Go(func() {
		select {
		case <-reg.Ready():
			rt.log.Info().Str(logging.Service, self.Service).Str(logging.Addr, addr).
				Int("window", self.Window).Msg("serving")
		case <-live.Done():
		}
	})

	var refused error
	select {
	case <-ctx.Done():
	case <-reg.Refused():
		refused = reg.Err()
	case <-watched:
		if ctx.Err() == nil {
			return errors.Join(errors.New("handlers: discovery ended"), watchErr)
		}
	}

	rt.log.Info().Int("in_flight", rt.bus.Served()).Msg("draining")
	drain, cancel := context.WithTimeout(context.Background(), rt.opts.DrainTimeout)
	defer cancel()
	rt.draining.Store(true)
	// Told to the callers first: that takes effect at once, discovery later.
	drained := make(chan error, 1)
	go func() { drained <- rt.bus.Drain(drain) }()
	withdraw, cancelWithdraw := context.WithTimeout(drain, 2*time.Second)
	defer cancelWithdraw()
	if err := reg.Close(withdraw); err != nil {
		rt.log.Warn().Err(err).Msg("not withdrawn from discovery; the record expires with its lease")
	}
	err = <-drained
	stuck = err != nil
	if refused != nil {
		return errors.Join(refused, err)
	}
	return err
}

// stuckGrace is what handlers that were not done within the drain timeout get
// to notice that their contexts have ended.
const stuckGrace = 100 * time.Millisecond

// discovered tells the bus which instances to link with: those of the services that are called,
// and, to hear their events, with everybody if there are subscriptions.
func (rt *Runtime) discovered(s registry.Snapshot) {
	var list []nanobus.Instance
	for _, in := range s.Instances {
		if in.Service == rt.opts.Service && in.ID == rt.opts.Instance {
			continue
		}
		called := slices.Contains(rt.opts.Calls, in.Service)
		if !called && len(rt.opts.Subscriptions) == 0 {
			continue
		}
		list = append(list, nanobus.Instance{
			Service: in.Service, ID: in.ID, Address: in.Address, Version: in.Version,
			Weight: int(in.Weight), EventsOnly: !called,
		})
	}
	if err := rt.bus.SetInstances(list); err != nil {
		if rt.limit.Allow("instances") {
			rt.log.Warn().Err(err).Msg("some instances are unusable")
		}
	}
}

// arrived is nanobus' Serve: it makes exchanges of requests and passes them
// on.
func (rt *Runtime) arrived(batch []*nanobus.Request) {
	scratch := batchPool.Get().(*[]*Exchange) //nolint:forcetypeassert // the pool has nothing else
	xs := (*scratch)[:0]
	rt.metrics.requests.Add(uint64(len(batch)))
	for _, r := range batch {
		x := exchangePool.Get().(*Exchange) //nolint:forcetypeassert // the pool has nothing else
		x.rt, x.bus = rt, r
		x.state.Store(turn.Add(turnStep))
		if err := x.req.wire().Decode(r.Payload()); err != nil {
			if rt.limit.Allow("malformed") {
				rt.log.Warn().Err(err).Stringer("link", r.Link()).Msg("rejecting a request that can't be decoded")
			}
			r.ReplyError(nanobus.CodeMalformed, err.Error())
			x.recycle()
			continue
		}
		if rt.claims == nil || !rt.claims.takes(x) {
			xs = append(xs, x)
		}
	}
	if len(xs) > 0 {
		rt.serve(xs)
	}
	clear(xs)
	*scratch = xs
	batchPool.Put(scratch)
}

// batchPool has the slices that arrived uses: one on its stack would escape.
var batchPool = sync.Pool{New: func() any {
	xs := make([]*Exchange, 0, maxBatch)
	return &xs
}}

// begin notes that work starts, for those that are still wanted; the others
// are answered and left out. turns notes which use of each exchange this is:
// one that is finished may be another request's by the time of a panic.
func (rt *Runtime) begin(batch []*Exchange, turns []uint64) []*Exchange {
	now := rt.bus.Now()
	rt.metrics.batches.Inc()
	wanted := batch[:0]
	for _, x := range batch {
		rt.metrics.queue.Observe(now - x.bus.Received())
		switch {
		case now >= x.bus.Deadline(): // first: its caller has cancelled it as well by now
			rt.metrics.expired.Inc()
			x.settle(false)
			x.bus.ReplyError(nanobus.CodeExpired, "")
			x.recycle()
			continue
		case x.bus.Cancelled():
			x.settle(false)
			x.bus.ReplyError(nanobus.CodeCancelled, "")
			x.recycle()
			continue
		}
		x.bus.Start(now)
		x.started = now
		if rt.opts.Tracer != nil {
			x.span.begin(x)
		}
		turns[len(wanted)] = x.state.Load()
		wanted = append(wanted, x)
	}
	return wanted
}

func (rt *Runtime) runOne(h Handler, x *Exchange) {
	one := [1]*Exchange{x}
	var turns [1]uint64
	if len(rt.begin(one[:], turns[:])) == 0 {
		return
	}
	defer rt.contain(one[:], turns[:])
	x.serial, x.resp.exchange = true, x
	err := h.Serve(x.Context(), &x.req, &x.resp)
	switch {
	case x.held:
		x.recycle()
	case err != nil:
		x.Fail(err)
	default:
		x.Done()
	}
}

func (rt *Runtime) runBatch(h BatchHandler, batch []*Exchange) {
	var turns [maxBatch]uint64
	batch = rt.begin(batch, turns[:])
	if len(batch) == 0 {
		return
	}
	defer rt.contain(batch, turns[:])
	h.ServeBatch(batch)
}

// contain keeps a handler's panic from ending the process. The exchanges that
// were not finished fail.
func (rt *Runtime) contain(batch []*Exchange, turns []uint64) {
	p := recover()
	if p == nil {
		return
	}
	rt.panicked(p)
	for _, x := range batch {
		// Not by index: the handler may have sorted them.
		if turn := x.state.Load(); slices.Contains(turns[:len(batch)], turn) {
			rt.abandon(x, turn)
		}
	}
}

func (rt *Runtime) panicked(p any) {
	rt.metrics.panics.Inc()
	if rt.limit.Allow("panic") {
		// Not as JSON: of an error that would be {}, and marshalling may panic again.
		rt.log.Error().Str("panic", fmt.Sprint(p)).Bytes("stack", debug.Stack()).Msg("handler panicked; its requests get a 500")
	}
}

func (rt *Runtime) logFailure(x *Exchange, err error) {
	if !rt.limit.Allow("failure") {
		return
	}
	rt.log.Error().Err(err).Str(logging.TraceID, x.req.TraceID()).Str(logging.CorrelationID, logging.Correlation(x.bus.ID())).
		Bytes("method", x.req.Method).Bytes("path", x.req.Path).
		Bytes("request_id", x.req.Header.Get("x-request-id")).Msg("handler failed")
}

// handlerMetrics are the handles of what the runtime counts.
type handlerMetrics struct {
	requests, panics, errors, expired, batches, waited *metrics.Counter
	held                                               *metrics.Counter
	classes                                            [6]*metrics.Counter
	repeated                                           func(how string) *metrics.Counter
	queue, serviceTime                                 *metrics.Timer
}

func newHandlerMetrics(s metrics.Meter) *handlerMetrics {
	m := &handlerMetrics{
		requests: s.Counter(metrics.HandlerRequests), panics: s.Counter(metrics.HandlerPanics),
		errors: s.Counter(metrics.HandlerErrors), expired: s.Counter(metrics.HandlerExpired),
		batches: s.Counter(metrics.HandlerBatches), waited: s.Counter(metrics.HandlerWaited),
		held:  s.Counter(metrics.HandlerHeld),
		queue: s.Timer(metrics.HandlerQueue), serviceTime: s.Timer(metrics.HandlerServiceTime),
	}
	m.repeated = func(how string) *metrics.Counter { return s.Counter(metrics.HandlerWritesRepeated, how) }
	for i, class := range []string{"1xx", "2xx", "3xx", "4xx", "5xx"} {
		m.classes[i+1] = s.Counter(metrics.HandlerResponses, class)
	}
	return m
}

func (m *handlerMetrics) class(status int) *metrics.Counter { return m.classes[status/100] }
