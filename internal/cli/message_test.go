package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func said(name string, err error) string {
	var out bytes.Buffer
	p := process{name: name, std: IO{Out: &out, Err: &out}}
	p.run(func(context.Context, []string, IO) error { return err })
	return out.String()
}

func TestMessage_NoNamesOfPackages(t *testing.T) {
	for text, want := range map[string]string{
		"registry: invalid routes document: version: missing":      "prog: invalid routes document: version: missing\n",
		"a.yaml: registry: invalid routes document: x":             "prog: a.yaml: invalid routes document: x\n",
		"static: bad table file: --static: t: registry: x":         "prog: bad table file: --static: t: x\n",
		"nanobus: terminator: x (metrics: y)":                      "prog: x (y)\n",
		"etcd: unreachable":                                        "prog: etcd: unreachable\n",
		`--instance: "load: x" is not a name`:                      "prog: --instance: \"load: x\" is not a name\n",
		"etcd: invalid options: Options.Prefix (--etcd-prefix): x": "prog: --etcd-prefix: x\n",
		"etcd: give Options.Username and Password (--a, --b)":      "prog: etcd: give --a, --b\n",
		"metrics: invalid StatsD options: --statsd: x":             "prog: --statsd: x\n",
		"prog: said already":                                       "prog: said already\n",
	} {
		if got := said("prog", errors.New(text)); got != want {
			t.Errorf("%q is said as %q, want %q", text, got, want)
		}
	}
}

func TestMessage_NoNameOfTheRole(t *testing.T) {
	var out bytes.Buffer
	p := process{name: "handler", std: IO{Out: &out, Err: &out}}
	p.run(func(_ context.Context, _ []string, std IO) error {
		var g struct {
			Profile struct{} `cmd:""`
		}
		if _, err := Parse(Program{Name: "handler"}, &g, []string{"profile"}, std); err != nil {
			return err
		}
		return errors.New("profile: data is in use")
	})
	if got := out.String(); got != "handler: data is in use\n" {
		t.Errorf("said %q", got)
	}
}

// Whatever package there is, a message that begins with its name loses it.
func TestMessage_KnowsAllPackages(t *testing.T) {
	telling := []string{"main", "etcd", "echo", "ledger", "profile", "web", "wire", "cli"}
	sentinel := regexp.MustCompile(`(?:errors\.New|Errorf)\("([a-z0-9]+): `)
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, source, parser.PackageClauseOnly)
		if err != nil {
			return err
		}
		pkg := file.Name.Name
		for _, m := range sentinel.FindAllSubmatch(source, -1) {
			if name := string(m[1]); name == pkg && !slices.Contains(telling, pkg) && said("prog", fmt.Errorf("%s: x", name)) != "prog: x\n" {
				t.Errorf("%s: an error begins with %q: add it to packages in message.go", path, name+": ")
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// document is an error about several mistakes.
type document []string

func (d document) Error() string      { return "invalid: " + strings.Join(d, "\n") }
func (d document) Mistakes() []string { return d }

func TestMessage_AMistakeALine(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("a.yaml: %w", document{"line 1: x", "line 2: y"}), "prog: a.yaml: 2 mistakes\n  line 1: x\n  line 2: y\n"},
		{fmt.Errorf("a.yaml: %w", document{"line 1: x"}), "prog: a.yaml: invalid: line 1: x\n"},
		{Usagef("--routes: %w", document{"x", "y"}), "prog: --routes: 2 mistakes\n  x\n  y\nrun prog --help\n"},
		{errors.Join(errors.New("one"), errors.New("two")), "prog: one; two\n"},
	} {
		if got := said("prog", tc.err); got != tc.want {
			t.Errorf("%v is said as %q, want %q", tc.err, got, tc.want)
		}
	}
}
