package registry

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// RoutesVersion2 is the version of a document that also says how traffic is shared among the
// versions of a service. A document of version 1 means what it meant before there were any.
const RoutesVersion2 = 2

// Limits of what a document says of versions.
const (
	// MaxVersions is how many versions of a service may be named.
	MaxVersions = 16
	// MaxShare is the largest share. Shares are weighed against each other: 95 and 5 are as
	// good as 950 and 50.
	MaxShare = 1_000_000
	// MaxDivided is how many services may have versions: all of them are decided for each request.
	MaxDivided = 32

	// leastShare is which part of all shares one has at least: they are kept over each thousand
	// requests.
	leastShare = 1000
)

const (
	stickyRule  = "cookie:NAME, header:NAME or client"
	versionRule = "1 to 63 printable ASCII bytes, as its instances give theirs"
	saltRule    = "at most 63 printable ASCII bytes"
)

// ParseSticky reads what of a request its version is bound to: as ParseHash does, of which path and
// query are left out, for they are no client's own.
func ParseSticky(s string) (Hash, error) {
	h, err := ParseHash(s)
	switch {
	case err == nil && h.Source != HashPath && h.Source != HashQuery:
		return h, nil
	case err != nil && (strings.HasPrefix(s, "cookie:") || strings.HasPrefix(s, "header:")):
		return Hash{}, err
	}
	return Hash{}, fmt.Errorf("%q: want %s", clip(s), stickyRule)
}

// Rule returns what the document says of a service as a whole, nil for nothing. It is part of the
// document.
func (r *Routes) Rule(service string) *ServiceRules {
	if r == nil {
		return nil
	}
	for i := range r.Rules {
		if r.Rules[i].Name == service {
			return &r.Rules[i]
		}
	}
	return nil
}

// Upgrade makes a document of version 1 one of version 2, with the same meaning.
func (r *Routes) Upgrade() { r.Version = max(r.Version, RoutesVersion2) }

// Clone returns a copy to be changed.
func (r *Routes) Clone() *Routes {
	if r == nil {
		return nil
	}
	c := *r
	c.Goals = slices.Clone(r.Goals)
	c.Rules = slices.Clone(r.Rules)
	for i := range c.Rules {
		c.Rules[i].Goals = slices.Clone(c.Rules[i].Goals)
		c.Rules[i].Versions = maps.Clone(c.Rules[i].Versions)
	}
	c.Routes = slices.Clone(r.Routes)
	for i := range c.Routes {
		c.Routes[i].Goals = slices.Clone(c.Routes[i].Goals)
		c.Routes[i].Match.Methods = slices.Clone(c.Routes[i].Match.Methods)
	}
	c.Experiments = slices.Clone(r.Experiments)
	for i := range c.Experiments {
		c.Experiments[i] = c.Experiments[i].clone()
	}
	if r.Ask != nil {
		c.Ask = &AskVersion{From: slices.Clone(r.Ask.From), Tokens: slices.Clone(r.Ask.Tokens)}
	}
	return &c
}

// VersionsNamed lists the versions of a service that the document may send requests to, sorted:
// those with a share, and those of experiments' variants.
func (r *Routes) VersionsNamed(service string) []string {
	named := make(map[string]struct{})
	if rule := r.Rule(service); rule != nil {
		for v, share := range rule.Versions {
			if share > 0 {
				named[v] = struct{}{}
			}
		}
	}
	if r != nil {
		for i := range r.Experiments {
			for _, services := range r.Experiments[i].Services {
				if v, ok := services[service]; ok {
					named[v] = struct{}{}
				}
			}
		}
	}
	return sortedKeys(named)
}

// Divided lists the services of which the document names versions, sorted.
func (r *Routes) Divided() []string {
	if r == nil {
		return nil
	}
	divided := make(map[string]struct{})
	for i := range r.Rules {
		if r.Rules[i].Versions != nil {
			divided[r.Rules[i].Name] = struct{}{}
		}
	}
	for i := range r.Experiments {
		for _, services := range r.Experiments[i].Services {
			for s := range services {
				divided[s] = struct{}{}
			}
		}
	}
	return sortedKeys(divided)
}

// Missing is a version that the document names and nobody runs.
type Missing struct{ Service, Version string }

// MissingVersions lists the versions that the document may send requests to and that none of the
// instances has.
func (r *Routes) MissingVersions(instances []Instance) []Missing {
	var out []Missing
	for _, service := range r.Divided() {
		for _, v := range r.VersionsNamed(service) {
			if !slices.ContainsFunc(instances, func(in Instance) bool { return in.Service == service && in.Version == v }) {
				out = append(out, Missing{service, v})
			}
		}
	}
	return out
}

// checkShares reports what is wrong with shares, of versions or of variants.
func checkShares(p *problems, place, field string, shares map[string]int) {
	if shares == nil {
		return
	}
	if len(shares) > MaxVersions {
		p.at(place, field, "%d of them: want at most %d", len(shares), MaxVersions)
		return
	}
	sum := 0
	for _, name := range slices.Sorted(maps.Keys(shares)) {
		if share := shares[name]; share < 0 || share > MaxShare {
			p.at(place, field+"."+clip(name), "%d: want %s", share, shareRule())
			return
		}
		sum += shares[name]
	}
	if sum == 0 {
		p.at(place, field, "no share above 0: want at least one")
		return
	}
	for _, name := range slices.Sorted(maps.Keys(shares)) {
		if share := shares[name]; share > 0 && share*leastShare < sum {
			p.at(place, field+"."+clip(name), "%d of %d: want 0, or at least a thousandth of them all", share, sum)
		}
	}
}

func shareRule() string { return fmt.Sprintf("a whole number from 0 to %d", MaxShare) }

// checkVersions reports what is wrong with what the document says of the service's versions.
func (s *ServiceRules) checkVersions(p *problems, place string) {
	for _, v := range slices.Sorted(maps.Keys(s.Versions)) {
		if !validVersion(v) {
			p.at(place, "versions", "%s: want %s", quote(v), versionRule)
		}
	}
	checkShares(p, place, "versions", s.Versions)
	checkSalt(p, place, s.Salt)
	if s.Sticky != "" {
		if _, err := ParseSticky(s.Sticky); err != nil {
			p.at(place, "sticky", "%v", err)
		}
	}
	for field, value := range map[string]string{"sticky": s.Sticky, "salt": s.Salt} {
		if value != "" && s.Versions == nil {
			p.at(place, field, "without versions: want both, or neither")
		}
	}
}

func checkSalt(p *problems, place, salt string) {
	if len(salt) > maxNameLen || !printable(salt) {
		p.at(place, "salt", "%s: want %s", quote(salt), saltRule)
	}
}

func validVersion(v string) bool { return v != "" && len(v) <= maxNameLen && printable(v) }

// readVersions reads what version 2 of the document adds to a service.
func (s *ServiceRules) readVersions(r reader) {
	s.Versions, s.Sticky, s.Salt = readShares(r, "versions"), readWord(r, "sticky", stickyRule), readWord(r, "salt", saltRule)
}

// readShares reads shares, of versions or of variants.
func readShares(r reader, field string) map[string]int {
	n, ok := r.field(field, kindObject)
	if !ok {
		return nil
	}
	if len(n.Content)/2 > MaxVersions {
		r.p.at(r.place, field, "%d of them: want at most %d", len(n.Content)/2, MaxVersions)
		return nil
	}
	out := make(map[string]int)
	shares := reader{p: r.p, place: r.place, group: field + ".", obj: n}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name := n.Content[i].Value
		if len(name) > maxNameLen {
			r.p.at(r.place, field, "%s: want names of at most %d bytes", quote(name), maxNameLen)
			return nil
		}
		r.p.place(r.place, field+"."+clip(name), n.Content[i].Line)
		before := len(r.p.list) + r.p.more
		share := shares.number(name, 0, MaxShare, shareRule())
		if out[name] = share; len(r.p.list)+r.p.more > before {
			r.p.mute(r.place, field) // of which the sum would be a guess
		}
	}
	if len(out) == 0 {
		r.p.at(r.place, field, "empty: want at least one with a share, or no such field")
	}
	return out
}

// readObject reads an object by names, and calls each for every entry.
func readObject(r reader, field string, most int, each func(name string, n *yaml.Node)) {
	n, ok := r.field(field, kindObject)
	if !ok {
		return
	}
	if count := len(n.Content) / 2; count > most {
		r.p.at(r.place, field, "%d of them: want at most %d", count, most)
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		each(n.Content[i].Value, n.Content[i+1])
	}
}

// checkDivided reports if more is to be decided for each request than may be.
func (r *Routes) checkDivided(p *problems) {
	if divided := r.Divided(); len(divided) > MaxDivided {
		p.at("", "services", "%d services with versions: want at most %d", len(divided), MaxDivided)
	}
}

// known lists the services that the document knows: those that routes lead to, and those that have
// versions, which others may call.
func (r *Routes) known() []string {
	set := make(map[string]struct{})
	for _, s := range r.Services() {
		set[s] = struct{}{}
	}
	for i := range r.Rules {
		if r.Rules[i].Versions != nil {
			set[r.Rules[i].Name] = struct{}{}
		}
	}
	return sortedKeys(set)
}

// list shows names in an error.
func list(names []string) string { return clip(strings.Join(names, ", ")) }
