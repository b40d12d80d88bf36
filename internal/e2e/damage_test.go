package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"nanofront/internal/testutil"
)

// usedEtcd is a data directory of nanofront etcd with routes in it.
func usedEtcd(t *testing.T) string {
	t.Helper()
	data, url := filepath.Join(t.TempDir(), "etcd"), "http://"+freeAddr(t)
	routes := filepath.Join(t.TempDir(), "routes.yaml")
	writeFile(t, routes, "version: 1\nroutes:\n"+echoRoutes)
	p := start(t, "nanofront", "etcd", "--data", data, "--client-url", url, "--statsd", "")
	p.says(t, "etcd serving")
	for range 5 {
		if f := finish(t, "nanofront", "routes", "apply", routes, "--etcd", url); f.code != 0 {
			t.Fatalf("routes apply: exit code %d: %s", f.code, f.out)
		}
	}
	p.signal(t, syscall.SIGTERM)
	if code := p.wait(t, testutil.Patience); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	return data
}

// TestEtcd_DamagedFiles: whatever has become of its files, nanofront etcd ends with one line that
// says what to do, and code 1.
func TestEtcd_DamagedFiles(t *testing.T) {
	t.Parallel()
	const page = 4096
	used := usedEtcd(t)
	garbage := func(at int64, n int) func(*testing.T, string) {
		return func(t *testing.T, file string) {
			t.Helper()
			f, err := os.OpenFile(file, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteAt([]byte(strings.Repeat("damaged!", n/8)), at); err != nil {
				t.Fatal(err)
			}
			_ = f.Close()
		}
	}
	cut := func(size int64) func(*testing.T, string) {
		return func(t *testing.T, file string) {
			t.Helper()
			if err := os.Truncate(file, size); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name   string
		file   string
		damage func(t *testing.T, file string)
	}{
		{"database overwritten", "snap/db", garbage(0, 64*page)},
		{"its first pages", "snap/db", garbage(0, 2*page)},
		{"its other pages", "snap/db", garbage(2*page, 30*page)},
		{"database cut off", "snap/db", cut(2*page + 100)},
		{"database cut off in its first page", "snap/db", cut(100)},
		{"a directory in its place", "snap/db", func(t *testing.T, file string) {
			t.Helper()
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(file, 0o700); err != nil {
				t.Fatal(err)
			}
		}},
		{"log overwritten", "wal/0000000000000000-0000000000000000.wal", garbage(0, page)},
		{"an entry of the log", "wal/0000000000000000-0000000000000000.wal", garbage(400, 16)},
		{"log emptied", "wal/0000000000000000-0000000000000000.wal", cut(0)},
		{"log removed", "wal/0000000000000000-0000000000000000.wal", func(t *testing.T, file string) {
			t.Helper()
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := filepath.Join(t.TempDir(), "etcd")
			if err := os.CopyFS(data, os.DirFS(used)); err != nil {
				t.Fatal(err)
			}
			c.damage(t, filepath.Join(data, "member-data", "member", c.file))
			f := finish(t, "nanofront", "etcd", "--data", data, "--client-url", "http://"+freeAddr(t), "--statsd", "")
			if f.code != 1 || strings.Contains(f.out, "goroutine") || strings.Count(f.out, "bring back a copy of the directory, or move it away") != 1 {
				t.Errorf("exit code %d, and it says:\n%s", f.code, f.out)
			}
			if last := f.out[strings.LastIndexByte(strings.TrimSuffix(f.out, "\n"), '\n')+1:]; !strings.Contains(last, data) || !strings.HasPrefix(last, "nanofront: ") {
				t.Errorf("the last line is %q", last)
			}
		})
	}
}
