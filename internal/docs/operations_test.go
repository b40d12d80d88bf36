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

	"nanofront/registry"
	"nanofront/terminator/http1"
)

// flagHelp is what --help says of one flag.
type flagHelp struct {
	name, placeholder, text, def string
}

var (
	sectionPattern = regexp.MustCompile(`^[A-Z].*:$`)
	flagPattern    = regexp.MustCompile(`^ {2,6}(?:-\w, )?--([a-z-]+)(?:=(\S+))?(?:\s+(.*))?$`)
	defaultPattern = regexp.MustCompile(`\s*\(default: (.*)\)$`)
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
	var flags []flagHelp
	section := ""
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\n")
		m := flagPattern.FindStringSubmatch(line)
		switch {
		case sectionPattern.MatchString(line):
			section = line
		case section == "" || section == "Commands:" || section == "Arguments:" || section == "General:":
		case m != nil:
			flags = append(flags, flagHelp{name: m[1], placeholder: m[2], text: m[3]})
		case len(flags) > 0 && strings.HasPrefix(line, " "):
			last := &flags[len(flags)-1]
			last.text = strings.TrimSpace(last.text + " " + strings.TrimSpace(line))
		}
	}
	kept := flags[:0]
	for _, f := range flags {
		if m := defaultPattern.FindStringSubmatchIndex(f.text); m != nil {
			f.def = f.text[m[2]:m[3]]
			f.text = f.text[:m[0]]
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

// same tells whether two flags are described in the same words.
func (f flagHelp) same(g flagHelp) bool { return f.name == g.name && f.text == g.text }

// shared are the flags that are in both lists. Where the second, which is called
// so, has another default, both are named.
func shared(a, b []flagHelp, called string) []flagHelp {
	var both []flagHelp
	for _, f := range a {
		i := slices.IndexFunc(b, f.same)
		if i < 0 {
			continue
		}
		if b[i].def != f.def {
			f.def = fmt.Sprintf("`%s`, %s `%s`", f.def, called, b[i].def)
		}
		both = append(both, f)
	}
	return both
}

// flagTables returns the flag tables of the document by the name in their marker.
func flagTables(t *testing.T) map[string]string {
	t.Helper()
	all := map[string][]flagHelp{}
	for _, c := range []string{
		"terminator", "handler echo", "handler profile", "handler web", "nanofront up", "nanofront etcd", "nanofront status",
		"nanofront routes get", "nanofront routes apply", "nanofront bus tap", "nanofront bus call",
	} {
		all[c] = flagsOf(t, c)
	}
	// What terminator and handler have in common, and what the roles have, is
	// described once; defaults that differ are named all.
	all["handler"] = shared(all["handler echo"], all["handler profile"], "profile")
	common := shared(all["terminator"], all["handler"], "handler")
	for _, f := range all["handler web"] {
		if !slices.ContainsFunc(all["handler"], f.same) {
			t.Errorf("handler web has a flag --%s of its own: give it a table", f.name)
		}
	}
	tables := make(map[string]string)
	write := func(name string, flags []flagHelp, without []flagHelp) {
		var b strings.Builder
		b.WriteString("| flag | default | |\n| --- | --- | --- |\n")
		for _, f := range flags {
			if !slices.ContainsFunc(without, f.same) {
				b.WriteString(f.row())
			}
		}
		tables[name] = b.String()
	}
	write("common", common, nil)
	for name, flags := range all {
		switch name {
		case "nanofront up": // complete: it has few of the common ones
			write(name, flags, nil)
		case "handler profile":
			write(name, flags, all["handler"])
		case "handler echo", "handler web":
		default:
			write(name, flags, common)
		}
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

// TestOperations_RefusedThoughValid holds the table of what is refused though HTTP allows it to what the scanner does.
func TestOperations_RefusedThoughValid(t *testing.T) {
	_, text, ok := strings.Cut(read(t, "docs/operations.md"), "Some of what HTTP allows is refused all the same.")
	text, _, _ = strings.Cut(text, "\n#")
	if !ok {
		t.Fatal("the table isn't there")
	}
	get := func(line, fields string) string { return line + "\r\n" + fields + "\r\n" }
	chunked := get("POST / HTTP/1.1", "Host: a\r\nTransfer-Encoding: chunked\r\n")
	cases := map[string][]string{ // by what stands in the row
		"`HTTP/1.2` and above":         {get("GET / HTTP/1.2", "Host: a\r\n"), get("GET / HTTP/2.0", "Host: a\r\n")},
		"`Content-Length: 5, 5`":       {get("POST / HTTP/1.1", "Host: a\r\nContent-Length: 5, 5\r\n"), get("POST / HTTP/1.1", "Host: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n")},
		"`Content-Length: 005`":        {get("POST / HTTP/1.1", "Host: a\r\nContent-Length: 005\r\n")},
		"`000000005`":                  {chunked + "000000005\r\nabcde\r\n0\r\n\r\n"},
		"Host differing":               {get("GET http://b/ HTTP/1.1", "Host: a\r\n")},
		"`Host: user@host`":            {get("GET / HTTP/1.1", "Host: user@host\r\n"), get("GET / HTTP/1.1", "Host: %41\r\n"), get("GET / HTTP/1.1", "Host: a,b\r\n")},
		"`Transfer-Encoding: gzip,":    {get("POST / HTTP/1.1", "Host: a\r\nTransfer-Encoding: gzip, chunked\r\n")},
		"ends with LF alone":           {"GET / HTTP/1.1\nHost: a\n\n"},
		"an empty line before":         {"\r\n\r\n" + get("GET / HTTP/1.1", "Host: a\r\n")},
		"`Content_Length`":             {get("POST / HTTP/1.1", "Host: a\r\nContent_Length: 5\r\n"), get("POST / HTTP/1.1", "Host: a\r\nTransfer.Encoding: chunked\r\n")},
		"CONNECT, TRACE":               {get("TRACE / HTTP/1.1", "Host: a\r\n"), get("CONNECT a:80 HTTP/1.1", "Host: a:80\r\n")},
		"`Expect` other":               {get("POST / HTTP/1.1", "Host: a\r\nExpect: tea\r\n")},
		"closes its sending side | no": nil, // not the scanner's
	}
	rows := 0
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| what") || strings.HasPrefix(line, "| ---") {
			continue
		}
		rows++
		found := false
		for what, requests := range cases {
			if !strings.Contains(line, what) {
				continue
			}
			found = true
			for _, raw := range requests {
				var s http1.Scanner
				s.Init(&http1.Limits{Head: 16 << 10, Fields: 100, Target: 8000, Body: 1 << 20})
				_, fault := s.ScanOne([]byte(raw))
				if status, reason := fault.Response(); fault == http1.OK || !strings.Contains(line, fmt.Sprintf("| %d |", status)) {
					t.Errorf("%q gets %d (%s); the document says %s", raw, status, reason, line)
				}
			}
		}
		if !found {
			t.Errorf("a row that is not under test: %s", line)
		}
	}
	if rows != len(cases) {
		t.Errorf("%d rows, want %d", rows, len(cases))
	}
}
