package shares

import (
	"net/netip"
	"time"

	"nanofront/httpmsg"
	"nanofront/registry"
	"nanofront/terminator/http1"
)

// Decider is a plan as the requests of one route need it.
type Decider struct {
	*Plan
	service     string // the route's
	own         int    // it in Plan.services; -1: it isn't there
	experiments []*experiment
}

// Decider makes the one of a route; nil if there is no plan.
func (p *Plan) Decider(route *registry.Route) *Decider {
	if p == nil {
		return nil
	}
	d := &Decider{Plan: p, service: route.Service, own: -1, experiments: p.experiments[route.Name]}
	for i, s := range p.services {
		if s.name == route.Service {
			d.own = i
		}
	}
	return d
}

// Divides reports whether the route's service has versions.
func (d *Decider) Divides() bool { return d != nil && d.own >= 0 }

// Keys are what of a request its version and variants may be bound to.
type Keys interface {
	// Key is the hash of what of the request h names; 0 if it doesn't have that.
	Key(h registry.Hash) uint64
}

// Decided is what is decided about one request. Its memory is used again.
type Decided struct {
	Meant    *Target // version of the route's service; nil: any
	Decision httpmsg.Decision

	variants []*Variant
}

// Decide gives the request its variants and versions: of all services that have any, since whoever
// answers it may call them. asking are its fields X-Version and X-Version-Token.
func (d *Decider) Decide(x Keys, revision int64, client netip.Addr, asking httpmsg.Fields, to *Decided) {
	b := httpmsg.NewDecision(to.Decision[:0], revision)
	for _, e := range d.experiments {
		if key := x.Key(e.by); key != 0 {
			to.variants = append(to.variants, &e.variants[e.arms.ByKey(key)])
		}
	}
	asked := d.asked(asking, client)
	count := len(b)
	b = b.AppendVersions(0)
	for i, s := range d.services {
		var t *Target
		if i == d.own {
			t = asked
		}
		if t == nil {
			t = to.instead(i)
		}
		if t == nil {
			t = d.share(s, x)
		}
		if t == nil {
			continue
		}
		if i == d.own {
			to.Meant = t
		}
		b = append(b, t.wire...)
		b[count]++ // MaxDivided at most
	}
	if asked != nil && d.own < 0 {
		to.Meant = asked
		b = append(b, asked.wire...)
		b[count]++
	}
	b = b.AppendVariants(len(to.variants))
	for _, v := range to.variants {
		v.assigned.Inc()
		b = append(b, v.wire...)
	}
	to.Decision = b
	if to.Meant != nil {
		to.Meant.assigned.Inc()
	}
}

// instead is the version that a variant wants of a service.
func (d *Decided) instead(service int) *Target {
	for _, v := range d.variants {
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
func (d *Decider) share(s *divided, x Keys) *Target {
	if s.arms == nil {
		return nil
	}
	if s.sticky.Source == registry.HashNone {
		return s.targets[s.turns.Next()]
	}
	key := x.Key(s.sticky)
	if key == 0 {
		d.keyless.Inc()
		if key = x.Key(anyClient); key == 0 {
			return s.targets[s.turns.Next()]
		}
	}
	return s.targets[s.arms.ByKey(key)]
}

// asked is the version that the client asks for, if it may.
func (d *Decider) asked(fields httpmsg.Fields, client netip.Addr) *Target {
	if len(fields) == 0 {
		return nil
	}
	var version, token []byte
	for _, f := range fields {
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
	if !saneVersion(version) || !d.asks.may(client, token) {
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

// Ending is how a request has ended.
type Ending uint8

// The endings.
const (
	Answered Ending = iota // well, or not as the versions' affair
	Failed                 // by a status from 500 on, or broken off
	TimedOut               // not answered in time
	Refused                // with 503, for want of an instance that could take it
	Left                   // by its client
)

// Over counts what has become of the request for its version and variants, and forgets it. took is
// how long, 0 if that says nothing; chosen is which of Target.Versions it went to, and served says
// that an instance has answered.
func (d *Decided) Over(how Ending, took time.Duration, chosen int, served bool) {
	if t := d.Meant; t != nil {
		if served {
			t.served[chosen].Inc()
		}
		if chosen > 0 {
			t.moved.Inc()
		}
		t.count(how, took)
	}
	for _, v := range d.variants {
		v.count(how, took)
	}
	d.Reset()
}

// Any reports whether there is anything to count.
func (d *Decided) Any() bool { return d.Meant != nil || len(d.variants) > 0 }

// Reset makes it ready for another request.
func (d *Decided) Reset() {
	clear(d.variants)
	d.Meant, d.variants, d.Decision = nil, d.variants[:0], d.Decision[:0]
}

func (t *Tally) count(how Ending, took time.Duration) {
	switch how {
	case Refused:
		t.refused.Inc()
	case Failed, TimedOut:
		t.failed.Inc()
	}
	if took > 0 {
		t.latency.Observe(took)
	}
}
