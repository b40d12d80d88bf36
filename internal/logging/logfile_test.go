package logging

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Lines that are written while the file is renamed again and again, and opened anew, are each in
// one of the files, whole.
func TestLogFile_Rotation(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "access.log")
	f, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const writers, lines, rotations = 4, 500, 20
	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for i := range lines {
				if _, err := fmt.Fprintf(f, "line %d of %d\n", i, w); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range rotations {
		if err := os.Rename(path, fmt.Sprintf("%s.%d", path, i)); err != nil {
			t.Fatal(err)
		}
		if err := f.Reopen(); err != nil {
			t.Fatal(err)
		}
	}
	writing.Wait()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) != rotations+1 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	seen := make(map[string]bool)
	for _, name := range files {
		for line := range strings.Lines(read(t, name)) {
			seen[line] = true
		}
	}
	for w := range writers {
		for i := range lines {
			if line := fmt.Sprintf("line %d of %d\n", i, w); !seen[line] {
				t.Errorf("lost: %s", line)
			}
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&0o007 != 0 {
		t.Errorf("mode %v, %v: others may read who asked for what", info.Mode(), err)
	}
}

// Who isn't told of the rotation sees it.
func TestLogFile_RenamedUntold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	f, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	write := func(line string) {
		if _, err := f.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	write("one\n")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write("two\n")
	f.looked = time.Now().Add(-2 * lookEvery)
	write("three\n")
	if old, young := read(t, path+".1"), read(t, path); old != "one\ntwo\n" || young != "three\n" {
		t.Errorf("got %q and %q", old, young)
	}
	// Where it can't be made anew, lines go where they went.
	if err := os.Rename(filepath.Dir(path), filepath.Dir(path)+".gone"); err != nil {
		t.Fatal(err)
	}
	if err := f.Reopen(); err == nil {
		t.Error("opened in no directory")
	}
	write("four\n")
	if got := read(t, filepath.Dir(path)+".gone/access.log"); got != "three\nfour\n" {
		t.Errorf("got %q", got)
	}
}
