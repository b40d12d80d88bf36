package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nanofront/internal/registry"
)

// flagHelp is what --help says of one flag.
type flagHelp struct {
	name, placeholder, text, def, env string
}

var (
	flagPattern  = regexp.MustCompile(`^ +(?:-\w, )?--([a-z-]+)(?:=(\S+))?(?:\s+(.*))?$`)
	extraPattern = regexp.MustCompile(`\s*\((?:default: (.*?))?(?:, )?(?:\$(NANOFRONT_\w+))?\)\.?$`)
)

// flagsOf reads a program's --help.
func flagsOf(t *testing.T, command string) []flagHelp {
	t.Helper()
	words := strings.Fields(command)
	args := append(words[1:], "--help")
	out, err := output(t, t.TempDir(), nil, filepath.Join(programs(t), words[0]), args...)
	if err != nil {
		t.Fatalf("%s --help: %v\n%s", command, err, out)
	}
	_, list, ok := strings.Cut(out, "\nFlags:\n")
	if !ok {
		t.Fatalf("%s --help: no flags in\n%s", command, out)
	}
	list, _, _ = strings.Cut(list, "\nCommands:\n")
	var flags []flagHelp
	for line := range strings.Lines(list) {
		line = strings.TrimRight(line, "\n")
		if m := flagPattern.FindStringSubmatch(line); m != nil {
			flags = append(flags, flagHelp{name: m[1], placeholder: m[2], text: m[3]})
		} else if text := strings.TrimSpace(line); text != "" && len(flags) > 0 {
			last := &flags[len(flags)-1]
			last.text = strings.TrimSpace(last.text + " " + text)
		}
	}
	kept := flags[:0]
	for _, f := range flags {
		if f.name == "help" || f.name == "version" && f.placeholder == "" {
			continue
		}
		m := extraPattern.FindStringSubmatchIndex(f.text)
		if m == nil {
			t.Fatalf("%s --%s: %q doesn't end with its environment variable", command, f.name, f.text)
		}
		if m[2] >= 0 {
			f.def = f.text[m[2]:m[3]]
		}
		f.env = f.text[m[4]:m[5]]
		f.text = f.text[:m[0]]
		if want := "NANOFRONT_" + strings.ToUpper(strings.ReplaceAll(f.name, "-", "_")); f.env != want {
			t.Errorf("%s --%s: environment variable %s, the document says %s", command, f.name, f.env, want)
		}
		kept = append(kept, f)
	}
	if len(kept) == 0 {
		t.Fatalf("%s --help: no flags read from\n%s", command, out)
	}
	return kept
}

func (f flagHelp) row() string {
	name := "--" + f.name
	if f.placeholder != "" {
		name += " " + f.placeholder
	}
	def := f.def
	if def != "" && !strings.HasPrefix(def, "`") {
		def = "`" + def + "`"
	}
	return fmt.Sprintf("| `%s` | %s | %s |\n", name, def, strings.TrimSuffix(f.text, "."))
}

// flagTables returns the flag tables of the document by the name in their marker.
func flagTables(t *testing.T) map[string]string {
	t.Helper()
	all := map[string][]flagHelp{}
	for _, c := range []string{
		"terminator", "handler", "nanofront up", "nanofront etcd", "nanofront status", "nanofront routes get", "nanofront routes apply",
		"nanofront bus tap", "nanofront bus call",
	} {
		all[c] = flagsOf(t, c)
	}
	// What terminator and handler have in common is described once; defaults
	// that differ are both named.
	var common []flagHelp
	for _, f := range all["terminator"] {
		i := slices.IndexFunc(all["handler"], func(g flagHelp) bool { return g.name == f.name && g.text == f.text })
		if i < 0 {
			continue
		}
		if other := all["handler"][i].def; other != f.def {
			f.def = fmt.Sprintf("`%s`, handler `%s`", f.def, other)
		}
		common = append(common, f)
	}
	tables := make(map[string]string)
	write := func(name string, flags []flagHelp, without []flagHelp) {
		var b strings.Builder
		b.WriteString("| flag | default | |\n| --- | --- | --- |\n")
		for _, f := range flags {
			if !slices.ContainsFunc(without, func(g flagHelp) bool { return g.name == f.name && g.text == f.text }) {
				b.WriteString(f.row())
			}
		}
		tables[name] = b.String()
	}
	write("common", common, nil)
	for name, flags := range all {
		if name == "nanofront up" { // complete: it has few of the common ones
			write(name, flags, nil)
			continue
		}
		write(name, flags, common)
	}
	return tables
}

func TestOperations_FlagTablesAreWhatHelpSays(t *testing.T) {
	const name = "docs/operations.md"
	doc := read(t, name)
	updated := doc
	for marker, table := range flagTables(t) {
		begin := "<!-- flags " + marker + " -->\n"
		before, rest, ok := strings.Cut(updated, begin)
		if !ok {
			t.Errorf("%s has no table of the flags of %s", name, marker)
			continue
		}
		got, after, ok := strings.Cut(rest, "<!-- end -->")
		if !ok {
			t.Fatalf("%s: the table after %q has no end", name, begin)
		}
		if d := cmp.Diff(table, got); d != "" && !*update {
			t.Errorf("flags of %s: -program +document (go test ./internal/docs -update writes the tables anew)\n%s", marker, d)
		}
		updated = before + begin + table + "<!-- end -->" + after
	}
	if *update && updated != doc {
		if err := os.WriteFile(filepath.Join(root, name), []byte(updated), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOperations_RoutesExampleIsValid(t *testing.T) {
	seen := 0
	for _, b := range blocks(read(t, "docs/operations.md")) {
		if b.info != "yaml" {
			continue
		}
		seen++
		if _, err := registry.ParseRoutes([]byte(b.text)); err != nil {
			t.Errorf("line %d: %v", b.line, err)
		}
	}
	if seen == 0 {
		t.Error("no routes document found")
	}
}
