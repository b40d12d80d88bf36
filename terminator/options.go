package terminator

import (
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"time"

	"github.com/rs/zerolog"

	"nanofront/httpmsg"
	"nanofront/metrics"
	"nanofront/nanobus"
	"nanofront/registry"
	"nanofront/trace"
)

// Defaults of Options.
const (
	DefaultHTTP          = ":8080"
	DefaultHeaderTimeout = 10 * time.Second
	DefaultBodyTimeout   = 30 * time.Second
	DefaultIdleTimeout   = 75 * time.Second
	DefaultWriteTimeout  = 30 * time.Second
	DefaultDrainTimeout  = 10 * time.Second
	DefaultMaxHeader     = 16 << 10
	DefaultMaxFields     = 100
	DefaultMaxConns      = 20_000
	DefaultClientMemory  = 512 << 20
	DefaultMaxInFlight   = 16384
	DefaultMinInFlight   = 8
	DefaultLatencyTarget = 50 * time.Millisecond
	DefaultAccessLog     = 10
)

// MaxDrainDelay is the most that Options.DrainDelay may be.
const MaxDrainDelay = 10 * time.Minute

// Discovery is what a terminator needs of it. etcd's client and the static
// table implement it.
type Discovery interface {
	// Watch calls back with the state of the system, first as it is and then
	// after each change, one call at a time, until ctx ends.
	Watch(ctx context.Context, changed func(registry.Snapshot)) error
}

// Options says how a terminator behaves. Only Discovery is required. Zero
// values are the defaults; nothing is unlimited.
type Options struct {
	HTTP      string           // address to listen on
	Listener  *net.TCPListener // if set, used in place of listening on HTTP
	Waits     bool             // nothing is accepted before Accept is called: a predecessor does meanwhile
	Discovery Discovery
	Instance  string // this process' name, for metrics and its peers
	Version   string
	Security  nanobus.Security // how peers on the bus are told from strangers

	// TrustedProxies are networks (10.0.0.0/8) and addresses whose word about
	// who the client is, in Forwarded or X-Forwarded-*, is taken. From others
	// these fields are replaced.
	TrustedProxies []string

	HeaderTimeout time.Duration // from a request's first byte to the end of its header
	BodyTimeout   time.Duration // from there to the end of its body
	IdleTimeout   time.Duration // between requests
	WriteTimeout  time.Duration // for the client to take a response
	DrainTimeout  time.Duration // for what is in flight, after the end was asked for

	// DrainDelay is for how long Run goes on serving when its end was asked for,
	// not ready and with Connection: close in each response, so that a balancer
	// notices before the port closes. At most MaxDrainDelay.
	DrainDelay time.Duration

	MaxHeader int // bytes of request line and header section
	MaxFields int // header fields of a request, and trailer fields
	MaxConns  int // open client connections

	// ClientMemory is the most memory that the front is to have, in bytes, however many of its
	// clients are slow. Half of it is for bodies that are being gathered and for responses that
	// clients have yet to take; the other is left to what comes with them: answers on their way,
	// buffers, stacks, garbage.
	ClientMemory int

	// EventLoops is how many event loops look after the client connections, on
	// Linux. 0: half as many as there are cores. -1: none, and each connection
	// has a goroutine, as on other systems.
	EventLoops int

	// Admission: MaxInFlight is how many requests may be in flight at once in all, MinInFlight how
	// many an overloaded service is left at the least, and LatencyTarget the longest wait in its
	// queue that is borne.
	MaxInFlight   int
	MinInFlight   int
	LatencyTarget time.Duration

	// AccessLog is how many lines per second are written at most. -1: none.
	AccessLog int
	// AccessLogTo is where they go, one with each Write, which must not block. nil: Logger.
	AccessLogTo io.Writer
	// AccessLogCombined has them in the combined format, not as JSON, if AccessLogTo is set.
	AccessLogCombined bool
	// LogSlowerThan has requests that take longer logged always, up to 100 lines per second. 0: no
	// such lines.
	LogSlowerThan time.Duration

	// Tracer, if set, traces requests: a TraceSample of all, from 0 to 1, those that fail, and
	// those that take longer than TraceSlowerThan, if that isn't 0. The terminator starts and
	// closes it.
	Tracer          *trace.Recorder
	TraceSample     float64
	TraceSlowerThan time.Duration

	Logger  zerolog.Logger
	Metrics *metrics.Set
}

// setDefaults fills in and checks. Errors name the flag.
func (o *Options) setDefaults() error {
	if o.Discovery == nil {
		return fmt.Errorf("terminator: Options.Discovery is missing")
	}
	if o.HTTP == "" {
		o.HTTP = DefaultHTTP
	}
	if o.Metrics == nil {
		o.Metrics = metrics.New(metrics.Terminator, o.Instance)
	}
	for _, f := range []struct {
		flag          string
		value         *time.Duration
		def, min, max time.Duration
	}{
		{"header-timeout", &o.HeaderTimeout, DefaultHeaderTimeout, 10 * time.Millisecond, 10 * time.Minute},
		{"body-timeout", &o.BodyTimeout, DefaultBodyTimeout, 10 * time.Millisecond, time.Hour},
		{"idle-timeout", &o.IdleTimeout, DefaultIdleTimeout, 10 * time.Millisecond, time.Hour},
		{"write-timeout", &o.WriteTimeout, DefaultWriteTimeout, 10 * time.Millisecond, time.Hour},
		{"drain-timeout", &o.DrainTimeout, DefaultDrainTimeout, 10 * time.Millisecond, time.Hour},
		{"latency-target", &o.LatencyTarget, DefaultLatencyTarget, time.Millisecond, time.Minute},
	} {
		if *f.value == 0 {
			*f.value = f.def
		}
		if *f.value < f.min || *f.value > f.max {
			return fmt.Errorf("terminator: --%s %v: want %v to %v", f.flag, *f.value, f.min, f.max)
		}
	}
	if o.LogSlowerThan < 0 || o.LogSlowerThan > time.Hour {
		return fmt.Errorf("terminator: --log-slower-than %v: want 0s to %v", o.LogSlowerThan, time.Hour)
	}
	if o.TraceSample < 0 || o.TraceSample > 1 || math.IsNaN(o.TraceSample) {
		return fmt.Errorf("terminator: --trace-sample %v: want 0 to 1", o.TraceSample)
	}
	if o.TraceSlowerThan < 0 || o.TraceSlowerThan > time.Hour {
		return fmt.Errorf("terminator: --trace-slower-than %v: want 0s to %v", o.TraceSlowerThan, time.Hour)
	}
	if o.DrainDelay < 0 || o.DrainDelay > MaxDrainDelay {
		return fmt.Errorf("terminator: --drain-delay %v: want 0s to %v", o.DrainDelay, MaxDrainDelay)
	}
	for _, f := range []struct {
		flag          string
		value         *int
		def, min, max int
	}{
		{"max-header", &o.MaxHeader, DefaultMaxHeader, 1 << 10, 60 << 10},
		{"max-header-fields", &o.MaxFields, DefaultMaxFields, 1, httpmsg.MaxFields - 6}, // with what we add
		{"max-connections", &o.MaxConns, DefaultMaxConns, 1, 1 << 20},
		{"client-memory", &o.ClientMemory, DefaultClientMemory, 1 << 20, 1 << 40},
		{"max-in-flight", &o.MaxInFlight, DefaultMaxInFlight, 1, 1 << 17},
		{"min-in-flight", &o.MinInFlight, min(DefaultMinInFlight, max(o.MaxInFlight, 1)), 1, 1 << 17},
		{"event-loops", &o.EventLoops, 0, -1, 1 << 10},
		{"access-log", &o.AccessLog, DefaultAccessLog, -1, 100_000},
	} {
		if *f.value == 0 {
			*f.value = f.def
		}
		if *f.value < f.min || *f.value > f.max {
			return fmt.Errorf("terminator: --%s %d: want %d to %d", f.flag, *f.value, f.min, f.max)
		}
	}
	if o.MinInFlight > o.MaxInFlight {
		return fmt.Errorf("terminator: --min-in-flight %d: must not be above --max-in-flight %d", o.MinInFlight, o.MaxInFlight)
	}
	return nil
}
