package registry

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"nanofront/internal/doctree"
)

// kind is the type of a value, as mistakes call it.
type kind string

const (
	kindNull   kind = "nothing"
	kindBool   kind = "a truth value"
	kindNumber kind = "a number"
	kindText   kind = "text"
	kindList   kind = "a list"
	kindObject kind = "an object"
)

func kindOf(n *yaml.Node) kind {
	switch n.Kind {
	case yaml.SequenceNode:
		return kindList
	case yaml.MappingNode:
		return kindObject
	}
	switch n.ShortTag() {
	case "!!null":
		return kindNull
	case "!!bool":
		return kindBool
	case "!!int", "!!float":
		return kindNumber
	}
	return kindText
}

// get returns the value of an object's field.
func get(obj *yaml.Node, key string) (*yaml.Node, bool) {
	for i := 0; i+1 < len(obj.Content); i += 2 {
		if obj.Content[i].Value == key {
			return obj.Content[i+1], true
		}
	}
	return nil, false
}

// readDocument reads the text of a document.
func readDocument(data []byte) (*yaml.Node, error) { return doctree.Read(data, MaxDocument) }

// reader takes fields out of an object and notes what doesn't fit.
type reader struct {
	p     *problems
	place string
	group string // prefix of field names in problems, such as "match."
	obj   *yaml.Node
}

// only notes the fields that aren't among those named, and where all are.
func (r reader) only(fields ...string) {
	r.p.place(r.place, r.group, r.obj.Line)
	for i := 0; i+1 < len(r.obj.Content); i += 2 {
		key := r.obj.Content[i]
		r.p.place(r.place, r.group+clip(key.Value), key.Line)
		if !slices.Contains(fields, key.Value) {
			r.p.at(r.place, r.group+clip(key.Value), "unknown field: want one of %s", strings.Join(fields, ", "))
		}
	}
}

func (r reader) field(name string, want kind) (*yaml.Node, bool) {
	n, ok := get(r.obj, name)
	if !ok {
		return nil, false
	}
	if is := kindOf(n); is != want {
		hint := ""
		if want == kindText && is != kindList && is != kindObject {
			hint = ", in quotes"
		}
		r.p.at(r.place, r.group+name, "%s: want %s%s", show(n), want, hint)
		return nil, false
	}
	return n, true
}

func show(n *yaml.Node) string {
	is := kindOf(n)
	if is == kindNumber || is == kindBool {
		return clip(n.Value) + " is " + string(is)
	}
	return string(is)
}

func (r reader) text(name string) string {
	if n, ok := r.field(name, kindText); ok {
		return n.Value
	}
	return ""
}

// number reads a whole number. Written-out values are checked against
// their range here, since zero stands for "not written" afterwards.
func (r reader) number(name string, low, high int, want string) int {
	n, ok := r.field(name, kindNumber)
	if !ok {
		return 0
	}
	v, err := strconv.Atoi(n.Value)
	if err != nil || v < low || v > high {
		r.p.at(r.place, r.group+name, "%s: want %s", clip(n.Value), want)
		return 0
	}
	return v
}

func (r reader) duration(name string) Duration {
	n, ok := r.field(name, kindText)
	if !ok {
		return 0
	}
	d, err := time.ParseDuration(n.Value)
	if err != nil || !validTimeout(d) {
		r.p.at(r.place, r.group+name, `%q: want %s, with a unit, such as "2s"`, clip(n.Value), timeoutRule())
		return 0
	}
	return Duration(d)
}

func (r reader) time(name string) time.Time {
	n, ok := r.field(name, kindText)
	if !ok {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, n.Value)
	if err != nil {
		r.p.at(r.place, r.group+name, `%q: want a time such as "2026-01-02T15:04:05Z"`, clip(n.Value))
	}
	return t
}

func (r reader) list(name string) []*yaml.Node {
	if n, ok := r.field(name, kindList); ok {
		return n.Content
	}
	return nil
}
