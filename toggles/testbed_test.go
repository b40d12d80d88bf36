package toggles_test

import (
	"encoding/json"
	"os"
	"reflect"
	"testing"

	"nanofront/registry/toggled"
	"nanofront/toggles"
)

// load makes a Set of a file of definitions.
func load(tb testing.TB, file string) *toggles.Set {
	tb.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	list, err := toggles.ParseDefinitions(raw)
	if err != nil {
		tb.Fatal(err)
	}
	set, _ := new(toggles.Set).Apply(toggled.Change{Revision: 1, Whole: true, List: list})
	return set
}

// The scenarios of flagd-testbed v3.9.0 for what evaluates definitions in its own process, without
// those of other versions of the shares (fractional-v1, fractional-v3): what is asked for, and what
// comes of it. Each has the caller's default "caller's", so that it shows when that is meant.
func TestEvaluate_FlagdTestbed(t *testing.T) {
	set := load(t, "testdata/testbed.json")
	const callers = "caller's"
	type context = toggles.Attributes
	key := func(k string) context { return context{"targetingKey": k} }
	user := func(n string) context { return context{"user": map[string]any{"name": n}} }
	with := func(name string, value any) context { return context{name: value} }
	tier := func(k, tier string) context { return context{"targetingKey": k, "tier": tier} }
	color := func(k, c string) context { return context{"targetingKey": k, "color": c} }
	ballmer, none := with("email", "ballmer@macrosoft.com"), with("email", "ballmer@none.com")
	template := map[string]any{"showImages": true, "title": "Check out these pics!", "imagesPerPage": 100.0}
	for _, c := range []struct {
		flag    string
		kind    toggles.Kind
		context context
		want    any
		reason  toggles.Reason // "": any
		code    toggles.Code
	}{
		// evaluation
		{"boolean-flag", toggles.Boolean, nil, true, "", ""},
		{"string-flag", toggles.String, nil, "hi", "", ""},
		{"integer-flag", toggles.Number, nil, 10.0, "", ""},
		{"float-flag", toggles.Number, nil, 0.5, "", ""},
		{"object-flag", toggles.Object, nil, template, "", ""},
		// disabled
		{"disabled-boolean-flag", toggles.Boolean, nil, callers, toggles.Disabled, ""},
		{"disabled-string-flag", toggles.String, nil, callers, toggles.Disabled, ""},
		{"disabled-integer-flag", toggles.Number, nil, callers, toggles.Disabled, ""},
		{"disabled-float-flag", toggles.Number, nil, callers, toggles.Disabled, ""},
		{"disabled-object-flag", toggles.Object, nil, callers, toggles.Disabled, ""},
		// errors
		{"missing-flag", toggles.String, nil, callers, toggles.Failed, toggles.NotFound},
		{"wrong-flag", toggles.Number, nil, callers, toggles.Failed, toggles.TypeMismatch},
		{"targeting-null-variant-flag", toggles.Number, nil, 2.0, "", ""},
		{"error-targeting-flag", toggles.Number, nil, callers, toggles.Failed, toggles.Unparsable},
		{"missing-variant-targeting-flag", toggles.Number, nil, callers, toggles.Failed, toggles.General},
		{"non-string-variant-targeting-flag", toggles.Number, nil, 2.0, "", ""},
		{"empty-targeting-flag", toggles.Number, nil, 1.0, "", ""},
		{"targeting-null-flag", toggles.Number, nil, 2.0, "", toggles.NoKey},
		// evaluator-refs
		{"some-email-targeted-flag", toggles.String, ballmer, "hi", "", ""},
		{"some-other-email-targeted-flag", toggles.String, ballmer, "yes", "", ""},
		{"ref-whitespace-space-around-colon-flag", toggles.String, ballmer, "hi", toggles.TargetingMatch, ""},
		{"ref-whitespace-space-around-colon-flag", toggles.String, with("email", "user@example.com"), "bye", toggles.TargetingMatch, ""},
		{"ref-to-nonexistent-evaluator-flag", toggles.String, nil, callers, toggles.Failed, toggles.Unparsable},
		// fractional
		{"fractional-flag", toggles.String, user("jack"), "hearts", "", ""},
		{"fractional-flag", toggles.String, user("queen"), "spades", "", ""},
		{"fractional-flag", toggles.String, user("ten"), "clubs", "", ""},
		{"fractional-flag", toggles.String, user("nine"), "diamonds", "", ""},
		{"fractional-flag", toggles.String, user("3"), "clubs", "", ""},
		{"fractional-flag-shorthand", toggles.String, key("jon@company.com"), "heads", "", ""},
		{"fractional-flag-shorthand", toggles.String, key("jane@company.com"), "tails", "", ""},
		{"fractional-flag-A-shared-seed", toggles.String, user("seven"), "hearts", "", ""},
		{"fractional-flag-A-shared-seed", toggles.String, user("eight"), "diamonds", "", ""},
		{"fractional-flag-A-shared-seed", toggles.String, user("nine"), "clubs", "", ""},
		{"fractional-flag-A-shared-seed", toggles.String, user("two"), "spades", "", ""},
		{"fractional-flag-B-shared-seed", toggles.String, user("seven"), "ace-of-hearts", "", ""},
		{"fractional-flag-B-shared-seed", toggles.String, user("eight"), "ace-of-diamonds", "", ""},
		{"fractional-flag-B-shared-seed", toggles.String, user("nine"), "ace-of-clubs", "", ""},
		{"fractional-flag-B-shared-seed", toggles.String, user("two"), "ace-of-spades", "", ""},
		{"fractional-single-entry-flag", toggles.String, key("some-targeting-key"), "single", "", ""},
		{"fractional-hash-edge-flag", toggles.String, key("ejOoVL"), "lower", "", ""},
		{"fractional-hash-edge-flag", toggles.String, key("bY9fO-"), "lower", "", ""},
		{"fractional-hash-edge-flag", toggles.String, key("SI7p-"), "lower", "", ""},
		{"fractional-hash-edge-flag", toggles.String, key("6LvT0"), "upper", "", ""},
		{"fractional-hash-edge-flag", toggles.String, key("ceQdGm"), "upper", "", ""},
		// fractional-nested
		{"fractional-nested-if-flag", toggles.String, tier("jon@company.com", "premium"), "premium", "", ""},
		{"fractional-nested-if-flag", toggles.String, tier("jon@company.com", "basic"), "standard", "", ""},
		{"fractional-nested-if-flag", toggles.String, tier("user1", "premium"), "standard", "", ""},
		{"fractional-nested-if-flag", toggles.String, tier("user1", "basic"), "standard", "", ""},
		{"fractional-nested-var-flag", toggles.String, color("jon@company.com", "red"), "red", "", ""},
		{"fractional-nested-var-flag", toggles.String, color("jon@company.com", "green"), "green", "", ""},
		{"fractional-nested-var-flag", toggles.String, color("user1", "red"), "blue", "", ""},
		{"fractional-nested-var-flag", toggles.String, color("jon@company.com", "yellow"), callers, toggles.Failed, toggles.General},
		{"fractional-nested-var-flag", toggles.String, color("jon@company.com", ""), callers, toggles.Failed, toggles.General},
		{"fractional-nested-weight-flag", toggles.String, tier("jon@company.com", "premium"), "red", "", ""},
		{"fractional-nested-weight-flag", toggles.String, tier("jon@company.com", "basic"), "blue", "", ""},
		{"fractional-nested-weight-flag", toggles.String, tier("user1", "premium"), "red", "", ""},
		{"fractional-nested-weight-flag", toggles.String, tier("user1", "basic"), "blue", "", ""},
		{"fractional-as-condition-flag", toggles.String, key("some-targeting-key"), "hundreds", "", ""},
		{"fractional-as-condition-false-flag", toggles.String, key("some-targeting-key"), "ones", "", ""},
		// operator-errors
		{"fractional-null-bucket-key-flag", toggles.String, nil, "fallback", toggles.ByDefault, toggles.NoKey},
		{"fractional-zero-weights-flag", toggles.String, key("any-user"), "fallback", toggles.ByDefault, ""},
		{"fractional-negative-weight-flag", toggles.String, key("any-user"), "two", "", ""},
		{"semver-invalid-version-flag", toggles.String, with("version", "not-a-version"), "fallback", toggles.ByDefault, ""},
		{"semver-invalid-operator-flag", toggles.String, with("version", "1.0.0"), "fallback", toggles.ByDefault, ""},
		{"semver-wrong-args-flag", toggles.String, with("version", "1.0.0"), "fallback", toggles.ByDefault, ""},
		{"starts-with-non-string-flag", toggles.String, with("num", 123.0), "fallback", toggles.ByDefault, ""},
		{"ends-with-non-string-flag", toggles.String, with("num", 123.0), "fallback", toggles.ByDefault, ""},
		{"starts-with-wrong-args-flag", toggles.String, nil, "fallback", toggles.ByDefault, ""},
		{"ends-with-wrong-args-flag", toggles.String, nil, "fallback", toggles.ByDefault, ""},
		// no-default-variant
		{"null-default-flag", toggles.Boolean, nil, callers, toggles.ByDefault, ""},
		{"undefined-default-flag", toggles.Number, nil, callers, toggles.ByDefault, ""},
		{"no-default-flag-null-targeting-variant", toggles.String, with("email", "wozniak@orange.com"), callers, toggles.ByDefault, ""},
		{"no-default-flag-null-targeting-variant", toggles.String, with("email", "jobs@orange.com"), "CEO", toggles.TargetingMatch, ""},
		{"no-default-flag-undefined-targeting-variant", toggles.String, with("email", "wozniak@orange.com"), callers, toggles.ByDefault, ""},
		// semver
		{"equal-greater-lesser-version-flag", toggles.String, with("version", "2.0.0"), "equal", "", ""},
		{"equal-greater-lesser-version-flag", toggles.String, with("version", "2.1.0"), "greater", "", ""},
		{"equal-greater-lesser-version-flag", toggles.String, with("version", "1.9.0"), "lesser", "", ""},
		{"equal-greater-lesser-version-flag", toggles.String, with("version", "2.0.0-alpha"), "lesser", "", ""},
		{"equal-greater-lesser-version-flag", toggles.String, with("version", "2.0.0.0"), "none", "", ""},
		{"major-minor-version-flag", toggles.String, with("version", "3.0.1"), "minor", "", ""},
		{"major-minor-version-flag", toggles.String, with("version", "3.1.0"), "major", "", ""},
		{"major-minor-version-flag", toggles.String, with("version", "4.0.0"), "none", "", ""},
		{"semver-v-prefix-flag", toggles.String, with("version", "1.0.0"), "match", "", ""},
		{"semver-v-prefix-flag", toggles.String, with("version", "v1.0.0"), "match", "", ""},
		{"semver-v-prefix-flag", toggles.String, with("version", "V1.0.0"), "match", "", ""},
		{"semver-v-prefix-flag", toggles.String, with("version", "2.0.0"), "no-match", "", ""},
		{"semver-partial-version-flag", toggles.String, with("version", "1.5.0"), "match", "", ""},
		{"semver-partial-version-flag", toggles.String, with("version", "1.0"), "match", "", ""},
		{"semver-partial-version-flag", toggles.String, with("version", "1"), "match", "", ""},
		{"semver-partial-version-flag", toggles.String, with("version", 1.0), "match", "", ""},
		{"semver-partial-version-flag", toggles.String, with("version", 1.2), "match", "", ""},
		{"semver-partial-version-flag", toggles.String, with("version", "2.0.0"), "no-match", "", ""},
		{"semver-numeric-context-flag", toggles.String, with("version", 1.2), "match", "", ""},
		{"semver-numeric-context-flag", toggles.String, with("version", 1.1), "no-match", "", ""},
		{"semver-numeric-context-flag", toggles.String, with("version", 2.0), "match", "", ""},
		{"semver-numeric-context-flag", toggles.String, with("version", 1.0), "no-match", "", ""},
		{"semver-numeric-context-flag", toggles.String, with("version", "1.2"), "match", "", ""},
		{"semver-build-metadata-flag", toggles.String, with("version", "1.0.0"), "match", "", ""},
		{"semver-build-metadata-flag", toggles.String, with("version", "1.0.0+other"), "match", "", ""},
		{"semver-build-metadata-flag", toggles.String, with("version", "2.0.0"), "no-match", "", ""},
		// string
		{"starts-ends-flag", toggles.String, with("id", "abcdef"), "prefix", "", ""},
		{"starts-ends-flag", toggles.String, with("id", "uvwxyz"), "postfix", "", ""},
		{"starts-ends-flag", toggles.String, with("id", "abcxyz"), "prefix", "", ""},
		{"starts-ends-flag", toggles.String, with("id", "lmnopq"), "none", "", ""},
		{"starts-ends-flag", toggles.String, with("id", "3"), "none", "", ""},
		// targeting
		{"targeting-key-flag", toggles.String, key("5c3d8535-f81a-4478-a6d3-afaa4d51199e"), "hit", toggles.TargetingMatch, ""},
		{"targeting-key-flag", toggles.String, key("f20bd32d-703b-48b6-bc8e-79d53c85134a"), "miss", toggles.ByDefault, ""},
		{"timestamp-flag", toggles.Number, with("time", 1.0), -1.0, "", ""},
		{"timestamp-flag", toggles.Number, with("time", 4133980802.0), 1.0, "", ""},
		// zero-values
		{"boolean-zero-flag", toggles.Boolean, nil, false, toggles.Static, ""},
		{"string-zero-flag", toggles.String, nil, "", toggles.Static, ""},
		{"integer-zero-flag", toggles.Number, nil, 0.0, toggles.Static, ""},
		{"object-zero-flag", toggles.Object, nil, map[string]any{}, toggles.Static, ""},
		{"boolean-targeted-zero-flag", toggles.Boolean, ballmer, false, toggles.TargetingMatch, ""},
		{"string-targeted-zero-flag", toggles.String, ballmer, "", toggles.TargetingMatch, ""},
		{"integer-targeted-zero-flag", toggles.Number, ballmer, 0.0, toggles.TargetingMatch, ""},
		{"boolean-targeted-zero-flag", toggles.Boolean, none, false, toggles.ByDefault, ""},
		{"string-targeted-zero-flag", toggles.String, none, "", toggles.ByDefault, ""},
		{"integer-targeted-zero-flag", toggles.Number, none, 0.0, toggles.ByDefault, ""},
	} {
		r := set.Evaluate(c.flag, c.kind, c.context)
		got := r.Value
		if got == nil {
			got = callers
		}
		if !reflect.DeepEqual(got, c.want) || c.reason != "" && r.Reason != c.reason || toggles.CodeOf(r.Err) != c.code {
			t.Errorf("%s with %v: got %v, %s, %v; want %v, %s, %s", c.flag, c.context, got, r.Reason, r.Err, c.want, c.reason, c.code)
		}
	}
	want := map[string]any{"string": "1.0.2", "integer": 2.0, "boolean": true, "float": 0.1}
	if got := set.Evaluate("metadata-flag", toggles.Boolean, nil).Metadata(); !reflect.DeepEqual(got, want) {
		t.Errorf("metadata-flag: metadata %v, want %v", got, want)
	}
	if got := set.Evaluate("boolean-flag", toggles.Boolean, nil).Metadata(); len(got) != 0 {
		t.Errorf("boolean-flag: metadata %v, want none", got)
	}
	if n := len(set.Faults()); n != 2 {
		t.Errorf("%d definitions with a fault, want 2: %v", n, set.Faults())
	}
}

// The definitions that flagd publishes as examples are loaded, all of them.
func TestParseDefinitions_FlagdExamples(t *testing.T) {
	set := load(t, "testdata/example_flags.flagd.json")
	if len(set.Faults()) > 0 || set.Len() != 9 {
		t.Errorf("%d toggles, faults %v", set.Len(), set.Faults())
	}
	for email, want := range map[string]any{"me@faas.com": "binet", "me@else.com": "recursive"} {
		if got := set.Evaluate("fibAlgo", toggles.String, toggles.Attributes{"email": email}); got.Value != want {
			t.Errorf("fibAlgo for %s: got %v, want %v", email, got, want)
		}
	}
	var again map[string]json.RawMessage
	if err := json.Unmarshal(set.Flag("headerColor").Definition(), &again); err != nil || len(again) != 4 {
		t.Errorf("a definition isn't kept as it was written: %s, %v", set.Flag("headerColor").Definition(), err)
	}
}
