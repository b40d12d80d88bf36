package registry

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
)

// MaxInstances is how many instances a static table may list.
const MaxInstances = 10_000

// DefaultWindow is the window of an instance in a static table that gives
// none. What counts in the end is what the instance itself announces.
const DefaultWindow = 1024

// ErrInvalidTable is wrapped by every error of ParseTable.
var ErrInvalidTable = errors.New("registry: invalid table")

// ParseTable reads a static table: a document (JSON or YAML, as for
// ParseRoutes) with the fields instances and processes besides; processes and routes may be left
// out, and with routes whatever else a routes document has (Snapshot.Routes is nil then). The result is validated
// and sorted. The error wraps ErrInvalidTable.
func ParseTable(data []byte) (Snapshot, error) {
	top, err := readDocument(data)
	if err != nil {
		return Snapshot{}, fmt.Errorf("%w: %w", ErrInvalidTable, err)
	}
	var p problems
	if kindOf(top) != kindObject {
		p.add(mistake{top.Line, fmt.Sprintf("document is %v: want an object with version, instances and routes", kindOf(top))})
		return Snapshot{}, p.err(ErrInvalidTable)
	}
	r := reader{p: &p, obj: top}
	r.only(documentFields(r, "instances", "processes")...)
	var s Snapshot
	if _, ok := get(top, "routes"); ok {
		s.Routes = readRoutes(r)
		s.Routes.check(&p)
	} else {
		readVersion(r)
		for _, field := range append([]string{"goals", "services"}, fields2...) {
			if _, ok := get(top, field); ok {
				p.at("", field, "without routes: want both, or neither")
			}
		}
	}
	s.Instances = readInstances(r)
	s.Processes = readProcesses(r)
	if err := p.err(ErrInvalidTable); err != nil {
		return Snapshot{}, err
	}
	SortInstances(s.Instances)
	return s, nil
}

func readInstances(r reader) []Instance {
	items := r.list("instances")
	if len(items) > MaxInstances {
		r.p.at("", "instances", "%d instances: want at most %d", len(items), MaxInstances)
		return nil
	}
	type key struct{ service, id string }
	seen := make(map[key]int, len(items))
	out := make([]Instance, 0, len(items))
	for i := range items {
		inst, ok := readInstance(r.p, items[i], i)
		if !ok {
			continue
		}
		place := instanceLabel(i, inst.ID)
		inst.check(r.p, place)
		k := key{inst.Service, inst.ID}
		if j, dup := seen[k]; dup {
			r.p.at(place, "id", "%q is also instances[%d] of %q%s: want each once", clip(inst.ID), j, clip(inst.Service), r.p.onLine(instanceLabel(j, inst.ID), "id"))
		} else {
			seen[k] = i
		}
		out = append(out, inst)
	}
	return out
}

func readInstance(p *problems, n *yaml.Node, i int) (Instance, bool) {
	if kindOf(n) != kindObject {
		p.place(instanceLabel(i, ""), "", n.Line)
		p.at(instanceLabel(i, ""), "", "%s: want an object with service, id and address", show(n))
		return Instance{}, false
	}
	id := ""
	if v, ok := get(n, "id"); ok && kindOf(v) == kindText {
		id = v.Value
	}
	r := reader{p: p, place: instanceLabel(i, id), obj: n}
	r.only("service", "id", "address", "version", "window", "weight", "admin", "started")
	inst := Instance{
		Service: r.text("service"),
		ID:      r.text("id"),
		Address: r.text("address"),
		Version: r.text("version"),
		Window:  r.number("window", 1, MaxWindow, fmt.Sprintf("1 to %d requests", MaxWindow)),
		Weight:  readWeight(r),
		Admin:   r.text("admin"),
		Started: r.time("started"),
	}
	if inst.Window == 0 {
		inst.Window = DefaultWindow
	}
	return inst, true
}

func readProcesses(r reader) []Process {
	items := r.list("processes")
	if len(items) > MaxInstances {
		r.p.at("", "processes", "%d processes: want at most %d", len(items), MaxInstances)
		return nil
	}
	var out []Process
	for i, n := range items {
		place := fmt.Sprintf("processes[%d]", i)
		if kindOf(n) != kindObject {
			r.p.place(place, "", n.Line)
			r.p.at(place, "", "%s: want an object with kind, name and admin", show(n))
			continue
		}
		of := reader{p: r.p, place: place, obj: n}
		of.only("kind", "name", "service", "version", "host", "admin", "http")
		p := Process{
			Kind: of.text("kind"), Name: of.text("name"), Service: of.text("service"), Version: of.text("version"),
			Host: of.text("host"), Admin: of.text("admin"), HTTP: of.text("http"),
		}
		p.check(r.p, place)
		if j := slices.IndexFunc(out, func(o Process) bool { return o.Kind == p.Kind && o.Service == p.Service && o.Name == p.Name }); j >= 0 {
			r.p.at(place, "name", "%q is also that of another %s: want each once", clip(p.Name), clip(p.Kind))
		}
		out = append(out, p)
	}
	return out
}

func readWeight(r reader) Weight {
	before := len(r.p.list) + r.p.more
	n := r.number("weight", 0, int(MaxWeight), weightRule())
	if _, written := get(r.obj, "weight"); !written || len(r.p.list)+r.p.more > before {
		return DefaultWeight
	}
	return WeightOf(n)
}

func instanceLabel(i int, id string) string {
	if id == "" {
		return fmt.Sprintf("instances[%d]", i)
	}
	return fmt.Sprintf("instances[%d] %q", i, clip(id))
}

// SortInstances puts instances into a Snapshot's order: by Service, then ID.
func SortInstances(list []Instance) {
	slices.SortFunc(list, func(a, b Instance) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.ID, b.ID))
	})
}
