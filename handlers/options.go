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
)

// Defaults of Options.
const (
	DefaultListen       = "tcp://127.0.0.1:0"
	DefaultDrainTimeout = 10 * time.Second
	DefaultWorkers      = 256
	DefaultMaxBatch     = maxBatch

	maxBatch = 256
)

// Discovery is what a backend needs of it: to be found, and to find others.
// etcd's client and the static table implement it.
type Discovery interface {
	// Register announces the instance until the context ends or Close is
	// called on what it returns, and returns at once.
	Register(ctx context.Context, in registry.Instance) (registry.Registration, error)
	// Watch calls back with the state of the system, first as it is and then
	// after each change, one call at a time, until ctx ends.
	Watch(ctx context.Context, changed func(registry.Snapshot)) error
}

// Options says what a backend is. Service and Discovery are required.
type Options struct {
	// Service is the name that routes refer to.
	Service string
	// Instance tells this process from others of its service. Empty: the
	// service's name, the host's, and a random part.
	Instance string
	// Version of the backend's code; free text.
	Version string
	// Listen is the bus address: tcp://HOST:PORT or tls+tcp://HOST:PORT, port 0
	// for any free one, or ipc:///PATH. Empty: DefaultListen.
	Listen string
	// Security says how peers on the bus are told from strangers.
	Security nanobus.Security
	// Advertise is the address to announce, if others reach the process under
	// another one than it listens on.
	Advertise string
	// Admin is the address of the admin port, announced for the operator's
	// tool. Empty: none.
	Admin string

	// Owner, if set, names the data that this process serves and shares with no
	// other: of its service one instance is registered at most, and Run ends
	// with the reason if another one, with other data, is already. 1 to 63
	// lower-case letters, digits, '-', '.' and '_'.
	Owner string

	// Window is how many requests the process takes at once, those that wait
	// for a worker included. 0: nanobus.DefaultWindow.
	Window int
	// MaxHeld is how many requests the process holds at once (Response.Hold). 0: nanobus.DefaultHeld.
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
	// Inline runs a BatchHandler on the goroutine that reads the link, which
	// saves a change of goroutine. Only for one that never blocks: that
	// answers from memory, or only starts calls.
	Inline bool

	// Bodies says that the handler is a StreamHandler: it takes and gives bodies
	// in chunks, larger than MaxWhole.
	Bodies bool

	// Calls are the services that this one calls.
	Calls []string
	// Subscriptions are the topics wanted and what to do with their events,
	// one after the other.
	Subscriptions map[string]func(nanobus.Event)

	// NoTap forbids operators to listen in on requests and responses over the
	// bus (nanofront bus tap).
	NoTap bool

	// Discovery is how the process is found and finds others: etcd.Open's or static.Open's.
	Discovery Discovery
	// DrainTimeout bounds how long Run waits for requests at work when it is
	// told to end. 0: DefaultDrainTimeout.
	DrainTimeout time.Duration
	// Logger gets a line when the process serves, drains, or fails a request. The zero Logger is
	// silent.
	Logger zerolog.Logger
	// Metrics is where the runtime and its bus count: metrics.New makes one that reports. nil:
	// nowhere that anyone sees.
	Metrics metrics.Meter
}

// DefaultInstance draws a name for an instance that was given none, another
// one each time: its service, the host's name, and a random part.
func DefaultInstance(service string) string { return registry.NewID(service) }

// isNil tells that nothing is in an interface, or a nil pointer or function.
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
	if o.DrainTimeout == 0 {
		o.DrainTimeout = DefaultDrainTimeout
	}
	o.Metrics = metrics.OrNone(o.Metrics)
	return nil
}
