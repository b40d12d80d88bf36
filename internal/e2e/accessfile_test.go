package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"nanofront/internal/testutil"
)

// The access log's file is rotated under load as logrotate does it: by renaming it, and SIGHUP,
// which ends nothing. Each request has one line in one of the files.
func TestAccessLog_File(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"json", "combined"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "access.log")
			f := startFront(t, frontOptions{terminator: []string{"--access-log=100000", "--access-log-file", path, "--access-log-format", format}})
			before := f.terminator.out.count(accessLine)
			requests, rotations := 0, 0
			for ; rotations < 3; rotations++ {
				for range 50 {
					ask(t, f.http, get(fmt.Sprintf("/hello/%d?secret", requests))).wants(t, 200, "GET")
					requests++
				}
				if err := os.Rename(path, fmt.Sprint(path, ".", rotations)); err != nil {
					t.Fatal(err)
				}
				f.terminator.signal(t, syscall.SIGHUP)
				testutil.Eventually(t, "it is opened anew", func() bool { return f.terminator.out.count("is opened anew") == rotations+1 })
			}
			endsWith(t, f.terminator, 0)
			var all strings.Builder
			files, err := filepath.Glob(path + "*")
			if err != nil || len(files) != rotations+1 {
				t.Fatalf("files %v, %v", files, err)
			}
			for _, name := range files {
				b, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				all.Write(b)
			}
			for i := range requests {
				n := strings.Count(all.String(), fmt.Sprintf(`/hello/%d"`, i)) + strings.Count(all.String(), fmt.Sprintf(`/hello/%d HTTP`, i))
				if n != 1 {
					t.Errorf("%d lines of request %d", n, i)
				}
			}
			if strings.Contains(all.String(), "secret") {
				t.Error("there are queries in it")
			}
			if n := f.terminator.out.count(accessLine); n != before {
				t.Errorf("%d lines among the others", n-before)
			}
		})
	}
}
