package terminator

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"nanofront/nanobus"
)

const (
	// settleTime is how long a new terminator waits, before it calls itself
	// ready, for links to the instances that it knows. A dial takes a
	// millisecond; one that nobody answers holds up no longer.
	settleTime = 2 * time.Second

	// unlinkedGrace is for how long there may be no link at all, with
	// instances known, before the bus counts as broken: handlers that were
	// killed are listed for a lease's life, and those that are restarted are
	// back sooner.
	unlinkedGrace = 10 * time.Second

	// mendedTime is for how long there must be a link again before a bus that was broken
	// counts as working: balancers shall not follow one that comes and goes.
	mendedTime = 2 * time.Second
)

// Degradation is something that isn't as it should be while all else is
// served.
type Degradation struct {
	// Service is the routed service whose requests get a 503; "" for what
	// concerns none in particular.
	Service string `json:"service,omitempty"`
	Reason  string `json:"reason"`
}

// String is the degradation on a line.
func (d Degradation) String() string { return d.Reason }

// readiness is what is remembered to tell whether the bus works.
type readiness struct {
	mu       sync.Mutex
	known    map[string]int // instances of routed services, by service
	since    time.Time      // when the first routes came
	settled  bool           // links had their time to come up
	lastLink time.Time      // when a link was last seen
	broken   bool           // the bus counts as broken
	mended   time.Time      // since when there is a link again, while it does
}

// observe takes note of what discovery says.
func (r *readiness) observe(instances []nanobus.Instance) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.since.IsZero() {
		r.since = time.Now()
	}
	r.known = make(map[string]int)
	for _, in := range instances {
		r.known[in.Service]++
	}
}

// ReadyItself is Ready without what hits all fronts at once, the bus that doesn't work: for
// balancers that send nothing to anybody when all fronts are unready.
func (t *Terminator) ReadyItself() error {
	if t.leaving.Load() {
		return errors.New("draining")
	}
	services, known := t.front.Services()
	if !known {
		return errors.New("no routes known yet")
	}
	if err := t.busWorks(services, time.Now()); err != nil && !t.readiness.hasSettled() {
		return err
	}
	return nil
}

func (r *readiness) hasSettled() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.settled
}

// Live reports nil if a front's event loops take turns: that its process runs says little.
func Live(t *Terminator, within time.Duration) error {
	if t.loops == nil {
		return nil
	}
	return t.loops.Live(within)
}

// Ready reports nil when the front is to get requests: routes are known, it
// isn't about to end, and the bus works. That one service has no instance is
// no reason to send all others' requests elsewhere: see Degraded.
func (t *Terminator) Ready() error {
	if t.leaving.Load() {
		return errors.New("draining")
	}
	services, known := t.front.Services()
	if !known {
		return errors.New("no routes known yet")
	}
	return t.busWorks(services, time.Now())
}

// busWorks reports nil if a link is there, or was until a moment ago, or there
// is nobody to be linked with; and first, that links had their time to come up.
func (t *Terminator) busWorks(services []*nanobus.Service, now time.Time) error {
	linked := linked(t.bus)
	s := &t.readiness
	s.mu.Lock()
	defer s.mu.Unlock()
	instances := 0
	var waiting []string
	for _, service := range services {
		name := service.Name()
		instances += s.known[name]
		if s.known[name] > 0 && service.Live() == 0 {
			waiting = append(waiting, name)
		}
	}
	if linked {
		s.lastLink = now
	}
	s.settled = s.settled || len(waiting) == 0 || now.Sub(s.since) > settleTime
	switch {
	case !s.settled:
		return fmt.Errorf("not linked yet with any instance of %s", quoteAll(waiting))
	case instances == 0 || !s.broken && (linked || now.Sub(s.lastLink) < unlinkedGrace):
		s.broken = false
		return nil
	case linked:
		if s.mended.IsZero() {
			s.mended = now
		}
		if now.Sub(s.mended) >= mendedTime {
			s.broken = false
			return nil
		}
		return fmt.Errorf("the bus has worked again for less than %v", mendedTime)
	}
	s.broken, s.mended = true, time.Time{}
	return fmt.Errorf("the bus doesn't work: no link to any of the %d instances of %s", instances, quoteAll(waiting))
}

// linked reports whether there is a link to anybody, one that is taken out by
// its weight included.
func linked(bus *nanobus.Bus) bool {
	return slices.ContainsFunc(bus.Links(), func(l nanobus.LinkInfo) bool { return l.State == "live" || l.State == "draining" })
}

// noteLinks is called now and then, so that Ready knows since when there is no
// link however seldom it is asked.
func (t *Terminator) noteLinks() {
	if !linked(t.bus) {
		return
	}
	t.readiness.mu.Lock()
	defer t.readiness.mu.Unlock()
	t.readiness.lastLink = time.Now()
}

// Degraded lists what isn't as it should be, though the front is ready: the
// routed services of which no instance takes requests.
func (t *Terminator) Degraded() []Degradation {
	services, _ := t.front.Services()
	t.readiness.mu.Lock()
	defer t.readiness.mu.Unlock()
	var out []Degradation
	if t.pressure.high.Load() {
		out = append(out, Degradation{Reason: "new connections wait: " + pressureText})
	}
	for _, service := range services {
		name := service.Name()
		if service.Live() > 0 {
			continue
		}
		d := Degradation{Service: name, Reason: fmt.Sprintf("service %q: no instance is known", name)}
		if n := t.readiness.known[name]; n > 0 {
			d.Reason = fmt.Sprintf("service %q: no live link to any of its %d instances", name, n)
		}
		out = append(out, d)
	}
	return out
}

func quoteAll(names []string) string {
	if len(names) == 0 {
		return "any service"
	}
	text := ""
	for i, n := range names {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprintf("%q", n)
	}
	return text
}
