package toggles

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// WithVariant returns the definition with another default variant: one of its variants' names, or
// a variant's value where that is no name; or, where no variant is called that, "enabled" and
// "disabled", which switch it as a whole. norule takes its rule away, which otherwise decides first.
// before is what it was.
func WithVariant(name string, definition []byte, to string, norule bool) (changed []byte, before string, err error) {
	// Its rule may refer to what isn't known here, and doesn't matter.
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(definition, &fields); err != nil {
		return nil, "", fmt.Errorf("%w: %s: %w", ErrDefinition, name, err)
	}
	rule, hasRule := fields["targeting"]
	delete(fields, "targeting")
	plain, err := json.Marshal(fields)
	if err != nil {
		return nil, "", err
	}
	f, err := ParseFlag(name, plain, nil)
	if err != nil {
		return nil, "", err
	}
	if hasRule && !norule {
		fields["targeting"] = rule
	}
	before = f.initial
	if f.disabled {
		before = "disabled"
	}
	variant := f.variantFor(to)
	state := enabled
	switch {
	case variant != "":
		if fields["defaultVariant"], err = json.Marshal(variant); err != nil {
			return nil, "", err
		}
	case to == "enabled":
	case to == "disabled":
		state = disabled
	default:
		return nil, "", fmt.Errorf("%w: %s has no variant %q: there are %s; or say enabled or disabled", ErrDefinition, name, to, strings.Join(f.Variants(), ", "))
	}
	fields["state"] = json.RawMessage(`"` + state + `"`)
	changed, err = json.Marshal(fields)
	return changed, before, err
}

// variantFor is the variant that is called so, or whose value is that; "" for none.
func (f *Flag) variantFor(text string) string {
	if f.variants[text] != nil {
		return text
	}
	for _, name := range f.Variants() {
		raw, err := json.Marshal(f.variants[name].value)
		if err == nil && (bytes.Equal(raw, []byte(text)) || f.variants[name].value == text) {
			return name
		}
	}
	return ""
}

// NewBoolean is the definition of a toggle that is on or off.
func NewBoolean(on bool) []byte {
	initial := "off"
	if on {
		initial = "on"
	}
	return []byte(`{"defaultVariant":"` + initial + `","state":"ENABLED","variants":{"off":false,"on":true}}`)
}
