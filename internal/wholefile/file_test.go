package wholefile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func content(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// only fails the test if there is anything else in the directory.
func only(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != len(names) {
		t.Errorf("in the directory: %v, %v; want %v", entries, err, names)
	}
}

func TestFile_OldStaysUntilCommit(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "out")
	if err := os.WriteFile(name, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, commit := range []bool{false, true} {
		f, err := Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, "new"); err != nil {
			t.Fatal(err)
		}
		if got := content(t, name); got != "old" {
			t.Errorf("before Commit it is %q", got)
		}
		if commit {
			if err := f.Commit(); err != nil {
				t.Error(err)
			}
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if got := content(t, name); got != "new" {
		t.Errorf("after Commit it is %q", got)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("permissions %v, %v: want those before", info.Mode(), err)
	}
	only(t, dir, "out")
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "out")
	bad := errors.New("no luck")
	err := Write(name, func(w io.Writer) error {
		_, _ = io.WriteString(w, "half")
		return bad
	})
	if !errors.Is(err, bad) {
		t.Errorf("got %v", err)
	}
	only(t, dir)
	if err := Write(name, func(w io.Writer) error { _, err := io.WriteString(w, "whole"); return err }); err != nil {
		t.Fatal(err)
	}
	if got := content(t, name); got != "whole" {
		t.Errorf("it is %q", got)
	}
	only(t, dir, "out")
}

func TestCreate_SymbolicLink(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Symlink(file, link)); err != nil {
		t.Fatal(err)
	}
	if err := Write(link, func(w io.Writer) error { _, err := io.WriteString(w, "x"); return err }); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 || content(t, file) != "x" {
		t.Errorf("the link is %v, %v, and the file has %q", info, err, content(t, file))
	}
}

// What is no file isn't replaced by one.
func TestCreate_Device(t *testing.T) {
	if err := Write(os.DevNull, func(w io.Writer) error { _, err := io.WriteString(w, "x"); return err }); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode().IsRegular() {
		t.Errorf("%s is %v now, %v", os.DevNull, info.Mode(), err)
	}
}

func TestCreate_SaysAtOnce(t *testing.T) {
	dir := t.TempDir()
	if _, err := Create(filepath.Join(dir, "missing", "out")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no such directory: %v", err)
	}
	if _, err := Create(dir); err == nil {
		t.Error("a directory is no file to write")
	}
	only(t, dir)
}
