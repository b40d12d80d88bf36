package testutil

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What .ci/run sets. Both are read before a TestMain can take them out of the environment.
var (
	// require makes a test fail that misses what can be installed.
	require = os.Getenv("NANOFRONT_TEST_REQUIRE") != ""
	// skips is a file that gets a line for each test that is skipped.
	skips = os.Getenv("NANOFRONT_TEST_SKIPS")
)

// Command returns the path of a command that the test can't do without. If there is none,
// it is missing: apt-get install pkg.
func Command(t testing.TB, name, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(t, "%s is not installed: apt-get install %s", name, pkg)
	}
	return path
}

// Missing ends a test that misses something that can be installed; the message says what.
// It is skipped, but fails where $NANOFRONT_TEST_REQUIRE is set.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if require {
		t.Fatalf(format, args...)
	}
	Skip(t, format, args...)
}

// Skip ends a test for which this system, machine or kind of build is not the right one.
func Skip(t testing.TB, format string, args ...any) {
	t.Helper()
	if skips != "" {
		why := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", " ")
		line := fmt.Sprintf("%s %s: %s\n", strings.TrimSuffix(filepath.Base(os.Args[0]), ".test"), t.Name(), why)
		if err := record(line); err != nil {
			t.Fatalf("$NANOFRONT_TEST_SKIPS: %v", err)
		}
	}
	t.Skipf(format, args...)
}

func record(line string) error {
	f, err := os.OpenFile(skips, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// SkipIfRace skips a test that counts allocations if Race: the detector allocates itself,
// and makes sync.Pool forget. make test runs those once more without it.
func SkipIfRace(t testing.TB) {
	t.Helper()
	if Race {
		Skip(t, "the race detector allocates; make test runs this once more without it")
	}
}
