package toggles

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"nanofront/registry/toggled"
)

// What a rule makes of its context, where the library alone would make something else of it, or
// fail. The rule's value is told by the toggle's variants.
func TestEvaluate_JSONLogic(t *testing.T) {
	context := Attributes{
		"n": 1.0, "email": "me@x.org", "empty": "", "list": []any{1.0, 2.0, 3.0},
		"things": []any{map[string]any{"n": 5.0}, map[string]any{"n": 0.0}},
		"cookie": map[string]any{"a.b": "odd", "plan": "pro"},
	}
	for rule, want := range map[string]string{
		`{"and": [{"var": "missing"}, true]}`: "default",
		`{"and": [true, {"var": "missing"}]}`: "default",
		`{"and": [true, "yes"]}`:              "yes",
		`{"and": ["yes", true, "no"]}`:        "no",
		`{"or": [{"var": "missing"}, "yes"]}`: "yes",
		`{"or": [false, {"var": "missing"}]}`: "default",
		`{"if": [{"and": [{"var": "email"}, {"in": ["@x", {"var": "email"}]}]}, "yes", "no"]}`:                                      "yes",
		`{"if": [{"in": [{"var": "missing"}, "abc"]}, "yes", "no"]}`:                                                                "no",
		`{"if": [{"in": [{"var": "missing"}, {"var": "missing"}]}, "yes", "no"]}`:                                                   "no",
		`{"if": [{"in": [{"var": "n"}, [3, 1]]}, "yes", "no"]}`:                                                                     "yes",
		`{"if": [{"in": ["x", ["y", {"cat": ["", "x"]}]]}, "yes", "no"]}`:                                                           "yes",
		`{"if": [{"filter": [{"var": "things"}, {">": [{"var": "n"}, 4]}]}, "yes", "no"]}`:                                          "yes",
		`{"if": [{"some": [{"var": "things"}, {"==": [{"var": "n"}, 1]}]}, "yes", "no"]}`:                                           "no",
		`{"if": [{"all": [{"var": "list"}, {">": [{"var": ""}, 0]}]}, "yes", "no"]}`:                                                "yes",
		`{"if": [{"all": [[], true]}, "yes", "no"]}`:                                                                                "no",
		`{"if": [{"none": [{"var": "list"}, {">": [{"var": ""}, 5]}]}, "yes", "no"]}`:                                               "yes",
		`{"if": [{"none": [{"var": "missing"}, true]}, "yes", "no"]}`:                                                               "yes",
		`{"if": [{"==": [{"reduce": [{"var": "list"}, {"+": [{"var": "current"}, {"var": "accumulator"}]}, 0]}, 6]}, "yes", "no"]}`: "yes",
		`{"if": [{"==": [{"var": "cookie.plan"}, "pro"]}, "yes", "no"]}`:                                                            "yes",
		`{"if": [{"==": [{"var": ["cookie.gone", "pro"]}, "pro"]}, "yes", "no"]}`:                                                   "yes",
		`{"if": [{"==": [{"var": "n"}, "1"]}, "yes", "no"]}`:                                                                        "yes",
		`{"if": [{"===": [{"var": "n"}, "1"]}, "yes", "no"]}`:                                                                       "no",
		`{"if": [{"!": {"var": "empty"}}, "yes", "no"]}`:                                                                            "yes",
		`{"if": [{"!": [{"var": "list"}]}, "yes", "no"]}`:                                                                           "no",
		`{"if": [{"<": [0, {"var": "n"}, 2]}, "yes", "no"]}`:                                                                        "yes",
		`{"if": [{"==": [{"missing": ["n", "gone"]}, ["gone"]]}, "no", "yes"]}`:                                                     "yes", // lists are never equal
		`{"if": [{"missing": ["n", "email"]}, "no", "yes"]}`:                                                                        "yes",
		`{"if": [{"missing_some": [1, ["n", "gone"]]}, "no", "yes"]}`:                                                               "yes",
		`{"if": [false, "no"]}`: "default",
		`{"if": []}`:            "default",
		`{"==": [1, 1]}`:        "true",
		`{"if": [{"==": [{"var": "$flagd.flagKey"}, "flag"]}, "yes", "no"]}`:      "yes",
		`{"if": [{">": [{"var": "$flagd.timestamp"}, 1700000000]}, "yes", "no"]}`: "yes",
		`"yes"`: "yes",
		`null`:  "default",
		`{}`:    "default",
		`{"if": [{"filter": [{"var": "missing"}, true]}, "no", "yes"]}`: "yes",
		`{"cat": ["y", "es"]}`:             "yes",
		`{"substr": ["xyes", 1]}`:          "yes",
		`{"fractional": ["k", ["yes"]]}`:   "yes",
		`{"fractional": [["yes", 0.5]]}`:   "default",
		`{"fractional": ["k", [["yes"]]]}`: "default",
		`{"fractional": []}`:               "default",
		`{"map": [[1], "yes"]}`:            "ERROR",
		`{"var": "email"}`:                 "ERROR",
		`{"var": [{"var": "n"}]}`:          "ERROR",
		`{"var": "list.9"}`:                "ERROR",
	} {
		raw := fmt.Sprintf(`{"variants": {"yes": "yes", "no": "no", "true": "true", "default": "default"}, "defaultVariant": "default", "targeting": %s}`, rule)
		f, err := ParseFlag("flag", []byte(raw), nil)
		if err != nil {
			t.Errorf("%s: %v", rule, err)
			continue
		}
		set := &Set{}
		set.flags[shardOf("flag")] = map[string]*Flag{"flag": f}
		r := set.Evaluate("flag", String, context)
		got := r.Value
		if r.Reason == Failed {
			got = "ERROR"
		}
		if got != want {
			t.Errorf("%s: got %v (%v), want %s", rule, got, r.Err, want)
		}
	}
}

// A definition that can't mean anything is refused when it is loaded, with what is wrong.
func TestParseFlag_Refuses(t *testing.T) {
	deep := strings.Repeat(`{"!": `, 100) + "1" + strings.Repeat("}", 100)
	for raw, want := range map[string]string{
		`[]`:                                    "isn't a flag definition",
		`{}`:                                    "0 variants: want 1 to 64",
		`{"variants": {"a": null}}`:             `variant "a": null: want a boolean`,
		`{"variants": {"a": 1, "b": true}}`:     `variant "b" is a boolean, others are of type number`,
		`{"variants": {"a": 1e300}}`:            "within ±(2^53-1)",
		`{"variants": {"a": 1}, "state": "on"}`: `state "on": want ENABLED or DISABLED`,
		`{"variants": {"a": 1}, "defaultVariant": "b"}`:                             `defaultVariant "b" is none of its variants: there are a`,
		`{"variants": {"a": 1}, "targeting": {"foo": [1]}}`:                         `targeting: unknown operator "foo"`,
		`{"variants": {"a": 1}, "targeting": {"if": [1, "a"], "==": [1, 1]}}`:       "an object with 2 keys: want one, an operator",
		`{"variants": {"a": 1}, "targeting": {"==": [1]}}`:                          "== has 1 arguments: want 2",
		`{"variants": {"a": 1}, "targeting": {"$ref": "gone"}}`:                     `there is no evaluator "gone"`,
		`{"variants": {"a": 1}, "targeting": {"$ref": "self"}}`:                     "an evaluator refers to itself",
		`{"variants": {"a": 1}, "targeting": ` + deep + `}`:                         "nested more than 64 deep",
		`{"variants": {"a": "` + strings.Repeat("x", toggled.MaxDefinition) + `"}}`: "want at most 65536",
	} {
		_, err := ParseFlag("flag", []byte(raw), map[string]json.RawMessage{"self": json.RawMessage(`{"!": {"$ref": "self"}}`)})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "flag") {
			t.Errorf("%.80s: got %v, want %s", raw, err, want)
		}
	}
}

// An exponential number of references costs no more than the bound.
func TestParseFlag_BoundsReferences(t *testing.T) {
	evaluators := map[string]json.RawMessage{"e0": json.RawMessage(`{"!": true}`)}
	for i := range 10 {
		ref := fmt.Sprintf(`{"$ref": "e%d"}`, i)
		evaluators[fmt.Sprint("e", i+1)] = json.RawMessage(`{"and": [` + strings.Repeat(ref+",", 9) + ref + `]}`)
	}
	_, err := ParseFlag("flag", []byte(`{"variants": {"a": 1}, "targeting": {"$ref": "e10"}}`), evaluators)
	if err == nil || !strings.Contains(err.Error(), "parts") {
		t.Errorf("got %v", err)
	}
}

// The hash's published vectors, and that keys are hashed one behind the other.
func TestMurmur3(t *testing.T) {
	for in, want := range map[string]uint32{
		"": 0, "hello": 0x248bfa47, "hello, world": 0x149bbb7f, "The quick brown fox jumps over the lazy dog": 0x2e4ff723,
		"SI7p-": 1<<31 - 1, "6LvT0": 1 << 31, "ceQdGm": 1<<32 - 1, "bY9fO-": 1,
	} {
		for cut := range len(in) + 1 {
			if got := murmur3(in[:cut], in[cut:]); got != want {
				t.Errorf("%q cut at %d: %#x, want %#x", in, cut, got, want)
			}
		}
	}
}

// Shares are those that are asked for, and those of two toggles are independent of each other.
func TestFractional_SharesAreIndependent(t *testing.T) {
	const n = 100_000
	list := []toggled.Toggle{
		{Name: "first", Definition: []byte(`{"variants": {"a": 1, "b": 2}, "targeting": {"fractional": [["a", 25], ["b", 75]]}}`)},
		{Name: "second", Definition: []byte(`{"variants": {"a": 1, "b": 2}, "targeting": {"fractional": [["a", 50], ["b", 50]]}}`)},
	}
	set, _ := new(Set).Apply(toggled.Change{Revision: 1, List: list})
	var first, both int
	for i := range n {
		who := Attributes{"targetingKey": fmt.Sprint("user-", i)}
		if set.Evaluate("first", "", who).Variant == "a" {
			first++
			if set.Evaluate("second", "", who).Variant == "a" {
				both++
			}
		}
	}
	// Five standard deviations.
	if share := float64(first) / n; share < 0.243 || share > 0.257 {
		t.Errorf("25 %% of the keys are %.3f", share)
	}
	if share := float64(both) / float64(first); share < 0.484 || share > 0.516 {
		t.Errorf("of those, 50 %% of another toggle are %.3f", share)
	}
}

// Apply changes what it returns, and nothing else.
func TestSet_ApplyLeavesTheOldSet(t *testing.T) {
	old, _ := new(Set).Apply(change(1, "a", is("1"), "b", is("1"), "$evaluators/e", "true"))
	next, changed := old.Apply(change(2, "a", is("2"), "b", "", "c", is("3"), "d", "nonsense", "$evaluators/f", "true"))
	if !reflect.DeepEqual(changed, []string{"a", "b", "c"}) {
		t.Errorf("changed: %v", changed)
	}
	for name, want := range map[string][2]any{"a": {1.0, 2.0}, "b": {1.0, nil}, "c": {nil, 3.0}} {
		if got := [2]any{valueOf(old, name), valueOf(next, name)}; got != want {
			t.Errorf("%s: before and after %v, want %v", name, got, want)
		}
	}
	if old.Len() != 2 || next.Len() != 2 || len(old.Evaluators()) != 1 || len(next.Evaluators()) != 2 || len(old.Faults()) != 0 || len(next.Faults()) != 1 {
		t.Errorf("before %d toggles, %d evaluators, %d faults, after %d, %d, %d", old.Len(), len(old.Evaluators()), len(old.Faults()), next.Len(), len(next.Evaluators()), len(next.Faults()))
	}
	if all, changed := next.Apply(whole(3, "a", is("2"))); all.Len() != 1 || len(all.Evaluators()) != 0 || len(all.Faults()) != 0 || !reflect.DeepEqual(changed, []string{"a", "c"}) {
		t.Errorf("a whole: %d toggles, %d evaluators, %d faults, changed %v", all.Len(), len(all.Evaluators()), len(all.Faults()), changed)
	}
}
