package collect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"nanofront/internal/admin"
	"nanofront/internal/dash/diagnose"
	"nanofront/internal/dash/view"
	"nanofront/metrics"
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
	// together is how many processes are looked at at once.
	together = 16
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
	// Get asks an admin port; nil for the real one.
	Get func(ctx context.Context, addr, path string, into []byte) ([]byte, error)
}

// Collector is a watch over a system. All that it knows belongs to the goroutine of Run; others
// hand in what is pending, and get what is finished.
type Collector struct {
	o     Options
	began time.Time
	first bool // before the first tick

	pending struct {
		sync.Mutex
		targets []Target
		fresh   bool
		routes  *registry.Routes
		rev     int64
		etcd    view.Etcd
	}

	mu        sync.RWMutex // series and events, between Run and those who read history
	processes map[string]*process
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
	if o.Get == nil {
		o.Get = get
	}
	c := &Collector{
		o: o, first: true, processes: make(map[string]*process), services: make(map[string]*service), total: newTotal(),
		diagnosis: diagnose.New(), ticked: make(chan struct{}),
	}
	c.pending.etcd.Used = o.Etcd
	c.diagnosis.At = o.Commands
	return c
}

// SetTargets says which processes there are.
func (c *Collector) SetTargets(list []Target) {
	c.pending.Lock()
	defer c.pending.Unlock()
	c.pending.targets, c.pending.fresh = slices.Clone(list[:min(len(list), MaxProcesses)]), true
}

// SetRoutes says which routes are in force. The revision is 0 where nobody knows it.
func (c *Collector) SetRoutes(doc *registry.Routes, rev int64) {
	c.pending.Lock()
	defer c.pending.Unlock()
	c.pending.routes, c.pending.rev = doc, rev
}

// SetEtcd says whether etcd answers, and if not why.
func (c *Collector) SetEtcd(err error) {
	c.pending.Lock()
	defer c.pending.Unlock()
	c.pending.etcd.Away, c.pending.etcd.Reason = err != nil, ""
	if err != nil {
		c.pending.etcd.Reason = err.Error()
	}
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
func (c *Collector) Run(ctx context.Context) {
	for ctx.Err() == nil {
		now := time.Now()
		c.tick(ctx, now)
		next := now.Truncate(interval).Add(interval)
		select {
		case <-ctx.Done():
		case <-time.After(time.Until(next)):
		}
	}
}

// tick looks at all, and makes the view of now.
func (c *Collector) tick(ctx context.Context, now time.Time) {
	c.take(now)
	c.look(ctx, now)
	v := c.apply(now)
	c.last.Store(v)
	c.tickMu.Lock()
	close(c.ticked)
	c.ticked = make(chan struct{})
	c.tickMu.Unlock()
}

// take takes over what discovery said since the last tick.
func (c *Collector) take(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.began.IsZero() {
		c.began = now
	}
	c.pending.Lock()
	targets, fresh := c.pending.targets, c.pending.fresh
	c.pending.fresh = false
	routes, rev := c.pending.routes, c.pending.rev
	c.pending.Unlock()
	if fresh {
		c.takeTargets(targets, now)
	}
	if routes != c.routes {
		c.takeRoutes(routes, rev, now)
	}
	c.routeRev = rev
}

func (c *Collector) takeTargets(targets []Target, now time.Time) {
	listed := make(map[string]bool)
	for _, t := range targets {
		k := t.key()
		if listed[k] {
			continue
		}
		listed[k] = true
		p := c.processes[k]
		if p == nil {
			if len(c.processes) >= MaxProcesses {
				continue
			}
			p = newProcess(t)
			c.processes[k] = p
			if now.Sub(c.began) > settle {
				c.event(now, "joined", k, k+" has joined"+versionOf(t.Version), view.Normal)
			}
			continue
		}
		if !p.leftAt.IsZero() {
			p.leftAt = time.Time{}
			c.event(now, "joined", k, k+" is back", view.Normal)
		}
		if p.Version != t.Version && t.Version != "" && p.Version != "" {
			c.event(now, "version", k, fmt.Sprintf("%s: version %s, was %s", k, t.Version, p.Version), view.Intended)
		}
		if p.Kind == view.Handler && p.Weight != t.Weight {
			c.event(now, "weight", k, fmt.Sprintf("%s: weight %d, was %d", k, t.Weight, p.Weight), view.Intended)
		}
		p.Target = t
	}
	for k, p := range c.processes {
		if listed[k] || !p.leftAt.IsZero() {
			continue
		}
		p.leftAt = now
		if p.drained {
			c.event(now, "left", k, k+" has left, after draining", view.Intended)
		} else {
			c.event(now, "left", k, k+" is not registered any more", view.Normal)
		}
	}
}

func versionOf(v string) string {
	if v == "" {
		return ""
	}
	return ", version " + v
}

func (c *Collector) takeRoutes(doc *registry.Routes, rev int64, now time.Time) {
	was := c.routes
	c.routes = doc
	for _, s := range c.services {
		s.routed, s.routes, s.paths, s.goal = false, nil, nil, view.Unknown
	}
	if doc == nil {
		return
	}
	for _, r := range doc.Routes {
		if s := c.service(r.Service); s != nil {
			s.routed = true
			name := r.Match.String()
			if r.Name != "" {
				name = r.Name + " (" + name + ")"
			}
			if len(s.routes) < maxPaths {
				s.routes = append(s.routes, name)
				s.paths = append(s.paths, newPath(&r))
			}
			s.goal = statedGoal(doc, r.Service)
		}
	}
	if was != nil {
		text := "routes changed: " + changes(was, doc)
		if rev != 0 {
			text = fmt.Sprintf("routes, revision %d: %s", rev, changes(was, doc))
		}
		c.event(now, "routes", "routes", text, view.Intended)
	}
}

// statedGoal is the longest goal that the document states for a service; a default is nobody's
// promise.
func statedGoal(doc *registry.Routes, service string) view.Num {
	stated := len(doc.Goals) > 0
	for i := range doc.Rules {
		stated = stated || doc.Rules[i].Name == service && len(doc.Rules[i].Goals) > 0
	}
	goals := doc.GoalsOf(service)
	if !stated || len(goals) == 0 {
		return view.Unknown
	}
	return view.Num(goals[len(goals)-1].Std().Seconds() * 1000)
}

// changes says in few words what became of routes.
func changes(was, is *registry.Routes) string {
	name := func(r registry.Route) string { return cmp.Or(r.Name, r.Match.String()) }
	old := make(map[string]string)
	for _, r := range was.Routes {
		old[name(r)] = fmt.Sprintf("%+v", r)
	}
	var parts []string
	for _, r := range is.Routes {
		n := name(r)
		switch before, has := old[n]; {
		case !has:
			parts = append(parts, "new "+n+" to "+r.Service)
		case before != fmt.Sprintf("%+v", r):
			parts = append(parts, n+" changed")
		}
		delete(old, n)
	}
	for _, n := range slices.Sorted(maps.Keys(old)) {
		parts = append(parts, n+" removed")
	}
	if len(parts) == 0 {
		return "the same as before"
	}
	if n := len(parts); n > 3 {
		parts = append(parts[:3], fmt.Sprintf("and %d more", n-3))
	}
	return strings.Join(parts, ", ")
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

// look asks all processes, several at a time. What they say is in p.cur, of those without an error.
func (c *Collector) look(ctx context.Context, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	tokens := make(chan struct{}, together)
	var wg sync.WaitGroup
	for _, p := range c.processes {
		if p.Admin == "" {
			continue
		}
		wg.Go(func() {
			tokens <- struct{}{}
			defer func() { <-tokens }()
			p.err = c.ask(ctx, p, now)
		})
	}
	wg.Wait()
}

var bodies = sync.Pool{New: func() any { return new([]byte) }}

// ask looks at one process.
func (c *Collector) ask(ctx context.Context, p *process, now time.Time) error {
	buf := bodies.Get().(*[]byte) //nolint:forcetypeassert // the pool has nothing else
	defer bodies.Put(buf)
	fetch := func(path string) (body []byte, err error) {
		*buf, err = c.o.Get(ctx, p.Admin, path, (*buf)[:0])
		return *buf, err
	}
	body, err := fetch("/metrics.json?buckets")
	if err != nil {
		return err
	}
	if err := p.cur.read(body); err != nil {
		return err
	}
	if p.Kind != view.Front && p.Kind != view.Handler {
		return nil
	}
	// All that follows is extra: an older process may not have it.
	if p.Kind == view.Front || now.Unix()%linksEvery == 0 || !p.began {
		if body, err = fetch("/links.json"); err == nil {
			p.links, _ = readLinks(body, p.links)
		}
	}
	if p.Kind == view.Front {
		if body, err = fetch("/state.json"); err == nil {
			p.state, _ = readState(body)
		}
		p.slow = p.slow[:0]
		if body, err = fetch(fmt.Sprintf("/slow.json?after=%.0f", p.slowAt)); err == nil {
			p.slow, _ = readSlow(body, p.slow)
		}
	}
	return nil
}

// errStatus tells that an admin port answered with something else than 200.
var errStatus = errors.New("collect: unexpected answer")

func get(ctx context.Context, addr, path string, into []byte) ([]byte, error) {
	resp, err := admin.Get(ctx, addr, path)
	if err != nil {
		return into, err
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	body := io.LimitReader(resp.Body, metrics.MaxReport)
	for {
		if len(into) == cap(into) {
			into = append(into, 0)[:len(into)]
		}
		n, err := body.Read(into[len(into):cap(into)])
		into = into[:len(into)+n]
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return into, err
		}
	}
	if resp.StatusCode != http.StatusOK {
		return into, fmt.Errorf("%w: %s from http://%s%s", errStatus, resp.Status, addr, path)
	}
	return into, nil
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
			for i := range p.slow {
				p.slowAt = max(p.slowAt, p.slow[i].seq)
			}
			c.slow = append(c.slow, p.slow...)
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
	c.etcd(now, v)
	v.Routes = view.Routes{Known: c.routes != nil, Revision: c.routeRev}
	if c.routes != nil {
		v.Routes.Count = len(c.routes.Routes)
	}
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

// heard takes in what a process said, or that it said nothing.
func (c *Collector) heard(p *process, now time.Time, second int64, lived time.Duration) {
	p.delta.ok = false
	p.recent[second%window] = counts{}
	p.times.put(second, nil)
	p.queued.put(second, nil)
	p.lag.put(second, nil)
	if p.Admin != "" && p.err == nil {
		if p.integrate(now, lived) {
			c.event(now, "restart", p.name, p.name+" was restarted", view.Amber)
		}
		r := &p.recent[second%window]
		if p.Kind == view.Front {
			p.rate, p.failed = p.perSecond("http.requests"), p.perSecond("http.status.5xx")
			r.requests, r.failures = p.counter("http.requests"), p.counter("http.status.5xx")
			p.times.more(second, p.delta.timers["stage.total"])
			p.lag.more(second, p.delta.timers["http.loop_lag"])
		} else {
			p.rate, p.failed = p.perSecond("requests"), p.perSecond("responses.5xx")+p.perSecond("expired")
			r.requests, r.failures = p.counter("requests"), p.counter("responses.5xx")+p.counter("expired")
			p.times.more(second, p.delta.timers["service_time"])
			p.queued.more(second, p.delta.timers["queue"])
		}
	}
	if p.goneAt.IsZero() && p.began && p.refused() {
		p.goneAt = now
		text, level := p.name+" has gone: nobody listens at its admin address", view.Amber
		if p.drained {
			text, level = p.name+" has ended, after draining", view.Intended
		}
		c.event(now, "gone", p.name, text, level)
	}
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

// callers adds up what processes say of their links, and makes edges of it.
func (c *Collector) callers(now time.Time, v *view.View) {
	before := make(map[string]callers, len(c.processes))
	for k, p := range c.processes {
		before[k] = p.calls
		p.calls = callers{share: 100, weight: -1}
	}
	type ends struct{ from, to string }
	edges := make(map[ends]*view.Edge)
	for _, p := range c.processes {
		if !p.fresh(now) {
			continue
		}
		from := p.Service
		if p.Kind == view.Front {
			from = "front"
		}
		for i := range p.links {
			l := &p.links[i]
			e := edges[ends{from, l.service}]
			if e == nil && len(edges) < maxEdges {
				e = &view.Edge{From: from, To: l.service}
				edges[ends{from, l.service}] = e
			}
			if e != nil {
				e.Rate += view.Num(l.rate)
				e.Failed += view.Num(l.failed)
				e.P99 = max(e.P99, view.Num(l.p99))
			}
			to := c.processes[l.service+"/"+l.instance]
			var t callers
			if to == nil {
				to = &process{} // of an instance that isn't registered
			}
			t = to.calls
			switch l.state {
			case "live":
				t.live++
				if e != nil {
					e.Links++
				}
			case "draining":
				t.draining++
			default:
				t.down++
				if e != nil {
					e.Down++
				}
			}
			if l.stalled {
				t.stalled++
				if e != nil {
					e.Stalled++
				}
			}
			if l.state == "live" || l.state == "draining" {
				t.share, t.weight = min(t.share, l.share), l.weight
				t.rate, t.failed, t.inFlight = t.rate+l.rate, t.failed+l.failed, t.inFlight+l.inFlight
				if l.p50 > 0 {
					t.p50, t.measured = t.p50+l.p50*l.rate, t.measured+l.rate
				}
				t.p99 = max(t.p99, l.p99)
			}
			to.calls = t
		}
	}
	for _, e := range edges {
		v.Edges = append(v.Edges, *e)
	}
	slices.SortFunc(v.Edges, func(a, b view.Edge) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	if v.Edges == nil {
		v.Edges = []view.Edge{}
	}
	for k, p := range c.processes {
		c.linkEvents(p, before[k], now)
	}
}

// linkEvents notes what has changed in how a process's callers see it.
func (c *Collector) linkEvents(p *process, was callers, now time.Time) {
	is := p.calls
	if is.live+is.draining > 0 {
		p.drained = is.draining > 0
	}
	if c.first {
		return
	}
	switch {
	case is.stalled > 0 && was.stalled == 0:
		c.event(now, "link", p.name, p.name+" is silent with requests under way: its callers send it no more", view.Amber)
	case is.stalled == 0 && was.stalled > 0 && is.live > 0:
		c.event(now, "link", p.name, p.name+" speaks again", view.Normal)
	}
	switch {
	case is.draining > 0 && was.draining == 0:
		c.event(now, "drain", p.name, p.name+" drains", view.Intended)
	case is.share < 50 && was.share >= 50 && was.live > 0:
		c.event(now, "link", p.name, fmt.Sprintf("%s does worse than its peers: its share is cut to %d %%", p.name, is.share), view.Amber)
	case is.share >= 50 && was.share < 50 && was.live > 0 && is.live > 0:
		c.event(now, "link", p.name, p.name+" has its share back", view.Normal)
	}
	if was.live > 0 && is.live == 0 && is.draining == 0 && !p.drained {
		c.event(now, "link", p.name, "all links to "+p.name+" are down", view.Amber)
	}
}

func (c *Collector) processView(p *process, now time.Time, v *view.View) view.Process {
	out := view.Process{
		Key: p.name, Kind: p.Kind, Service: p.Service, ID: p.ID, Admin: p.Admin, Version: p.Version, Host: p.Host, Level: view.Normal,
		State: p.stateOf(now), AgeS: view.Unknown, Uptime: view.Unknown, Weight: p.Weight, Share: p.calls.share, Stalled: p.calls.stalled > 0, Links: p.calls.live,
		Now: view.Unknown, Queue: view.Unknown, CPU: view.Unknown, Memory: view.Unknown, LoopLag: view.Unknown, Restarts: p.restarts, Error: why(p.err),
	}
	u := view.Unknown
	out.Figures = view.Figures{Rate: u, Failed: u, Errors: u, Shed: u, P50: u, P99: u, P999: u, Max: u, Mean: u, InFlight: u, Limit: u}
	if p.Admin != "" && p.leftAt.IsZero() {
		v.Known++
		if p.fresh(now) {
			v.Heard++
		} else {
			v.Unheard = append(v.Unheard, p.name)
		}
	}
	if !p.goneAt.IsZero() {
		out.GoneAt = p.goneAt.UnixMilli()
	} else if !p.leftAt.IsZero() {
		out.GoneAt = p.leftAt.UnixMilli()
	}
	if !p.restartAt.IsZero() {
		out.RestartedAt = p.restartAt.UnixMilli()
	}
	if p.began {
		out.AgeS = view.Num(math.Round(now.Sub(p.heardAt).Seconds()*10) / 10)
	}
	row := [processFields]view.Num{u, u, u, u}
	second := now.Unix()
	switch {
	case p.fresh(now):
		l := p.prev
		p.times.figures(&out.Figures)
		out.Now = p.times.recent(second)
		out.Rate, out.Failed = view.Num(p.rate), view.Num(p.failed)
		if c := sums(&p.recent, second, 3); c.requests > 0 {
			out.Errors = view.Num(min(1, c.failures/c.requests))
		} else {
			out.Errors = 0
		}
		out.Uptime = view.Num(l.clock)
		if p.Kind == view.Front {
			out.InFlight, out.Limit = view.Num(l.gauges["http.in_flight"]), view.Num(l.gauges["http.limit"])
			if p.lag.all != nil && p.lag.all.Count() > 0 {
				var q [1]float64
				p.lag.all.Quantiles([]float64{0.99}, q[:])
				out.LoopLag = view.Num(q[0])
			}
		} else {
			out.InFlight = view.Num(l.gauges["in_flight"])
			out.Queue = p.queued.mean()
		}
		out.CPU = p.cpu
		if m, ok := l.gauges["process.heap_bytes"]; ok {
			out.Memory = view.Num(m)
		}
		if up, ok := l.gauges["etcd.connected"]; ok && up == 0 && c.o.Etcd {
			out.EtcdAway = true
		}
		row = [processFields]view.Num{out.Rate, out.Failed, out.P99, out.Mean}
	case p.Admin == "" && p.calls.live+p.calls.draining > 0:
		out.Callers = true
		out.Rate, out.Failed, out.InFlight, out.P99 = view.Num(p.calls.rate), view.Num(p.calls.failed), view.Num(p.calls.inFlight), view.Num(p.calls.p99)
		if p.calls.measured > 0 {
			out.P50 = view.Num(p.calls.p50 / p.calls.measured)
			out.Mean, out.Now = out.P50, out.P50
		}
		if p.calls.rate > 0 {
			out.Errors = view.Num(min(1, p.calls.failed/p.calls.rate))
		}
		row = [processFields]view.Num{out.Rate, out.Failed, out.P99, out.Mean}
	}
	p.series.put(second, row[:], nil)
	return out
}

// etcd sums up what is known of it.
func (c *Collector) etcd(now time.Time, v *view.View) {
	c.pending.Lock()
	v.Etcd = c.pending.etcd
	c.pending.Unlock()
	for _, p := range v.Processes {
		if !p.AgeS.Known() || time.Duration(float64(p.AgeS)*float64(time.Second)) >= Silence {
			continue
		}
		v.Etcd.Asked++
		if p.EtcdAway {
			v.Etcd.Without++
		}
	}
	if !v.Etcd.Used {
		return
	}
	if v.Etcd.Away != c.etcdAway {
		c.etcdAway = v.Etcd.Away
		if c.etcdAway {
			c.event(now, "etcd", "etcd", "etcd doesn't answer", view.Amber)
		} else {
			c.event(now, "etcd", "etcd", "etcd answers again", view.Normal)
		}
	}
}

// forget lets go of those who have gone.
func (c *Collector) forget(now time.Time) {
	for k, p := range c.processes {
		if !p.leftAt.IsZero() && now.Sub(p.leftAt) > keepGone {
			delete(c.processes, k)
		}
	}
}

// slowKept are the slow requests that fronts told of lately.
type slowKept []slowOne

// slowest is where the slowest 1 % of the last 10 s spent their time.
func (k *slowKept) slowest(now time.Time, times *rolling) view.Slow {
	from := float64(now.Add(-window * time.Second).UnixMilli())
	kept := (*k)[:0]
	for _, o := range *k {
		if o.atMS >= from {
			kept = append(kept, o)
		}
	}
	slices.SortFunc(kept, func(a, b slowOne) int { return cmp.Compare(b.total, a.total) })
	kept = kept[:min(len(kept), maxSlow)]
	*k = kept
	all := 0
	if times.all != nil {
		all = int(times.all.Count())
	}
	list := kept[:min(len(kept), (all+99)/100)]
	out := view.Slow{Count: len(list), From: view.Unknown, Stages: make([]view.Num, 7), By: []view.SlowBy{}, Worst: []view.SlowOne{}}
	if len(list) == 0 {
		return out
	}
	out.From = view.Num(list[len(list)-1].total)
	type who struct{ service, instance string }
	type sum struct {
		n      int
		total  float64
		stages [7]float64
	}
	by := make(map[who]*sum)
	for _, o := range list {
		b := by[who{o.service, o.instance}]
		if b == nil {
			b = new(sum)
			by[who{o.service, o.instance}] = b
		}
		b.n++
		b.total += o.total
		for i, ms := range o.stages {
			out.Stages[i] += view.Num(ms / float64(len(list)))
			b.stages[i] += ms
		}
	}
	for w, b := range by {
		most := 0
		for i := range b.stages {
			if b.stages[i] > b.stages[most] {
				most = i
			}
		}
		out.By = append(out.By, view.SlowBy{Service: w.service, Instance: w.instance, Count: b.n, Mean: view.Num(b.total / float64(b.n)), Stage: view.Stages[most]})
	}
	slices.SortFunc(out.By, func(a, b view.SlowBy) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Service, b.Service), cmp.Compare(a.Instance, b.Instance))
	})
	out.By = out.By[:min(len(out.By), 5)]
	for _, o := range list[:min(len(list), 5)] {
		one := view.SlowOne{AtMS: int64(o.atMS), Total: view.Num(o.total), Service: o.service, Instance: o.instance, ID: o.id}
		for _, ms := range o.stages {
			one.Stages = append(one.Stages, view.Num(ms))
		}
		out.Worst = append(out.Worst, one)
	}
	return out
}
