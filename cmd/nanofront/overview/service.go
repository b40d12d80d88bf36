package overview

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"nanofront/internal/terminal"
	"nanofront/registry"
)

// setRoutes gathers the routes' figures from all fronts.
func (v *View) setRoutes(routes []registry.Route) {
	v.Routes = make([]Route, 0, len(routes))
	for i := range routes {
		r := &routes[i]
		var f figures
		for _, t := range v.Terminators {
			f.add(t.routes[r.Name])
		}
		v.Routes = append(v.Routes, Route{
			Name: r.Name, Match: r.Match.String(), Service: r.Service, Rate: f.rate, Failed: f.failed, P50: f.p50, P99: f.p99,
		})
	}
}

// setServices gathers the services' figures: from the fronts for those that are routed to, from the
// instances for others.
func (v *View) setServices(routed map[string]bool) {
	byName := make(map[string]*Service)
	of := func(name string) *Service {
		s := byName[name]
		if s == nil {
			s = &Service{Name: name, Routed: routed[name]}
			byName[name] = s
		}
		return s
	}
	for name := range routed {
		s := of(name)
		var f figures
		for _, t := range v.Terminators {
			f.add(t.services[name])
			for _, d := range t.Degraded {
				if d.Service == name {
					s.Degraded = strings.TrimPrefix(d.Reason, fmt.Sprintf("service %q: ", name))
				}
			}
		}
		s.Rate, s.Failed, s.Shed, s.P50, s.P99, s.InFlight, s.Limit = f.rate, f.failed, f.shed, f.p50, f.p99, f.inFlight, f.limit
		s.Load = f.load
	}
	unrouted := make(map[string]figures)
	for i := range v.Instances {
		in := &v.Instances[i]
		s := of(in.Service)
		s.Instances++
		if in.State == Serving || in.State == Returning {
			s.Serving++
		}
		if !s.Routed && in.Rate != nil {
			f := unrouted[in.Service]
			f.add(figures{rate: *in.Rate, failed: *in.Failed, inFlight: *in.InFlight, p50: *in.P50, p99: *in.P99, answered: *in.Rate})
			unrouted[in.Service] = f
		}
	}
	for name, f := range unrouted {
		s := of(name)
		s.Rate, s.Failed, s.InFlight, s.P50, s.P99 = f.rate, f.failed, f.inFlight, f.p50, f.p99
	}
	v.Services = make([]Service, 0, len(byName))
	for _, s := range byName {
		v.Services = append(v.Services, *s)
	}
	slices.SortFunc(v.Services, func(a, b Service) int { return cmp.Compare(a.Name, b.Name) })
}

// loads says what the load levels of a service mean.
var loads = [...]string{"", "by little", "a tenth or more is too much", "half or more is too much"}

// judge says what is down, or isn't as it should be. What somebody has asked for, such as an
// instance that drains or has weight 0, is none of it.
func (v *View) judge() {
	for i := range v.Terminators {
		t := &v.Terminators[i]
		switch {
		case t.Error != "" && t.Admin != "":
			v.problem("terminator", t.Name(), "no answer: "+t.Error)
		case t.Error != "": // it says nothing, and nobody asked it to
		case t.Drained(): // as somebody wants it
		case !t.Ready:
			for _, r := range t.Reasons {
				v.problem("terminator", t.Name(), "not ready: "+r)
			}
		}
		for _, d := range t.Degraded {
			if d.Service == "" {
				v.problem("terminator", t.Name(), d.Reason)
			}
		}
	}
	for i := range v.Services {
		s := &v.Services[i]
		if s.Degraded != "" {
			v.problem("service", s.Name, s.Degraded)
		}
		if s.Load > 0 {
			v.problem("service", s.Name, fmt.Sprintf("overloaded, %s: %s refused requests a second", loads[min(s.Load, len(loads)-1)], terminal.Grouped(s.Shed)))
		}
	}
	for i := range v.Instances {
		switch in := &v.Instances[i]; in.State {
		case Gone:
			v.problem("instance", in.Name(), "its process has ended without a word")
		case Silent:
			v.problem("instance", in.Name(), "no answer: "+plain(in.asked))
		case Stalled:
			v.problem("instance", in.Name(), "says nothing though requests are in flight there: is its process stopped, or its machine hung?")
		case Ejected:
			v.problem("instance", in.Name(), "fails, or is slow, beyond its peers, and gets a hundredth of its share")
		}
	}
	v.Healthy = len(v.Problems) == 0
}
