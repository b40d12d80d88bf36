package docs

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "nanofront"

// inOrBelow reports whether a package is a path or below it.
func inOrBelow(pkg, path string) bool {
	return pkg == path || strings.HasPrefix(pkg, path+"/")
}

// arrows are all imports of the module's packages, tests left out, whatever system a file
// is for: names without the module's own.
func arrows(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	tree := os.DirFS(root)
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			if name == "." {
				return nil
			}
			_, err := fs.Stat(tree, path.Join(name, "go.mod"))
			if err == nil || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") {
				return fs.SkipDir // another module's, or nobody's
			}
			return nil
		case !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, filepath.FromSlash(name)), nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg := path.Dir(name)
		if found[pkg] == nil {
			found[pkg] = []string{} // one that imports nothing is there as well
		}
		for _, i := range f.Imports {
			imported, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			imported = strings.TrimPrefix(imported, module+"/")
			if !slices.Contains(found[pkg], imported) {
				found[pkg] = append(found[pkg], imported)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// forbidden says what of a package's imports the table doesn't allow.
func forbidden(pkg string, imports []string, internal func(string) bool) (faults []string) {
	const where = "internal/docs/imports_table_test.go"
	i := slices.IndexFunc(mayImport, func(r row) bool { return r.pkg == pkg })
	if i < 0 {
		return []string{fmt.Sprintf("%s has no row in mayImport, %s: add one that says what it may import", pkg, where)}
	}
	for _, imported := range imports {
		first, _, _ := strings.Cut(imported, "/")
		switch {
		case internal(imported):
			if !slices.Contains(strings.Fields(mayImport[i].may), imported) {
				faults = append(faults, fmt.Sprintf("%s imports %s, which its row in mayImport, %s, doesn't say", pkg, imported, where))
			}
		case strings.Contains(first, "."):
			if !slices.ContainsFunc(strings.Fields(mayImport[i].may), func(m string) bool { return inOrBelow(imported, m) }) {
				faults = append(faults, fmt.Sprintf("%s imports %s, which its row in mayImport, %s, doesn't say", pkg, imported, where))
			}
		default:
			for _, w := range withoutStandard {
				if w.pkg == pkg && slices.ContainsFunc(strings.Fields(w.may), func(m string) bool { return inOrBelow(imported, m) }) {
					faults = append(faults, fmt.Sprintf("%s imports %s: %s", pkg, imported, w.why))
				}
			}
		}
	}
	return faults
}

func TestImports_AreInTheTable(t *testing.T) {
	found := arrows(t)
	internal := func(pkg string) bool { return found[pkg] != nil }
	for pkg, imports := range found {
		for _, f := range forbidden(pkg, imports, internal) {
			t.Error(f)
		}
	}
	// A row for what isn't there would wait for whoever takes that name.
	for _, r := range mayImport {
		if found[r.pkg] == nil {
			t.Errorf("mayImport has a row for %s, which is no package", r.pkg)
		}
		for imported := range strings.FieldsSeq(r.may) {
			if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") && found[imported] == nil {
				t.Errorf("mayImport says that %s may import %s, which is no package", r.pkg, imported)
			}
		}
	}
}

// What the table may not be changed to say.
func TestImports_TableKeepsTheOrder(t *testing.T) {
	for _, c := range []struct {
		from, what string
		except     []string
	}{
		{"", "cmd", nil},
		{"", "internal/testutil", []string{"handlers/handlertest"}},
		{"", "handlers/handlertest", nil},
		{"", "terminator/http1/http1test", nil},
		{"", "bench/result/resulttest", nil},
		{"", "go.nanomsg.org/mangos", []string{"nanobus"}},
		{"", "go.etcd.io/etcd", []string{"etcd"}},
		{"", "go.etcd.io/etcd/server", []string{"etcd/embedded"}},
		{"", "github.com/valyala/fasthttp", []string{"bench/peers"}},
		{"terminator", "handlers", nil},
		{"terminator", "etcd", nil},
		{"handlers", "terminator", nil},
		{"handlers", "etcd", []string{"handlers/program"}}, // glue
		{"nanobus", "terminator", nil},
		{"nanobus", "handlers", nil},
		{"nanobus", "etcd", nil},
		{"etcd", "nanobus", nil},
		{"etcd", "terminator", nil},
		{"etcd", "handlers", nil},
		{"bench", "terminator", nil},
		{"bench", "nanobus", nil},
		{"bench", "handlers", nil},
		{"bench", "etcd", nil},
		{"registry", "internal/cli", nil},
		{"internal", "nanobus", nil},
		{"internal", "etcd", nil},
		{"internal", "handlers", nil},
		{"internal", "terminator", nil},
		{"internal", "httpmsg", nil},
		{"", "bench", []string{"bench", "cmd/bench"}},
	} {
		for _, r := range mayImport {
			if c.from != "" && !inOrBelow(r.pkg, c.from) || slices.ContainsFunc(c.except, func(e string) bool { return inOrBelow(r.pkg, e) }) {
				continue
			}
			for imported := range strings.FieldsSeq(r.may) {
				if inOrBelow(imported, c.what) && !inOrBelow(r.pkg, c.what) {
					t.Errorf("the table allows %s to import %s", r.pkg, imported)
				}
			}
		}
	}
}

func TestImports_WhatIsNotInTheTableIsForbidden(t *testing.T) {
	found := arrows(t)
	internal := func(pkg string) bool { return found[pkg] != nil }
	for _, c := range []struct {
		pkg, imported string
		want          bool
	}{
		{"terminator", "handlers/web", true},
		{"handlers/web", "terminator", true},
		{"handlers/web", "handlers", false},
		{"nanobus", "go.nanomsg.org/mangos/v3/protocol", false},
		{"handlers", "go.nanomsg.org/mangos/v3", true},
		{"etcd", "go.etcd.io/etcd/client/v3", false},
		{"etcd", "go.etcd.io/etcd/server/v3/embed", true},
		{"etcd/embedded", "go.etcd.io/etcd/server/v3/embed", false},
		{"internal/docs", "cmd/nanofront", true},
		{"cmd/terminator", "cmd/nanofront/up", true},
		{"registry", "nanobus", true},
		{"registry", "internal/uri", false},
		{"registry/static", "registry", false},
		{"terminator/http1", "terminator/forwarded", true},
		{"terminator/http1", "os/exec", true},
		{"terminator/http1", "bytes", false},
		{"terminator/forwarded", "terminator/http1", false},
		{"handlers", "toggles", true},
		{"newcomer", "bytes", true},
	} {
		if got := len(forbidden(c.pkg, []string{c.imported}, internal)) > 0; got != c.want {
			t.Errorf("%s imports %s: forbidden %v, want %v", c.pkg, c.imported, got, c.want)
		}
	}
}

// What a program links is more than what it imports.
func TestImports_ProgramsLinkOnlyWhatTheyNeed(t *testing.T) {
	for program, without := range map[string][]string{
		"terminator": {"go.etcd.io/etcd/server", "github.com/cockroachdb/pebble", "nanofront/handlers", "nanofront/toggles", "github.com/diegoholiveira/jsonlogic"},
		"handler":    {"go.etcd.io/etcd/server", "github.com/valyala/fasthttp", "nanofront/terminator", "github.com/open-feature/go-sdk"},
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
