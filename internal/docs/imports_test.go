package docs

import (
	"strings"
	"testing"
)

// rules say who may not import what: no package in or below from may import,
// by itself, anything in or below what, unless either is in or below one of
// except.
var rules = []struct {
	from, what string
	except     []string
	why        string
}{
	{"nanofront/terminator", "nanofront/handlers", nil, "front and backends know each other by the bus alone"},
	{"nanofront/handlers", "nanofront/terminator", nil, "front and backends know each other by the bus alone"},
	{"nanofront/nanobus", "nanofront/terminator", nil, "the bus is below its users"},
	{"nanofront/nanobus", "nanofront/handlers", nil, "the bus is below its users"},
	{"nanofront/nanobus", "nanofront/etcd", nil, "who is alive is told to the bus; it doesn't ask"},
	{"nanofront/nanobus", "nanofront/bench", nil, "the bus is below its users"},
	{"nanofront/terminator", "nanofront/etcd", nil, "discovery is an interface that the terminator declares"},
	{"nanofront/handlers", "nanofront/etcd", nil, "discovery is an interface that handlers declare"},
	{"nanofront/etcd", "nanofront/nanobus", nil, "discovery knows nothing of the bus"},
	{"nanofront/etcd", "nanofront/terminator", nil, "discovery knows none of its users"},
	{"nanofront/etcd", "nanofront/handlers", nil, "discovery knows none of its users"},
	{"nanofront", "go.nanomsg.org/mangos", []string{"nanofront/nanobus"}, "only nanobus knows mangos"},
	{"nanofront", "go.etcd.io", []string{"nanofront/etcd"}, "only etcd knows etcd"},
	{"nanofront", "go.etcd.io/etcd/server", []string{"nanofront/etcd/embedded"}, "the server is in the operator's tool alone"},
	{"nanofront", "github.com/valyala/fasthttp", []string{"nanofront/bench/peers"}, "a peer of the benchmark; the front reads HTTP itself"},
	{"nanofront/bench", "nanofront/terminator", nil, "the benchmark reaches the system from outside"},
	{"nanofront/bench", "nanofront/nanobus", nil, "the benchmark reaches the system from outside"},
	{"nanofront/bench", "nanofront/handlers", nil, "the benchmark reaches the system from outside"},
	{"nanofront/bench", "nanofront/etcd", nil, "the benchmark reaches the system from outside"},
	{"nanofront/terminator", "nanofront/bench", nil, "what is measured knows nothing of it"},
	{"nanofront/handlers", "nanofront/bench", nil, "what is measured knows nothing of it"},
	{"nanofront", "nanofront/cmd", nil, "programs are glue; nothing imports them"},
	{"nanofront", "nanofront/internal/testutil", nil, "test helpers stay in tests"},
	{"nanofront", "nanofront/terminator/http1/http1test", nil, "test helpers stay in tests"},
	{"nanofront/terminator/http1", "nanofront/terminator", nil, "the grammar knows nothing of who reads it"},
	{"nanofront/terminator/http1", "io", nil, "the grammar does no I/O"},
	{"nanofront/terminator/http1", "os", nil, "the grammar does no I/O"},
	{"nanofront/internal/uri", "nanofront", nil, "it is below all others"},
	{"nanofront/internal/unixpath", "nanofront", nil, "it is below all others"},
	{"nanofront/registry", "nanofront", []string{"nanofront/internal/uri", "nanofront/internal/unixpath", "nanofront/registry/static"}, "registry is data, and nothing else"},
	{"nanofront/httpmsg", "nanofront", nil, "a payload knows nothing of who sends it"},
}

// inOrBelow reports whether a package is a path or below it.
func inOrBelow(pkg, path string) bool {
	return pkg == path || strings.HasPrefix(pkg, path+"/")
}

// Only what is compiled into programs is bound by the rules; tests may import
// what they need to play the other side.
func TestImports_KeepToTheRules(t *testing.T) {
	out, err := output(t, root, nil, "go", "list", "-f", "{{.ImportPath}}:{{range .Imports}} {{.}}{{end}}", "./...")
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	seen := 0
	for line := range strings.Lines(out) {
		pkg, imports, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok {
			t.Fatalf("go list printed %q", line)
		}
		seen++
		for imported := range strings.FieldsSeq(imports) {
			for _, v := range violations(pkg, imported) {
				t.Errorf("%s imports %s: %s", pkg, imported, v)
			}
		}
	}
	if seen < 15 {
		t.Errorf("looked at %d packages only", seen)
	}
}

func violations(pkg, imported string) []string {
	var why []string
rules:
	for _, r := range rules {
		if !inOrBelow(pkg, r.from) || !inOrBelow(imported, r.what) {
			continue
		}
		for _, e := range r.except {
			if inOrBelow(pkg, e) || inOrBelow(imported, e) {
				continue rules
			}
		}
		if r.from != "nanofront" && inOrBelow(imported, r.from) {
			continue // its own neighbours
		}
		why = append(why, r.why)
	}
	return why
}

func TestImports_RulesFindWhatTheyForbid(t *testing.T) {
	for _, c := range []struct {
		pkg, imported string
		want          bool
	}{
		{"nanofront/terminator", "nanofront/handlers/web", true},
		{"nanofront/handlers/web", "nanofront/terminator", true},
		{"nanofront/handlers/web", "nanofront/handlers", false},
		{"nanofront/nanobus", "go.nanomsg.org/mangos/v3/protocol", false},
		{"nanofront/handlers", "go.nanomsg.org/mangos/v3", true},
		{"nanofront/etcd", "go.etcd.io/etcd/client/v3", false},
		{"nanofront/etcd", "go.etcd.io/etcd/server/v3/embed", true},
		{"nanofront/etcd/embedded", "go.etcd.io/etcd/server/v3/embed", false},
		{"nanofront/cmd/nanofront", "nanofront/etcd", false},
		{"nanofront/internal/docs", "nanofront/cmd/nanofront", true},
		{"nanofront/registry", "nanofront/nanobus", true},
		{"nanofront/registry", "nanofront/internal/uri", false},
		{"nanofront/registry/static", "nanofront/registry", false},
		{"nanofront/terminator/http1", "nanofront/terminator/forwarded", true},
		{"nanofront/terminator/http1", "nanofront/internal/uri", false},
		{"nanofront/terminator/forwarded", "nanofront/terminator/http1", false},
	} {
		if got := len(violations(c.pkg, c.imported)) > 0; got != c.want {
			t.Errorf("%s imports %s: forbidden %v, want %v", c.pkg, c.imported, got, c.want)
		}
	}
}

// What a program links is more than what it imports.
func TestImports_ProgramsLinkOnlyWhatTheyNeed(t *testing.T) {
	for program, without := range map[string][]string{
		"terminator": {"go.etcd.io/etcd/server", "github.com/cockroachdb/pebble", "nanofront/handlers"},
		"handler":    {"go.etcd.io/etcd/server", "github.com/valyala/fasthttp", "nanofront/terminator"},
		"nanofront":  {"github.com/valyala/fasthttp", "github.com/cockroachdb/pebble"},
		"bench":      {"go.etcd.io/etcd", "github.com/cockroachdb/pebble", "nanofront/terminator", "nanofront/handlers", "nanofront/nanobus"},
	} {
		out, err := output(t, root, nil, "go", "list", "-deps", "./cmd/"+program)
		if err != nil {
			t.Fatalf("go list: %v\n%s", err, out)
		}
		for pkg := range strings.FieldsSeq(out) {
			for _, w := range without {
				if inOrBelow(pkg, w) {
					t.Errorf("%s links %s", program, pkg)
				}
			}
		}
	}
}
