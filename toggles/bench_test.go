package toggles

import (
	"fmt"
	"testing"

	"nanofront/registry/toggled"
)

// thousands is a Set of 10,000 toggles with rules, some of them shared.
func thousands() *Set {
	list := []toggled.Toggle{{Name: "$evaluators/staff", Definition: []byte(`{"ends_with": [{"var": "header.from"}, "@example.org"]}`)}}
	for i := range 10_000 {
		list = append(list, toggled.Toggle{Name: fmt.Sprint("toggle-", i), Definition: fmt.Appendf(nil,
			`{"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off", "targeting": {"if": [{"==": [{"var": "cookie.plan"}, "plan-%d"]}, "on", {"$ref": "staff"}, "on", {"fractional": [["on", 5], ["off", 95]]}]}}`, i)})
	}
	list = append(list,
		toggled.Toggle{Name: "static", Definition: []byte(`{"variants": {"on": true, "off": false}, "defaultVariant": "on"}`)},
		toggled.Toggle{Name: "simple", Definition: []byte(`{"variants": {"on": true, "off": false}, "defaultVariant": "off", "targeting": {"if": [{"==": [{"var": "cookie.plan"}, "pro"]}, "on"]}}`)},
		toggled.Toggle{Name: "share", Definition: []byte(`{"variants": {"on": true, "off": false}, "defaultVariant": "off", "targeting": {"fractional": [["on", 5], ["off", 95]]}}`)},
	)
	set, _ := new(Set).Apply(toggled.Change{Revision: 1, Whole: true, List: list})
	return set
}

func BenchmarkEvaluate(b *testing.B) {
	set := thousands()
	context := Attributes{"targetingKey": "session-1", "client": "10.0.0.1", "cookie": map[string]any{"plan": "pro", "session": "session-1"}, "header": map[string]any{"from": "me@example.com"}}
	for _, name := range []string{"static", "simple", "share", "toggle-7000"} {
		b.Run("toggle="+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if r := set.Evaluate(name, Boolean, context); r.Err != nil {
					b.Fatal(r.Err)
				}
			}
		})
	}
}

// BenchmarkApply is what a handler does for one toggle's change with 10,000 others.
func BenchmarkApply(b *testing.B) {
	set := thousands()
	b.ReportAllocs()
	for b.Loop() {
		set, _ = set.Apply(change(set.revision+1, "simple", is("true")))
	}
}
