package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nanofront/internal/testutil"
)

// tool is a grammar with all that completion tells apart.
type tool struct {
	Run struct {
		Scenario []string `arg:"" optional:"" oneof:"hello,help,members" help:"What to run."`
		Driver   string   `oneof:",bench,wrk" placeholder:"NAME" help:"Who makes the load."`
		Out      string   `short:"o" type:"path" placeholder:"DIR" help:"Where to."`
		Quick    bool     `help:"Be quick."`
		Rounds   int      `default:"1" help:"Rounds."`
	} `cmd:"" default:"withargs" help:"Run scenarios."`
	Routes struct {
		Get   struct{} `cmd:"" help:"Show them."`
		Apply struct {
			File string `arg:"" type:"path" help:"The file."`
		} `cmd:"" help:"Replace them."`
	} `cmd:"" help:"Show or change routes."`
	Secret     struct{}   `cmd:"" hidden:"" help:"Not for people."`
	Completion Completion `cmd:"" help:"Print what a shell needs."`
	Version
}

func completions(t *testing.T, args ...string) []string {
	t.Helper()
	var out bytes.Buffer
	_, err := Parse(Program{Name: "tool"}, &tool{}, append([]string{completeCommand}, args...), IO{Out: &out, Err: &out})
	if !errors.Is(err, ErrDone) {
		t.Fatalf("%q: %v", args, err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	for i := range lines {
		lines[i], _, _ = strings.Cut(lines[i], "\t")
	}
	if lines[0] == "" {
		return nil
	}
	return lines
}

func TestComplete_Candidates(t *testing.T) {
	for _, tc := range []struct {
		words string // the last is the one at the cursor; _ is an empty one
		want  string
	}{
		{"r", "run routes"},
		{"_", "run routes completion hello help members"},
		{"hel", "hello help"},
		{"hello hel", "hello help"},
		{"s", ""},
		{"routes _", "get apply"},
		{"routes apply x", ":files"},
		{"routes apply a b", ""},
		{"completion z", "zsh"},
		{"completion bash _", ""},
		{"run --d", "--driver"},
		{"run --", "--driver --out --quick --rounds --help --version"},
		{"routes --", "--help --version"},
		{"run --driver _", "bench wrk"},
		{"run --driver wrk hel", "hello help"},
		{"run --driver=w", "--driver=wrk"},
		{"run --driver=wrk mem", "members"},
		{"run --out x", ":files"},
		{"run -o x", ":files"},
		{"run --out=x", ":files"},
		{"run --quick hel", "hello help"},
		{"run --quick=f", "--quick=false"},
		{"run --rounds _", ""},
		{"run -- --d", ""},
		{"run -- hel", "hello help"},
		{"run --nope mem", "members"},
	} {
		words := strings.Fields(tc.words)
		for i, w := range words {
			words[i] = strings.TrimSuffix(w, "_")
		}
		if got := completions(t, append([]string{"fish"}, words...)...); !slices.Equal(got, strings.Fields(tc.want)) {
			t.Errorf("%q completes to %q, want %q", tc.words, got, tc.want)
		}
	}
	// bash takes a flag and its value apart.
	for words, want := range map[string]string{"run --driver = w": "wrk", "run --driver =": "bench wrk", "run --driver = wrk hel": "hello help"} {
		if got := completions(t, append([]string{"bash"}, strings.Fields(words)...)...); !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("bash: %q completes to %q, want %q", words, got, want)
		}
	}
	var usage *UsageError
	if _, err := Parse(Program{Name: "tool"}, &tool{}, []string{completeCommand}, IO{}); !errors.As(err, &usage) {
		t.Errorf("without words: %v", err)
	}
}

// The scripts as real shells load them. The program is this test binary.
func TestCompletion_Shells(t *testing.T) {
	if os.Getenv(childVariable) == "complete" {
		Main("nanofront", func(ctx context.Context, args []string, std IO) error {
			var g tool
			if _, err := Parse(Program{Name: "nanofront"}, &g, args, std); err != nil {
				return err
			}
			return g.Completion.Run(ctx, std)
		})
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "nanofront")
	script := "#!/bin/sh\n" + childVariable + "=complete exec " + os.Args[0] + " \"$@\"\n"
	for name, content := range map[string]string{"nanofront": script, "a file.yaml": "", "afile.yaml": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, sh := range []struct {
		name string
		// ask is a command that prints what a line completes to, a line each.
		ask func(line string) []string
	}{
		{"bash", func(line string) []string {
			return []string{"--norc", "-c", `source <(nanofront completion bash)
				compopt() { :; }
				read -ra COMP_WORDS <<< "$1"; [[ $1 == *" " ]] && COMP_WORDS+=("")
				COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
				_nanofront_complete; printf '%s\n' "${COMPREPLY[@]}"`, "bash", line}
		}},
		{"zsh", func(line string) []string {
			return []string{"-f", "-c", zshHarness, "zsh", line}
		}},
		{"fish", func(line string) []string {
			return []string{"--no-config", "-c", "nanofront completion fish | source; complete -C '" + line + "'"}
		}},
	} {
		t.Run(sh.name, func(t *testing.T) {
			shell := testutil.Command(t, sh.name, sh.name)
			for line, want := range map[string][]string{
				"nanofront routes ":         {"apply", "get"},
				"nanofront run --driver w":  {"wrk"},
				"nanofront run --dri":       {"--driver"},
				"nanofront routes apply a":  {"a file.yaml", "afile.yaml"},
				"nanofront routes apply af": {"afile.yaml"},
				"terminator ro":             {"routes"},
			} {
				if strings.HasPrefix(line, "terminator") {
					_ = os.Remove(filepath.Join(dir, "terminator"))
					if err := os.Symlink(program, filepath.Join(dir, "terminator")); err != nil {
						t.Fatal(err)
					}
				}
				cmd := exec.CommandContext(t.Context(), shell, sh.ask(line)...)
				cmd.Dir = dir
				cmd.Env = append(os.Environ(), "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"), "TERM=dumb", "GORACE=atexit_sleep_ms=0", "HOME="+dir, "XDG_DATA_HOME="+dir+"/.x", "XDG_CONFIG_HOME="+dir+"/.x")
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("%s: %v\n%s", sh.name, err, out)
				}
				var got []string
				for l := range strings.Lines(string(out)) {
					l, _, _ = strings.Cut(strings.TrimSpace(l), "\t")
					if l = strings.ReplaceAll(l, `\ `, " "); l != "" {
						got = append(got, l)
					}
				}
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.Errorf("%q completes to %q, want %q\n%s", line, got, want, out)
				}
			}
		})
	}
}

// zshHarness loads the script into zsh's completion system, and calls it as that
// would; what would offer candidates prints them.
const zshHarness = `
	autoload -Uz compinit && compinit -u -d "$HOME/.zcompdump"
	source <(nanofront completion zsh)
	[[ ${_comps[handler]} == _nanofront_complete ]] || { print not registered; exit 1 }
	_describe() { print -l -- ${${(P)2}%%:*} }
	_files() { print -l -- ${words[CURRENT]}*(N) }
	words=(${(s: :)1}); [[ $1 == *" " ]] && words+=("")
	CURRENT=$#words; PREFIX=$words[-1]
	_nanofront_complete
`
