package shares

import (
	"crypto/sha256"
	"crypto/subtle"
	"math/rand/v2"
	"net/netip"

	"nanofront/httpmsg"
	"nanofront/metrics"
	"nanofront/registry"
)

// Plan is what a routes document says about versions and experiments, with everything that a request
// needs looked up in advance. There is none for a document of version 1.
type Plan struct {
	services    []*divided
	experiments map[string][]*experiment // by route
	asks        *asks                    // nil: nobody may ask for a version

	keyless, granted, refused *metrics.Counter
	set                       *metrics.Set
}

// divided is a service whose requests are shared among its versions.
type divided struct {
	name    string
	sticky  registry.Hash
	arms    *Arms // nil: experiments alone name versions of it
	turns   *Turns
	targets []*Target // by arm
	named   map[string]*Target
	rest    []string // that take over for what has no share: those with one, the largest first
}

// Target is a version that requests are meant for.
type Target struct {
	Tally
	Name     []byte
	Versions []string // it, and what takes over while nobody runs it
	wire     []byte   // the same as a part of httpmsg.Decision
	moved    *metrics.Counter
	served   []*metrics.Counter // by which of versions has
}

// Tally counts what has become of requests that were given to a version or variant.
type Tally struct {
	assigned, failed, refused *metrics.Counter
	latency                   *metrics.Timer
}

// experiment is one as a route's requests need it.
type experiment struct {
	by       registry.Hash
	arms     *Arms
	variants []Variant // by arm
}

// Variant is one of an experiment.
type Variant struct {
	Tally
	wire    []byte
	instead []instead
}

// instead says to which version a variant's requests go, in place of what the shares say.
type instead struct {
	service int // in Plan.services
	target  *Target
}

// asks is who may ask for a version.
type asks struct {
	from   []netip.Prefix
	tokens [][sha256.Size]byte
}

// NewPlan makes a plan of a valid document. What shares requests goes on as in before, if nothing
// was changed about it.
func NewPlan(doc *registry.Routes, before *Plan, set *metrics.Set) *Plan {
	if doc.Version < registry.RoutesVersion2 {
		return nil
	}
	p := &Plan{
		set: set, experiments: make(map[string][]*experiment),
		keyless: set.Counter(metrics.RoutesKeyless),
		granted: set.Counter(metrics.RoutesVersionAsked, "granted"),
		refused: set.Counter(metrics.RoutesVersionAsked, "refused"),
	}
	for _, name := range doc.Divided() {
		p.services = append(p.services, newDivided(doc, name, before.service(name), set))
	}
	for i := range doc.Experiments {
		e := &doc.Experiments[i]
		p.experiments[e.Route] = append(p.experiments[e.Route], p.newExperiment(e))
	}
	if a := doc.Ask; a != nil {
		p.asks = &asks{}
		for _, s := range a.From {
			network, _ := registry.ParseNetwork(s) // valid, like all of a document that is in force
			p.asks.from = append(p.asks.from, network)
		}
		for _, s := range a.Tokens {
			sum, _ := registry.ParseToken(s)
			p.asks.tokens = append(p.asks.tokens, sum)
		}
	}
	return p
}

// service returns what the plan says of a service; nil for nothing. There may be no plan.
func (p *Plan) service(name string) *divided {
	if p != nil {
		for _, s := range p.services {
			if s.name == name {
				return s
			}
		}
	}
	return nil
}

func newDivided(doc *registry.Routes, name string, before *divided, set *metrics.Set) *divided {
	s := &divided{name: name, named: make(map[string]*Target), rest: []string{""}}
	if rule := doc.Rule(name); rule != nil && rule.Versions != nil {
		if rule.Sticky != "" {
			s.sticky, _ = registry.ParseSticky(rule.Sticky)
		}
		s.arms = New("versions "+name, rule.Salt, rule.Versions)
		if before != nil && before.arms != nil && before.arms.Same(s.arms) {
			s.turns = before.turns
		} else {
			s.turns = NewTurns(s.arms, rand.Uint64())
		}
		s.rest = nil
		for _, i := range s.arms.ByLoad() {
			s.rest = append(s.rest, s.arms.Names()[i])
		}
	}
	for _, version := range doc.VersionsNamed(name) {
		s.named[version] = s.newTarget(version, version, set)
	}
	if s.arms != nil {
		for _, version := range s.arms.Names() {
			s.targets = append(s.targets, s.named[version])
		}
	}
	return s
}

// newTarget makes a target that is counted under that label.
func (s *divided) newTarget(version, label string, set *metrics.Set) *Target {
	t := &Target{
		Name:     []byte(version),
		Versions: []string{version},
		moved:    set.Counter(metrics.VersionMoved, s.name, label),
		Tally: Tally{
			assigned: set.Counter(metrics.VersionAssigned, s.name, label),
			failed:   set.Counter(metrics.VersionFailed, s.name, label),
			refused:  set.Counter(metrics.VersionRefused, s.name, label),
			latency:  set.Timer(metrics.VersionLatency, s.name, label),
		},
		served: []*metrics.Counter{set.Counter(metrics.VersionServed, s.name, label)},
	}
	for _, other := range s.rest {
		if other != version {
			t.Versions = append(t.Versions, other)
			if other == "" {
				other = otherVersion
			}
			t.served = append(t.served, set.Counter(metrics.VersionServed, s.name, other))
		}
	}
	t.wire = httpmsg.VersionsOf(s.name, t.Versions)
	return t
}

// otherVersion counts for all versions that the document doesn't name.
const otherVersion = "other"

func (p *Plan) newExperiment(e *registry.Experiment) *experiment {
	out := &experiment{arms: New("experiment "+e.Name, e.Salt, e.Variants)}
	out.by, _ = registry.ParseSticky(e.By)
	for _, name := range out.arms.Names() {
		v := Variant{
			wire: httpmsg.VariantOf(e.Name, name),
			Tally: Tally{
				assigned: p.set.Counter(metrics.VariantAssigned, e.Name, name),
				failed:   p.set.Counter(metrics.VariantFailed, e.Name, name),
				refused:  p.set.Counter(metrics.VariantRefused, e.Name, name),
				latency:  p.set.Timer(metrics.VariantLatency, e.Name, name),
			},
		}
		for i, s := range p.services {
			if version, ok := e.Services[name][s.name]; ok {
				v.instead = append(v.instead, instead{i, s.named[version]})
			}
		}
		out.variants = append(out.variants, v)
	}
	return out
}

// may reports whether a client may ask for a version.
func (a *asks) may(ip netip.Addr, token []byte) bool {
	if a == nil {
		return false
	}
	for _, network := range a.from {
		if network.Contains(ip) {
			return true
		}
	}
	if len(token) == 0 || len(a.tokens) == 0 {
		return false
	}
	sum, ok := sha256.Sum256(token), 0
	for i := range a.tokens {
		ok |= subtle.ConstantTimeCompare(sum[:], a.tokens[i][:])
	}
	return ok == 1
}
