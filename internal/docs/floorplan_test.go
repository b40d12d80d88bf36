package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

const (
	mostLines   = 3000 // of a package, without its tests
	mostMethods = 25   // of a type
)

// exceptions are the packages and types that are larger, and why. A name that needs no
// exception any more fails the test: the list only shrinks.
var exceptions = map[string]string{
	"bench/load.worker":            "one thread's connections, plan and books",
	"etcd.Client":                  "watches, registrations and routes by one session",
	"terminator/blocking.conn":     "one connection's reader, writer and states",
	"terminator/eventloop.conn":    "one connection's reader, writer and states",
	"terminator/exchange.Exchange": "each step of a request is a method of it",
	"terminator/http1.Scanner":     "one grammar, a method for each rule",
}

// TestFloorPlan: no package and no type grows so large that nobody sees the whole of it.
func TestFloorPlan(t *testing.T) {
	lines, methods := sizes(t)
	if len(lines) < 20 || len(methods) < 100 {
		t.Fatalf("only %d packages with %d types were found", len(lines), len(methods))
	}
	needed := map[string]bool{}
	for pkg, n := range lines {
		if n <= mostLines {
			continue
		}
		needed[pkg] = true
		if exceptions[pkg] == "" {
			t.Errorf("package %s has %d lines without its tests, at most %d are allowed: part it", pkg, n, mostLines)
		}
	}
	for name, set := range methods {
		if len(set) <= mostMethods {
			continue
		}
		needed[name] = true
		if exceptions[name] == "" {
			t.Errorf("type %s has %d methods, at most %d are allowed: part it", name, len(set), mostMethods)
		}
	}
	for name := range exceptions {
		if !needed[name] {
			t.Errorf("%s is small enough, or gone: take it off the list of exceptions", name)
		}
	}
}

// sizes are the lines of each package and the methods of each type "package.Type", tests left
// out. What is there once for each system counts once as a method, and always as lines.
func sizes(t *testing.T) (lines map[string]int, methods map[string]map[string]bool) {
	t.Helper()
	lines, methods = map[string]int{}, map[string]map[string]bool{}
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			if name != "." && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".")) {
				return fs.SkipDir
			}
			return nil
		case !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		src, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		pkg := path.Dir(name)
		lines[pkg] += strings.Count(string(src), "\n")
		f, err := parser.ParseFile(token.NewFileSet(), name, src, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range f.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Recv == nil {
				continue
			}
			receiver := pkg + "." + typeName(fn.Recv.List[0].Type)
			if methods[receiver] == nil {
				methods[receiver] = map[string]bool{}
			}
			methods[receiver][fn.Name.Name] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines, methods
}

// typeName is the name of a receiver's type.
func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.IndexExpr:
		return typeName(e.X)
	case *ast.IndexListExpr:
		return typeName(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}
