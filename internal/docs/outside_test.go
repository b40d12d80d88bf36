package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What a reader sees in three places is one file, which is built and run.
func TestExampleGo_IsShownEverywhere(t *testing.T) {
	example := read(t, "examples/go/main.go")
	for _, name := range []string{"README.md", guide} {
		if !slices.ContainsFunc(blocks(read(t, name)), func(b block) bool { return b.info == "go" && b.text == example }) {
			t.Errorf("%s doesn't show examples/go/main.go as it is:\n%s", name, example)
		}
	}
	var comment strings.Builder
	for line := range strings.Lines(example) {
		if line == "\n" {
			comment.WriteString("//\n")
		} else {
			comment.WriteString("//\t" + line)
		}
	}
	if !strings.Contains(read(t, "handlers/doc.go"), comment.String()) {
		t.Errorf("handlers/doc.go doesn't show examples/go/main.go as it is:\n%s", comment.String())
	}
	if n := strings.Count(example, "\n"); n > 30 {
		t.Errorf("the first example has %d lines: want at most 30", n)
	}
}

// outside does what a document says to do outside the repository, in an empty folder beside a clone
// of nanofront, and returns the folder of the module that it has made. write makes the files, when
// the module is there.
func outside(t *testing.T, commands string, write func(dir string)) string {
	t.Helper()
	above, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	clone, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(clone, filepath.Join(above, "nanofront")); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(above, "greeter")
	if !strings.HasPrefix(commands, "mkdir greeter && cd greeter\n") {
		commands = "mkdir greeter && cd greeter\n" + commands
	}
	first, last, tidy := strings.Cut(commands, "go mod tidy\n")
	// Nothing new is fetched: all that the example needs is what nanofront was built with.
	env := []string{"CGO_ENABLED=0", "GOPROXY=off", "GOFLAGS=-mod=mod", "GONOSUMDB=*", "GOWORK="}
	if !tidy {
		env = append(env, "GOFLAGS=")
	}
	if out, err := output(t, above, env, "sh", "-ec", first); err != nil {
		t.Fatalf("%s: %v\n%s", first, err, out)
	}
	write(dir)
	// "go mod tidy" also asks for what the tests of others need: the build finds out as much of it
	// as it needs by itself.
	if out, err := output(t, dir, env, "sh", "-ec", last+"\ngo build -o greeter ."); err != nil {
		t.Fatalf("%s: %v\n%s", commands, err, out)
	}
	return dir
}

// outsideBlocks are the commands of a document for outside the repository.
func outsideBlocks(t *testing.T, name, info string) []string {
	t.Helper()
	var found []string
	for _, b := range blocks(read(t, name)) {
		if b.info == info {
			found = append(found, b.text)
		}
	}
	return found
}

func writeExample(t *testing.T, text string) func(dir string) {
	t.Helper()
	return func(dir string) {
		if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// By copy and paste from the README, in an empty folder: a handler that joins what is running, and
// answers.
func TestReadme_HandlerWorksOutside(t *testing.T) {
	commands := outsideBlocks(t, "README.md", "sh outside")
	if len(commands) != 2 {
		t.Fatalf("README.md has %d blocks of commands for outside, want those that make a module and those that run it", len(commands))
	}
	code := slices.IndexFunc(blocks(read(t, "README.md")), func(b block) bool { return b.info == "go" })
	dir := outside(t, commands[0], writeExample(t, blocks(read(t, "README.md"))[code].text))
	build, ask, _ := strings.Cut(commands[1], "\n")
	if build != "go build -o greeter . && ./greeter" {
		t.Fatalf("the README runs it by %q", build)
	}
	s := startSystem(t)
	p := start(t, dir, s.env(), filepath.Join(dir, "greeter"))
	p.waitFor(t, "serving")
	if !strings.Contains(p.text(), "tcp://127.0.0.1:") {
		t.Errorf("it doesn't log its address:\n%s", p.text())
	}
	ask = strings.Replace(strings.TrimSpace(ask), "../nanofront/bin/", s.bin+"/", 1)
	out, err := output(t, dir, s.env(), "sh", "-c", ask)
	if err != nil || !strings.Contains(out, "Hello Ada!") || !strings.Contains(out, "200") {
		t.Errorf("%s: %v\n%s", ask, err, out)
	}
	if out, err := output(t, dir, s.env(), filepath.Join(s.bin, "nanofront"), "status"); err != nil || !strings.Contains(out, "greeter") {
		t.Errorf("status: %v\n%s", err, out)
	}
}

// The guide's two ways to require nanofront.
func TestGuide_ModulesWork(t *testing.T) {
	for _, info := range []string{"sh outside", "sh replace"} {
		commands := outsideBlocks(t, guide, info)
		if len(commands) != 1 {
			t.Fatalf("%s has %d blocks %q", guide, len(commands), info)
		}
		dir := outside(t, commands[0], writeExample(t, read(t, "examples/go/main.go")))
		if out, err := output(t, dir, nil, "./greeter", "--version"); err != nil || !strings.Contains(out, "greeter") {
			t.Errorf("%s: %v\n%s", info, err, out)
		}
	}
}

// Whoever publishes the module renames it.
func TestMake_ModuleRenames(t *testing.T) {
	if out, err := output(t, root, nil, "make", "module"); err == nil || !strings.Contains(out, "MODULE=example.org/you/nanofront") {
		t.Errorf("without a name: %v\n%s", err, out)
	}
	to := t.TempDir()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		switch {
		case rel == ".git" || rel == "bin" || rel == "data":
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		case !d.Type().IsRegular():
			return nil
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	env := []string{"CGO_ENABLED=0", "GOPROXY=off"}
	for _, module := range []string{"example.org/you/nanofront", "example.org/they/front"} { // and once more
		if out, err := output(t, to, env, "make", "module", "MODULE="+module); err != nil {
			t.Fatalf("make module: %v\n%s", err, out)
		}
	}
	for _, c := range []string{
		"go build ./...", "go vet ./handlers/program", "go test ./registry ./metrics", "make build BIN=out VERSION=v9.8.7",
	} {
		if out, err := output(t, to, env, "sh", "-ec", c); err != nil {
			t.Fatalf("%s: %v\n%s", c, err, out)
		}
	}
	if out, err := output(t, to, env, "out/nanofront", "--version"); err != nil || !strings.Contains(out, "v9.8.7") {
		t.Errorf("--version: %v\n%s", err, out)
	}
	example := filepath.Join(to, "examples", "go")
	if out, err := output(t, example, env, "go", "build", "-o", "greeter", "."); err != nil {
		t.Errorf("examples/go: %v\n%s", err, out)
	}
	if out, err := output(t, to, nil, "grep", "-rlE", `"(nanofront|example\.org/you/nanofront)/[a-z]+"`, "--include=*.go", "."); out != "" {
		t.Errorf("still the old name (%v):\n%s", err, out)
	}
}
