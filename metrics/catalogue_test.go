package metrics

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = ".." // of the repository

var nameRule = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.([a-z0-9_]+|<[a-z]+>))*$`)

func TestCatalogue_IsWellFormed(t *testing.T) {
	seen := make(map[string]bool)
	for _, d := range Catalogue() {
		if !nameRule.MatchString(d.Name) {
			t.Errorf("%q is not a name: %s", d.Name, nameRule)
		}
		for _, p := range d.Programs {
			if key := p + " " + d.Name; seen[key] {
				t.Errorf("%s is there twice for %s", d.Name, p)
			} else {
				seen[key] = true
			}
		}
		if len(d.Programs) == 0 || d.Unit == "" || d.Help == "" || strings.HasSuffix(d.Help, ".") || strings.Contains(d.Help, "|") {
			t.Errorf("%s: programs %q, unit %q, help %q: all must be there, the help without a full stop or a bar", d.Name, d.Programs, d.Unit, d.Help)
		}
	}
}

func TestSplitName(t *testing.T) {
	if got, names, err := splitName("a.<b>.c.<d>"); err != nil || strings.Join(got, "|") != "a.|.c.|" || strings.Join(names, "|") != "b|d" {
		t.Errorf("splitName = %q, %q, %v", got, names, err)
	}
	if _, _, err := splitName("a.<b"); err == nil {
		t.Error("an open placeholder is accepted")
	}
}

func TestDocument_IsUpToDate(t *testing.T) {
	var want bytes.Buffer
	if err := WriteDocument(&want); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(root, "docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Error("docs/metrics.md differs from the catalogue: run go generate ./metrics")
	}
}

// A metric that nobody counts is a promise that isn't kept.
func TestCatalogue_IsUsed(t *testing.T) {
	unused := catalogueVariables(t)
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := e.Name()
		if e.IsDir() {
			if path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules") {
				return filepath.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") && name != "catalogue.go" {
			for _, v := range references(t, path) {
				delete(unused, v)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for v := range unused {
		t.Errorf("metrics.%s is in the catalogue, but nothing counts it", v)
	}
}

// catalogueVariables is the names of the variables in catalogue.go that hold a metric.
func catalogueVariables(t *testing.T) map[string]bool {
	f, err := parser.ParseFile(token.NewFileSet(), "catalogue.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	vars := make(map[string]bool)
	for _, decl := range f.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.VAR {
			continue
		}
		for _, spec := range gen.Specs {
			for _, name := range spec.(*ast.ValueSpec).Names {
				if name.IsExported() {
					vars[name.Name] = true
				}
			}
		}
	}
	if len(vars) != len(Catalogue()) {
		t.Fatalf("catalogue.go has %d exported variables and %d metrics", len(vars), len(Catalogue()))
	}
	return vars
}

// references is what a Go file names of package metrics.
func references(t *testing.T, path string) []string {
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	inside := filepath.Dir(path) == filepath.Join(root, "metrics")
	pkg := ""
	for _, im := range f.Imports {
		if im.Path.Value == `"nanofront/metrics"` {
			pkg = "metrics"
			if im.Name != nil {
				pkg = im.Name.Name
			}
		}
	}
	var found []string
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && pkg != "" && x.Name == pkg {
				found = append(found, n.Sel.Name)
			}
		case *ast.Ident:
			if inside {
				found = append(found, n.Name)
			}
		}
		return true
	})
	return found
}
