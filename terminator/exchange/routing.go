package exchange

import (
	"slices"
	"time"

	"nanofront/httpmsg"
	"nanofront/metrics"
	"nanofront/nanobus"
	"nanofront/registry"
	"nanofront/terminator/admission"
	"nanofront/terminator/memory"
	"nanofront/terminator/shares"
)

// routing is what one routes document comes to, with everything that a
// request needs looked up in advance. It is replaced as a whole.
type routing struct {
	doc    *registry.Routes
	router *registry.Router
	routes map[*registry.Route]*upstream
	list   []*upstream  // one per service
	plan   *shares.Plan // nil: the document is of version 1
	// revision is etcd's of what requests are decided by.
	revision int64
	// stamp is what requests carry that nothing else is decided about: the revision, for handlers to
	// decide toggles by. Empty: there are none.
	stamp httpmsg.Decision
	gates map[string]bool
}

// upstream is a service as a route's target.
type upstream struct {
	service *nanobus.Service
	route   string // its name
	timeout time.Duration
	maxBody int
	hash    registry.Hash   // what chooses the instance
	hedge   string          // registry.HedgeOn, HedgeOff or empty
	decides *shares.Decider // which version; nil: all are alike

	gate  *admission.Gate // what is let in to the service, or to the route if it has a limit of its own
	bonus int64           // of the route's priority, as admission.Ask has it
	share memory.Service

	requests, errors, shed *metrics.Counter
	latency                *metrics.Timer
	goals                  *metrics.Goals

	// Of the route alone.
	routeRequests *metrics.Counter
	routeLatency  *metrics.Timer
}

func (f *Front) newRouting(doc *registry.Routes, before *routing) *routing {
	bus, limiter, budget, set := f.bus, f.limiter, f.memory, f.set
	r := &routing{doc: doc, router: doc.Compile(), routes: make(map[*registry.Route]*upstream), gates: make(map[string]bool)}
	if before != nil {
		r.plan = before.plan
	}
	r.plan = shares.NewPlan(doc, r.plan, set)
	routes := r.router.Routes()
	seen := make(map[string]bool)
	for i := range routes {
		route := &routes[i]
		s := bus.Service(route.Service)
		u := &upstream{
			service: s, route: route.Name, timeout: route.Timeout.Std(), maxBody: route.MaxBody, hedge: route.Hedge,
			requests: set.Counter(metrics.UpstreamRequests, route.Service),
			errors:   set.Counter(metrics.UpstreamErrors, route.Service),
			shed:     set.Counter(metrics.UpstreamShed, route.Service),
			latency:  set.Timer(metrics.UpstreamLatency, route.Service),
			goals:    set.Goals(route.Service, route.Name, doc.GoalsOf(route.Service).Std(), route.Goals.Std()),

			routeRequests: set.Counter(metrics.RouteRequests, route.Name),
			routeLatency:  set.Timer(metrics.RouteLatency, route.Name),
		}
		u.gate, u.bonus = limiter.Gate(gateOf(route)), bonusOf(route.Priority)
		u.share = budget.Service(route.Service)
		r.gates[gateOf(route)] = true
		if route.Hash != "" {
			u.hash, _ = registry.ParseHash(route.Hash) // valid, like all of a document that is compiled
			s.UseKeys()
		}
		if u.decides = r.plan.Decider(route); u.decides.Divides() {
			s.UseVersions()
		}
		r.routes[route] = u
		if !seen[route.Service] {
			seen[route.Service] = true
			r.list = append(r.list, u)
			gate := limiter.Gate(route.Service)
			r.gates[route.Service] = true
			set.GaugeFunc(metrics.UpstreamInFlight, func() float64 { return float64(gate.InFlight()) }, route.Service)
			set.GaugeFunc(metrics.UpstreamLimit, func() float64 { return float64(gate.Limit()) }, route.Service)
			set.GaugeFunc(metrics.UpstreamLoad, func() float64 { return float64(gate.Load()) }, route.Service)
			set.GaugeFunc(metrics.UpstreamInstances, func() float64 { return float64(s.Live()) }, route.Service)
		}
	}
	return r
}

// repeats says when a request of that method may be sent to two instances.
func (u *upstream) repeats(method []byte) nanobus.Repeat {
	safe := admission.Safe(method)
	switch {
	case u.hedge == registry.HedgeOn, safe && u.hedge == "":
		return nanobus.RepeatSlow
	case safe:
		return nanobus.RepeatStalled
	default:
		return nanobus.RepeatNever
	}
}

// Services are those that the routes in force lead to. False: no routes are known yet.
func (f *Front) Services() (list []*nanobus.Service, known bool) {
	r := f.routing.Load()
	if r == nil {
		return nil, false
	}
	for _, u := range r.list {
		list = append(list, u.service)
	}
	return list, true
}

// act is on a snapshot's revision from now on.
func (r *routing) act(s registry.Snapshot) {
	r.revision, r.stamp = s.Revision, nil
	if s.Stamp {
		r.stamp = httpmsg.NewDecision(nil, s.Revision).AppendVersions(0).AppendVariants(0)
	}
}

// Discovered takes over a new state of the system. One call at a time.
func (f *Front) Discovered(s registry.Snapshot) {
	old := f.routing.Load()
	routing := old
	if s.Routes != nil && (old == nil || old.doc != s.Routes) {
		routing = f.newRouting(s.Routes, old)
		routing.act(s)
		f.log.Info().Int("routes", len(s.Routes.Routes)).Strs("services", s.Routes.Services()).Msg("routes in force")
	}
	// Linked first, so that a route to a new service doesn't meet an unknown one.
	wanted := make(map[string]bool)
	if routing != nil {
		for _, u := range routing.list {
			wanted[u.service.Name()] = true
		}
	}
	var list []nanobus.Instance
	for _, in := range s.Instances {
		if wanted[in.Service] {
			list = append(list, nanobus.Instance{Service: in.Service, ID: in.ID, Address: in.Address, Version: in.Version, Weight: int(in.Weight)})
		}
	}
	if routing != nil {
		f.observe(list)
	}
	if err := f.bus.SetInstances(list); err != nil && f.limit.Allow("instances") {
		f.log.Warn().Err(err).Msg("some instances are unusable")
	}
	f.missing(s)
	if routing == old {
		if old != nil && s.Routes != nil && (old.revision != s.Revision || s.Stamp != (len(old.stamp) > 0)) {
			same := *old
			same.act(s)
			f.routing.Store(&same)
		}
		return
	}
	if old != nil {
		f.awaitLinks(routing, list)
	}
	f.routing.Store(routing)
	f.limiter.Keep(routing.gates)
}

// missing shows how many of the versions that the document names nobody runs.
func (f *Front) missing(s registry.Snapshot) {
	n := 0
	if s.Routes != nil {
		n = len(s.Routes.MissingVersions(s.Instances))
	}
	f.metrics.versionsMissing.Set(int64(n))
}

// Revision is etcd's of the routes document that requests are decided by; 0 before there is one.
func (f *Front) Revision() int64 {
	if r := f.routing.Load(); r != nil {
		return r.revision
	}
	return 0
}

// gateOf names the gate of a route: its service's, or its own.
func gateOf(r *registry.Route) string {
	if r.Admission == registry.AdmissionOwn {
		return r.Service + " " + r.Name // no name of a service has a space
	}
	return r.Service
}

// linkGrace is how long new routes wait for the links to services that were
// not routed to before. A dial takes a millisecond; a service of which no
// instance answers doesn't hold up the others.
const linkGrace = 500 * time.Millisecond

// awaitLinks waits until each routed service that has an instance has a link,
// while the old routes are still in force, so that no request meets a service
// that is only being dialled.
func (f *Front) awaitLinks(r *routing, instances []nanobus.Instance) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	linked := func() bool {
		for _, u := range r.list {
			if u.service.Live() == 0 && slices.ContainsFunc(instances, func(in nanobus.Instance) bool { return in.Service == u.service.Name() }) {
				return false
			}
		}
		return true
	}
	for deadline := time.Now().Add(linkGrace); !linked() && time.Now().Before(deadline) && !f.draining(); {
		<-tick.C
	}
}

// bonusOf is by how many eighths of a limit that is used up a route's requests are let in sooner or
// later than others. An overloaded service that has work for all of its places left has none for
// those that come last.
func bonusOf(priority string) int64 {
	switch priority {
	case registry.PriorityHealth:
		return 8
	case registry.PriorityHigh:
		return 1
	case registry.PriorityLow:
		return -2
	default:
		return 0
	}
}
