package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// tinyDisk is a directory on a file system of so many bytes.
func tinyDisk(t *testing.T, size string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		testutil.Skip(t, "a full disk needs a tmpfs of its own, and mounting one needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestProfile_StartsOnAFullDisk: wherever the room ends, the process does too,
// with code 1 and one line, and it starts when there is room.
func TestProfile_StartsOnAFullDisk(t *testing.T) {
	table := filepath.Join(t.TempDir(), "table.yaml")
	if err := os.WriteFile(table, []byte("version: 1\ninstances: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := func(dir, seed string) []string {
		return []string{"profile", "--data", filepath.Join(dir, "profile"), "--static", table, "--seed", seed, "--statsd", "", "--admin", ""}
	}
	for _, size := range []string{"4k", "16k", "256k", "1m", "8m", "40m"} {
		dir := tinyDisk(t, size)
		f := finish(t, "handler", args(dir, "100000")...)
		if f.code != 1 || strings.Count(f.out, "\n") != 1 || !strings.Contains(f.out, "free some space and start it again") {
			t.Errorf("%s: exit code %d after %v, want 1 and one line:\n%s", size, f.code, f.took, f.out)
		}
		if f.took > testutil.Patience/4 {
			t.Errorf("%s: it took %v", size, f.took)
		}
		if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=64m"); err != nil {
			t.Fatal(err)
		}
		p := start(t, "handler", args(dir, "1000")...)
		p.says(t, "serving")
		p.signal(t, syscall.SIGTERM)
		if code := p.wait(t, 20*time.Second); code != 0 {
			t.Errorf("%s: with room again: exit code %d:\n%s", size, code, p.out.tail())
		}
	}
}
