package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// full says that nothing else runs on the machine, and that bounds of time can
// be strict.
var full = os.Getenv("NANOFRONT_BENCH_FULL") == "1"

// within is a bound of time: the strict one on a machine that is the test's own,
// and else a generous one, which still tells what happens from what would if it
// had to wait for some timeout.
func within(strict, generous time.Duration) time.Duration {
	if full {
		return strict
	}
	return generous
}

// programs is the directory of the built programs.
var programs string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "nanofront-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }() // in the system's temporary directory
	build := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "nanofront/cmd/...")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the programs: %v\n%s", err, out)
		return 1
	}
	programs = dir
	stop := startLaunching()
	code := m.Run()
	stop()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

// environment is the test's own without what would change the programs' flags.
func environment(extra ...string) []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "NANOFRONT_") {
			env = append(env, v)
		}
	}
	return append(env, extra...)
}
