package registry

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
)

// Goals are times that requests should be answered in, rising.
type Goals []Duration

// DefaultGoals are those of a service whose document states none.
func DefaultGoals() Goals {
	return Goals{Duration(25 * time.Millisecond), Duration(100 * time.Millisecond)}
}

// What goals may be.
const (
	MaxGoals = 8
	MinGoal  = 100 * time.Microsecond
	MaxGoal  = MaxTimeout

	maxRules = 1000
)

// ServiceRules is what a routes document says of a service as a whole.
type ServiceRules struct {
	// Name is that of the service.
	Name string `json:"name" yaml:"name"`
	// Goals are those of all its requests, and of its routes that have none of
	// their own. Empty: the document's.
	Goals Goals `json:"goals,omitempty" yaml:"goals,omitempty,flow"`
	// Versions are the shares of the service's requests by the version that its instances give
	// (Instance.Version): whole numbers, weighed against each other. A version that isn't named gets
	// none. Nil: all instances are alike. This and what follows is in documents of version 2 only.
	Versions map[string]int `json:"-" yaml:"-"`
	// Sticky is what of a request its version is bound to (ParseSticky), so that the same client
	// stays on its version while that one's share grows. Empty: nothing; shares are kept exactly
	// over each thousand requests.
	Sticky string `json:"-" yaml:"-"`
	// Salt, if another one is set, draws anew which clients are first.
	Salt string `json:"-" yaml:"-"`
}

// Std is the goals as the standard library's type.
func (g Goals) Std() []time.Duration {
	list := make([]time.Duration, len(g))
	for i := range g {
		list[i] = g[i].Std()
	}
	return list
}

// GoalsOf returns the goals of a service: its own, or the document's, or DefaultGoals.
func (r *Routes) GoalsOf(service string) Goals {
	if r != nil {
		for i := range r.Rules {
			if r.Rules[i].Name == service && len(r.Rules[i].Goals) > 0 {
				return slices.Clone(r.Rules[i].Goals)
			}
		}
		if len(r.Goals) > 0 {
			return slices.Clone(r.Goals)
		}
	}
	return DefaultGoals()
}

func goalRule() string {
	return fmt.Sprintf("%v to %v in whole microseconds, with a unit, such as \"25ms\"", MinGoal, Duration(MaxGoal))
}

// checkGoals reports what is wrong with goals at a place.
func checkGoals(p *problems, place string, goals Goals) {
	if len(goals) > MaxGoals {
		p.at(place, "goals", "%d goals: want at most %d", len(goals), MaxGoals)
		return
	}
	for i, g := range goals {
		switch d := g.Std(); {
		case d < MinGoal || d > MaxGoal || d%time.Microsecond != 0:
			p.at(place, "goals", "%q: want %s", g, goalRule())
		case i > 0 && g <= goals[i-1]:
			p.at(place, "goals", "%q after %q: want each longer than the one before", g, goals[i-1])
		}
	}
}

// checkRules reports what is wrong with what the document says of services.
func (r *Routes) checkRules(p *problems) {
	if len(r.Rules) > maxRules {
		p.at("", "services", "%d services: want at most %d", len(r.Rules), maxRules)
		return
	}
	routed := r.Services()
	seen := make(map[string]int, len(r.Rules))
	for i := range r.Rules {
		s := &r.Rules[i]
		place := r.rulesLabel(i, s.Name)
		switch j, dup := seen[s.Name]; {
		case !validName(s.Name):
			p.at(place, "name", "%s: want %s", quote(s.Name), nameRule)
		case dup:
			p.at(place, "name", "%q is also the name of services[%d]%s: want each name once", clip(s.Name), j, p.onLine(r.rulesLabel(j, s.Name), "name"))
		case s.Versions == nil && !slices.Contains(routed, s.Name): // one with versions others may call
			p.at(place, "name", "%q: no route leads to this service: want one of %s", clip(s.Name), list(routed))
		}
		seen[s.Name] = i
		checkGoals(p, place, s.Goals)
		if r.Version == RoutesVersion && (s.Versions != nil || s.Sticky != "" || s.Salt != "") {
			p.at(place, "versions", "version 1 of the document has none: want version: %d", RoutesVersion2)
		}
		s.checkVersions(p, place)
	}
}

// rulesLabel names an entry of services: in version 1 a list, then an object by name.
func (r *Routes) rulesLabel(i int, name string) string { return rulesLabel(r.Version, i, name) }

func rulesLabel(version, i int, name string) string {
	switch {
	case version >= RoutesVersion2:
		return fmt.Sprintf("services %q", clip(name))
	case name == "":
		return fmt.Sprintf("services[%d]", i)
	}
	return fmt.Sprintf("services[%d] %q", i, clip(name))
}

func readRules(r reader, version int) []ServiceRules {
	var out []ServiceRules
	n, written := get(r.obj, "services")
	if version >= RoutesVersion2 {
		if written && kindOf(n) == kindList {
			r.p.at(r.place, "services", "a list, as in version 1 of the document: want an object by the services' names")
			return nil
		}
		readObject(r, "services", maxRules, func(name string, n *yaml.Node) { out = append(out, readRule2(r.p, name, n)) })
		slices.SortFunc(out, func(a, b ServiceRules) int { return cmp.Compare(a.Name, b.Name) })
		return out
	}
	if written && kindOf(n) == kindObject {
		r.p.at(r.place, "services", "an object, as in version 2 of the document: want version: %d", RoutesVersion2)
		return nil
	}
	for i, n := range r.list("services") {
		if i == maxRules+1 { // enough to be refused
			break
		}
		out = append(out, readRule(r.p, n, i))
	}
	return out
}

// readRule2 reads what version 2 of the document says of a service.
func readRule2(p *problems, name string, n *yaml.Node) ServiceRules {
	place := rulesLabel(RoutesVersion2, 0, name)
	p.place(place, "", n.Line)
	if kindOf(n) != kindObject {
		p.at(place, "", "%s: want an object with goals or versions", show(n))
		p.mute(place, "name")
		return ServiceRules{Name: name}
	}
	r := reader{p: p, place: place, obj: n}
	r.only("goals", "versions", "sticky", "salt")
	s := ServiceRules{Name: name, Goals: readGoals(r)}
	s.readVersions(r)
	return s
}

func readRule(p *problems, n *yaml.Node, i int) ServiceRules {
	if kindOf(n) != kindObject {
		place := rulesLabel(RoutesVersion, i, "")
		p.place(place, "", n.Line)
		p.at(place, "", "%s: want an object with name and goals", show(n))
		p.mute(place, "name")
		return ServiceRules{}
	}
	name := ""
	if v, ok := get(n, "name"); ok && kindOf(v) == kindText {
		name = v.Value
	}
	r := reader{p: p, place: rulesLabel(RoutesVersion, i, name), obj: n}
	for _, f := range []string{"versions", "sticky"} {
		if _, ok := get(n, f); ok {
			p.at(r.place, f, "version 1 of the document has no such field: want version: %d, where services is an object by name", RoutesVersion2)
		}
	}
	r.only("name", "goals")
	return ServiceRules{Name: r.text("name"), Goals: readGoals(r)}
}

// readGoals reads the field goals. Written out, the empty list is a mistake.
func readGoals(r reader) Goals {
	n, ok := r.field("goals", kindList)
	if !ok {
		return nil
	}
	if len(n.Content) == 0 {
		r.p.at(r.place, "goals", "empty: want at least one goal, or no such field")
	}
	if len(n.Content) > MaxGoals {
		r.p.at(r.place, "goals", "%d goals: want at most %d", len(n.Content), MaxGoals)
		return nil
	}
	var out Goals
	for _, v := range n.Content {
		d, err := time.ParseDuration(v.Value)
		switch {
		case kindOf(v) != kindText:
			r.p.at(r.place, "goals", "%s: want %s", show(v), goalRule())
		case err != nil:
			r.p.at(r.place, "goals", "%q: want %s", clip(v.Value), goalRule())
		default:
			out = append(out, Duration(d))
		}
	}
	return out
}
