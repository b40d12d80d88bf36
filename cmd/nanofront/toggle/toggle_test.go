package toggle

import (
	"reflect"
	"strings"
	"testing"

	"nanofront/etcd"
	"nanofront/registry/toggled"
	"nanofront/toggles"
)

func TestArgs(t *testing.T) {
	for in, want := range map[string]string{
		"toggle test a --context k=v --context {}":   "toggle test a --with k=v --with {}",
		"toggle test a --context=k=v":                "toggle test a --with=k=v",
		"toggle test a --context staging -c k=v":     "toggle test a --context staging -c k=v",
		"--context staging toggle test --context k=": "--context staging toggle test --with k=",
		"toggle set a=b --context x=y":               "toggle set a=b --context x=y",
		"status --context a=b":                       "status --context a=b",
	} {
		if got := strings.Join(Args(strings.Fields(in)), " "); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func TestParseContext(t *testing.T) {
	got, err := parseContext([]string{"cookie.plan=pro", "cookie.n=5", "n=5", "on=true", "who=a=b", `{"user": {"name": "x"}}`, "targetingKey=42"})
	want := toggles.Attributes{
		"cookie": map[string]any{"plan": "pro", "n": "5"}, "n": 5.0, "on": true, "who": "a=b",
		"user": map[string]any{"name": "x"}, "targetingKey": "42",
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	for in, want := range map[string]string{"x": "want KEY=VALUE", "=x": "want KEY=VALUE", "{": "isn't valid JSON"} {
		if _, err := parseContext([]string{in}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", in, err, want)
		}
	}
	if _, err := parseContext([]string{"a=1", "a.b=2"}); err == nil || !strings.Contains(err.Error(), "a has a value of its own already") {
		t.Errorf("a value with parts: %v", err)
	}
}

// What would break others is refused with them; what was broken before is no reason.
func TestSystem_Check(t *testing.T) {
	s := &system{now: toggled.Change{Revision: 5, List: []toggled.Toggle{
		{Name: "$evaluators/e", Definition: []byte("true")},
		{Name: "user", Definition: []byte(`{"variants": {"a": 1}, "targeting": {"if": [{"$ref": "e"}, "a"]}}`)},
		{Name: "bad", Definition: []byte(`{}`)},
	}}}
	s.set, _ = new(toggles.Set).Apply(s.now)
	for definition, want := range map[string]string{
		`{"==": [1, 1]}`: "",
		`{"nope": 1}`:    "user: targeting: evaluator e: unknown operator",
		"":               `user: targeting: $ref: there is no evaluator "e"`,
	} {
		w := etcd.ToggleWrite{Name: "$evaluators/e"}
		if definition != "" {
			w.Definition = []byte(definition)
		}
		err := s.check([]etcd.ToggleWrite{w})
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", definition, err, want)
		}
	}
	if err := s.check([]etcd.ToggleWrite{{Name: "bad", Definition: []byte(`[]`)}}); err == nil {
		t.Error("a definition that isn't valid may be written over another one that isn't")
	}
}

func TestAssign(t *testing.T) {
	s := &system{now: toggled.Change{Revision: 5, List: []toggled.Toggle{
		{Name: "look", Revision: 3, Definition: []byte(`{"variants": {"plain": "p", "new": "n"}, "defaultVariant": "plain", "targeting": {"if": [true, "new"]}, "metadata": {"owner": "me"}}`)},
		{Name: "on", Revision: 4, Definition: toggles.NewBoolean(false)},
	}}}
	s.set, _ = new(toggles.Set).Apply(s.now)
	for in, want := range map[string]string{
		"look=new":      "look: new (before: plain); where its rule",
		"look=n":        "look: n (before: plain); where its rule",
		"look=disabled": "look: disabled (before: plain)",
		"on=true":       "on: true (before: off)",
		"fresh=on":      "fresh: on (new)",
		"look=neither":  "! look has no variant \"neither\": there are new, plain; or say enabled or disabled",
		"look":          "! \"look\": want TOGGLE=TO",
		"fresh=5":       "! fresh doesn't exist, and \"5\" makes none",
	} {
		c := setCommand{Revision: -1, Create: true}
		w, said, err := c.assign(s, in)
		if err != nil {
			said = "! " + err.Error()
		}
		if !strings.HasPrefix(said, want) {
			t.Errorf("%s: %s, want %s", in, said, want)
		}
		if err == nil && strings.HasPrefix(in, "look=") && (w.Expect != 3 || !strings.Contains(string(w.Definition), `"owner":"me"`) || !strings.Contains(string(w.Definition), "targeting")) {
			t.Errorf("%s: expects %d, writes %s", in, w.Expect, w.Definition)
		}
	}
	c := setCommand{Revision: -1, NoRule: true}
	if w, said, err := c.assign(s, "look=new"); err != nil || strings.Contains(string(w.Definition), "targeting") || strings.Contains(said, "rule") {
		t.Errorf("--no-rule: %s, %s, %v", w.Definition, said, err)
	}
	if _, _, err := (&setCommand{Revision: -1}).assign(s, "lok=new"); err == nil || !strings.Contains(err.Error(), "--create") {
		t.Errorf("a toggle that isn't there: %v", err)
	}
}
