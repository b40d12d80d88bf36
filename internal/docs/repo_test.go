package docs

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write what is generated in the documents anew")

// root is the repository, seen from this package's folder.
const root = "../.."

// read returns a file of the repository.
func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// block is a fenced block of a Markdown document.
type block struct {
	info string // what stands behind the opening fence
	text string
	line int // of the opening fence
}

// blocks returns the fenced blocks of a document.
func blocks(text string) []block {
	var all []block
	in := false
	for i, line := range strings.Split(text, "\n") {
		info, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && !in:
			all, in = append(all, block{info: info, line: i + 1}), true
		case fence:
			in = false
		case in:
			all[len(all)-1].text += line + "\n"
		}
	}
	return all
}

// documents are all Markdown files.
func documents(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/decisions/*.md", "examples/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			name, err := filepath.Rel(root, f)
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, filepath.ToSlash(name))
		}
	}
	return names
}

var (
	linkPattern = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	filePattern = regexp.MustCompile("`((?:cmd|terminator|nanobus|handlers|etcd|internal|docs|examples)/[a-z0-9_/.*-]+)`")
)

func TestDocuments_LinksAndFilesExist(t *testing.T) {
	for _, name := range documents(t) {
		text := read(t, name)
		for _, m := range linkPattern.FindAllStringSubmatch(text, -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			path := name
			if target != "" {
				path = filepath.Join(filepath.Dir(name), target)
			}
			if _, err := os.Stat(filepath.Join(root, path)); err != nil {
				t.Errorf("%s: link to %s: %v", name, m[1], err)
				continue
			}
			if anchor != "" && !hasHeading(read(t, path), anchor) {
				t.Errorf("%s: link to %s: no such heading", name, m[1])
			}
		}
		for _, m := range filePattern.FindAllStringSubmatch(text, -1) {
			if found, err := filepath.Glob(filepath.Join(root, m[1])); err != nil || len(found) == 0 {
				t.Errorf("%s: names %s, which is not there", name, m[1])
			}
		}
	}
}

// hasHeading reports whether a document has a heading with the anchor that
// renderers give it.
func hasHeading(text, anchor string) bool {
	for line := range strings.SplitSeq(text, "\n") {
		if h := strings.TrimLeft(line, "#"); h != line && strings.ReplaceAll(strings.ToLower(strings.TrimSpace(h)), " ", "-") == anchor {
			return true
		}
	}
	return false
}

// binaries builds the programs, once, and returns the folder that they are in.
var binaries = sync.OnceValues(func() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "nanofront-docs-")
	if err != nil {
		return "", err
	}
	tempDirs = append(tempDirs, dir)
	cmd := exec.CommandContext(ctx, "go", "build", "-o", dir+string(filepath.Separator), "./cmd/...")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/...: %w\n%s", err, out)
	}
	return dir, nil
})

// tempDirs are removed at the end.
var tempDirs []string

func TestMain(m *testing.M) {
	flag.Parse()
	// What is set for the programs outside must not reach those of the tests.
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "NANOFRONT_") {
			if err := os.Unsetenv(name); err != nil {
				panic(err)
			}
		}
	}
	code := m.Run()
	for _, d := range tempDirs {
		_ = os.RemoveAll(d)
	}
	os.Exit(code)
}

func programs(t *testing.T) string {
	t.Helper()
	dir, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// output runs a command in a folder, for some minutes at most, and returns what it
// printed.
func output(t *testing.T, dir string, env []string, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // a build with empty caches among them
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if ctx.Err() != nil {
		err = errors.Join(err, ctx.Err())
	}
	return out.String(), err
}

// Skipping is counted and, where something could be installed, a failure in .ci/run: both
// are testutil's to do.
func TestTests_SkipByTestutil(t *testing.T) {
	skip := regexp.MustCompile(`\b[tb]\.(Skip|Skipf|SkipNow)\(`)
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		for i, line := range strings.Split(read(t, name), "\n") {
			if skip.MatchString(line) && !strings.HasSuffix(line, "// rapid draws another one") {
				t.Errorf("%s:%d: %s: use testutil.Skip, or testutil.Missing for what can be installed", name, i+1, strings.TrimSpace(line))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
