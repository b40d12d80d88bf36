package doctree

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The tags of what JSON has.
const (
	tagNull   = "!!null"
	tagBool   = "!!bool"
	tagNumber = "!!int"
	tagText   = "!!str"
)

// maxDepth is more than any valid document nests.
const maxDepth = 16

// Read reads a document of at most that many bytes: JSON if the text starts like a JSON object, else
// YAML.
func Read(data []byte, most int) (*yaml.Node, error) {
	if len(data) > most {
		return nil, fmt.Errorf("document has %d bytes: want at most %d", len(data), most)
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

// clip keeps a bad value short enough to be shown in one line.
func clip(s string) string {
	const limit = 80
	if len(s) <= limit {
		return s
	}
	return s[:limit] + "…"
}
