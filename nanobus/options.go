package nanobus

import (
	"fmt"

	"github.com/rs/zerolog"

	"nanofront/metrics"
	"nanofront/nanobus/link"
	"nanofront/nanobus/tap"
	"nanofront/nanobus/wire"
)

// Defaults and bounds of Options.
const (
	DefaultWindow = 1024
	MaxWindow     = link.MaxWindow
	DefaultSlots  = 1 << 15
	DefaultLinks  = 1024
	DefaultBodies = 1 << 14

	// minShare is the least window that a caller's link gets when many
	// callers share the bus' window.
	minShare = 16
)

// Options says what a process is on the bus. The zero value is a caller that
// takes no requests.
type Options struct {
	// Service, Instance and Version introduce the process to its peers. At
	// most 255 bytes each.
	Service, Instance, Version string

	// Serve takes the requests that came in one message. It runs on the
	// goroutine that reads the link and must not block. The slice is valid
	// during the call, the requests until each is replied to. nil: the
	// process takes none.
	Serve func(batch []*Request)

	// Window is how many requests the process takes at once, over all links;
	// the links of its callers share it. 1..65536, 0 means DefaultWindow.
	Window int

	// Subscriptions are the topics wanted and what to do with their events.
	// The functions run one after the other, on one goroutine of the bus.
	// At most 64.
	Subscriptions map[string]func(Event)

	// Slots bounds the calls under way. 1..1048576, 0 means DefaultSlots.
	Slots int

	// MaxLinks bounds the links, dialled and accepted. Those that are dialled
	// have their places kept. 0 means DefaultLinks.
	MaxLinks int

	// NoTap forbids others to listen in on the process' requests; see
	// tap.Options. A tap sees payloads.
	NoTap bool

	// Tap makes the bus listen in on the instances that it is linked with. nil:
	// it doesn't.
	Tap *tap.Options

	// Bodies says that the process takes bodies in chunks: as a responder, that
	// Serve asks for Request.Body; as a caller, that it minds Call.Download.
	Bodies bool

	// MaxBodies bounds the bodies that are received in chunks at once, and those
	// that are sent. All that are received may hold 128 MiB together. A request or
	// a reply over it fails. 1..65536, 0 means DefaultBodies.
	MaxBodies int

	// Holder keeps the calls that responders hold, to answer them later. nil: the process takes no
	// holds.
	Holder Holder

	// MaxHeld bounds the requests of peers that the process holds. 1..1048576, 0 means DefaultHeld.
	MaxHeld int

	// Spare is asked before a request that may be repeated (Call.Repeat) is sent to another
	// instance, as the one that has it is silent. It must not block. nil: one for each twenty calls
	// is, and a hundred that are kept.
	Spare func() bool

	// Memory names where Serve remembers requests, so that it knows one again that comes once more,
	// and doesn't act upon it twice. Processes that share such a memory say the same name. At most
	// 255 bytes. Empty: it doesn't.
	Memory string

	// Security says how peers are told from strangers.
	Security Security

	// Logger gets a line when a link comes or goes. The zero Logger is silent.
	Logger zerolog.Logger

	// Metrics is where the bus counts: metrics.New makes one that reports. nil, or a nil
	// *metrics.Set: nowhere that anyone sees.
	Metrics metrics.Meter

	noYield bool // for BenchmarkLink_Yield
}

func (o *Options) validate() error {
	for _, f := range []struct{ name, value string }{
		{"service", o.Service}, {"instance", o.Instance}, {"version", o.Version}, {"memory's", o.Memory},
	} {
		if len(f.value) > 255 {
			return fmt.Errorf("nanobus: %s name of %d bytes: want at most 255", f.name, len(f.value))
		}
	}
	if len(o.Subscriptions) > wire.MaxTopics {
		return fmt.Errorf("nanobus: %d subscriptions: want at most %d", len(o.Subscriptions), wire.MaxTopics)
	}
	for topic, fn := range o.Subscriptions {
		if err := checkTopic(topic); err != nil {
			return err
		}
		if fn == nil {
			return fmt.Errorf("nanobus: the subscription to %q has a nil function: pass one that takes its events", topic)
		}
	}
	for _, f := range []struct {
		name     string
		value    *int
		def, max int
	}{
		{"window", &o.Window, DefaultWindow, MaxWindow},
		{"slots", &o.Slots, DefaultSlots, link.MaxSlots},
		{"links", &o.MaxLinks, DefaultLinks, 1 << 16},
		{"bodies", &o.MaxBodies, DefaultBodies, 1 << 16},
		{"held requests", &o.MaxHeld, DefaultHeld, 1 << 20},
	} {
		if *f.value == 0 {
			*f.value = f.def
		}
		if *f.value < 1 || *f.value > f.max {
			return fmt.Errorf("nanobus: %s %d: want 1 to %d", f.name, *f.value, f.max)
		}
	}
	if err := o.Security.validate(); err != nil {
		return err
	}
	if o.Metrics == nil {
		o.Metrics = metrics.New(metrics.Handler, "")
	}
	return o.Tap.Validate()
}
