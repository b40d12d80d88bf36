package handlers_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
)

// functions returns the source text of the named functions of a file.
func functions(t *testing.T, src string, names ...string) map[string]string {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "", src, parser.ParseComments)
	if err != nil {
		t.Fatalf("%v in:\n%s", err, src)
	}
	found := map[string]string{}
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok {
			for _, name := range names {
				if f.Name.Name == name {
					found[name] = src[set.Position(f.Pos()).Offset:set.Position(f.End()).Offset]
				}
			}
		}
	}
	return found
}

func TestDoc_ExampleIsTheOneThatRuns(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var program strings.Builder
	for line := range strings.Lines(string(doc)) {
		line, isCode := strings.CutPrefix(line, "//\t")
		switch {
		case isCode:
			program.WriteString(line)
		case program.Len() > 0:
			program.WriteString("\n")
		}
	}
	names := []string{"main", "greet"}
	want := functions(t, program.String(), names...)
	got := functions(t, string(example), names...)
	lines := 0
	for _, name := range names {
		if want[name] == "" || got[name] != want[name] {
			t.Errorf("%s in example_test.go differs from doc.go's.\ngot:\n%s\nwant:\n%s", name, got[name], want[name])
		}
		lines += strings.Count(want[name], "\n") + 1
	}
	if lines > 30 {
		t.Errorf("the example in doc.go has %d lines: want at most 30", lines)
	}
}
