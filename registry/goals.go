package registry

import (
	"fmt"
	"slices"
	"strings"
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
		place := rulesLabel(i, s.Name)
		switch j, dup := seen[s.Name]; {
		case !validName(s.Name):
			p.at(place, "name", "%s: want %s", quote(s.Name), nameRule)
		case dup:
			p.at(place, "name", "%q is also the name of services[%d]%s: want each name once", clip(s.Name), j, p.onLine(rulesLabel(j, s.Name), "name"))
		case !slices.Contains(routed, s.Name):
			p.at(place, "name", "%q: no route leads to this service: want one of %s", clip(s.Name), clip(strings.Join(routed, ", ")))
		}
		seen[s.Name] = i
		checkGoals(p, place, s.Goals)
	}
}

func rulesLabel(i int, name string) string {
	if name == "" {
		return fmt.Sprintf("services[%d]", i)
	}
	return fmt.Sprintf("services[%d] %q", i, clip(name))
}

func readRules(r reader) []ServiceRules {
	var out []ServiceRules
	for i, n := range r.list("services") {
		if i == maxRules+1 { // enough to be refused
			break
		}
		out = append(out, readRule(r.p, n, i))
	}
	return out
}

func readRule(p *problems, n *yaml.Node, i int) ServiceRules {
	if kindOf(n) != kindObject {
		place := rulesLabel(i, "")
		p.place(place, "", n.Line)
		p.at(place, "", "%s: want an object with name and goals", show(n))
		p.mute(place, "name")
		return ServiceRules{}
	}
	name := ""
	if v, ok := get(n, "name"); ok && kindOf(v) == kindText {
		name = v.Value
	}
	r := reader{p: p, place: rulesLabel(i, name), obj: n}
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
