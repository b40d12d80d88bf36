package handlers

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"github.com/rs/zerolog"

	"nanofront/metrics"
	"nanofront/nanobus"
	"nanofront/registry"
	"nanofront/trace"
)

// Defaults of Options.
const (
	DefaultListen       = "tcp://127.0.0.1:0"
	DefaultDrainTimeout = 10 * time.Second
	DefaultWorkers      = 256
	DefaultMaxBatch     = maxBatch

	maxBatch = 256
)

// Discovery is what a backend needs to be found, and to find others. etcd's client and the static
// table implement it.
type Discovery interface {
	// Register announces the instance until the context ends or Close is
	// called on what it returns, and returns at once.
	Register(ctx context.Context, in registry.Instance) (registry.Registration, error)
	// Watch calls back with the state of the system, first as it is and then
	// after each change, one call at a time, until ctx ends.
	Watch(ctx context.Context, changed func(registry.Snapshot)) error
}

// Options describe a backend. Service and Discovery are required.
type Options struct {
	// Service is the name that routes refer to.
	Service string
	// Instance distinguishes this process from others of its service. Empty: the service's name,
	// the host's, and a random part.
	Instance string
	// Version of the backend's code; free text.
	Version string
	// Listen is the bus address: tcp://HOST:PORT or tls+tcp://HOST:PORT, port 0
	// for any free one, or ipc:///PATH. Empty: DefaultListen.
	Listen string
	// Security says how to tell peers on the bus from strangers.
	Security nanobus.Security
	// Advertise is the address to announce, if others reach the process under
	// another one than it listens on.
	Advertise string
	// Admin is the address of the admin port, announced for the operator's
	// tool. Empty: none.
	Admin string

	// Owner, if set, names the data that only this process serves: at most one instance of its
	// service is registered, and Run ends with the reason if another one, with different data,
	// already is. 1 to 63 lower-case letters, digits, '-', '.' and '_'.
	Owner string

	// Window is how many requests the process accepts at once, including those that wait for a
	// worker. 0: nanobus.DefaultWindow.
	Window int
	// MaxHeld is how many requests the process holds at once (Response.Hold). 0:
	// nanobus.DefaultHeld.
	MaxHeld int
	// Weight is the process' share of the requests among the instances of its
	// service, 1 to registry.MaxWeight. 0: registry.DefaultWeight.
	// registry.NoWeight: it gets none until Runtime.SetWeight.
	Weight registry.Weight
	// Workers is how many goroutines run the handler at once at most. 0:
	// DefaultWorkers, or Window if that is less.
	Workers int
	// MaxBatch is the most requests that a BatchHandler gets at once. 1..256,
	// 0: DefaultMaxBatch.
	MaxBatch int
	// Inline runs a BatchHandler on the goroutine that reads the link, which saves a goroutine
	// switch. Only for a handler that never blocks: one that answers from memory, or only starts
	// calls.
	Inline bool

	// Bodies says that the handler is a StreamHandler: it receives and sends bodies larger than
	// MaxWhole, in chunks.
	Bodies bool

	// Idempotency has writes known again that come with an Idempotency-Key. nil: they aren't.
	Idempotency *Idempotency

	// Calls are the services that this one calls.
	Calls []string
	// Subscriptions are the topics wanted, and the functions that take their events, one at a time.
	Subscriptions map[string]func(nanobus.Event)

	// NoTap keeps operators from listening in on requests and responses over the bus (nanofront bus
	// tap).
	NoTap bool

	// Tracer, if set, records what is done for requests that are part of a trace. The Runtime
	// starts and closes it.
	Tracer *trace.Recorder

	// Discovery is how the process is found and finds others: etcd.Open's or static.Open's.
	Discovery Discovery
	// LastKnown is a file for what has to be known at a start without etcd, as toggles have to; the
	// runtime itself keeps nothing there. Empty: none.
	LastKnown string
	// DrainTimeout bounds how long Run waits at the end for requests at work. 0:
	// DefaultDrainTimeout.
	DrainTimeout time.Duration
	// Logger gets a line when the process serves, drains, or fails a request. The zero Logger is
	// silent.
	Logger zerolog.Logger
	// Metrics is where the runtime and its bus count: metrics.New makes one that reports. nil:
	// nowhere.
	Metrics metrics.Meter
}

// DefaultInstance draws a name for an instance that has none, a different one each time: its
// service, the host's name, and a random part.
func DefaultInstance(service string) string { return registry.NewID(service) }

// isNil reports whether an interface is empty, or holds a nil pointer or function.
func isNil(v any) bool {
	r := reflect.ValueOf(v)
	return !r.IsValid() || (r.Kind() == reflect.Pointer || r.Kind() == reflect.Func) && r.IsNil()
}

func (o *Options) setDefaults() error {
	if isNil(o.Discovery) {
		return fmt.Errorf("handlers: Options.Discovery is missing: use what etcd.Open or static.Open returned without an error")
	}
	if o.Instance == "" {
		o.Instance = DefaultInstance(o.Service)
	}
	if o.Listen == "" {
		o.Listen = DefaultListen
	}
	if o.Window == 0 {
		o.Window = nanobus.DefaultWindow
	}
	if o.Workers == 0 {
		o.Workers = min(DefaultWorkers, max(o.Window, 1))
	}
	if o.MaxBatch == 0 {
		o.MaxBatch = DefaultMaxBatch
	}
	for _, f := range []struct {
		name  string
		value int
		max   int
	}{{"window", o.Window, nanobus.MaxWindow}, {"workers", o.Workers, nanobus.MaxWindow}, {"max batch", o.MaxBatch, maxBatch}} {
		if f.value < 1 || f.value > f.max {
			return fmt.Errorf("handlers: %s %d: want 1 to %d", f.name, f.value, f.max)
		}
	}
	if o.Idempotency != nil {
		own := *o.Idempotency
		if err := own.setDefaults(); err != nil {
			return err
		}
		o.Idempotency = &own
	}
	if o.DrainTimeout == 0 {
		o.DrainTimeout = DefaultDrainTimeout
	}
	if o.Metrics == nil {
		o.Metrics = metrics.New(metrics.Handler, o.Instance)
	}
	return nil
}
