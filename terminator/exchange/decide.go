package exchange

import (
	"time"

	"nanofront/httpmsg"
	"nanofront/registry"
	"nanofront/terminator/http1"
)

// decider is a plan as the requests of one route need it.
type decider struct {
	*plan
	service     string // the route's
	own         int    // it in plan.services; -1: it isn't there
	experiments []*experiment
}

func (p *plan) decider(route *registry.Route) *decider {
	if p == nil {
		return nil
	}
	d := &decider{plan: p, service: route.Service, own: -1, experiments: p.experiments[route.Name]}
	for i, s := range p.services {
		if s.name == route.Service {
			d.own = i
		}
	}
	return d
}

// decide gives the request its variants and versions: of all services that have any, since whoever
// answers it may call them. The decision travels with the request.
func (x *Exchange) decide(d *decider) {
	b := httpmsg.NewDecision(x.decision[:0], x.revision)
	for _, e := range d.experiments {
		if key := keyOf(e.by, x); key != 0 {
			x.variants = append(x.variants, &e.variants[e.arms.ByKey(key)])
		}
	}
	asked := d.asked(x)
	count := len(b)
	b = b.AppendVersions(0)
	for i, s := range d.services {
		var t *target
		if i == d.own {
			t = asked
		}
		if t == nil {
			t = x.instead(i)
		}
		if t == nil {
			t = d.share(s, x)
		}
		if t == nil {
			continue
		}
		if i == d.own {
			x.meant = t
		}
		b = append(b, t.wire...)
		b[count]++ // MaxDivided at most
	}
	if asked != nil && d.own < 0 {
		x.meant = asked
		b = append(b, asked.wire...)
		b[count]++
	}
	b = b.AppendVariants(len(x.variants))
	for _, v := range x.variants {
		v.assigned.Inc()
		b = append(b, v.wire...)
	}
	x.decision, x.msg.Decision = b, b
	if t := x.meant; t != nil {
		t.assigned.Inc()
		x.msg.Version = t.name
		x.call.Versions = t.versions
	}
}

// instead is the version that a variant wants of a service.
func (x *Exchange) instead(service int) *target {
	for _, v := range x.variants {
		for i := range v.instead {
			if v.instead[i].service == service {
				return v.instead[i].target
			}
		}
	}
	return nil
}

// anyClient is what a version is bound to where the request doesn't have what it should be bound to.
var anyClient = registry.Hash{Source: registry.HashClient}

// share is the version that the service's shares give to the request; nil if it has none.
func (d *decider) share(s *divided, x *Exchange) *target {
	if s.arms == nil {
		return nil
	}
	if s.sticky.Source == registry.HashNone {
		return s.targets[s.turns.Next()]
	}
	key := keyOf(s.sticky, x)
	if key == 0 {
		d.keyless.Inc()
		if key = keyOf(anyClient, x); key == 0 {
			return s.targets[s.turns.Next()]
		}
	}
	return s.targets[s.arms.ByKey(key)]
}

// asked is the version that the client asks for, if it may.
func (d *decider) asked(x *Exchange) *target {
	if len(x.header.xVersion) == 0 {
		return nil
	}
	var version, token []byte
	for _, f := range x.header.xVersion {
		switch {
		case http1.EqualLower(f.Name, "x-version") && version == nil:
			version = f.Value
		case http1.EqualLower(f.Name, "x-version-token") && token == nil:
			token = f.Value
		default: // twice, or in a spelling of which nobody knows who understands it
			d.refused.Inc()
			return nil
		}
	}
	if len(version) == 0 {
		return nil // a token alone
	}
	if !saneVersion(version) || !d.asks.may(x.clientIP, token) {
		d.refused.Inc()
		return nil
	}
	d.granted.Inc()
	s := &divided{name: d.service, rest: []string{""}}
	if d.own >= 0 {
		s = d.services[d.own]
		if t := s.named[string(version)]; t != nil {
			return t
		}
	}
	return s.newTarget(string(version), otherVersion, d.set)
}

// saneVersion reports whether an instance can have that version.
func saneVersion(v []byte) bool {
	if len(v) > 63 {
		return false
	}
	for _, c := range v {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return len(v) > 0
}

// tally counts what has become of the request for its version and variants.
func (x *Exchange) tally(now time.Duration, end End) {
	t := x.meant
	if t == nil && len(x.variants) == 0 {
		return
	}
	if t != nil {
		if x.call.Received != 0 {
			t.served[x.call.Chosen].Inc()
		}
		if x.call.Chosen > 0 {
			t.moved.Inc()
		}
		t.count(x, now, end)
	}
	for i, v := range x.variants {
		v.count(x, now, end)
		x.variants[i] = nil
	}
	x.meant, x.variants = nil, x.variants[:0]
}

// count counts how a request has ended. How long a client takes, or is held, says nothing.
func (t *tally) count(x *Exchange, now time.Duration, end End) {
	switch o := x.outcome; {
	case o == noInstance || o == noCredit || o == shed || o == heldFull:
		t.refused.Inc()
	case o == timedOut:
		t.failed.Inc()
		t.latency.Observe(now - x.start) // at least
	case o == linkBroke || o == handlerFailed || o == badReply || end == Broken:
		t.failed.Inc()
	case o == answered && x.Response.Status >= 500:
		t.failed.Inc()
		fallthrough
	case o == answered:
		if x.heldAt == 0 && !x.streams && x.call.Received != 0 {
			t.latency.Observe(x.call.Received - x.start)
		}
	}
}
