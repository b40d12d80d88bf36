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

// Documents are read in two steps: text (JSON or YAML) into YAML's tree, and the
// tree into the structs. The libraries' own decoding into structs stops at the
// first fault and can't say which route it is in; and both formats shall refuse
// the same things with the same words. JSON has a reader of its own: YAML doesn't
// take all that it may hold, such as characters escaped as surrogates.

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
	case tagNull:
		return kindNull
	case tagBool:
		return kindBool
	case tagNumber, "!!float":
		return kindNumber
	}
	return kindText
}

// The tags of what JSON has.
const (
	tagNull   = "!!null"
	tagBool   = "!!bool"
	tagNumber = "!!int"
	tagText   = "!!str"
)

// maxDepth is more than any valid document nests.
const maxDepth = 16

// get returns the value of an object's field.
func get(obj *yaml.Node, key string) (*yaml.Node, bool) {
	for i := 0; i+1 < len(obj.Content); i += 2 {
		if obj.Content[i].Value == key {
			return obj.Content[i+1], true
		}
	}
	return nil, false
}

// readDocument reads JSON if the text starts like a JSON object, else YAML.
func readDocument(data []byte) (*yaml.Node, error) {
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

func readJSON(data []byte) (*yaml.Node, error) {
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
		return nil, fmt.Errorf("JSON, line %d: text after the end of the document: remove it", dec.lineOf(nil))
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

func jsonNode(dec *jsonReader, depth int) (*yaml.Node, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("more than %d levels deep", maxDepth)
	}
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	scalar := func(tag, text string) *yaml.Node {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: text, Line: dec.lineOf(nil)}
	}
	switch t := tok.(type) {
	case json.Delim:
		n := &yaml.Node{Line: dec.lineOf(nil)}
		if t == '[' {
			n.Kind = yaml.SequenceNode
			err = jsonList(dec, n, depth)
		} else {
			n.Kind = yaml.MappingNode
			err = jsonObject(dec, n, depth)
		}
		return n, err
	case string:
		return scalar(tagText, t), nil
	case json.Number:
		return scalar(tagNumber, t.String()), nil
	case bool:
		return scalar(tagBool, strconv.FormatBool(t)), nil
	}
	return scalar(tagNull, ""), nil
}

func jsonList(dec *jsonReader, n *yaml.Node, depth int) error {
	for dec.More() {
		item, err := jsonNode(dec, depth+1)
		if err != nil {
			return err
		}
		n.Content = append(n.Content, item)
	}
	_, err := dec.Token()
	return err
}

func jsonObject(dec *jsonReader, n *yaml.Node, depth int) error {
	seen := make(map[string]struct{})
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return err
		}
		key, ok := tok.(string)
		if !ok {
			return fmt.Errorf("%v where a field's name should be", tok)
		}
		if _, dup := seen[key]; dup {
			return fmt.Errorf("field %q appears twice", clip(key))
		}
		seen[key] = struct{}{}
		name := &yaml.Node{Kind: yaml.ScalarNode, Tag: tagText, Value: key, Line: dec.lineOf(nil)}
		item, err := jsonNode(dec, depth+1)
		if err != nil {
			return err
		}
		n.Content = append(n.Content, name, item)
	}
	_, err := dec.Token()
	return err
}

func readYAML(data []byte) (*yaml.Node, error) {
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
	top := y.Content[0]
	return top, checkYAML(top, 0)
}

// checkYAML refuses what JSON doesn't have.
func checkYAML(n *yaml.Node, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("YAML, line %d: more than %d levels deep", n.Line, maxDepth)
	}
	seen := make(map[string]struct{})
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			if c.Kind != yaml.ScalarNode {
				return fmt.Errorf("YAML, line %d: a field's name that isn't text", c.Line)
			}
			if _, dup := seen[c.Value]; dup {
				return fmt.Errorf("YAML, line %d: field %q appears twice", c.Line, clip(c.Value))
			}
			seen[c.Value] = struct{}{}
			continue
		}
		if err := checkYAML(c, depth+1); err != nil {
			return err
		}
	}
	if n.Kind == yaml.AliasNode {
		// A few lines of aliases can stand for gigabytes.
		return fmt.Errorf("YAML, line %d: alias *%s: write the value out", n.Line, clip(n.Value))
	}
	return nil
}

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
