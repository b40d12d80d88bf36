package registry

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"
)

// Limits of experiments.
const (
	MaxExperiments = 100
	// MaxOnRoute is how many experiments one route may have: all are decided for each of its requests.
	MaxOnRoute = 8
)

// Experiment divides the clients of a route among variants.
type Experiment struct {
	// Name is that by which handlers ask for a request's variant; as a route's.
	Name string
	// Route is the name of the route whose requests take part.
	Route string
	// By is what of a request its variant is bound to: as ServiceRules.Sticky. A request without it
	// takes no part.
	By string
	// Salt, if another one is set, draws all variants anew.
	Salt string
	// Variants are the shares by variant.
	Variants map[string]int
	// Services says by variant which version of a service its requests go to, in place of what the
	// service's own shares say; also where another service calls it.
	Services map[string]map[string]string
}

// experimentBody is what stands in the document under an experiment's name.
type experimentBody struct {
	Route    string                       `json:"route" yaml:"route"`
	By       string                       `json:"by" yaml:"by"`
	Salt     string                       `json:"salt,omitempty" yaml:"salt,omitempty"`
	Variants map[string]int               `json:"variants" yaml:"variants,flow"`
	Services map[string]map[string]string `json:"services,omitempty" yaml:"services,omitempty"`
}

func (e Experiment) clone() Experiment {
	e.Variants = maps.Clone(e.Variants)
	if e.Services != nil {
		services := make(map[string]map[string]string, len(e.Services))
		for variant, versions := range e.Services {
			services[variant] = maps.Clone(versions)
		}
		e.Services = services
	}
	return e
}

func experimentLabel(name string) string { return fmt.Sprintf("experiments %q", clip(name)) }

func readExperiments(r reader) []Experiment {
	var out []Experiment
	readObject(r, "experiments", MaxExperiments, func(name string, n *yaml.Node) {
		place := experimentLabel(name)
		if kindOf(n) != kindObject {
			r.p.place(place, "", n.Line)
			r.p.at(place, "", "%s: want an object with route, by and variants", show(n))
			return
		}
		e := reader{p: r.p, place: place, obj: n}
		e.only("route", "by", "salt", "variants", "services")
		out = append(out, Experiment{
			Name: name, Route: e.text("route"), By: readWord(e, "by", stickyRule), Salt: readWord(e, "salt", saltRule),
			Variants: readShares(e, "variants"), Services: readVariantServices(e),
		})
	})
	slices.SortFunc(out, func(a, b Experiment) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func readVariantServices(r reader) map[string]map[string]string {
	var out map[string]map[string]string
	readObject(r, "services", MaxVersions, func(variant string, n *yaml.Node) {
		field := "services." + clip(variant)
		r.p.place(r.place, field, n.Line)
		if kindOf(n) != kindObject {
			r.p.at(r.place, field, "%s: want an object of services and their versions", show(n))
			return
		}
		versions := make(map[string]string)
		for i := 0; i+1 < len(n.Content); i += 2 {
			if v := n.Content[i+1]; kindOf(v) == kindText {
				versions[n.Content[i].Value] = v.Value
			} else {
				r.p.at(r.place, field, "%s: want text in quotes, a version of %s", show(v), clip(n.Content[i].Value))
			}
		}
		if out == nil {
			out = make(map[string]map[string]string)
		}
		out[variant] = versions
	})
	return out
}

// checkExperiments reports what is wrong with the experiments.
func (r *Routes) checkExperiments(p *problems) {
	if len(r.Experiments) > MaxExperiments {
		p.at("", "experiments", "%d of them: want at most %d", len(r.Experiments), MaxExperiments)
		return
	}
	known := r.known()
	on := make(map[string][]*Experiment) // by route
	for i := range r.Experiments {
		e := &r.Experiments[i]
		place := experimentLabel(e.Name)
		e.check(p, place, known)
		switch {
		case e.Route == "":
			p.at(place, "route", "missing: want the name of a route")
		case !slices.ContainsFunc(r.Routes, func(rt Route) bool { return rt.Name == e.Route }):
			p.at(place, "route", "%s: no route has this name", quote(e.Route))
		}
		for _, other := range on[e.Route] {
			if other.Name == e.Name {
				p.at(place, "", "there are two of this name: want each once")
			} else if s := e.shares(other); s != "" {
				p.at(place, "services", "%s: experiment %s decides its version on the same route, too", quote(s), quote(other.Name))
			}
		}
		on[e.Route] = append(on[e.Route], e)
		if len(on[e.Route]) == MaxOnRoute+1 {
			p.at(place, "route", "%s: more than %d experiments on one route", quote(e.Route), MaxOnRoute)
		}
	}
}

// shares returns a service whose version both experiments decide; empty for none.
func (e *Experiment) shares(o *Experiment) string {
	decided := o.decides()
	for _, s := range e.decides() {
		if slices.Contains(decided, s) {
			return s
		}
	}
	return ""
}

// decides lists the services whose versions the experiment may decide.
func (e *Experiment) decides() []string {
	set := make(map[string]struct{})
	for _, versions := range e.Services {
		for s := range versions {
			set[s] = struct{}{}
		}
	}
	return sortedKeys(set)
}

func (e *Experiment) check(p *problems, place string, known []string) {
	if !validRouteName(e.Name) {
		p.at(place, "", "the name: want 1 to 63 letters, digits, '.', '_' and '-'")
	}
	if e.By == "" {
		p.at(place, "by", "missing: want %s", stickyRule)
	} else if _, err := ParseSticky(e.By); err != nil {
		p.at(place, "by", "%v", err)
	}
	checkSalt(p, place, e.Salt)
	if e.Variants == nil {
		p.at(place, "variants", "missing: want names and shares")
	}
	checkShares(p, place, "variants", e.Variants)
	for _, v := range slices.Sorted(maps.Keys(e.Variants)) {
		if !validRouteName(v) {
			p.at(place, "variants", "%s: want 1 to 63 letters, digits, '.', '_' and '-'", quote(v))
		}
	}
	for _, variant := range slices.Sorted(maps.Keys(e.Services)) {
		field := "services." + clip(variant)
		if _, ok := e.Variants[variant]; !ok {
			p.at(place, field, "no such variant: want one of %s", list(slices.Sorted(maps.Keys(e.Variants))))
		}
		for _, service := range slices.Sorted(maps.Keys(e.Services[variant])) {
			switch version := e.Services[variant][service]; {
			case !slices.Contains(known, service):
				p.at(place, field, "%s: unknown service: want one of %s", quote(service), list(known))
			case !validVersion(version):
				p.at(place, field, "%s of %s: want %s", quote(version), clip(service), versionRule)
			}
		}
	}
}
