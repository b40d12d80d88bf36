package exchange

import (
	"fmt"
	"math"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"nanofront/internal/logging"
	"nanofront/metrics"
	"nanofront/nanobus"
	"nanofront/terminator/admission"
	"nanofront/terminator/forwarded"
	"nanofront/terminator/memory"
)

// Options is what a front is made of. All fields but Holder and Memory are required.
type Options struct {
	Bus       *nanobus.Bus
	Admission *admission.Limiter
	Trusted   *forwarded.Policy
	AccessLog AccessLog                // what is logged of each request
	Draining  func() bool              // whether connections are to end with their responses
	Holder    Holder                   // keeps what handlers hold; nil: they hold nothing
	Memory    *memory.Budget           // what drivers and Holder take theirs from; nil: services have no shares
	Tracing   Tracing                  // which requests are traced
	Observe   func([]nanobus.Instance) // told the known instances of the services that are routed to, when that changes
	Logger    zerolog.Logger
	Limit     *logging.Limiter
	Metrics   *metrics.Set
}

// Front is what all requests share.
type Front struct {
	bus       *nanobus.Bus
	limiter   *admission.Limiter
	retries   *admission.RetryBudget
	trusted   *forwarded.Policy
	accessLog *accessLog
	tracing   *tracing // nil: none
	draining  func() bool
	observe   func([]nanobus.Instance)
	holder    Holder
	memory    *memory.Budget
	log       zerolog.Logger
	limit     *logging.Limiter
	set       *metrics.Set
	metrics   *frontMetrics
	routing   atomic.Pointer[routing]
	slow      slowest
	shedding  shedding // Tick's
}

// New makes a front that knows no routes yet.
func New(o Options) *Front {
	f := &Front{
		bus: o.Bus, limiter: o.Admission, trusted: o.Trusted, draining: o.Draining, observe: o.Observe, holder: o.Holder, memory: o.Memory,
		accessLog: newAccessLog(o.Logger, o.AccessLog), tracing: newTracing(o.Tracing),
		shedding: make(shedding), log: o.Logger, limit: o.Limit, set: o.Metrics, metrics: newFrontMetrics(o.Metrics),
	}
	f.slow.above.Store(math.MaxInt64)
	f.set.GaugeFunc(metrics.RoutesRevision, func() float64 { return float64(f.Revision()) })
	f.retries = admission.NewRetryBudget(f.metrics.requests.Value)
	return f
}

// Now is the time by which an exchange's stages are measured, in ns.
func (f *Front) Now() int64 { return int64(f.bus.Now()) }

// Spare reports whether a request that may be repeated may be sent to another instance, as the one
// that has it is silent: within the budget of retries.
func (f *Front) Spare() bool {
	if !f.retries.Take(f.bus.Now()) {
		f.metrics.retryBudget.Inc()
		return false
	}
	return true
}

// Tick is to be called about once a second or more often, by one goroutine at a time.
func (f *Front) Tick() {
	f.retries.Mark(f.bus.Now())
	f.shedding.look(f)
}

// Abandon ends the call with that correlation id, whose client has gone, if it is still under way
// or held.
func (f *Front) Abandon(call uint64) {
	if !f.bus.Abort(call) && f.holder != nil {
		f.holder.Abandon(call)
	}
}

// Read counts n bytes that were read from a client.
func (f *Front) Read(n int) { f.metrics.bytesIn.Add(uint64(n)) }

// Panicked logs a panic that was caught.
func (f *Front) Panicked(p any) {
	if f.limit.Allow("panic") {
		f.log.Error().Str(logging.Reason, fmt.Sprint(p)).Bytes(logging.Stack, debug.Stack()).
			Msg("a request made the terminator panic; it gets a 500")
	}
}

// written adds the times of the last stage, and of the whole. firstByte and replied are as of Now,
// as is now.
func (f *Front) written(now time.Duration, firstByte, replied int64) {
	f.metrics.stageWrite.Observe(now - time.Duration(replied))
	if firstByte != 0 {
		f.metrics.stageTotal.Observe(now - time.Duration(firstByte))
	}
}
