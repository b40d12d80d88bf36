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

func helpOf(t *testing.T, command string) string {
	t.Helper()
	words := strings.Fields(command)
	out, err := output(t, t.TempDir(), nil, filepath.Join(programs(t), words[0]), append(words[1:], "--help")...)
	if err != nil {
		t.Fatalf("%s --help: %v\n%s", command, err, out)
	}
	return out
}

// flagsOf reads the flags in a command's --help.
func flagsOf(t *testing.T, command string) []flagHelp {
	t.Helper()
	out := helpOf(t, command)
	var flags []flagHelp
	section := ""
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\n")
		m := flagPattern.FindStringSubmatch(line)
		switch {
		case sectionPattern.MatchString(line):
			section = line
		case section == "" || section == "Commands:" || section == "Arguments:" || section == "General:" || section == "Examples:":
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
	if len(kept) == 0 && strings.Contains(out, "\nFlags:\n") {
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

// covers tells whether f, which may name several defaults, says all of g.
func (f flagHelp) covers(g flagHelp) bool {
	return f.same(g) && (f.def == g.def || g.def != "" && strings.Contains(f.def, "`"+g.def+"`"))
}

// shared are the flags that are in both lists. Where the second, which is called so, has another default, both are
// named.
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

const referenceHead = `# Reference of commands and flags

<!-- Generated from what --help prints by "go generate ./internal/docs". Do not edit. -->

Each flag ` + "`--some-flag` is also the environment variable `NANOFRONT_SOME_FLAG`" + `; the command line
wins. Durations are written ` + "`150ms`, `2s`, `1m`. `--help`" + ` prints the same, the flags of the command
itself first. A program that needs a command prints its usage without one.

` + "`nanofront completion bash`, `zsh` or `fish`" + ` prints what a shell needs to complete the commands,
flags and values of all four programs:

    source <(bin/nanofront completion bash)      # bash; in zsh likewise, after compinit
    bin/nanofront completion fish | source       # fish

All programs exit with 0 after a clean shutdown or a command that succeeded, 1 if they failed, and 2
if the command line or the environment is wrong. A line on standard error then says what is wrong
and what to do.
`

var (
	commandPattern = regexp.MustCompile(`^  ([a-z]+(?: [a-z]+)*)  +\S`)
	purposePattern = regexp.MustCompile(`(?s)^Usage: ([^\n]*(?:\n [^\n]*)*)\n\n(.*?)\n(?:\n[A-Z][A-Za-z ]*:\n|$)`)
)

// commandsOf are a program's commands.
func commandsOf(t *testing.T, program string) []string {
	t.Helper()
	_, list, _ := strings.Cut(helpOf(t, program), "\nCommands:\n")
	list, _, _ = strings.Cut(list, "\n\n")
	var names []string
	for line := range strings.Lines(list) {
		if m := commandPattern.FindStringSubmatch(line); m != nil {
			names = append(names, program+" "+m[1])
		}
	}
	if len(names) == 0 {
		t.Fatalf("%s --help lists no commands", program)
	}
	return names
}

// reference is docs/reference.md.
func reference(t *testing.T) string {
	t.Helper()
	var doc strings.Builder
	doc.WriteString(referenceHead)
	var common []flagHelp
	section := func(title, text string, flags, above []flagHelp, where string) {
		fmt.Fprintf(&doc, "\n## %s\n", title)
		if text != "" {
			fmt.Fprintf(&doc, "\n%s\n", fill(text))
		}
		rows, also := "", []string(nil)
		for _, f := range flags {
			if slices.ContainsFunc(above, func(c flagHelp) bool { return c.covers(f) }) {
				also = append(also, "`--"+f.name+"`")
			} else {
				rows += f.row()
			}
		}
		if rows != "" {
			fmt.Fprintf(&doc, "\n| flag | default | |\n| --- | --- | --- |\n%s", rows)
		}
		if len(also) > 0 {
			fmt.Fprintf(&doc, "\n%s\n", fill(fmt.Sprintf("As for %s: %s.", where, strings.Join(also, ", "))))
		}
	}
	terminator, echo, profile := flagsOf(t, "terminator"), flagsOf(t, "handler echo"), flagsOf(t, "handler profile")
	handler := shared(echo, profile, "profile")
	for _, f := range flagsOf(t, "handler web") {
		if !slices.ContainsFunc(handler, f.same) {
			t.Errorf("handler web has a flag --%s of its own: give it a section", f.name)
		}
	}
	common = shared(terminator, handler, "handler")
	var own []flagHelp
	for _, f := range handler {
		if !slices.ContainsFunc(common, f.same) {
			own = append(own, f)
		}
	}
	section("terminator and handler", "Flags that both have.", common, nil, "")
	var front []flagHelp
	for _, f := range terminator {
		if !slices.ContainsFunc(common, f.same) {
			front = append(front, f)
		}
	}
	section("terminator", "", front, nil, "")
	section("handler ROLE", "Flags of all roles: echo, profile and web. --version prints the version of the build; --service-version "+
		"announces that of the backend's code.", own, nil, "")
	var store []flagHelp
	for _, f := range profile {
		if !slices.ContainsFunc(handler, f.same) {
			store = append(store, f)
		}
	}
	section("handler profile", "", store, nil, "")
	for _, program := range []string{"nanofront", "bench"} {
		for _, command := range commandsOf(t, program) {
			m := purposePattern.FindStringSubmatch(helpOf(t, command))
			if m == nil {
				t.Fatalf("%s --help doesn't say what it is for:\n%s", command, helpOf(t, command))
			}
			text := "`" + strings.Join(strings.Fields(m[1]), " ") + "`: " + m[2]
			section(command, text, flagsOf(t, command), common, "terminator and handler")
		}
	}
	return doc.String()
}

// fill breaks text into lines of 100 columns; paragraphs stay.
func fill(text string) string {
	var out []string
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		line := ""
		for word := range strings.FieldsSeq(paragraph) {
			switch {
			case line == "":
				line = word
			case len([]rune(line))+1+len([]rune(word)) > 100:
				out = append(out, line)
				line = word
			default:
				line += " " + word
			}
		}
		out = append(out, line, "")
	}
	return strings.Join(out[:len(out)-1], "\n")
}

func TestReference_IsWhatHelpSays(t *testing.T) {
	const name = "docs/reference.md"
	want := reference(t)
	if *update {
		if err := os.WriteFile(filepath.Join(root, name), []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(want, read(t, name)); d != "" {
		t.Errorf("-programs +document (go generate ./internal/docs writes it anew)\n%s", d)
	}
}
