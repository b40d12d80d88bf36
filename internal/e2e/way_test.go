package e2e

import (
	"bufio"
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"nanofront/internal/testutil"
)

// TestWay_Files counts the files of the module that an ordinary GET passes in the terminator, from
// its first byte to the last of its response: those with a statement that is executed once more for
// each request more. Run it with -v for the list.
func TestWay_Files(t *testing.T) {
	t.Parallel()
	const (
		most, mostFront = 61, 30 // in all, and of the front's own: so many there are, and no more are to come
		few, many       = 500, 2500
	)
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-cover", "-covermode=atomic", "-coverpkg=./...", "-o", dir, "./cmd/terminator")
	build.Dir = "../.."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	before, after := executed(t, dir, few), executed(t, dir, many)
	module, err := exec.CommandContext(t.Context(), "go", "list", "-m").Output()
	if err != nil {
		t.Fatal(err)
	}
	files, front := make(map[string]int), 0
	for block, n := range after {
		if n-before[block] >= (many-few)*9/10 {
			file, _, _ := strings.Cut(block, ":")
			files[strings.TrimPrefix(file, strings.TrimSpace(string(module))+"/")]++
		}
	}
	packages := make(map[string]bool)
	for f := range files {
		packages[path.Dir(f)] = true
		if strings.HasPrefix(f, "terminator/") {
			front++
		}
	}
	t.Logf("GET /hello passes %d files in %d packages, %d of them the front's own:\n%s", len(files), len(packages), front,
		strings.Join(slices.Sorted(maps.Keys(files)), "\n"))
	if front == 0 || front > mostFront || len(files) > most {
		t.Errorf("GET /hello passes %d files in the terminator, %d of them the front's own: want at most %d and %d",
			len(files), front, most, mostFront)
	}
}

// executed has a terminator that counts answer n requests on one connection, and returns how often
// each block of statements was executed.
func executed(t *testing.T, dir string, n int) map[string]int {
	t.Helper()
	counts := t.TempDir()
	f := startFront(t, frontOptions{programs: dir, env: []string{"GOCOVERDIR=" + counts}})
	c := client{addr: f.http}
	defer c.close()
	for range n {
		if r, failed := c.do(get("/hello")); failed != nil || r.status != 200 {
			t.Fatalf("%v, %v", r, failed)
		}
	}
	f.terminator.signal(t, syscall.SIGTERM)
	if code := f.terminator.wait(t, testutil.Patience); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	profile := filepath.Join(counts, "profile")
	if out, err := exec.CommandContext(t.Context(), "go", "tool", "covdata", "textfmt", "-i="+counts, "-o="+profile).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b, err := os.ReadFile(profile)
	if err != nil {
		t.Fatal(err)
	}
	blocks := make(map[string]int)
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		if part := strings.Fields(s.Text()); len(part) == 3 {
			blocks[part[0]], _ = strconv.Atoi(part[2])
		}
	}
	return blocks
}
