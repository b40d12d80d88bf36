package toggles

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"nanofront/registry/toggled"
)

// shards of a Set: a change copies one of them, not all toggles.
const shards = 256

// Set is all toggles as of one revision. It doesn't change, so that all that is evaluated on one
// Set fits together.
type Set struct {
	revision   int64
	flags      [shards]map[string]*Flag
	count      int
	evaluators map[string]json.RawMessage
	// faults are the definitions that aren't in force, by their toggles' names; the one before is,
	// if there was one.
	faults map[string]fault

	counts *counts // shared by all Sets of a Store; nil: nobody counts
}

// fault is a definition that isn't in force.
type fault struct {
	toggle toggled.Toggle
	err    error
}

// Revision is that of the store; 0 for a Set that comes from none.
func (s *Set) Revision() int64 { return s.revision }

// Len is how many toggles there are.
func (s *Set) Len() int { return s.count }

// Flag is a toggle, nil if there is none of that name.
func (s *Set) Flag(name string) *Flag { return s.flags[shardOf(name)][name] }

// Flags are all of them, sorted by their names.
func (s *Set) Flags() []*Flag {
	list := make([]*Flag, 0, s.count)
	for _, m := range s.flags {
		for _, f := range m {
			list = append(list, f)
		}
	}
	slices.SortFunc(list, func(a, b *Flag) int { return strings.Compare(a.name, b.name) })
	return list
}

// Evaluators are the shared rules. They must not be changed.
func (s *Set) Evaluators() map[string]json.RawMessage { return s.evaluators }

// Faults are the definitions that are not in force, and why, by their toggles' names. A toggle that
// had a valid one before keeps that.
func (s *Set) Faults() map[string]error {
	faults := make(map[string]error, len(s.faults))
	for name, f := range s.faults {
		faults[name] = f.err
	}
	return faults
}

func shardOf(name string) int {
	h := uint32(2166136261) // FNV-1a
	for i := range len(name) {
		h = (h ^ uint32(name[i])) * 16777619
	}
	return int(h % shards)
}

// Apply returns the Set with a change, and what has changed: the names of toggles that were written
// or deleted, or whose shared rule was. A definition that isn't valid is left out, and the previous
// one stays in force.
func (s *Set) Apply(change toggled.Change) (next *Set, changed []string) {
	e := edit{Set: &Set{
		revision: change.Revision, flags: s.flags, count: s.count,
		evaluators: s.evaluators, faults: s.faults, counts: s.counts,
	}}
	names, refs := make(map[string]bool), make(map[string]bool)
	if change.Whole {
		e.forget(s, change.List, names, refs)
	}
	for _, t := range change.List {
		if ref, ok := strings.CutPrefix(t.Name, toggled.EvaluatorPrefix); ok {
			if e.evaluator(ref, t.Definition) {
				refs[ref] = true
			}
		}
	}
	for _, t := range change.List {
		if !strings.HasPrefix(t.Name, toggled.EvaluatorPrefix) && e.put(t) {
			names[t.Name] = true
		}
	}
	if len(refs) > 0 {
		e.recompile(refs, names)
	}
	return e.Set, slices.Sorted(maps.Keys(names))
}

// edit is a Set in the making: it copies what it changes.
type edit struct {
	*Set
	own              [shards]bool
	ownRefs, ownBads bool
}

// forget drops what isn't among all there are.
func (e *edit) forget(s *Set, list []toggled.Toggle, names, refs map[string]bool) {
	there := make(map[string]bool, len(list))
	for _, t := range list {
		there[t.Name] = true
	}
	for _, m := range s.flags {
		for name := range m {
			if !there[name] {
				e.remove(name)
				names[name] = true
			}
		}
	}
	for name := range s.faults {
		if !there[name] {
			e.fault(name, nil)
		}
	}
	for name := range s.evaluators {
		if !there[toggled.EvaluatorPrefix+name] && e.evaluator(name, nil) {
			refs[name] = true
		}
	}
}

// evaluator writes a shared rule, nil to delete it, and reports whether that is a change.
func (e *edit) evaluator(name string, rule []byte) bool {
	old, had := e.evaluators[name]
	if rule == nil && !had || rule != nil && had && string(old) == string(rule) {
		return false
	}
	if !e.ownRefs {
		e.evaluators, e.ownRefs = maps.Clone(e.evaluators), true
		if e.evaluators == nil {
			e.evaluators = make(map[string]json.RawMessage)
		}
	}
	if rule == nil {
		delete(e.evaluators, name)
	} else {
		e.evaluators[name] = rule
	}
	return true
}

// put takes a toggle's definition, or its deletion, and reports whether that is a change.
func (e *edit) put(t toggled.Toggle) bool {
	old := e.Flag(t.Name)
	if t.Definition == nil {
		e.fault(t.Name, nil)
		if old != nil {
			e.remove(t.Name)
		}
		return old != nil
	}
	if old != nil && old.revision == t.Revision && string(old.raw) == string(t.Definition) {
		return false
	}
	return e.parse(t)
}

// parse puts a definition in force, or among the faults, and reports whether it is in force.
func (e *edit) parse(t toggled.Toggle) bool {
	f, err := ParseFlag(t.Name, t.Definition, e.evaluators)
	if err != nil {
		e.fault(t.Name, &fault{t, fmt.Errorf("revision %d: %w", t.Revision, err)})
		return false
	}
	f.revision = t.Revision
	e.fault(t.Name, nil)
	e.set(f)
	return true
}

// recompile parses the toggles anew whose shared rules have changed, and those that may be waiting
// for one.
func (e *edit) recompile(refs, names map[string]bool) {
	var again []toggled.Toggle
	for name, f := range e.faults {
		if !names[name] {
			again = append(again, f.toggle)
		}
	}
	for _, f := range e.Flags() {
		if _, faulty := e.faults[f.name]; !faulty && !names[f.name] && slices.ContainsFunc(f.refs, func(r string) bool { return refs[r] }) {
			again = append(again, toggled.Toggle{Name: f.name, Definition: f.raw, Revision: f.revision})
		}
	}
	for _, t := range again {
		if e.parse(t) {
			names[t.Name] = true
		}
	}
}

func (e *edit) set(f *Flag) {
	m := e.shard(f.name)
	if m[f.name] == nil {
		e.count++
	}
	e.counts.attach(f)
	m[f.name] = f
}

func (e *edit) remove(name string) {
	delete(e.shard(name), name)
	e.count--
}

func (e *edit) shard(name string) map[string]*Flag {
	i := shardOf(name)
	if !e.own[i] {
		e.flags[i], e.own[i] = maps.Clone(e.flags[i]), true
		if e.flags[i] == nil {
			e.flags[i] = make(map[string]*Flag)
		}
	}
	return e.flags[i]
}

// fault notes what isn't in force, nil that all of the toggle's is.
func (e *edit) fault(name string, f *fault) {
	if _, had := e.faults[name]; !had && f == nil {
		return
	}
	if !e.ownBads {
		e.faults, e.ownBads = maps.Clone(e.faults), true
		if e.faults == nil {
			e.faults = make(map[string]fault)
		}
	}
	if f == nil {
		delete(e.faults, name)
	} else {
		e.faults[name] = *f
	}
}
