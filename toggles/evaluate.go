package toggles

import (
	"errors"
	"fmt"

	"github.com/diegoholiveira/jsonlogic/v3"
)

// targetingKey is the attribute that says who asks, for shares.
const targetingKey = "targetingKey"

// Reason says how a value came about, in OpenFeature's words.
type Reason string

// The reasons.
const (
	Static         Reason = "STATIC"          // it has no rule
	TargetingMatch Reason = "TARGETING_MATCH" // its rule says so
	ByDefault      Reason = "DEFAULT"         // its rule says nothing, so its default variant counts; or it has none, and the caller's default does
	Disabled       Reason = "DISABLED"        // it is switched off: the caller's default
	Stale          Reason = "STALE"           // as last known: etcd doesn't answer
	Failed         Reason = "ERROR"           // the caller's default
)

// Code is what went wrong, in OpenFeature's words. Each is an error.
type Code string

// The codes.
const (
	NotReady     Code = "PROVIDER_NOT_READY"
	NotFound     Code = "FLAG_NOT_FOUND"
	Unparsable   Code = "PARSE_ERROR"
	TypeMismatch Code = "TYPE_MISMATCH"
	NoKey        Code = "TARGETING_KEY_MISSING"
	General      Code = "GENERAL"
)

// Error implements error.
func (c Code) Error() string { return "toggles: " + string(c) }

// Context is what rules can ask about.
type Context interface {
	// Attributes are asked for when the first toggle with a rule is evaluated. The map must not
	// change any more; its values are those of JSON: bool, string, float64, []any, map[string]any.
	Attributes() map[string]any
}

// Attributes are a Context of themselves.
type Attributes map[string]any

// Attributes implements Context.
func (a Attributes) Attributes() map[string]any { return a }

// Result is the outcome of one evaluation.
type Result struct {
	// Value is the variant's; nil if the caller's default counts.
	Value   any
	Variant string
	Reason  Reason
	// Err wraps a Code, and says more. With NoKey it comes beside the default variant: a share had
	// nobody to hash.
	Err error
	// Flag is nil if there is none of that name.
	Flag *Flag
}

// Metadata is that of the definition. It must not be changed.
func (r Result) Metadata() map[string]any {
	if r.Flag == nil {
		return nil
	}
	return r.Flag.metadata
}

func failed(f *Flag, c Code, format string, args ...any) Result {
	return Result{Reason: Failed, Flag: f, Err: fmt.Errorf("%w: "+format, append([]any{c}, args...)...)}
}

// Evaluate decides a toggle. With a kind, one of another kind is a TypeMismatch. c may be nil.
func (s *Set) Evaluate(name string, kind Kind, c Context) Result {
	r := s.evaluate(name, kind, c)
	s.counts.note(r)
	return r
}

func (s *Set) evaluate(name string, kind Kind, c Context) Result {
	f := s.Flag(name)
	if f == nil {
		if fault, faulty := s.faults[name]; faulty {
			return failed(nil, Unparsable, "%w", fault.err)
		}
		return failed(nil, NotFound, "there is no toggle %q", name)
	}
	if kind != "" && f.kind != kind {
		return failed(f, TypeMismatch, "toggle %s is a %s, and was asked for as a %s", name, f.kind, kind)
	}
	if f.disabled {
		return Result{Reason: Disabled, Flag: f}
	}
	if f.rule == nil {
		return f.fallback(Static, nil)
	}
	var data map[string]any
	if c != nil {
		data = c.Attributes()
	}
	out, err := jsonlogic.ApplyInterface(f.rule, data)
	if err != nil {
		return failed(f, Unparsable, "the rule of toggle %s: %w", name, err)
	}
	switch out := out.(type) {
	case nil:
		return f.fallback(ByDefault, nil)
	case missingKey:
		return f.fallback(ByDefault, fmt.Errorf("%w: toggle %s has shares, and the context no %s", NoKey, name, targetingKey))
	case string:
		return f.matched(out)
	case bool:
		if out {
			return f.matched("true")
		}
		return f.matched("false")
	case float64:
		return f.matched(jsonNumber(out))
	}
	return failed(f, General, "the rule of toggle %s gives a list or an object, which names no variant", name)
}

// fallback is the default variant, or the caller's default.
func (f *Flag) fallback(why Reason, err error) Result {
	v := f.variants[f.initial]
	if v == nil {
		return Result{Reason: ByDefault, Flag: f, Err: err}
	}
	return Result{Value: v.value, Variant: f.initial, Reason: why, Flag: f, Err: err}
}

func (f *Flag) matched(name string) Result {
	v := f.variants[name]
	if v == nil {
		return failed(f, General, "the rule of toggle %s gives %.60q, which is none of its variants", f.name, name)
	}
	return Result{Value: v.value, Variant: name, Reason: TargetingMatch, Flag: f}
}

// CodeOf is the code that an error wraps, "" for none.
func CodeOf(err error) Code {
	var c Code
	errors.As(err, &c)
	return c
}
