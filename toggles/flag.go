package toggles

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"nanofront/registry/toggled"
)

// Kind is the type of a toggle's variants. Its text is that of an error or a table.
type Kind string

// The kinds of toggles.
const (
	Boolean Kind = "boolean"
	String  Kind = "string"
	Number  Kind = "number"
	Object  Kind = "object"
)

const (
	// MaxVariants bounds the variants of one toggle.
	MaxVariants = 64

	disabled = "DISABLED"
	enabled  = "ENABLED"
)

// ErrDefinition is wrapped by every error of a definition that isn't valid.
var ErrDefinition = errors.New("toggles: invalid definition")

// Flag is one toggle, ready to be evaluated. It doesn't change.
type Flag struct {
	name     string
	kind     Kind
	disabled bool
	initial  string // the default variant, "" for none
	variants map[string]*variant
	rule     any // nil: none
	metadata map[string]any

	raw  []byte   // its definition
	refs []string // evaluators that the rule refers to
	// revision is that of the store at which this definition was written.
	revision int64
}

// variant is one value that a toggle may have.
type variant struct {
	value any
	seen  *exposure // nil: nobody counts
}

// definition is a toggle in flagd's format.
type definition struct {
	State          string          `json:"state"`
	Variants       map[string]any  `json:"variants"`
	DefaultVariant *string         `json:"defaultVariant"`
	Targeting      json.RawMessage `json:"targeting"`
	Metadata       map[string]any  `json:"metadata"`
}

// ParseFlag reads a toggle's definition in flagd's format, and parses its rule, once and for all.
// evaluators are the shared rules that it may refer to. The error wraps ErrDefinition.
func ParseFlag(name string, raw []byte, evaluators map[string]json.RawMessage) (*Flag, error) {
	f, err := parseFlag(name, raw, evaluators)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrDefinition, name, err)
	}
	return f, nil
}

func parseFlag(name string, raw []byte, evaluators map[string]json.RawMessage) (*Flag, error) {
	if err := toggled.Check(name, raw); err != nil {
		return nil, err
	}
	var d definition
	if err := json.Unmarshal(raw, &d); err != nil {
		return nil, fmt.Errorf("isn't a flag definition: %w", err)
	}
	f := &Flag{name: name, raw: raw, metadata: d.Metadata, variants: make(map[string]*variant, len(d.Variants))}
	switch d.State {
	case enabled, "":
	case disabled:
		f.disabled = true
	default:
		return nil, fmt.Errorf("state %.40q: want %s or %s", d.State, enabled, disabled)
	}
	if n := len(d.Variants); n == 0 || n > MaxVariants {
		return nil, fmt.Errorf("%d variants: want 1 to %d", n, MaxVariants)
	}
	for _, v := range f.sorted(d.Variants) {
		value := d.Variants[v]
		kind, err := kindOf(value)
		if err != nil {
			return nil, fmt.Errorf("variant %q: %w", v, err)
		}
		if f.kind != "" && f.kind != kind {
			return nil, fmt.Errorf("variant %q is a %s, others are of type %s: want one type for all", v, kind, f.kind)
		}
		f.kind = kind
		f.variants[v] = &variant{value: value}
	}
	if d.DefaultVariant != nil && *d.DefaultVariant != "" {
		f.initial = *d.DefaultVariant
		if f.variants[f.initial] == nil {
			return nil, fmt.Errorf("defaultVariant %q is none of its variants: there are %s", f.initial, strings.Join(f.Variants(), ", "))
		}
	}
	var err error
	f.rule, f.refs, err = prepare(name, d.Targeting, evaluators)
	if err != nil {
		return nil, fmt.Errorf("targeting: %w", err)
	}
	return f, nil
}

func (f *Flag) sorted(m map[string]any) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// maxNumber is the largest whole number that JSON carries everywhere without loss.
const maxNumber = 1<<53 - 1

func kindOf(value any) (Kind, error) {
	switch v := value.(type) {
	case bool:
		return Boolean, nil
	case string:
		return String, nil
	case float64:
		if v > maxNumber || v < -maxNumber {
			return "", fmt.Errorf("%g: want a number within ±(2^53-1)", v)
		}
		return Number, nil
	case map[string]any, []any:
		return Object, nil
	}
	return "", errors.New("null: want a boolean, a string, a number or an object")
}

// Name is its name.
func (f *Flag) Name() string { return f.name }

// Kind is the type of its variants.
func (f *Flag) Kind() Kind { return f.kind }

// Enabled is false while it is switched off as a whole: evaluations give their callers' defaults.
func (f *Flag) Enabled() bool { return !f.disabled }

// Default is the variant that it has without a rule, or if that says nothing; "" for none.
func (f *Flag) Default() string { return f.initial }

// Targeted reports whether a rule decides.
func (f *Flag) Targeted() bool { return f.rule != nil }

// Definition is as it was written. It must not be changed.
func (f *Flag) Definition() []byte { return f.raw }

// Revision is that of the store at which it was written.
func (f *Flag) Revision() int64 { return f.revision }

// Variants are the names of its variants, sorted.
func (f *Flag) Variants() []string {
	names := make([]string, 0, len(f.variants))
	for name := range f.variants {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Value is a variant's, nil if there is none of that name.
func (f *Flag) Value(name string) any {
	if v := f.variants[name]; v != nil {
		return v.value
	}
	return nil
}
