package registry

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

const sample2 = `
version: 2
goals: [25ms]
services:
  web:
    versions: {"41": 95, "42": 5}
    sticky: cookie:session
    salt: spring
  profile: {versions: {1.0: 3, "2.0": 0}}
  echo: {goals: [5ms]}
experiments:
  new-list: {route: members, by: cookie:session, variants: {a: 50, b: 50}, services: {b: {web: "42", profile: "2.0"}}}
  colours: {route: members, by: client, salt: x, variants: {red: 1, green: 1, blue: 1}}
ask_version:
  from: [10.0.0.0/8, "2001:db8::1"]
  tokens: ["sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]
routes:
  - {name: members, match: {prefix: /members}, service: web}
  - {match: {prefix: /}, service: echo}
`

func TestShares_ReadAndWritten(t *testing.T) {
	doc, err := ParseRoutes([]byte(sample2))
	if err != nil {
		t.Fatal(err)
	}
	want := &Routes{
		Version: 2, Goals: Goals{Duration(25e6)},
		Rules: []ServiceRules{
			{Name: "echo", Goals: Goals{Duration(5e6)}},
			{Name: "profile", Versions: map[string]int{"1.0": 3, "2.0": 0}},
			{Name: "web", Versions: map[string]int{"41": 95, "42": 5}, Sticky: "cookie:session", Salt: "spring"},
		},
		Experiments: []Experiment{
			{Name: "colours", Route: "members", By: "client", Salt: "x", Variants: map[string]int{"red": 1, "green": 1, "blue": 1}},
			{
				Name: "new-list", Route: "members", By: "cookie:session", Variants: map[string]int{"a": 50, "b": 50},
				Services: map[string]map[string]string{"b": {"web": "42", "profile": "2.0"}},
			},
		},
		Ask: &AskVersion{
			From:   []string{"10.0.0.0/8", "2001:db8::1"},
			Tokens: []string{"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
		},
		Routes: []Route{
			{Name: "members", Match: Match{Prefix: "/members"}, Service: "web"},
			{Match: Match{Prefix: "/"}, Service: "echo"},
		},
	}
	if d := cmp.Diff(want, doc); d != "" {
		t.Fatalf("-want +got:\n%s", d)
	}
	written, err := doc.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range [][]byte{written, asYAML} {
		again, err := ParseRoutes(text)
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if d := cmp.Diff(doc, again); d != "" {
			t.Errorf("written and read again: -before +after:\n%s", d)
		}
	}
	clone := doc.Clone()
	clone.Rule("web").Versions["42"] = 50
	clone.Experiments[1].Services["b"]["web"] = "43"
	clone.Ask.From[0] = "::/0"
	if d := cmp.Diff(want, doc); d != "" {
		t.Errorf("a clone's change shows: -want +got:\n%s", d)
	}
	table, err := ParseTable([]byte(sample2 + "instances: [{service: web, id: a, address: \"tcp://a:1\", version: \"41\"}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, table.Routes); d != "" {
		t.Errorf("in a table: -want +got:\n%s", d)
	}
	missing := fmt.Sprint(table.Routes.MissingVersions(table.Instances))
	if want := "[{profile 1.0} {profile 2.0} {web 42}]"; missing != want {
		t.Errorf("missing %s, want %s", missing, want)
	}
}

// A document of version 1 is written as it was, whatever is possible in version 2.
func TestShares_Version1StaysAsItWas(t *testing.T) {
	doc, err := ParseRoutes([]byte("version: 1\nservices: [{name: web, goals: [25ms]}]\nroutes: [{match: {prefix: /}, service: web}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(doc)
	if want := `{"version":1,"services":[{"name":"web","goals":["25ms"]}],"routes":[{"match":{"prefix":"/"},"service":"web"}]}`; err != nil || string(text) != want {
		t.Errorf("%s, %v; want %s", text, err, want)
	}
	doc.Upgrade()
	doc.Rule("web").Versions = map[string]int{"41": 1}
	text, err = json.Marshal(doc)
	if want := `{"version":2,"services":{"web":{"goals":["25ms"],"versions":{"41":1}}},"routes":[{"match":{"prefix":"/"},"service":"web"}]}`; err != nil || string(text) != want {
		t.Errorf("%s, %v; want %s", text, err, want)
	}
	doc.Version = 1
	if err := doc.Validate(); err == nil || !strings.Contains(err.Error(), "want version: 2") {
		t.Errorf("versions in version 1: %v", err)
	}
}

func TestShares_Refused(t *testing.T) {
	experiment := func(s string) string {
		return "experiments: {e: {route: all, by: client, variants: {a: 1, b: 1}" + s + "}}"
	}
	for name, tc := range map[string]struct{ doc, want string }{
		"a list of services":  {"services: [{name: web}]", "line 2: services: a list, as in version 1 of the document: want an object by the services' names"},
		"no object":           {"services: {web: 7}", `line 2: services "web": 7 is a number: want an object`},
		"a bad name":          {"services: {Web: {versions: {a: 1}}}", `services "Web": name: "Web": want 1 to 63`},
		"unknown service":     {"services: {wbe: {goals: [25ms]}}", `services "wbe": name: "wbe": no route leads to this service: want one of web`},
		"unknown field":       {"services: {web: {version: {a: 1}}}", `services "web": version: unknown field: want one of goals, versions, sticky, salt`},
		"ghost":               {"services: {web: {versions: {a: 1}, ghost: {version: b}}}", `services "web": ghost: unknown field`},
		"no versions":         {"services: {web: {versions: {}}}", `services "web": versions: empty: want at least one`},
		"no sum":              {"services: {web: {versions: {a: 0, b: 0}}}", `services "web": versions: no share above 0: want at least one`},
		"a negative share":    {"services: {web: {versions: {a: -1}}}", `services "web": versions.a: -1: want a whole number from 0 to 1000000`},
		"a large share":       {"services: {web: {versions: {a: 1000001}}}", `versions.a: 1000001: want`},
		"a fraction":          {"services: {web: {versions: {a: 0.5}}}", `versions.a: 0.5: want`},
		"a percentage":        {"services: {web: {versions: {a: 5%}}}", `versions.a: text: want a number`},
		"too small a share":   {"services: {web: {versions: {a: 1, b: 1000}}}", `services "web": versions.a: 1 of 1001: want 0, or at least a thousandth`},
		"a list of versions":  {"services: {web: {versions: [a]}}", `services "web": versions: a list: want an object`},
		"no version":          {`services: {web: {versions: {"": 1}}}`, `services "web": versions: "": want 1 to 63 printable`},
		"not ASCII":           {`services: {web: {versions: {ä: 1}}}`, `services "web": versions: "ä": want 1 to 63 printable`},
		"too long":            {"services: {web: {versions: {" + strings.Repeat("a", 64) + ": 1}}}", "want names of at most 63 bytes"},
		"too many":            {"services: {web: {versions: {a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, g: 1, h: 1, i: 1, j: 1, k: 1, l: 1, m: 1, n: 1, o: 1, p: 1, q: 1}}}", "versions: 17 of them: want at most 16"},
		"sticky to a path":    {"services: {web: {versions: {a: 1}, sticky: path}}", `services "web": sticky: "path": want cookie:NAME, header:NAME or client`},
		"sticky to nothing":   {"services: {web: {versions: {a: 1}, sticky: 'cookie:'}}", `sticky: "cookie:": want a name`},
		"sticky to ours":      {"services: {web: {versions: {a: 1}, sticky: 'header:X-Forwarded-For'}}", `sticky: "header:X-Forwarded-For": this field isn't passed on`},
		"sticky alone":        {"services: {web: {sticky: client}}", `services "web": sticky: without versions`},
		"salt":                {"services: {web: {versions: {a: 1}, salt: ä}}", `services "web": salt: "ä": want`},
		"unknown top field":   {"toggles: {}", "toggles: unknown field: want one of version, routes, goals, services, experiments, ask_version"},
		"no route":            {"experiments: {e: {by: client, variants: {a: 1}}}", `line 2: experiments "e": route: missing`},
		"unknown route":       {"experiments: {e: {route: al, by: client, variants: {a: 1}}}", `experiments "e": route: "al": no route has this name`},
		"by nothing":          {"experiments: {e: {route: all, variants: {a: 1}}}", `experiments "e": by: missing: want cookie:NAME`},
		"by a path":           {"experiments: {e: {route: all, by: path, variants: {a: 1}}}", `experiments "e": by: "path": want`},
		"no variants":         {"experiments: {e: {route: all, by: client}}", `experiments "e": variants: missing`},
		"no variants' sum":    {"experiments: {e: {route: all, by: client, variants: {a: 0}}}", `experiments "e": variants: no share above 0`},
		"a variant's name":    {"experiments: {e: {route: all, by: client, variants: {a b: 1}}}", `experiments "e": variants: "a b": want`},
		"an experiment's":     {"experiments: {a b: {route: all, by: client, variants: {a: 1}}}", `experiments "a b": the name: want`},
		"unknown variant":     {experiment(", services: {c: {web: '42'}}"), `experiments "e": services.c: no such variant: want one of a, b`},
		"unknown service of":  {experiment(", services: {b: {wbe: '42'}}"), `experiments "e": services.b: "wbe": unknown service: want one of web`},
		"a number as version": {experiment(", services: {b: {web: 42}}"), `experiments "e": services.b: 42 is a number: want text in quotes`},
		"no object of an":     {"experiments: {e: 1}", `experiments "e": 1 is a number: want an object`},
		"two decide": {
			"experiments: {e: {route: all, by: client, variants: {a: 1}, services: {a: {web: '1'}}}, f: {route: all, by: client, variants: {a: 1}, services: {a: {web: '2'}}}}",
			`experiments "f": services: "web": experiment "e" decides its version on the same route`,
		},
		"asked by nobody": {"ask_version: {}", "ask_version: empty: want from, tokens or both"},
		"asked from":      {"ask_version: {from: [here]}", `ask_version.from: "here": want an address, or a network`},
		"a token":         {"ask_version: {tokens: [secret]}", `ask_version.tokens: number 1: want "sha256:" and the 64`},
	} {
		_, err := ParseRoutes([]byte("version: 2\n" + tc.doc + "\nroutes: [{name: all, match: {prefix: /}, service: web}]\n"))
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: shows a token: %v", name, err)
		}
	}
	for name, doc := range map[string]string{
		"versions":    "services: [{name: web, versions: {a: 1}}]",
		"experiments": experiment(""),
		"ask_version": "ask_version: {from: [10.0.0.1]}",
	} {
		if _, err := ParseRoutes([]byte("version: 1\n" + doc + "\nroutes: [{name: all, match: {prefix: /}, service: web}]\n")); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s in version 1: %v", name, err)
		}
	}
}
