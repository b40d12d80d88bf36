package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// declared are the methods, as "Type.Method", and the constants of the front, the bus and the
// runtime of handlers.
func declared(t *testing.T) (methods map[string]bool, constants map[string][]string) {
	t.Helper()
	methods, constants = make(map[string]bool), make(map[string][]string)
	for _, dir := range []string{"terminator", "nanobus", "handlers"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, decl := range file.Decls {
				switch decl := decl.(type) {
				case *ast.FuncDecl:
					if decl.Recv != nil {
						methods[receiver(decl)+"."+decl.Name.Name] = true
					}
				case *ast.GenDecl:
					if decl.Tok == token.CONST {
						group := constGroup(decl)
						constants[group[0]] = group
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return methods, constants
}

func receiver(f *ast.FuncDecl) string {
	of := f.Recv.List[0].Type
	if star, ok := of.(*ast.StarExpr); ok {
		of = star.X
	}
	if name, ok := of.(*ast.Ident); ok {
		return name.Name
	}
	return ""
}

func constGroup(decl *ast.GenDecl) []string {
	var names []string
	for _, spec := range decl.Specs {
		for _, name := range spec.(*ast.ValueSpec).Names {
			names = append(names, name.Name)
		}
	}
	return names
}

var (
	methodPattern = regexp.MustCompile(`\b[A-Za-z]+\.[A-Za-z]\w+\b`)
	arrowPattern  = regexp.MustCompile(`^\s*(\S+) --> (\S+?)(?::.*)?$`)
)

// The diagrams name only what exists, and every state.
func TestArchitecture_DiagramsNameTheCode(t *testing.T) {
	methods, constants := declared(t)
	var states [][]string
	sequences := 0
	for _, b := range blocks(read(t, "ARCHITECTURE.md")) {
		if b.info != "mermaid" {
			continue
		}
		for _, name := range methodPattern.FindAllString(b.text, -1) {
			if !methods[name] {
				t.Errorf("the diagram in line %d names %s, which is not a method of terminator, nanobus or handlers", b.line, name)
			}
		}
		if strings.HasPrefix(b.text, "sequenceDiagram\n") {
			sequences++
			continue
		}
		var seen []string
		for line := range strings.Lines(b.text) {
			if m := arrowPattern.FindStringSubmatch(strings.TrimSuffix(line, "\n")); m != nil {
				seen = append(seen, m[1], m[2])
			}
		}
		slices.Sort(seen)
		seen = slices.DeleteFunc(slices.Compact(seen), func(s string) bool { return s == "[*]" })
		states = append(states, seen)
	}
	if sequences != 1 || len(states) != 3 {
		t.Fatalf("%d sequences and %d diagrams of states, want 1 and 3", sequences, len(states))
	}
	for i, first := range []string{"stateIdle", "Idle", "Greeting"} {
		want := slices.DeleteFunc(slices.Clone(constants[first]), func(s string) bool { return s == "phases" }) // how many there are
		slices.Sort(want)
		if !slices.Equal(states[i], want) {
			t.Errorf("the diagram of states from %s has %q, the code %q", first, states[i], want)
		}
	}
}

func TestArchitecture_IsShort(t *testing.T) {
	text := read(t, "ARCHITECTURE.md")
	lines := strings.Count(text, "\n")
	for _, b := range blocks(text) {
		if b.info == "mermaid" {
			lines -= strings.Count(b.text, "\n") + 2
		}
	}
	if lines >= 150 {
		t.Errorf("%d lines without the diagrams, want less than 150: reasons belong in docs/decisions", lines)
	}
}

// Markdown is read in editors and in reviews, too. Tables, code and links can't be broken.
func TestDocuments_WrapAt100Columns(t *testing.T) {
	for _, name := range documents(t) {
		fenced := false
		for i, line := range strings.Split(read(t, name), "\n") {
			if strings.HasPrefix(line, "```") {
				fenced = !fenced
			}
			if fenced || strings.HasPrefix(line, "<!--") || strings.HasPrefix(line, "|") || strings.HasPrefix(line, "    ") || strings.Contains(line, "](") {
				continue
			}
			if n := len([]rune(line)); n > 100 {
				t.Errorf("%s line %d has %d columns, want 100 at most", name, i+1, n)
			}
		}
	}
}
