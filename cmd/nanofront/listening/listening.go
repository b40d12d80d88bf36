package listening

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
	// lookTime is how often the links are looked at, and Options.Tick is called.
	lookTime = 100 * time.Millisecond
)

// ErrDone is what Options' functions end a Run with that is to end well.
var ErrDone = errors.New("enough seen")

// Options say what to listen to, and who gets it. All functions run on the goroutine of Run; an error
// of theirs ends it.
type Options struct {
	Targets   Targets
	Discovery Discovery
	Security  nanobus.Security
	// Sample is the share of correlation ids, above 0, up to 1; Payload how many bytes of each
	// payload are copied.
	Sample  float64
	Kinds   []wire.Kind
	Payload int
	// Duration ends it after so long; 0: it ends with the context, or by an error.
	Duration time.Duration

	// Copy gets each copy, whose memory is its own from then on.
	Copy func(*listen.Copy) error
	// Handled is called when all copies that have come were given to Copy. May be nil.
	Handled func() error
	// Tick is called ten times a second. May be nil.
	Tick func(Losses) error
	// Discovered gets the state of the system and each later one. May be nil.
	Discovered func(registry.Snapshot)
	// Err gets what is said of instances.
	Err io.Writer
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

// run is one Run. All of it belongs to the goroutine that runs it.
type run struct {
	o       Options
	bus     *nanobus.Bus
	queue   *queue
	sources map[source]*listener
	drops   drops
}

// Run listens in until ctx ends, Duration is over, or a function has had enough. An error means that
// there was nothing to listen to, that every instance refuses, or it is that of a function.
func Run(ctx context.Context, o Options) (Losses, error) {
	first, err := o.Targets.find(ctx, o.Discovery, true)
	if err != nil {
		return Losses{}, err
	}
	r := &run{o: o, queue: newQueue(), sources: map[source]*listener{}, drops: drops{last: map[source]uint64{}}}
	r.bus, err = nanobus.New(nanobus.Options{
		Service: "tap", Instance: registry.NewID("tap"), Version: buildinfo.Get().Version,
		Security: o.Security,
		Tap:      &listen.Options{Sample: o.Sample, Kinds: o.Kinds, Payload: o.Payload, Copy: r.queue.copied, State: r.queue.said},
	})
	if err != nil {
		return Losses{}, err
	}
	defer func() { _ = r.bus.Close() }() // nothing is lost with it
	if err := r.bus.SetInstances(first); err != nil {
		r.say("%v", err)
	}
	states := make(chan registry.Snapshot, 1)
	watch, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() { // ends with watch
		defer close(watched)
		_ = o.Discovery.Watch(watch, func(s registry.Snapshot) { // its end is that of watch, or shows in the list
			select {
			case <-states: // outdated before it was looked at
			default:
			}
			states <- s
		})
	}()
	defer func() {
		stop()
		<-watched
	}()
	r.want(first)
	err = r.loop(ctx, states)
	if err == nil || errors.Is(err, ErrDone) {
		err = r.stop(err == nil)
	}
	return r.losses(), err
}

func (r *run) loop(ctx context.Context, states <-chan registry.Snapshot) error {
	tick := time.NewTicker(lookTime)
	defer tick.Stop()
	var over <-chan time.Time
	if r.o.Duration > 0 {
		timer := time.NewTimer(r.o.Duration)
		defer timer.Stop()
		over = timer.C
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-over:
			return nil
		case s := <-states:
			list := r.o.Targets.of(s.Instances, true)
			if err := r.bus.SetInstances(list); err != nil {
				r.say("%v", err)
			}
			r.want(list)
			if r.o.Discovered != nil {
				r.o.Discovered(s)
			}
		case <-tick.C:
			r.look()
			if r.o.Tick != nil {
				if err := r.o.Tick(r.losses()); err != nil {
					return err
				}
			}
		case <-r.queue.wake:
			if err := r.handle(); err != nil {
				return err
			}
		}
	}
}

// want notes which instances are to be listened to.
func (r *run) want(list []nanobus.Instance) {
	listed := map[source]bool{}
	for _, in := range list {
		s := source{in.Service, in.ID}
		listed[s] = true
		if l := r.sources[s]; l == nil || l.address != in.Address {
			r.sources[s] = &listener{address: in.Address, since: time.Now()}
		}
	}
	for s, l := range r.sources {
		if !listed[s] && !l.linked {
			delete(r.sources, s)
		}
	}
}

// look sees which links came and went, and reports instances that send nothing.
func (r *run) look() {
	live := map[source]bool{}
	for _, l := range r.bus.Links() {
		if src := (source{l.Service, l.Instance}); r.sources[src] != nil && r.sources[src].address == l.Address {
			live[src] = live[src] || l.State == "live" || l.State == "draining"
		}
	}
	now := time.Now()
	for s, l := range r.sources {
		if live[s] != l.linked {
			if l.linked {
				r.say("lost %s at %s: waiting for it", s, l.address)
			}
			*l = listener{address: l.address, since: now, linked: live[s], heard: live[s] && l.heard, status: l.status}
		}
		switch waited := now.Sub(l.since); {
		case l.warned || l.heard:
		case l.linked && waited > answerTime:
			l.warned = true
			r.say("no answer from %s at %s: does it speak tap? It is linked, but its version may be older", s, l.address)
		case !l.linked && waited > reachTime:
			l.warned = true
			r.say("%s is known, but can't be reached at %s: waiting for it%s", s, l.address, Probe(l.address))
		}
	}
}

// handle acts on what waits in the queue.
func (r *run) handle() error {
	for _, h := range r.queue.take() {
		var err error
		if h.state != nil {
			err = r.state(h.state)
		} else {
			err = r.o.Copy(h.copy)
		}
		if err != nil {
			return errors.Join(err, r.handled())
		}
	}
	return r.handled()
}

func (r *run) handled() error {
	if r.o.Handled == nil {
		return nil
	}
	return r.o.Handled()
}

// state acts on word of an instance. The error says that all refuse.
func (r *run) state(s *listen.State) error {
	src := source{s.Service, s.Instance}
	r.drops.add(src, s.Dropped)
	l := r.sources[src]
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
		r.say("listening to %s at %s", src, l.address)
		return nil
	case listen.Forbidden:
		r.say("%s forbids taps: it runs with --bus-tap=false", src)
	case listen.TooMany:
		r.say("%s has as many taps as it allows: end another one first", src)
	default:
		return nil
	}
	for _, l := range r.sources {
		if !l.heard || l.status == listen.On || l.status == listen.Off {
			return nil
		}
	}
	return errors.New("every instance refuses taps: start one with --bus-tap")
}

// stop asks the instances to stop and waits for their last word. What they have
// sent until then is passed on too if that is wanted, so that no request lacks a
// response which has been seen.
func (r *run) stop(pass bool) error {
	r.bus.StopTap()
	timer := time.NewTimer(stopTime)
	defer timer.Stop()
	for r.listening() {
		select {
		case <-timer.C:
			return nil
		case <-r.queue.wake:
			if pass {
				err := r.handle()
				if pass = err == nil; !pass && !errors.Is(err, ErrDone) {
					return err
				}
				continue
			}
			for _, h := range r.queue.take() {
				if h.state != nil {
					_ = r.state(h.state) // that all have ended is the aim
				}
			}
		}
	}
	return nil
}

func (r *run) listening() bool {
	for _, l := range r.sources {
		if l.linked && l.heard && l.status == listen.On {
			return true
		}
	}
	return false
}

func (r *run) losses() Losses { return Losses{There: r.drops.sum(), Here: r.queue.losses()} }

func (r *run) say(format string, args ...any) {
	_, _ = fmt.Fprintf(r.o.Err, "tap: "+format+"\n", args...) // nowhere to report a failure
}
