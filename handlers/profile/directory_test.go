package profile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

func TestOpenPebble_SaysWhatIsWrong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	foreign, other, inUse := t.TempDir(), t.TempDir(), t.TempDir()
	for path, text := range map[string]string{
		file:                                "x",
		filepath.Join(foreign, "notes.txt"): "x",
		filepath.Join(other, formatFile):    "nanofront profile store, format 2\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	open(t, PebbleOptions{Dir: inUse})
	for _, c := range []struct {
		o    PebbleOptions
		kind error
		want string
	}{
		{PebbleOptions{}, nil, "--data is empty"},
		{PebbleOptions{Dir: foreign, Durability: "maybe"}, nil, `--durability: "maybe": want sync or nosync`},
		{PebbleOptions{Dir: foreign, CacheBytes: 5}, nil, "cache of 5 bytes"},
		{PebbleOptions{Dir: file}, ErrDirUnusable, file + " can't be used"},
		{PebbleOptions{Dir: filepath.Join(file, "below")}, ErrDirUnusable, "not a directory"},
		{PebbleOptions{Dir: foreign}, ErrDirForeign, `there is "notes.txt"`},
		{PebbleOptions{Dir: other}, ErrDirForeign, "format 2"},
		{PebbleOptions{Dir: inUse}, ErrDirInUse, inUse + " is in use by another process"},
	} {
		c.o.Logger = zerolog.Nop()
		_, err := OpenPebble(c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) || c.kind != nil && !errors.Is(err, c.kind) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: got %v, want %q in one line", c.o, err, c.want)
		}
	}
	if left, _ := os.ReadDir(foreign); len(left) != 1 {
		t.Errorf("a foreign directory was written to: %v", left)
	}
}

func TestOpenPebble_GoesOnAfterAStartCutShort(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{pebbleDir, "lost+found"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	seeded(t, 10, PebbleOptions{Dir: dir})
}
