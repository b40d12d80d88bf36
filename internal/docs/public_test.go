package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// public are the packages that a backend elsewhere imports, and what may be named there of others
// nevertheless.
var public = map[string][]string{
	"etcd":     nil,
	"handlers": nil,
	// Flags are embedded by nanofront's own programs alone; others call Main or MainRole.
	"handlers/program": {"Flags"},
	"httpmsg":          nil,
	"metrics":          nil,
	"nanobus":          nil,
	"nanobus/body":     nil,
	// What a link shares with others is made by nanobus alone.
	"nanobus/link":    {"Node", "Reporter"},
	"nanobus/wire":    nil,
	"registry":        nil,
	"registry/static": nil,
}

// Whoever imports a package can name all that it takes and gives, and "go doc" shows what it is: an
// alias says so itself, and what it stands for is in another of these packages.
func TestPublic_NothingLeaks(t *testing.T) {
	for pkg, except := range public {
		files, err := filepath.Glob(filepath.Join(root, pkg, "*.go"))
		if err != nil || len(files) == 0 {
			t.Errorf("%s: no files (%v)", pkg, err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			for _, leak := range leaks(f) {
				if what, _, _ := strings.Cut(leak, " "); !slices.Contains(except, what) {
					t.Errorf("%s: %s", name, leak)
				}
			}
		}
	}
}

// leaks are the exported names of a file that nobody outside can make sense of.
func leaks(f *ast.File) (found []string) {
	hidden := map[string]bool{} // names of imported packages that are internal
	shown := map[string]bool{}  // and of those that are public
	for _, i := range f.Imports {
		imported, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			continue
		}
		name := path.Base(imported)
		if i.Name != nil {
			name = i.Name.Name
		}
		_, inModule, _ := strings.Cut(imported, "/")
		_, shown[name] = public[inModule]
		hidden[name] = slices.Contains(strings.Split(imported, "/"), "internal")
	}
	explained := func(d *ast.GenDecl, s *ast.TypeSpec) bool {
		of, ok := s.Type.(*ast.SelectorExpr)
		if !ok || d.Doc == nil && s.Doc == nil {
			return false
		}
		x, ok := of.X.(*ast.Ident)
		return ok && shown[x.Name]
	}
	look := func(name string, n ast.Node) {
		ast.Inspect(n, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := sel.X.(*ast.Ident); ok && hidden[x.Name] {
					found = append(found, name+" names "+x.Name+"."+sel.Sel.Name+", which is internal")
				}
			}
			return true
		})
	}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && (d.Recv == nil || exportedReceiver(d.Recv)) {
				look(d.Name.Name, d.Type)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.TypeSpec:
					if !s.Name.IsExported() {
						continue
					}
					if s.Assign.IsValid() && !explained(d, s) {
						found = append(found, s.Name.Name+" is an alias: go doc doesn't show what it is")
					}
					if st, ok := s.Type.(*ast.StructType); ok {
						for _, field := range st.Fields.List {
							if len(field.Names) == 0 || slices.ContainsFunc(field.Names, (*ast.Ident).IsExported) {
								look(s.Name.Name, field.Type)
							}
						}
						continue
					}
					look(s.Name.Name, s.Type)
				case *ast.ValueSpec:
					if s.Type != nil && slices.ContainsFunc(s.Names, (*ast.Ident).IsExported) {
						look(s.Names[0].Name, s.Type)
					}
				}
			}
		}
	}
	return found
}

func exportedReceiver(recv *ast.FieldList) bool {
	x := recv.List[0].Type
	if star, ok := x.(*ast.StarExpr); ok {
		x = star.X
	}
	id, ok := x.(*ast.Ident)
	return ok && id.IsExported()
}

func TestPublic_FindsWhatLeaks(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "", `package p
import ("m/internal/a"; b "m/internal/x"; "m/c"; "m/nanobus/wire")
type T = c.T
type Silent = wire.Code
// Said is one.
type Said = wire.Code
type S struct { F a.T; hidden a.T; b.E }
type hidden struct { F a.T }
type I interface { M(*b.T) }
func F(map[string]a.T) { var _ b.T }
func (s *S) Method() []b.T { return nil }
func (s *hidden) Method() []b.T { return nil }
func unexported(a.T) {}
var V *a.T
func Fine(c.T) { var _ a.T }
`, parser.SkipObjectResolution|parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, l := range leaks(f) {
		name, _, _ := strings.Cut(l, " ")
		names = append(names, name)
	}
	if got, want := strings.Join(names, " "), "T Silent S S I F Method V"; got != want {
		t.Errorf("leaks %q, want %q", got, want)
	}
}
