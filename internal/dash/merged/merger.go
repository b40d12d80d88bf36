package merged

import (
	"math"
	"sync"
	"time"

	"nanofront/internal/dash/collect"
	"nanofront/metrics"
)

const (
	// maxParts is how many parts a window has at most.
	maxParts = 120
	// stale is when what was taken last is too old.
	stale = 3 * time.Second
)

// Options say what is merged, and how.
type Options struct {
	// System is the name of the system, in place of an instance's.
	System string
	// Window is the time that figures are of.
	Window time.Duration
	// Least is the share of processes that must have been heard, 0 to 1.
	Least float64
	// Meter counts what is withheld; nil: nobody does.
	Meter metrics.Meter
}

// Merger keeps the window of each service. [New] makes it.
type Merger struct {
	o        Options
	set      *metrics.Set
	withheld *metrics.Counter
	step     time.Duration // of a part
	now      func() time.Time

	mu       sync.Mutex
	services map[string]*service
	taken    time.Time // when something was taken last
}

// New makes a Merger that knows of no service.
func New(o Options) *Merger {
	parts := min(max(1, int((o.Window+time.Second-1)/time.Second)), maxParts)
	step := (o.Window/time.Duration(parts) + time.Second - 1).Truncate(time.Second)
	return &Merger{
		o: o, set: metrics.New(metrics.System, o.System), withheld: metrics.OrNone(o.Meter).Counter(metrics.MergedWithheld, "coverage"),
		step: max(step, time.Second), now: time.Now, services: make(map[string]*service),
	}
}

// Set has the figures, to be reported.
func (m *Merger) Set() *metrics.Set { return m.set }

// parts is how many parts are in a window; one more is being filled.
func (m *Merger) parts() int64 { return int64((m.o.Window+m.step-1)/m.step) + 1 }

// Take takes in what was added to services in a second; services that aren't in the list have gone.
func (m *Merger) Take(now time.Time, list []collect.Merged) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.taken = m.now()
	at := now.UnixNano() / int64(m.step)
	for i := range list {
		in := &list[i]
		s := m.services[in.Service]
		if s == nil {
			s = newService(m.parts())
			m.services[in.Service] = s
			m.show(in.Service)
		}
		for _, w := range in.Within {
			if _, has := s.within[w.Goal]; !has && len(s.within) < metrics.MaxGoals {
				s.within[w.Goal] = 0
				m.set.GaugeFunc(metrics.ServiceWithin, m.of(in.Service, func(s *service) float64 { return s.share(w.Goal) }), in.Service, w.Goal)
			}
		}
		s.take(at, in)
		if s.covered = in.Known > 0 && float64(in.Heard) >= m.o.Least*float64(in.Known) && in.Heard > 0; !s.covered {
			m.withheld.Inc()
		}
	}
	for name, s := range m.services {
		if s.at != at {
			delete(m.services, name)
		}
	}
}

// show makes the series of a service.
func (m *Merger) show(name string) {
	for _, g := range []struct {
		desc *metrics.Desc
		of   func(*service) float64
	}{
		{metrics.ServiceP50, func(s *service) float64 { return s.quantile(0.5) }},
		{metrics.ServiceP99, func(s *service) float64 { return s.quantile(0.99) }},
		{metrics.ServiceMax, func(s *service) float64 { return s.quantile(1) }},
	} {
		m.set.GaugeFunc(g.desc, m.of(name, g.of), name)
	}
	m.set.GaugeFunc(metrics.ServiceHeard, m.current(name, func(s *service) float64 { return float64(s.heard) }), name)
	m.set.GaugeFunc(metrics.ServiceKnown, m.current(name, func(s *service) float64 { return float64(s.known) }), name)
	m.set.GaugeFunc(metrics.ServiceAge, m.current(name, func(s *service) float64 {
		if s.heard == 0 {
			return math.NaN()
		}
		return (s.age + m.now().Sub(m.taken)).Seconds()
	}), name)
}

// of is a figure that needs enough processes.
func (m *Merger) of(name string, f func(*service) float64) func() float64 {
	return m.current(name, func(s *service) float64 {
		if !s.covered {
			return math.NaN()
		}
		return f(s)
	})
}

// current is a figure that is known as long as somebody takes in what happens.
func (m *Merger) current(name string, f func(*service) float64) func() float64 {
	return func() float64 {
		m.mu.Lock()
		defer m.mu.Unlock()
		s := m.services[name]
		if s == nil || m.now().Sub(m.taken) >= stale {
			return math.NaN()
		}
		return f(s)
	}
}
