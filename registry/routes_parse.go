package registry

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// ParseRoutes reads a routes document, JSON if it starts with '{', else YAML,
// and validates it. Unknown fields, fields given twice, YAML aliases and
// documents over MaxDocument are errors. All that is wrong is reported at
// once (at most 20 faults, one line each); the error wraps ErrInvalidRoutes.
//
// What the document leaves out stays zero in the result, which stands for the
// default; Compile fills it in.
func ParseRoutes(data []byte) (*Routes, error) {
	top, err := readDocument(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidRoutes, err)
	}
	var p problems
	if kindOf(top) != kindObject {
		p.add(mistake{top.Line, fmt.Sprintf("document is %v: want an object with version and routes", kindOf(top))})
		return nil, p.err(ErrInvalidRoutes)
	}
	r := reader{p: &p, obj: top}
	r.only(documentFields(r)...)
	doc := readRoutes(r)
	doc.check(&p)
	if err := p.err(ErrInvalidRoutes); err != nil {
		return nil, err
	}
	return doc, nil
}

// documentFields are those of a document, by its version.
func documentFields(r reader, more ...string) []string {
	fields := append(append([]string{"version"}, more...), "routes", "goals", "services")
	if v, ok := get(r.obj, "version"); ok && v.Value == fmt.Sprint(RoutesVersion2) {
		fields = append(fields, fields2...)
	}
	return fields
}

// fields2 are those that only version 2 of the document has.
var fields2 = []string{"experiments", "ask_version"}

// readRoutes reads the fields version and routes of a document, and what else belongs to them.
func readRoutes(r reader) *Routes {
	doc := &Routes{Version: readVersion(r), Goals: readGoals(r)}
	doc.Rules = readRules(r, doc.Version)
	if doc.Version >= RoutesVersion2 {
		doc.Experiments, doc.Ask = readExperiments(r), readAsk(r)
	}
	items := r.list("routes")
	if len(items) > MaxRoutes {
		r.p.at("", "routes", "%d routes: want at most %d", len(items), MaxRoutes)
		return doc
	}
	for i := range items {
		doc.Routes = append(doc.Routes, readRoute(r.p, items[i], i))
	}
	return doc
}

func readVersion(r reader) int {
	if _, ok := get(r.obj, "version"); !ok {
		r.p.at("", "version", "missing: want %s", versionsRule())
		return 0
	}
	return r.number("version", RoutesVersion, RoutesVersion2, versionsRule())
}

func versionsRule() string { return fmt.Sprintf("%d or %d", RoutesVersion, RoutesVersion2) }

func readRoute(p *problems, n *yaml.Node, i int) Route {
	if kindOf(n) != kindObject {
		place := routeLabel(i, "")
		p.place(place, "", n.Line)
		p.at(place, "", "%s: want an object with match and service", show(n))
		for _, f := range []string{"service", "match"} {
			p.mute(place, f)
		}
		return Route{}
	}
	// The name first: it labels the problems of all other fields.
	name := ""
	if v, ok := get(n, "name"); ok && kindOf(v) == kindText {
		name = v.Value
	}
	r := reader{p: p, place: routeLabel(i, name), obj: n}
	r.only("name", "match", "service", "timeout", "max_body", "hash", "hedge", "admission", "priority", "goals")
	return Route{
		Name:    r.text("name"),
		Service: r.text("service"),
		Timeout: r.duration("timeout"),
		MaxBody: r.number("max_body", 1, MaxBodyLimit, bodyRule()),
		Hash:    readHash(r),

		Admission: readWord(r, "admission", admissionRule),
		Priority:  readWord(r, "priority", priorityRule),
		Hedge:     readWord(r, "hedge", hedgeRule),
		Goals:     readGoals(r),

		Match: readMatch(r),
	}
}

// readHash reads the field hash. Written out, the empty text is a mistake.
func readHash(r reader) string { return readWord(r, "hash", hashRule) }

// readWord reads a text that may be left out, but not be empty.
func readWord(r reader, field, rule string) string {
	n, ok := r.field(field, kindText)
	if !ok {
		return ""
	}
	if n.Value == "" {
		r.p.at(r.place, field, `"": want %s`, rule)
	}
	return n.Value
}

func readMatch(r reader) Match {
	n, ok := r.field("match", kindObject)
	if !ok {
		return Match{}
	}
	before := len(r.p.list) + r.p.more
	m := reader{p: r.p, place: r.place, group: "match.", obj: n}
	m.only("path", "prefix", "methods", "host")
	out := Match{Path: m.text("path"), Prefix: m.text("prefix"), Host: m.text("host")}
	if list, ok := m.field("methods", kindList); ok {
		if len(list.Content) == 0 {
			m.p.at(m.place, "match.methods", "empty: want at least one method, or no such field for any method")
		}
		for _, v := range list.Content {
			if kindOf(v) == kindText {
				out.Methods = append(out.Methods, v.Value)
			} else {
				m.p.at(m.place, "match.methods", "%s: want %s", show(v), methodRule)
			}
		}
	}
	if len(r.p.list)+r.p.more > before {
		// With a field that couldn't be read, "neither path nor prefix" and
		// clashes would be guesses.
		r.p.mute(r.place, "match")
	}
	return out
}
