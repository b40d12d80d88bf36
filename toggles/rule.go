package toggles

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

const (
	maxDepth = 64     // of a rule, references followed
	maxNodes = 20_000 // of a rule, references followed
)

// arity is how many arguments an operator takes. One that isn't here is unknown. sem_ver,
// starts_with, ends_with and fractional say themselves what they make of others, as flagd's do.
var arity = map[string][2]int{
	"var": {0, 2}, "missing": {0, many}, "missing_some": {2, 2},
	"if": {0, many}, "?:": {0, many}, "and": {1, many}, "or": {1, many}, "!": {1, 1}, "!!": {1, 1},
	"==": {2, 2}, "!=": {2, 2}, "===": {2, 2}, "!==": {2, 2},
	"<": {2, 3}, "<=": {2, 3}, ">": {2, 3}, ">=": {2, 3},
	"+": {1, many}, "-": {1, many}, "*": {1, many}, "/": {2, many}, "%": {2, 2}, "max": {1, many}, "min": {1, many}, "abs": {1, 1},
	"cat": {0, many}, "substr": {2, 3}, "in": {2, 2}, "merge": {0, many},
	"map": {2, 2}, "reduce": {3, 3}, "filter": {2, 2}, "all": {2, 2}, "none": {2, 2}, "some": {2, 2},
	"fractional": {0, many}, "sem_ver": {0, many}, "starts_with": {0, many}, "ends_with": {0, many},
}

const many = maxNodes

// prepare parses a rule, and rewrites it for the evaluator: references are resolved, what is known
// of the toggle is filled in, and operators that the library has otherwise than JsonLogic or flagd
// become those of operators.go. refs are the evaluators that it needs.
func prepare(flag string, raw json.RawMessage, evaluators map[string]json.RawMessage) (rule any, refs []string, err error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return nil, nil, nil
	}
	var parsed any
	if err := json.Unmarshal(raw, &parsed); err != nil {
		return nil, nil, err
	}
	if m, ok := parsed.(map[string]any); ok && len(m) == 0 {
		return nil, nil, nil
	}
	p := preparer{flag: flag, evaluators: evaluators}
	rule, err = p.rule(parsed, 0, true)
	return rule, p.refs, err
}

type preparer struct {
	flag       string
	evaluators map[string]json.RawMessage
	refs       []string
	nodes      int
}

// rule prepares a part of a rule. tail says that its value is the whole rule's.
func (p *preparer) rule(v any, depth int, tail bool) (any, error) {
	if p.nodes++; p.nodes > maxNodes {
		return nil, fmt.Errorf("more than %d parts", maxNodes)
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("nested more than %d deep, or an evaluator refers to itself", maxDepth)
	}
	switch v := v.(type) {
	case []any:
		return p.list(v, depth)
	case map[string]any:
		if len(v) != 1 {
			return nil, fmt.Errorf("an object with %d keys: want one, an operator", len(v))
		}
		for op, args := range v {
			return p.operation(op, args, depth, tail)
		}
	}
	return v, nil
}

// list prepares an array. With a rule in it, it is an operation: the library evaluates only an
// operator's own arguments.
func (p *preparer) list(v []any, depth int) (any, error) {
	out, err := p.all(v, depth)
	if err != nil || !slices.ContainsFunc(out, isRule) {
		return out, err
	}
	return map[string]any{opList: out}, nil
}

func isRule(v any) bool {
	_, ok := v.(map[string]any)
	return ok
}

func (p *preparer) all(v []any, depth int) ([]any, error) {
	out := make([]any, len(v))
	for i, e := range v {
		var err error
		if out[i], err = p.rule(e, depth+1, false); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (p *preparer) operation(op string, arg any, depth int, tail bool) (any, error) {
	if op == "$ref" {
		return p.reference(arg, depth, tail)
	}
	bounds, known := arity[op]
	if !known {
		return nil, fmt.Errorf("unknown operator %.40q", op)
	}
	list, ok := arg.([]any)
	if !ok {
		if op == "missing" || op == "var" { // a name, or a rule that gives names
			arg, err := p.rule(arg, depth+1, false)
			return p.variable(op, arg), err
		}
		list = []any{arg}
	}
	if len(list) < bounds[0] || len(list) > bounds[1] {
		return nil, fmt.Errorf("%s has %d arguments: want %s", op, len(list), countText(bounds))
	}
	args := make([]any, len(list))
	for i, e := range list {
		branch := op == "if" || op == "?:"
		branch = branch && (i%2 == 1 || i == len(list)-1)
		var err error
		if args[i], err = p.rule(e, depth+1, tail && branch); err != nil {
			return nil, err
		}
	}
	return p.rewrite(op, args, tail), nil
}

func countText(bounds [2]int) string {
	switch {
	case bounds[1] == many:
		return fmt.Sprintf("at least %d", bounds[0])
	case bounds[0] == bounds[1]:
		return fmt.Sprint(bounds[0])
	}
	return fmt.Sprintf("%d to %d", bounds[0], bounds[1])
}

// rewrite is the operation as the evaluator runs it.
func (p *preparer) rewrite(op string, args []any, tail bool) any {
	switch op {
	case "and", "or":
		quoted := make([]any, len(args))
		for i, a := range args {
			quoted[i] = []any{a}
		}
		return map[string]any{own + op: quoted}
	case "filter", "all", "none", "some":
		return map[string]any{own + op: []any{args[0], []any{args[1]}}}
	case "in", "sem_ver", "starts_with", "ends_with":
		return map[string]any{own + op: args}
	case "fractional":
		if tail {
			op += tailMark
		}
		return map[string]any{own + op: append([]any{p.flag}, args...)}
	case "var":
		if len(args) > 0 {
			if n, ok := args[0].(float64); ok {
				args[0] = jsonNumber(n) // the library wants a text in a list
			}
			if of := p.variable("var", args[0]); !isVar(of) {
				return of
			}
		}
	}
	return map[string]any{op: args}
}

func isVar(v any) bool {
	m, ok := v.(map[string]any)
	if !ok {
		return false
	}
	_, ok = m["var"]
	return ok
}

// variable is a reference to a variable by name. What flagd adds to each context is known here.
func (p *preparer) variable(op string, arg any) any {
	if op == "var" {
		switch arg {
		case "$flagd.flagKey":
			return p.flag
		case "$flagd.timestamp":
			return map[string]any{opNow: []any{}}
		}
	}
	return map[string]any{op: arg}
}

// reference is the shared rule that is meant.
func (p *preparer) reference(arg any, depth int, tail bool) (any, error) {
	name, ok := arg.(string)
	if !ok {
		return nil, errors.New("$ref: want the name of an evaluator")
	}
	if !slices.Contains(p.refs, name) {
		p.refs = append(p.refs, name)
	}
	raw, ok := p.evaluators[name]
	if !ok {
		return nil, fmt.Errorf("$ref: there is no evaluator %.60q", name)
	}
	var rule any
	if err := json.Unmarshal(raw, &rule); err != nil {
		return nil, fmt.Errorf("evaluator %s: %w", name, err)
	}
	out, err := p.rule(rule, depth+1, tail)
	if err != nil {
		return nil, fmt.Errorf("evaluator %s: %w", name, err)
	}
	return out, nil
}
