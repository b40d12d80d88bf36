package toggles

import (
	"strconv"
	"strings"
	"time"

	"github.com/diegoholiveira/jsonlogic/v3"
	"golang.org/x/mod/semver"
)

// The library's operators are global to a process, and so have to be the names of ours: another
// package's "fractional" must not decide about our shares. Those that the library has already are
// here because it has them otherwise than JsonLogic: "and" of null and true is true there, "in"
// fails for what is missing, and filter, all, none and some mix what is outside into what is inside
// (v3.8.4).
const (
	own      = "nanofront."
	opList   = own + "list"
	opNow    = own + "now"
	tailMark = ".tail"
)

func init() {
	for name, fn := range map[string]func(values, data any) any{
		opList:                        func(values, _ any) any { return values },
		opNow:                         func(_, _ any) any { return float64(time.Now().Unix()) },
		own + "and":                   and,
		own + "or":                    or,
		own + "in":                    in,
		own + "filter":                filter,
		own + "all":                   all,
		own + "some":                  some,
		own + "none":                  none,
		own + "sem_ver":               semVer,
		own + "starts_with":           onStrings(strings.HasPrefix),
		own + "ends_with":             onStrings(strings.HasSuffix),
		own + "fractional":            fractional,
		own + "fractional" + tailMark: fractionalTail,
	} {
		jsonlogic.AddOperator(name, fn)
	}
}

// value evaluates a part that was kept from evaluation in a list of one.
func value(quoted, data any) any {
	part := quoted.([]any)[0] //nolint:forcetypeassert // rewrite makes it so
	if _, ok := part.(map[string]any); !ok {
		return part
	}
	v, err := jsonlogic.ApplyInterface(part, data)
	if err != nil {
		panic(err) // for the library's own recover, around the whole rule
	}
	return v
}

// truthy is JsonLogic's.
func truthy(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		return v != ""
	case float64:
		return v != 0 && v == v
	case []any:
		return len(v) > 0
	}
	return true
}

// and is the first value that is false, or the last.
func and(values, data any) (v any) {
	for _, quoted := range values.([]any) { //nolint:forcetypeassert // an operator's arguments
		if v = value(quoted, data); !truthy(v) {
			return v
		}
	}
	return v
}

// or is the first value that is true, or the last.
func or(values, data any) (v any) {
	for _, quoted := range values.([]any) { //nolint:forcetypeassert // an operator's arguments
		if v = value(quoted, data); truthy(v) {
			return v
		}
	}
	return v
}

func in(values, _ any) any {
	args := values.([]any) //nolint:forcetypeassert // an operator's arguments
	switch haystack := args[1].(type) {
	case string:
		switch needle := args[0].(type) {
		case string:
			return strings.Contains(haystack, needle)
		case float64:
			return strings.Contains(haystack, jsonNumber(needle))
		}
	case []any:
		for _, e := range haystack {
			switch e.(type) {
			case []any, map[string]any: // not comparable, and never the same in JsonLogic
			default:
				if e == args[0] {
					return true
				}
			}
		}
	}
	return false
}

// elements are the first argument's, and whether the second is true of each.
func elements(values any, fn func(e any, is bool) (more bool)) {
	args := values.([]any) //nolint:forcetypeassert // an operator's arguments
	list, _ := args[0].([]any)
	for _, e := range list {
		if !fn(e, truthy(value(args[1], e))) {
			return
		}
	}
}

func filter(values, _ any) any {
	out := []any{}
	elements(values, func(e any, is bool) bool {
		if is {
			out = append(out, e)
		}
		return true
	})
	return out
}

// all is false of an empty list, in JsonLogic.
func all(values, _ any) any {
	result := false
	elements(values, func(_ any, is bool) bool { result = is; return is })
	return result
}

func some(values, _ any) any {
	result := false
	elements(values, func(_ any, is bool) bool { result = is; return !is })
	return result
}

func none(values, data any) any { return some(values, data) == false }

// onStrings makes an operator of a comparison. What isn't two strings is nothing: the toggle's
// default then counts.
func onStrings(fn func(s, part string) bool) func(values, data any) any {
	return func(values, _ any) any {
		args := values.([]any) //nolint:forcetypeassert // an operator's arguments
		if len(args) != 2 {
			return nil
		}
		s, ok1 := args[0].(string)
		part, ok2 := args[1].(string)
		if !ok1 || !ok2 {
			return nil
		}
		return fn(s, part)
	}
}

// semVer compares versions as flagd does: [version, operator, version].
func semVer(values, _ any) any {
	args := values.([]any) //nolint:forcetypeassert // an operator's arguments
	if len(args) != 3 {
		return nil
	}
	a, b := version(args[0]), version(args[2])
	if a == "" || b == "" {
		return nil
	}
	order := semver.Compare(a, b)
	switch args[1] {
	case "=":
		return order == 0
	case "!=":
		return order != 0
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	case ">=":
		return order >= 0
	case "^":
		return semver.Major(a) == semver.Major(b)
	case "~":
		return semver.MajorMinor(a) == semver.MajorMinor(b)
	}
	return nil
}

// version is in the form of package semver, "" if it is none.
func version(v any) string {
	var s string
	switch v := v.(type) {
	case string:
		s = v
	case float64:
		s = jsonNumber(v)
	}
	s = "v" + strings.TrimPrefix(strings.TrimPrefix(s, "v"), "V")
	if !semver.IsValid(s) {
		return ""
	}
	return s
}

func jsonNumber(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }
