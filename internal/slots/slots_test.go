package slots

import (
	"os"
	"os/exec"
	"testing"

	"nanofront/internal/testutil"
)

const childVariable = "NANOFRONT_TEST_SLOT_IN"

// TestTake_Child is the process that the next test kills; by itself it is none.
func TestTake_Child(t *testing.T) {
	dir := os.Getenv(childVariable)
	if dir == "" {
		return // not asked for
	}
	if _, err := Take(dir, "front"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/taken", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	select {}
}

// The lowest free number, each once, by role; one that is given back, or whose process was killed,
// is the next one's.
func TestTake(t *testing.T) {
	dir := t.TempDir()
	take := func(role string, want int) *Slot {
		t.Helper()
		s, err := Take(dir, role)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		if s.Number != want {
			t.Errorf("%s got %d, want %d", role, s.Number, want)
		}
		return s
	}
	take("front", 1)
	second := take("front", 2)
	take("front", 3)
	take("echo", 1)
	_ = second.Close()
	take("front", 2)

	child := exec.Command(os.Args[0], "-test.run=^TestTake_Child$")
	child.Env = append(os.Environ(), childVariable+"="+dir)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = child.Process.Kill() })
	testutil.Eventually(t, "the child has a number", func() bool { _, err := os.Stat(dir + "/taken"); return err == nil })
	take("front", 5)
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // killed, so it tells nothing
	take("front", 4)

	if _, err := Take(dir, "a/b"); err == nil {
		t.Error("a path is taken for a role")
	}
	if _, err := Take("/dev/null/x", "front"); err == nil {
		t.Error("no error where no directory can be")
	}
}
