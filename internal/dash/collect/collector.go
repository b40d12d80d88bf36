package collect

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"nanofront/internal/dash/diagnose"
	"nanofront/internal/dash/view"
	"nanofront/internal/fleet"
	"nanofront/registry"
)

// What bounds memory.
const (
	MaxProcesses = 500
	MaxServices  = 200
	maxEvents    = 200
	maxSlow      = 2000
	maxEdges     = 300
	maxPaths     = 20 // of a service
)

const (
	interval = time.Second
	// lookTime is what a look at a process may take; all looks of a second are over before the
	// next.
	lookTime = 900 * time.Millisecond
	// settle is for how long a collector that has just begun finds what was there before.
	settle = 4 * time.Second
	// linksEvery is every how many seconds handlers are asked for their links.
	linksEvery = 3
)

// Options are what a Collector is made of.
type Options struct {
	System string
	Boot   string // names this collector
	// Commands is what commands need to reach this system: " --etcd http://…".
	Commands string
	// Etcd says that instances and routes come from etcd.
	Etcd bool
	// Merged, if set, gets what was added to each service in each second.
	Merged func(now time.Time, list []Merged)
	// Get asks an admin port; nil for the real one.
	Get func(ctx context.Context, addr, path string, into []byte) ([]byte, error)
}

// Collector is a watch over a system. All that it knows belongs to the goroutine of Run; others
// hand in what is pending, and get what is finished.
type Collector struct {
	// Rollout is told of releases and toggles.
	Rollout Rollout

	o     Options
	began time.Time
	first bool // before the first tick

	pending struct {
		sync.Mutex
		targets []fleet.Target
		fresh   bool
		routes  *registry.Routes
		rev     int64
		etcd    view.Etcd
	}

	mu        sync.RWMutex // series and events, between Run and those who read history
	processes map[string]*process
	subjects  []*fleet.Subject // scratch
	services  map[string]*service
	total     *total
	events    []view.Event // oldest first
	eventID   int64
	slow      slowKept

	routes    *registry.Routes
	routeRev  int64
	etcdAway  bool
	diagnosis *diagnose.Diagnosis
	scratch   []float64

	last   atomic.Pointer[view.View]
	ticked chan struct{} // closed at each tick, and replaced
	tickMu sync.Mutex
}

// New makes a Collector that watches nobody yet.
func New(o Options) *Collector {
	c := &Collector{
		o: o, first: true, processes: make(map[string]*process), services: make(map[string]*service), total: newTotal(),
		diagnosis: diagnose.New(), ticked: make(chan struct{}),
	}
	c.pending.etcd.Used = o.Etcd
	c.diagnosis.At = o.Commands
	return c
}

// View is the latest view; nil before the first look. It is never changed.
func (c *Collector) View() *view.View { return c.last.Load() }

// Ticked is closed when there is a newer view than there was when it was asked for.
func (c *Collector) Ticked() <-chan struct{} {
	c.tickMu.Lock()
	defer c.tickMu.Unlock()
	return c.ticked
}

// Run looks once a second until ctx ends.
//
// Its seconds are those since the start, from the wall clock's time of then: a clock that is set
// while it runs would leave holes in all figures over time, or write over them, and make ages wrong.
func (c *Collector) Run(ctx context.Context) {
	start := time.Now()
	steady := func() time.Time { return start.Add(time.Since(start)) } // by the monotonic clock
	for ctx.Err() == nil {
		now := steady()
		c.tick(ctx, now)
		next := now.Truncate(interval).Add(interval)
		select {
		case <-ctx.Done():
		case <-time.After(next.Sub(steady())):
		}
	}
}

// tick looks at all, and makes the view of now.
func (c *Collector) tick(ctx context.Context, now time.Time) {
	c.take(now)
	c.ask(ctx, now)
	v := c.apply(now)
	c.last.Store(v)
	c.tickMu.Lock()
	close(c.ticked)
	c.ticked = make(chan struct{})
	c.tickMu.Unlock()
}

// ask asks all processes.
func (c *Collector) ask(ctx context.Context, now time.Time) {
	c.subjects = c.subjects[:0]
	for _, p := range c.processes {
		c.subjects = append(c.subjects, p.Subject)
	}
	every := now.Unix()%linksEvery == 0
	a := fleet.Asker{Within: lookTime, Buckets: true, Links: func(*fleet.Subject) bool { return every }, Get: c.o.Get}
	a.Ask(ctx, now, c.subjects)
}

// service is the one of that name, made if there is room.
func (c *Collector) service(name string) *service {
	s := c.services[name]
	if s == nil && name != "" && len(c.services) < MaxServices {
		s = newService(name)
		c.services[name] = s
	}
	return s
}

func (c *Collector) event(now time.Time, kind, subject, text string, level view.Level) {
	c.eventID++
	if len(c.events) >= maxEvents {
		c.events = append(c.events[:0], c.events[1:]...)
	}
	c.events = append(c.events, view.Event{ID: c.eventID, AtMS: now.UnixMilli(), Kind: kind, Subject: subject, Text: text, Level: level})
}

// apply makes a second's view of what the processes said.
func (c *Collector) apply(now time.Time) *view.View {
	c.mu.Lock()
	defer c.mu.Unlock()
	second := now.Unix()
	lived := now.Sub(c.began)
	c.total.begin(second)
	for _, s := range c.services {
		s.begin(second)
	}
	var heat [HeatRows]view.Num
	fronts, instances := sorted(c.processes)
	for _, p := range c.processes {
		c.heard(p, now, second, lived)
	}
	for _, p := range fronts {
		if p.delta.ok {
			c.total.fromFront(second, p, &heat)
			for _, s := range c.services {
				if s.routed {
					s.fromFront(second, p)
				}
			}
			c.slow = append(c.slow, p.Slow...)
		}
	}
	for name, list := range instances {
		s := c.service(name)
		if s == nil {
			continue
		}
		for _, p := range list {
			if p.delta.ok {
				s.fromInstance(second, p)
			}
		}
	}
	v := &view.View{Boot: c.o.Boot, Seq: second, AtMS: now.UnixMilli(), System: c.o.System, Unheard: []string{}, Services: []view.Service{}, Processes: []view.Process{}}
	c.callers(now, v)
	for _, p := range fronts {
		v.Processes = append(v.Processes, c.processView(p, now, v))
	}
	for _, name := range slices.Sorted(maps.Keys(instances)) {
		for _, p := range instances[name] {
			v.Processes = append(v.Processes, c.processView(p, now, v))
		}
	}
	for _, p := range others(c.processes) {
		v.Processes = append(v.Processes, c.processView(p, now, v))
	}
	c.scratch = c.total.takeUsual(second, c.scratch)
	var row [totalFields]view.Num
	v.Total, row = c.total.view(now, second, fronts)
	c.total.series.put(second, row[:], c.total.minuteEnded)
	if v.Total.Fronts == 0 {
		for i := range heat {
			heat[i] = view.Unknown
		}
	}
	c.total.heat.put(second, heat[:], nil)
	for name, s := range c.services {
		list := instances[name]
		sv, row := s.view(now, second, fronts, list)
		s.series.put(second, row[:], s.minuteEnded)
		if s.routed || len(list) > 0 {
			s.seen = second
			c.scratch = s.usual(second, c.scratch)
			v.Services = append(v.Services, sv)
		} else if second-s.seen > Seconds {
			delete(c.services, name)
		}
	}
	if c.o.Merged != nil {
		c.o.Merged(now, c.merged(now, second, fronts, instances))
	}
	c.etcd(now, v)
	v.Routes = view.Routes{Known: c.routes != nil, Revision: c.routeRev}
	if c.routes != nil {
		v.Routes.Count = len(c.routes.Routes)
	}
	c.Rollout.show(v)
	v.Slow = c.slow.slowest(now, &c.total.times)
	c.forget(now)
	c.first = false
	v.Events = make([]view.Event, 0, min(len(c.events), 60))
	for i := len(c.events) - 1; i >= 0 && len(v.Events) < 60; i-- {
		v.Events = append(v.Events, c.events[i])
	}
	c.diagnosis.Judge(v)
	return v
}

// sorted are the fronts, and the handlers by service, in the order of their names.
func sorted(processes map[string]*process) (fronts []*process, instances map[string][]*process) {
	instances = make(map[string][]*process)
	for _, k := range slices.Sorted(maps.Keys(processes)) {
		switch p := processes[k]; p.Kind {
		case view.Front:
			fronts = append(fronts, p)
		case view.Handler:
			instances[p.Service] = append(instances[p.Service], p)
		}
	}
	return fronts, instances
}

func others(processes map[string]*process) (list []*process) {
	for _, k := range slices.Sorted(maps.Keys(processes)) {
		if p := processes[k]; p.Kind != view.Front && p.Kind != view.Handler {
			list = append(list, p)
		}
	}
	return list
}

// forget lets go of those who have gone.
func (c *Collector) forget(now time.Time) {
	for k, p := range c.processes {
		if !p.leftAt.IsZero() && now.Sub(p.leftAt) > keepGone {
			delete(c.processes, k)
		}
	}
}
