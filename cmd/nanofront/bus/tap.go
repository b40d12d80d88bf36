package bus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"nanofront/internal/buildinfo"
	"nanofront/nanobus"
	listen "nanofront/nanobus/tap"
	"nanofront/nanobus/wire"
	"nanofront/registry"
)

const (
	// answerTime is how long an instance may take to answer to a tap before
	// that is said, and reachTime how long until it is linked.
	answerTime = time.Second
	reachTime  = 2 * time.Second
	// stopTime bounds the wait for the last word of the instances.
	stopTime = 500 * time.Millisecond
	// lookTime is how often the links are looked at.
	lookTime = 100 * time.Millisecond
)

// Payload says how much of requests and responses is copied.
type Payload string

// What Payload can be.
const (
	PayloadNone Payload = "none" // times, ids and lengths: no content leaves the instance
	PayloadHead Payload = "head" // as much as it takes for method, path and status
	PayloadFull Payload = "full" // up to listen.MaxCopied bytes, header and body shown
)

// headBytes is what is copied of a payload for its first line.
const headBytes = 4096

// TapOptions say what to listen to and how to show it.
type TapOptions struct {
	Target    Target
	Discovery Discovery
	Security  nanobus.Security
	// Sample is the share of requests, above 0, up to 1.
	Sample  float64
	Kinds   []wire.Kind
	Payload Payload
	// Match is how the path of a request must begin; empty: any. What belongs
	// to no request isn't shown then.
	Match string
	// Count ends the tap after so many frames shown, Duration after so long.
	// 0: it ends with the context.
	Count    int
	Duration time.Duration
	JSON     bool
	Color    bool
	// Out gets the frames, Err everything else.
	Out, Err io.Writer
}

// ParseKinds reads names of kinds; "all" stands for all of them.
func ParseKinds(names []string) ([]wire.Kind, error) {
	var kinds []wire.Kind
	all := listen.Kinds()
names:
	for _, name := range names {
		if name == "all" {
			return all, nil
		}
		for _, k := range all {
			if k.String() == name {
				kinds = append(kinds, k)
				continue names
			}
		}
		return nil, fmt.Errorf("%q isn't a kind of frame: want all, or some of %v", name, all)
	}
	if len(kinds) == 0 {
		return nil, errors.New("--kinds is empty: want all, or kinds such as request,response")
	}
	return kinds, nil
}

// listener is what is known of one instance that is listened to.
type listener struct {
	address string
	since   time.Time // when it was first wanted, or its link came or went
	linked  bool
	status  listen.Status // of the last answer on this link
	heard   bool          // there was one
	warned  bool          // that it can't be reached, or doesn't answer
}

// tap is one run of Tap. All of it belongs to the goroutine that runs it.
type tap struct {
	o       TapOptions
	bus     *nanobus.Bus
	queue   *queue
	decoder decoder
	printer *printer
	summary *summary
	sources map[source]*listener
}

// Tap listens in on instances until ctx ends, or Count or Duration is reached,
// and then says what it has seen. It follows instances that come and go. An
// error means that there was nothing to listen to, or that every instance
// refuses.
func Tap(ctx context.Context, o TapOptions) error {
	first, err := o.Target.find(ctx, o.Discovery, true)
	if err != nil {
		return err
	}
	t := &tap{
		o: o, queue: newQueue(), printer: newPrinter(o.Out, o.JSON, o.Color), summary: newSummary(),
		decoder: decoder{pairs: newPairs(), full: o.Payload == PayloadFull, match: o.Match},
		sources: map[source]*listener{},
	}
	bytes := map[Payload]int{PayloadNone: 0, PayloadHead: headBytes, PayloadFull: listen.MaxCopied}[o.Payload]
	t.bus, err = nanobus.New(nanobus.Options{
		Service: "tap", Instance: registry.NewID("tap"), Version: buildinfo.Get().Version,
		Security: o.Security,
		Tap:      &listen.Options{Sample: o.Sample, Kinds: o.Kinds, Payload: bytes, Copy: t.queue.copied, State: t.queue.said},
	})
	if err != nil {
		return err
	}
	defer func() { _ = t.bus.Close() }() // nothing is lost with it
	if err := t.bus.SetInstances(first); err != nil {
		t.say("%v", err)
	}
	wanted := make(chan []nanobus.Instance, 1)
	watch, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() { // ends with watch
		defer close(watched)
		_ = o.Discovery.Watch(watch, func(s registry.Snapshot) { // its end is that of watch, or shows in the list
			list := o.Target.of(s.Instances, true)
			select {
			case <-wanted: // outdated before it was looked at
			default:
			}
			wanted <- list
		})
	}()
	defer func() {
		stop()
		<-watched
	}()
	t.want(first)
	err = t.run(ctx, wanted)
	if errors.Is(err, errDone) || err == nil {
		t.stop(err == nil)
		t.summary.print(o.Err, t.queue.losses())
		return nil
	}
	return err
}

// errDone ends a tap that has shown all that was asked for.
var errDone = errors.New("enough seen")

func (t *tap) run(ctx context.Context, wanted <-chan []nanobus.Instance) error {
	tick := time.NewTicker(lookTime)
	defer tick.Stop()
	var over <-chan time.Time
	if t.o.Duration > 0 {
		timer := time.NewTimer(t.o.Duration)
		defer timer.Stop()
		over = timer.C
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-over:
			return nil
		case list := <-wanted:
			if err := t.bus.SetInstances(list); err != nil {
				t.say("%v", err)
			}
			t.want(list)
		case <-tick.C:
			t.look()
		case <-t.queue.wake:
			if err := t.handle(); err != nil {
				return err
			}
		}
	}
}

// want notes which instances are to be listened to.
func (t *tap) want(list []nanobus.Instance) {
	listed := map[source]bool{}
	for _, in := range list {
		s := source{in.Service, in.ID}
		listed[s] = true
		if l := t.sources[s]; l == nil || l.address != in.Address {
			t.sources[s] = &listener{address: in.Address, since: time.Now()}
		}
	}
	for s, l := range t.sources {
		if !listed[s] && !l.linked {
			delete(t.sources, s)
		}
	}
}

// look sees which links came and went, and reports instances that send nothing.
func (t *tap) look() {
	live := map[source]bool{}
	for _, l := range t.bus.Links() {
		if src := (source{l.Service, l.Instance}); t.sources[src] != nil && t.sources[src].address == l.Address {
			live[src] = live[src] || l.State == "live" || l.State == "draining"
		}
	}
	now := time.Now()
	for s, l := range t.sources {
		if live[s] != l.linked {
			if l.linked {
				t.say("lost %s at %s: waiting for it", s, l.address)
			}
			*l = listener{address: l.address, since: now, linked: live[s], heard: live[s] && l.heard, status: l.status}
		}
		switch waited := now.Sub(l.since); {
		case l.warned || l.heard:
		case l.linked && waited > answerTime:
			l.warned = true
			t.say("no answer from %s at %s: does it speak tap? It is linked, but its version may be older", s, l.address)
		case !l.linked && waited > reachTime:
			l.warned = true
			t.say("%s is known, but can't be reached at %s: waiting for it%s", s, l.address, probe(l.address))
		}
	}
}

// handle acts on what waits in the queue.
func (t *tap) handle() error {
	defer func() { _ = t.printer.flush() }() // an error ended it above
	for _, h := range t.queue.take() {
		if h.state != nil {
			if err := t.state(h.state); err != nil {
				return err
			}
			continue
		}
		t.summary.seen++
		r := t.decoder.decode(h.copy)
		if r == nil {
			continue
		}
		t.summary.add(r)
		t.printer.print(r)
		if t.o.Count > 0 && t.summary.shown >= uint64(t.o.Count) {
			return errDone
		}
	}
	return t.printer.flush()
}

// state acts on word of an instance. The error says that all refuse.
func (t *tap) state(s *listen.State) error {
	t.summary.state(s)
	src := source{s.Service, s.Instance}
	l := t.sources[src]
	if l == nil {
		return nil // gone meanwhile
	}
	// The links are looked at now and then only: an answer shows one too.
	first := !l.heard || l.status != s.Status
	l.heard, l.status = true, s.Status
	if !l.linked {
		l.linked, l.since = true, time.Now()
	}
	if !first {
		return nil
	}
	switch s.Status {
	case listen.On:
		t.say("listening to %s at %s", src, l.address)
		return nil
	case listen.Forbidden:
		t.say("%s forbids taps: it runs with --bus-tap=false", src)
	case listen.TooMany:
		t.say("%s has as many taps as it allows: end another one first", src)
	default:
		return nil
	}
	for _, l := range t.sources {
		if !l.heard || l.status == listen.On || l.status == listen.Off {
			return nil
		}
	}
	return errors.New("every instance refuses taps: start one with --bus-tap")
}

// stop asks the instances to stop and waits for their last word. What they have
// sent until then is shown too if that is wanted, so that no request lacks a
// response which has been seen.
func (t *tap) stop(show bool) {
	t.bus.StopTap()
	timer := time.NewTimer(stopTime)
	defer timer.Stop()
	for t.listening() {
		select {
		case <-timer.C:
			return
		case <-t.queue.wake:
			if show {
				show = t.handle() == nil
				continue
			}
			for _, h := range t.queue.take() {
				if h.state != nil {
					_ = t.state(h.state) // that all have ended is the aim
				}
			}
		}
	}
}

func (t *tap) listening() bool {
	for _, l := range t.sources {
		if l.linked && l.heard && l.status == listen.On {
			return true
		}
	}
	return false
}

func (t *tap) say(format string, args ...any) {
	_, _ = fmt.Fprintf(t.o.Err, "tap: "+format+"\n", args...) // nowhere to report a failure
}
