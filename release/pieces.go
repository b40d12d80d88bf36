package release

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"nanofront/registry"
)

// pieces are the parts of a routes document that one person edits without minding the others, by what
// they are: "service web", "route members".
func pieces(doc *registry.Routes) map[string]any {
	out := make(map[string]any)
	if doc == nil {
		return out
	}
	if len(doc.Goals) > 0 {
		out["goals"] = doc.Goals
	}
	if doc.Ask != nil {
		out["ask_version"] = *doc.Ask
	}
	for _, s := range doc.Rules {
		out["service "+s.Name] = s
	}
	for _, e := range doc.Experiments {
		out["experiment "+e.Name] = e
	}
	for _, r := range doc.Routes {
		name := r.Name
		if name == "" {
			name = r.Match.String()
		}
		out["route "+name] = r
	}
	return out
}

// Diff says in plain words what a document has otherwise than the one before, a line for each part.
func Diff(before, after *registry.Routes) []string {
	a, b := pieces(before), pieces(after)
	var lines []string
	for _, name := range changed(a, b) {
		was, had := a[name]
		is, has := b[name]
		switch {
		case !had:
			lines = append(lines, name+" added"+versionsOf(is))
		case !has:
			lines = append(lines, name+" removed")
		default:
			lines = append(lines, name+": "+fields(was, is))
		}
	}
	return lines
}

func versionsOf(piece any) string {
	if s, ok := piece.(registry.ServiceRules); ok && s.Versions != nil {
		return ": versions " + words(s.Versions)
	}
	return ""
}

// changed are the names of the parts that differ, sorted.
func changed(a, b map[string]any) []string {
	var names []string
	all := maps.Clone(a)
	maps.Copy(all, b)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !equal(a[name], b[name]) {
			names = append(names, name)
		}
	}
	return names
}

// equal holds parts that were read from documents: what is empty is so in the same way.
func equal(a, b any) bool { return reflect.DeepEqual(a, b) }

func text(v any) string {
	raw, _ := json.Marshal(v) // parts of a document that was read as JSON
	return string(raw)
}

// fields says which of a part's fields differ.
func fields(was, is any) string {
	if s, ok := was.(registry.ServiceRules); ok {
		t, _ := is.(registry.ServiceRules)
		if !reflect.DeepEqual(s.Versions, t.Versions) {
			rest := ""
			s.Versions, t.Versions = nil, nil
			if !equal(s, t) {
				rest = "; other settings too"
			}
			old, _ := was.(registry.ServiceRules)
			now, _ := is.(registry.ServiceRules)
			return "versions " + words(old.Versions) + " → " + words(now.Versions) + rest
		}
		return fmt.Sprintf("sticky %q → %q; salt %q → %q; goals %v → %v", s.Sticky, t.Sticky, s.Salt, t.Salt, s.Goals, t.Goals)
	}
	var a, b map[string]json.RawMessage
	if json.Unmarshal([]byte(text(was)), &a) != nil || json.Unmarshal([]byte(text(is)), &b) != nil {
		return text(was) + " → " + text(is)
	}
	all := maps.Clone(a)
	maps.Copy(all, b)
	var list []string
	for _, f := range slices.Sorted(maps.Keys(all)) {
		if string(a[f]) != string(b[f]) {
			list = append(list, fmt.Sprintf("%s %s → %s", strings.ToLower(f), value(a[f]), value(b[f])))
		}
	}
	return strings.Join(list, "; ")
}

func value(raw json.RawMessage) string {
	const most = 80
	switch s := string(raw); {
	case s == "" || s == "null":
		return "none"
	case len(s) > most:
		return s[:most] + "…"
	default:
		return s
	}
}

// Undo lays the inverse of a change, from before to after, over the document as it is now. It is
// refused where a part that was changed then has been changed since.
func Undo(now, before, after *registry.Routes) (*registry.Routes, error) {
	a, b, c := pieces(before), pieces(after), pieces(now)
	names := changed(a, b)
	if len(names) == 0 {
		return nil, fmt.Errorf("%w: nothing was changed then", ErrRelease)
	}
	var edited []string
	for _, name := range names {
		if !equal(b[name], c[name]) {
			edited = append(edited, name)
		}
	}
	if edited != nil {
		return nil, fmt.Errorf("%w: %s: changed again since; undo that first, or edit the routes", ErrRelease, strings.Join(edited, ", "))
	}
	out := now.Clone()
	for _, name := range names {
		setPiece(out, name, c[name], a[name])
	}
	return out, nil
}

// setPiece gives a part of the document another value, or takes it out, or in.
func setPiece(doc *registry.Routes, name string, is, want any) {
	switch {
	case name == "goals":
		doc.Goals, _ = want.(registry.Goals)
		return
	case name == "ask_version":
		doc.Ask = nil
		if ask, ok := want.(registry.AskVersion); ok {
			doc.Ask = &ask
		}
		return
	}
	switch kind, _, _ := strings.Cut(name, " "); kind {
	case "service":
		doc.Rules = replace(doc.Rules, is, want)
	case "experiment":
		doc.Experiments = replace(doc.Experiments, is, want)
	default:
		doc.Routes = replace(doc.Routes, is, want)
	}
}

func replace[T any](list []T, is, want any) []T {
	w, ok := want.(T)
	for i := range list {
		if equal(list[i], is) {
			if ok {
				list[i] = w
				return list
			}
			return slices.Delete(list, i, i+1)
		}
	}
	if ok {
		list = append(list, w)
	}
	return list
}
