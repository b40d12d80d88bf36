package registry

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const sampleJSON = `{"version":1,"routes":[
	{"name":"hello","match":{"path":"/hello"},"service":"echo","timeout":"2s","max_body":65536},
	{"match":{"prefix":"/api","methods":["GET","POST"],"host":"*.Example.com"},"service":"api"},
	{"match":{"prefix":"/"},"service":"web"}]}`

const sampleYAML = `
version: 1
routes:
  - name: hello
    match: {path: /hello}
    service: echo
    timeout: 2s
    max_body: 65536
  - match:
      prefix: /api
      methods: [GET, POST]
      host: "*.Example.com"
    service: api
  - {match: {prefix: /}, service: web}
`

func TestParseRoutes_Formats(t *testing.T) {
	want := &Routes{Version: 1, Routes: []Route{
		{Name: "hello", Match: Match{Path: "/hello"}, Service: "echo", Timeout: Duration(2 * time.Second), MaxBody: 65536},
		{Match: Match{Prefix: "/api", Methods: []string{"GET", "POST"}, Host: "*.Example.com"}, Service: "api"},
		{Match: Match{Prefix: "/"}, Service: "web"},
	}}
	for name, text := range map[string]string{"json": sampleJSON, "yaml": sampleYAML, "json with BOM": "\ufeff" + sampleJSON, "indented with tabs": "\t\n" + sampleJSON} {
		got, err := ParseRoutes([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: -want +got:\n%s", name, d)
		}
	}
	if got, want := want.Services(), []string{"api", "echo", "web"}; !cmp.Equal(got, want) {
		t.Errorf("Services() = %v, want %v", got, want)
	}
	if got := (*Routes)(nil).Services(); len(got) != 0 {
		t.Errorf("Services() of nil = %v", got)
	}
}

// route wraps one route's JSON in a document.
func route(fields string) string { return `{"version":1,"routes":[{` + fields + `}]}` }

func TestParseRoutes_Refuses(t *testing.T) {
	const ok = `"match":{"path":"/a"},"service":"web"`
	tests := []struct {
		name, doc string
		want      []string // each in the error's text
	}{
		{"empty", " \n", []string{"document is empty"}},
		{"only a comment", "# nothing", []string{"document is empty"}},
		{"JSON syntax", "{\"version\":1,\n\"routes\":[}", []string{"JSON, line 2", "invalid character '}'"}},
		{"cut off", `{"version":1,"routes":[`, []string{"unexpected EOF"}},
		{"text after", `{"version":1} x`, []string{"text after the end"}},
		{"array", `[1]`, []string{"document is a list: want an object"}},
		{"scalar", `hello`, []string{"document is text: want an object"}},
		{"JSON twice", `{"version":1,"version":1}`, []string{`field "version" appears twice`}},
		{"YAML twice", "version: 1\nversion: 1", []string{`line 2: field "version" appears twice`}},
		{"YAML syntax", "version: [1", []string{"YAML: ", "line"}},
		{"YAML alias", "version: &v 1\nroutes: *v", []string{"line 2: alias *v: write the value out"}},
		{"two YAML documents", "version: 1\n---\nversion: 1", []string{"more than one document"}},
		{"YAML key that is a list", "? [a]\n: b", []string{"name that isn't text"}},
		{"deep", strings.Repeat("[", 50) + strings.Repeat("]", 50), []string{"more than 16 levels deep"}},
		{"deep YAML", "a: " + strings.Repeat("[", 50) + strings.Repeat("]", 50), []string{"more than 16 levels deep"}},
		{"too long", strings.Repeat(" ", MaxDocument) + "{}", []string{"1048578 bytes: want at most 1048576"}},

		{"no version", `{"routes":[{` + ok + `}]}`, []string{"version: missing: want 1"}},
		{"version 3", `{"version":3,"routes":[{` + ok + `}]}`, []string{"version: 3: want 1 or 2"}},
		{"version as text", `{"version":"1","routes":[{` + ok + `}]}`, []string{"version: text: want a number"}},
		{"no routes", `{"version":1}`, []string{"routes: none: want 1 to 10000 routes"}},
		{"routes not a list", `{"version":1,"routes":{}}`, []string{"routes: an object: want a list"}},
		{"unknown field above", `{"version":1,"rotes":[]}`, []string{"rotes: unknown field: want one of version, routes"}},
		{"null route", `{"version":1,"routes":[null]}`, []string{"routes[0]: nothing: want an object with match and service"}},

		{"unknown field", route(ok + `,"servce":1`), []string{"routes[0]: servce: unknown field: want one of name, match, service, timeout, max_body"}},
		{"unknown field in match", route(`"match":{"path":"/a","query":"x"},"service":"web"`), []string{"routes[0]: match.query: unknown field: want one of path, prefix, methods, host"}},
		{"name", route(ok + `,"name":"a b"`), []string{`routes[0] "a b": name: "a b": want 1 to 63 letters`}},
		{"name too long", route(ok + `,"name":"` + strings.Repeat("n", 200) + `"`), []string{"…", "want 1 to 63"}},
		{"no service", route(`"name":"n","match":{"path":"/a"}`), []string{`routes[0] "n": service: "": want 1 to 63 lower-case letters, digits and '-'`}},
		{"service", route(`"match":{"path":"/a"},"service":"We_b"`), []string{`service: "We_b": want`}},
		{"service as number", "version: 1\nroutes: [{match: {path: /a}, service: 7}]", []string{"service: 7 is a number: want text, in quotes"}},
		{"timeout as number", route(ok + `,"timeout":2`), []string{"timeout: 2 is a number: want text, in quotes"}},
		{"timeout without unit", route(ok + `,"timeout":"2"`), []string{`timeout: "2": want 1ms to 5m, with a unit, such as "2s"`}},
		{"timeout zero", route(ok + `,"timeout":"0s"`), []string{`timeout: "0s": want 1ms to 5m`}},
		{"timeout long", route(ok + `,"timeout":"5m1s"`), []string{`timeout: "5m1s": want 1ms to 5m`}},
		{"timeout negative", route(ok + `,"timeout":"-1s"`), []string{`timeout: "-1s"`}},
		{"max_body zero", route(ok + `,"max_body":0`), []string{"max_body: 0: want 1 to 1099511627776 bytes"}},
		{"max_body", route(ok + `,"max_body":1099511627777`), []string{"max_body: 1099511627777: want 1 to 1099511627776 bytes"}},
		{"max_body fraction", route(ok + `,"max_body":1.5`), []string{"max_body: 1.5: want"}},
		{"max_body huge", route(ok + `,"max_body":1e99`), []string{"max_body: 1e99: want"}},
		{"max_body as text", route(ok + `,"max_body":"1"`), []string{"max_body: text: want a number"}},

		{"no match", route(`"service":"web"`), []string{"routes[0]: match: neither path nor prefix: want exactly one"}},
		{"match as text", route(`"match":"/","service":"web"`), []string{"match: text: want an object"}},
		{"both", route(`"match":{"path":"/a","prefix":"/b"},"service":"web"`), []string{"match: both path and prefix"}},
		{"relative path", route(`"match":{"path":"a"},"service":"web"`), []string{`match.path: "a": want an absolute path`}},
		{"relative prefix", route(`"match":{"prefix":"a/"},"service":"web"`), []string{`match.prefix: "a/": want an absolute path`}},
		{"query", route(`"match":{"path":"/a?b"},"service":"web"`), []string{`match.path: "/a?b"`}},
		{"dots", route(`"match":{"path":"/a/../b"},"service":"web"`), []string{`match.path: "/a/../b"`}},
		{"double slash", route(`"match":{"prefix":"/a//b"},"service":"web"`), []string{`match.prefix: "/a//b"`}},
		{"space", route(`"match":{"path":"/a b"},"service":"web"`), []string{`match.path: "/a b"`}},
		{"bad escape", route(`"match":{"path":"/a%2"},"service":"web"`), []string{`match.path: "/a%2"`}},
		{"not ASCII", route(`"match":{"path":"/ä"},"service":"web"`), []string{`match.path: "/ä"`}},
		{"spelling of dots", route(`"match":{"path":"/a/%2E./b"},"service":"web"`), []string{`match.path: "/a/%2E./b": want`, `such as "/b"`}},
		{"spelling of a dot at the end", route(`"match":{"path":"/a/%2e"},"service":"web"`), []string{`such as "/a/"`}},
		{"spelling of a double slash", route(`"match":{"prefix":"//a///b"},"service":"web"`), []string{`such as "/a/b"`}},
		{"spelling of letters", route(`"match":{"prefix":"/café/"},"service":"web"`), []string{`such as "/caf%C3%A9/"`}},
		{"spelling of white space", route(`"match":{"prefix":"/a b"},"service":"web"`), []string{`such as "/a%20b"`}},
		{"spelling of a query", route(`"match":{"path":"/~a?b=c"},"service":"web"`), []string{`such as "/~a"`}},
		{"spelling of a relative path", route(`"match":{"path":"a"},"service":"web"`), []string{`such as "/a"`}},
		{"not UTF-8", route(`"match":{"path":"/caf%e9"},"service":"web"`), []string{`match.path: "/caf%e9"`}},
		{"overlong", route(`"match":{"path":"/%c0%af"},"service":"web"`), []string{`match.path: "/%c0%af"`}},
		{"control byte", route(`"match":{"path":"/a%00"},"service":"web"`), []string{`match.path: "/a%00"`}},
		{"line end", route(`"match":{"path":"/a%0D%0A"},"service":"web"`), []string{`match.path: "/a%0D%0A"`}},
		{"zone", route(`"match":{"path":"/a","host":"[fe80::1%25eth0]"},"service":"web"`), []string{`match.host`}},
		{"IPv6 without brackets", route(`"match":{"path":"/a","host":"::1"},"service":"web"`), []string{`match.host: "::1": want`, "brackets"}},
		{"long path", route(`"match":{"path":"/` + strings.Repeat("a", 1024) + `"},"service":"web"`), []string{"match.path", "1024"}},
		{"host with port", route(`"match":{"path":"/a","host":"a:80"},"service":"web"`), []string{`match.host: "a:80": want a host name`}},
		{"star inside", route(`"match":{"path":"/a","host":"a.*.b"},"service":"web"`), []string{`match.host: "a.*.b"`}},
		{"star alone", route(`"match":{"path":"/a","host":"*"},"service":"web"`), []string{`match.host: "*"`}},
		{"star of an address", route(`"match":{"path":"/a","host":"*.[::1]"},"service":"web"`), []string{`match.host: "*.[::1]"`}},
		{"bad v6", route(`"match":{"path":"/a","host":"[::g]"},"service":"web"`), []string{`match.host: "[::g]"`}},
		{"lower-case method", route(`"match":{"path":"/a","methods":["get"]},"service":"web"`), []string{`match.methods: "get": want an upper-case method`}},
		{"method that no request has", route(`"match":{"path":"/a","methods":["TRACE"]},"service":"web"`), []string{`match.methods: "TRACE": want`, "refused"}},
		{"method twice", route(`"match":{"path":"/a","methods":["GET","GET"]},"service":"web"`), []string{`match.methods: "GET": want`, "each once"}},
		{"no method", route(`"match":{"path":"/a","methods":[]},"service":"web"`), []string{"match.methods: empty: want at least one"}},
		{"methods as text", route(`"match":{"path":"/a","methods":"GET"},"service":"web"`), []string{"match.methods: text: want a list"}},
		{"method as number", route(`"match":{"path":"/a","methods":[1]},"service":"web"`), []string{"match.methods: 1 is a number: want"}},
		{"methods null", "version: 1\nroutes: [{match: {path: /a, methods: }, service: web}]", []string{"match.methods: nothing: want a list"}},
		{"many methods", route(`"match":{"path":"/a","methods":["` + strings.Join(strings.Split("ABCDEFGHIJKLMNOPQ", ""), `","`) + `"]},"service":"web"`), []string{"17 methods: want at most 16"}},

		{"name twice", `{"version":1,"routes":[{"name":"x","match":{"path":"/a"},"service":"w"},{"name":"x","match":{"path":"/b"},"service":"w"}]}`, []string{`routes[1] "x": name: "x" is also the name of routes[0]`}},
		{"match twice", `{"version":1,"routes":[{"name":"x","match":{"path":"/a"},"service":"w"},{"match":{"path":"/a"},"service":"v"}]}`, []string{`routes[1]: match: "/a" is already matched by routes[0] "x"`}},
		{"match twice by method", `{"version":1,"routes":[{"match":{"prefix":"/a","methods":["GET","PUT"]},"service":"w"},{"match":{"prefix":"/a","methods":["POST","PUT"]},"service":"v"}]}`, []string{`routes[1]: match: "PUT of POST,PUT /a/*" is already matched by routes[0]`}},
		{"match twice by spelling", `{"version":1,"routes":[{"match":{"path":"/caf%c3%a9/~b[1]"},"service":"w"},{"match":{"path":"/caf%C3%A9/%7eb%5b1%5d"},"service":"v"}]}`, []string{`routes[1]: match: "/caf%C3%A9/%7eb%5b1%5d" is already matched by routes[0]`}},
		{"match twice by prefix' spelling", `{"version":1,"routes":[{"match":{"prefix":"/%61"},"service":"w"},{"match":{"prefix":"/a"},"service":"v"}]}`, []string{`already matched by routes[0]`}},
		{"match twice by IPv6 address", `{"version":1,"routes":[{"match":{"path":"/a","host":"[0:0::0:1]"},"service":"w"},{"match":{"path":"/a","host":"[::1]"},"service":"v"}]}`, []string{`already matched by routes[0]`}},
		{"match twice by host's case", `{"version":1,"routes":[{"match":{"path":"/a","host":"A.b"},"service":"w"},{"match":{"path":"/a","host":"a.B."},"service":"v"}]}`, []string{`already matched by routes[0]`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc, err := ParseRoutes([]byte(tt.doc))
			if err == nil {
				t.Fatalf("%s: no error, got %+v", clip(tt.doc), doc)
			}
			if !errors.Is(err, ErrInvalidRoutes) || doc != nil {
				t.Errorf("error %v with document %v: want one that wraps ErrInvalidRoutes, and none", err, doc)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error\n  %v\nlacks\n  %s", err, want)
				}
			}
		})
	}
}

func TestParseRoutes_ReportsAllProblemsOncePerField(t *testing.T) {
	_, err := ParseRoutes([]byte(`{"version":3,"routes":[
		{"name":"a","match":{"path":7},"service":1,"timeout":"x"},
		{"match":{"prefix":"b","host":"!"},"service":"web","max_body":-1}]}`))
	want := []string{
		"registry: invalid routes document",
		"line 1: version: 3: want 1",
		`line 2: routes[0] "a": service: 1 is a number`,
		`line 2: routes[0] "a": timeout: "x"`,
		`line 2: routes[0] "a": match.path: 7 is a number`,
		`line 3: routes[1]: max_body: -1`,
		`line 3: routes[1]: match.prefix: "b"`,
		`line 3: routes[1]: match.host: "!"`,
	}
	if err == nil {
		t.Fatal("no error")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d lines, want %d:\n%v", len(lines), len(want), err)
	}
	for i, line := range lines {
		if !strings.HasPrefix(line, want[i]) {
			t.Errorf("line %d: %q, want prefix %q", i, line, want[i])
		}
	}
}

// A mistake is on the line where a person has to mend it, in either format.
func TestParseRoutes_Lines(t *testing.T) {
	for _, tc := range []struct {
		doc  string
		want []string
	}{
		{
			"# routes\nversion: 1\nroutes:\n  - name: a\n    match:\n      path: nowhere\n      query: x\n    service: Echo\n\n" +
				"  - match: {path: /b}\n    timeout: 5\n    color: red\n  - 7\n",
			[]string{
				`line 6: routes[0] "a": match.path: "nowhere"`, `line 7: routes[0] "a": match.query: unknown field`, `line 8: routes[0] "a": service: "Echo"`,
				`line 10: routes[1]: service: ""`, `line 11: routes[1]: timeout: 5 is a number`, `line 12: routes[1]: color: unknown field`,
				`line 13: routes[2]: 7 is a number`,
			},
		},
		{
			"{\n \"version\": 1,\n \"routes\": [\n  {\"match\": {\"path\": \"/a\"},\n   \"service\": \"A\"},\n  {\"match\":\n    {\"methods\": [\"get\"],\n     \"path\": \"/a\"},\n" +
				"   \"max_body\": \"1\", \"service\": \"b\"}\n ]\n}\n",
			[]string{`line 5: routes[0]: service: "A"`, `line 7: routes[1]: match.methods: "get"`, `line 9: routes[1]: max_body: text`},
		},
		{
			"version: 1\nroutes:\n- {name: x, match: {path: /a}, service: s}\n- {match: {path: /b}, service: s}\n- {name: x, match: {path: /b}, service: s}\n",
			[]string{`line 5: routes[2] "x": name: "x" is also the name of routes[0] on line 3`, `line 5: routes[2] "x": match: "/b" is already matched by routes[1] on line 4`},
		},
		{"version: 1\n", []string{"line 1: routes: none"}},
	} {
		_, err := ParseRoutes([]byte(tc.doc))
		var doc *documentError
		if !errors.As(err, &doc) {
			t.Errorf("%q gives %v", tc.doc, err)
			continue
		}
		got := doc.Mistakes()
		for i := range max(len(got), len(tc.want)) {
			if i >= len(got) || i >= len(tc.want) || !strings.HasPrefix(got[i], tc.want[i]) {
				t.Errorf("%s\ngives\n%s\nwant lines that begin with\n%s", tc.doc, strings.Join(got, "\n"), strings.Join(tc.want, "\n"))
				break
			}
		}
	}
	// A document that isn't text has no lines.
	if err := (&Routes{Version: 2}).Validate(); err == nil || strings.Contains(err.Error(), "line ") {
		t.Errorf("Validate: %v", err)
	}
}

func TestParseRoutes_BoundsTheReport(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"version":1,"routes":[`)
	for i := range 500 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"match":{"path":"/%d"},"service":"NO"}`, i)
	}
	b.WriteString(`]}`)
	_, err := ParseRoutes([]byte(b.String()))
	if err == nil {
		t.Fatal("no error")
	}
	lines := strings.Split(err.Error(), "\n")
	if got, want := len(lines), maxProblems+2; got != want {
		t.Errorf("%d lines, want %d", got, want)
	}
	if got, want := lines[len(lines)-1], "and 480 more"; got != want {
		t.Errorf("last line %q, want %q", got, want)
	}
}

func TestParseRoutes_TooManyRoutes(t *testing.T) {
	doc := `{"version":1,"routes":[` + strings.TrimSuffix(strings.Repeat("{},", MaxRoutes+1), ",") + `]}`
	_, err := ParseRoutes([]byte(doc))
	if err == nil || !strings.Contains(err.Error(), "routes: 10001 routes: want at most 10000") {
		t.Errorf("error %v", err)
	}
}

func TestRoutes_MarshalRoundTrip(t *testing.T) {
	want, err := ParseRoutes([]byte(sampleYAML))
	if err != nil {
		t.Fatal(err)
	}
	b, err := want.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseRoutes(b)
	if err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestRoutes_MarshalChoosesTheFormThatFits(t *testing.T) {
	doc := &Routes{Version: 1}
	for i := range MaxRoutes {
		doc.Routes = append(doc.Routes, Route{Match: Match{Path: fmt.Sprintf("/%d", i)}, Service: "web", Timeout: Duration(time.Second)})
	}
	b, err := doc.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > MaxDocument {
		t.Errorf("%d bytes, want at most %d", len(b), MaxDocument)
	}
	if _, err := ParseRoutes(b); err != nil {
		t.Error(err)
	}
	for i := range doc.Routes {
		doc.Routes[i].Match.Path += strings.Repeat("x", 200)
	}
	if _, err := doc.Marshal(); !errors.Is(err, ErrInvalidRoutes) {
		t.Errorf("error %v, want one that wraps ErrInvalidRoutes", err)
	}
}

func TestDefaultRoutes_AreValid(t *testing.T) {
	d := DefaultRoutes()
	if err := d.Validate(); err != nil {
		t.Fatal(err)
	}
	d.Routes[0].Service = "changed"
	if DefaultRoutes().Routes[0].Service != "echo" {
		t.Error("the documents share their routes")
	}
}

func TestRoutes_ValidateOfNil(t *testing.T) {
	if err := (*Routes)(nil).Validate(); !errors.Is(err, ErrInvalidRoutes) {
		t.Errorf("error %v", err)
	}
}

func TestDuration_Text(t *testing.T) {
	for d, want := range map[time.Duration]string{2 * time.Second: "2s", 5 * time.Minute: "5m", 90 * time.Second: "1m30s", 150 * time.Millisecond: "150ms", time.Hour: "1h", 0: "0s"} {
		if got := Duration(d).String(); got != want {
			t.Errorf("%d: %q, want %q", d, got, want)
		}
		var back Duration
		if err := back.UnmarshalJSON([]byte(`"` + want + `"`)); err != nil || back.Std() != d {
			t.Errorf("%q: back %v, %v", want, back, err)
		}
	}
	for _, bad := range []string{`1`, `"1"`, `"x"`, `null `} {
		var d Duration
		if err := d.UnmarshalJSON([]byte(bad)); err == nil && bad != "null " {
			t.Errorf("%s: no error", bad)
		}
	}
}

func FuzzParseRoutes(f *testing.F) {
	for _, s := range []string{sampleJSON, sampleYAML, sample2, route(`"match":{"path":"/a"},"service":"w"`), "a: &a [*a]", "{", "version: 1\nroutes:\n- ", "? a\n: b", "\x00", "!!binary x", "<<: {a: b}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, err := ParseRoutes(data)
		if err != nil {
			if !errors.Is(err, ErrInvalidRoutes) {
				t.Fatalf("error %v doesn't wrap ErrInvalidRoutes", err)
			}
			return
		}
		// What is accepted can be written, read again as the same, and used.
		b, err := doc.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseRoutes(b)
		if err != nil {
			t.Fatalf("%v\n%s", err, b)
		}
		if d := cmp.Diff(doc, again); d != "" {
			t.Fatal(d)
		}
		r := doc.Compile()
		for i := range r.Routes() {
			m := r.Routes()[i].Match
			method := "GET"
			if len(m.Methods) > 0 {
				method = m.Methods[0]
			}
			host := strings.Replace(m.Host, "*", "x", 1)
			if got, res := r.Match([]byte(method), []byte(host), []byte(m.Path+m.Prefix)); res != Found {
				t.Fatalf("%v doesn't match itself: %v, %v", m, got, res)
			}
		}
	})
}
