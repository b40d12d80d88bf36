package registry

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func goals(list ...time.Duration) Goals {
	var out Goals
	for _, d := range list {
		out = append(out, Duration(d))
	}
	return out
}

// A route's own goals count, else its service's, else the document's, else the default.
func TestGoals_WhoseCount(t *testing.T) {
	const ms = time.Millisecond
	doc, err := ParseRoutes([]byte(`
version: 1
goals: [50ms, 1.5s]
services:
  - name: profile
    goals: [250us, 10ms]
  - {name: bare}
routes:
  - {name: fast, match: {path: /fast}, service: profile, goals: [1ms]}
  - {name: usual, match: {path: /usual}, service: profile}
  - {name: other, match: {path: /other}, service: web}
  - {name: bare, match: {path: /bare}, service: bare}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Goals{
		"fast": goals(ms), "usual": goals(250*time.Microsecond, 10*ms), "other": goals(50*ms, 1500*ms), "bare": goals(50*ms, 1500*ms),
	}
	for _, r := range doc.Compile().Routes() {
		if d := cmp.Diff(want[r.Name], r.Goals); d != "" {
			t.Errorf("route %s: -want +got:\n%s", r.Name, d)
		}
	}
	for service, want := range map[string]Goals{"profile": want["usual"], "web": want["other"], "bare": want["other"]} {
		if d := cmp.Diff(want, doc.GoalsOf(service)); d != "" {
			t.Errorf("service %s: -want +got:\n%s", service, d)
		}
	}
	if got := (*Routes)(nil).GoalsOf("web"); !cmp.Equal(got, DefaultGoals()) {
		t.Errorf("without a document: %v", got)
	}

	// What is written can be read again, with the same meaning.
	text, err := doc.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseRoutes(text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if d := cmp.Diff(doc, again); d != "" {
		t.Errorf("written and read again: -before +after:\n%s", d)
	}
}

func TestGoals_Refused(t *testing.T) {
	for name, tc := range map[string]struct{ doc, want string }{
		"not a list":   {"goals: 25ms", "line 2: goals: text: want a list"},
		"empty":        {"goals: []", "goals: empty: want at least one goal, or no such field"},
		"a number":     {"goals: [25]", `goals: 25 is a number: want 100µs to 5m in whole microseconds, with a unit, such as "25ms"`},
		"no duration":  {"goals: [soon]", `goals: "soon": want 100µs to 5m`},
		"too short":    {"goals: [10us]", `goals: "10µs": want 100µs to 5m`},
		"too long":     {"goals: [6m]", `goals: "6m": want 100µs to 5m`},
		"too exact":    {"goals: [1.0000001s]", "want 100µs to 5m in whole microseconds"},
		"falling":      {"goals: [50ms, 25ms]", `goals: "25ms" after "50ms": want each longer than the one before`},
		"twice":        {"goals: [1s, 1000ms]", `goals: "1s" after "1s"`},
		"too many":     {"goals: [1ms, 2ms, 3ms, 4ms, 5ms, 6ms, 7ms, 8ms, 9ms]", "goals: 9 goals: want at most 8"},
		"of a service": {"services: [{name: web, goals: [1]}]", `services[0] "web": goals: 1 is a number`},
		"no services":  {"services: {}", "services: an object, as in version 2 of the document: want version: 2"},
		"not routed":   {"services: [{name: wbe, goals: [25ms]}]", `services[0] "wbe": name: "wbe": no route leads to this service: want one of web`},
		"no name":      {"services: [{goals: [25ms]}]", `services[0]: name: ""`},
		"twice the same": {
			"services: [{name: web}, {name: web}]", `services[1] "web": name: "web" is also the name of services[0] on line 2`,
		},
		"unknown field": {"services: [{name: web, goal: [25ms]}]", `services[0] "web": goal: unknown field: want one of name, goals`},
		"no object":     {"services: [web]", "services[0]: text: want an object with name and goals"},
	} {
		_, err := ParseRoutes([]byte("version: 1\n" + tc.doc + "\nroutes: [{match: {prefix: /}, service: web}]\n"))
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
	if _, err := ParseRoutes([]byte(route(`"match":{"path":"/a"},"service":"web","goals":["9m"]`))); err == nil || !strings.Contains(err.Error(), "routes[0]: goals:") {
		t.Errorf("of a route: %v", err)
	}
	if _, err := ParseTable([]byte("version: 1\ngoals: [25ms]\n")); err == nil || !strings.Contains(err.Error(), "line 2: goals: without routes") {
		t.Errorf("a table without routes: %v", err)
	}
}
