package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Documents are read in two steps: text (JSON or YAML) into a small tree, and
// the tree into the structs. The libraries' own decoding into structs stops
// at the first fault and can't say which route it is in; and both formats
// shall refuse the same things with the same words.

// kind is the type of a node in a document.
type kind uint8

const (
	kindNull kind = iota
	kindBool
	kindNumber
	kindText
	kindList
	kindObject
)

func (k kind) String() string {
	return [...]string{"nothing", "a truth value", "a number", "text", "a list", "an object"}[k]
}

// maxDepth is more than any valid document nests.
const maxDepth = 16

// node is one value of a document.
type node struct {
	kind  kind
	text  string // of scalars, as written
	keys  []string
	lines []int  // where the keys are, counted from 1
	items []node // of lists, and of objects beside keys
	line  int    // where it begins
}

// get returns the value of an object's field.
func (n *node) get(key string) (*node, bool) {
	if i := slices.Index(n.keys, key); i >= 0 {
		return &n.items[i], true
	}
	return nil, false
}

// readDocument reads JSON if the text starts like a JSON object, else YAML.
func readDocument(data []byte) (*node, error) {
	if len(data) > MaxDocument {
		return nil, fmt.Errorf("document has %d bytes: want at most %d", len(data), MaxDocument)
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	trimmed := bytes.TrimSpace(data)
	if len(trimmed) == 0 {
		return nil, errors.New("document is empty")
	}
	if trimmed[0] == '{' || trimmed[0] == '[' {
		return readJSON(data)
	}
	return readYAML(data)
}

func readJSON(data []byte) (*node, error) {
	dec := &jsonReader{Decoder: json.NewDecoder(bytes.NewReader(data)), data: data, line: 1}
	dec.UseNumber()
	n, err := jsonNode(dec, 0)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("JSON, line %d: %w", dec.lineOf(err), err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("JSON, line %d: text after the end of the document", dec.lineOf(nil))
	}
	return n, nil
}

// jsonReader is a decoder that knows the line it is on.
type jsonReader struct {
	*json.Decoder
	data []byte
	at   int64 // up to where lines are counted
	line int   // there
}

// lineOf is the line of the last token, or of a fault in the syntax behind it.
func (d *jsonReader) lineOf(err error) int {
	at := d.InputOffset()
	if se := (*json.SyntaxError)(nil); errors.As(err, &se) && se.Offset > at {
		at = se.Offset
	}
	if at = min(at, int64(len(d.data))); at > d.at {
		d.line += bytes.Count(d.data[d.at:at], []byte("\n"))
		d.at = at
	}
	return d.line
}

func jsonNode(dec *jsonReader, depth int) (*node, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("more than %d levels deep", maxDepth)
	}
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	line := dec.lineOf(nil)
	switch t := tok.(type) {
	case json.Delim:
		if t == '[' {
			return jsonList(dec, depth, line)
		}
		return jsonObject(dec, depth, line)
	case string:
		return &node{kind: kindText, text: t, line: line}, nil
	case json.Number:
		return &node{kind: kindNumber, text: t.String(), line: line}, nil
	case bool:
		return &node{kind: kindBool, text: strconv.FormatBool(t), line: line}, nil
	}
	return &node{line: line}, nil
}

func jsonList(dec *jsonReader, depth, line int) (*node, error) {
	n := &node{kind: kindList, line: line}
	for dec.More() {
		item, err := jsonNode(dec, depth+1)
		if err != nil {
			return nil, err
		}
		n.items = append(n.items, *item)
	}
	_, err := dec.Token()
	return n, err
}

func jsonObject(dec *jsonReader, depth, line int) (*node, error) {
	n := &node{kind: kindObject, line: line}
	seen := make(map[string]struct{})
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return nil, err
		}
		key, ok := tok.(string)
		if !ok {
			return nil, fmt.Errorf("%v where a field's name should be", tok)
		}
		if _, dup := seen[key]; dup {
			return nil, fmt.Errorf("field %q appears twice", clip(key))
		}
		seen[key] = struct{}{}
		n.lines = append(n.lines, dec.lineOf(nil))
		item, err := jsonNode(dec, depth+1)
		if err != nil {
			return nil, err
		}
		n.keys, n.items = append(n.keys, key), append(n.items, *item)
	}
	_, err := dec.Token()
	return n, err
}

func readYAML(data []byte) (*node, error) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var y yaml.Node
	if err := dec.Decode(&y); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("document is empty")
		}
		return nil, fmt.Errorf("YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("YAML: more than one document")
	}
	return yamlNode(&y, 0)
}

func yamlNode(y *yaml.Node, depth int) (*node, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("YAML, line %d: more than %d levels deep", y.Line, maxDepth)
	}
	switch y.Kind {
	case yaml.DocumentNode:
		return yamlNode(y.Content[0], depth)
	case yaml.AliasNode:
		// A few lines of aliases can stand for gigabytes.
		return nil, fmt.Errorf("YAML, line %d: alias *%s: write the value out", y.Line, clip(y.Value))
	case yaml.SequenceNode:
		n := &node{kind: kindList, line: y.Line}
		for _, c := range y.Content {
			item, err := yamlNode(c, depth+1)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, *item)
		}
		return n, nil
	case yaml.MappingNode:
		return yamlObject(y, depth)
	}
	n := &node{kind: kindText, text: y.Value, line: y.Line}
	switch y.ShortTag() {
	case "!!null":
		n.kind = kindNull
	case "!!bool":
		n.kind = kindBool
	case "!!int", "!!float":
		n.kind = kindNumber
	}
	return n, nil
}

func yamlObject(y *yaml.Node, depth int) (*node, error) {
	n := &node{kind: kindObject, line: y.Line}
	seen := make(map[string]struct{})
	for i := 0; i+1 < len(y.Content); i += 2 {
		key := y.Content[i]
		if key.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("YAML, line %d: a field's name that isn't text", key.Line)
		}
		if _, dup := seen[key.Value]; dup {
			return nil, fmt.Errorf("YAML, line %d: field %q appears twice", key.Line, clip(key.Value))
		}
		seen[key.Value] = struct{}{}
		item, err := yamlNode(y.Content[i+1], depth+1)
		if err != nil {
			return nil, err
		}
		n.keys, n.lines, n.items = append(n.keys, key.Value), append(n.lines, key.Line), append(n.items, *item)
	}
	return n, nil
}

// reader takes fields out of an object and notes what doesn't fit.
type reader struct {
	p     *problems
	place string
	group string // prefix of field names in problems, such as "match."
	obj   *node
}

// only notes the fields that aren't among those named, and where all are.
func (r reader) only(fields ...string) {
	r.p.place(r.place, r.group, r.obj.line)
	for i, key := range r.obj.keys {
		r.p.place(r.place, r.group+clip(key), r.obj.lines[i])
		if !slices.Contains(fields, key) {
			r.p.at(r.place, r.group+clip(key), "unknown field: want one of %s", strings.Join(fields, ", "))
		}
	}
}

func (r reader) field(name string, want kind) (*node, bool) {
	n, ok := r.obj.get(name)
	if !ok {
		return nil, false
	}
	if n.kind != want {
		hint := ""
		if want == kindText && n.kind != kindList && n.kind != kindObject {
			hint = ", in quotes"
		}
		r.p.at(r.place, r.group+name, "%s: want %v%s", n.show(), want, hint)
		return nil, false
	}
	return n, true
}

func (n *node) show() string {
	if n.kind == kindNumber || n.kind == kindBool {
		return clip(n.text) + " is " + n.kind.String()
	}
	return n.kind.String()
}

func (r reader) text(name string) string {
	if n, ok := r.field(name, kindText); ok {
		return n.text
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
	v, err := strconv.Atoi(n.text)
	if err != nil || v < low || v > high {
		r.p.at(r.place, r.group+name, "%s: want %s", clip(n.text), want)
		return 0
	}
	return v
}

func (r reader) duration(name string) Duration {
	n, ok := r.field(name, kindText)
	if !ok {
		return 0
	}
	d, err := time.ParseDuration(n.text)
	if err != nil || !validTimeout(d) {
		r.p.at(r.place, r.group+name, `%q: want %s, with a unit, such as "2s"`, clip(n.text), timeoutRule())
		return 0
	}
	return Duration(d)
}

func (r reader) time(name string) time.Time {
	n, ok := r.field(name, kindText)
	if !ok {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, n.text)
	if err != nil {
		r.p.at(r.place, r.group+name, `%q: want a time such as "2026-01-02T15:04:05Z"`, clip(n.text))
	}
	return t
}

func (r reader) list(name string) []node {
	if n, ok := r.field(name, kindList); ok {
		return n.items
	}
	return nil
}
