package testutil

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// recorder is a testing.TB that notes how its test ended.
type recorder struct {
	testing.TB
	skipped, failed bool
}

func (r *recorder) Skipf(string, ...any)  { r.skipped = true; runtime.Goexit() }
func (r *recorder) Fatalf(string, ...any) { r.failed = true; runtime.Goexit() }

// ends runs f as a test.
func ends(t *testing.T, f func(t testing.TB)) *recorder {
	t.Helper()
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(r)
	}()
	<-done
	return r
}

func TestMissing_FailsWhereAllIsRequired(t *testing.T) {
	required, file := require, skips
	t.Cleanup(func() { require, skips = required, file })
	for _, c := range []struct {
		require         bool
		f               func(t testing.TB)
		skipped, failed bool
		lines           int
	}{
		{false, func(t testing.TB) { Command(t, "no-such-command", "nothing") }, true, false, 1},
		{true, func(t testing.TB) { Command(t, "no-such-command", "nothing") }, false, true, 0},
		{true, func(t testing.TB) { Command(t, "go", "golang") }, false, false, 0},
		{true, func(t testing.TB) { Skip(t, "two\nlines") }, true, false, 1},
	} {
		require, skips = c.require, filepath.Join(t.TempDir(), "skips")
		r := ends(t, c.f)
		b, err := os.ReadFile(skips)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if got := strings.Count(string(b), "\n"); r.skipped != c.skipped || r.failed != c.failed || got != c.lines {
			t.Errorf("%+v: skipped %v, failed %v, %d lines: %s", c, r.skipped, r.failed, got, b)
		}
		if c.lines > 0 && !strings.Contains(string(b), "testutil "+t.Name()+": ") {
			t.Errorf("no name in %q", b)
		}
	}
}
