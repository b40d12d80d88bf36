package slots

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Max is the largest number.
const Max = 10_000

// ErrTaken tells that all numbers are taken.
var ErrTaken = errors.New("slots: all numbers are taken")

// Slot is a number that is this process' until Close.
type Slot struct {
	Number int
	file   *os.File
}

// Dir is where the files are of processes that were told nothing else: a directory of the user's
// own.
func Dir() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "nanofront-slots")
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("nanofront-slots-%d", os.Getuid()))
}

// Take takes the lowest number, from 1 on, that no other process of the role has with that
// directory.
func Take(dir, role string) (*Slot, error) {
	if role == "" || strings.ContainsAny(role, "/\\\x00") {
		return nil, fmt.Errorf("slots: %q is no role: want a word", role)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("slots: %w", err)
	}
	for n := 1; n <= Max; n++ {
		f, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf("%s-%d", role, n)), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, fmt.Errorf("slots: %w", err)
		}
		if lockFile(f) == nil {
			return &Slot{Number: n, file: f}, nil
		}
		_ = f.Close() // it was read and written by nobody
	}
	return nil, fmt.Errorf("%w: %d of %s in %s", ErrTaken, Max, role, dir)
}

// Close gives the number back. The file stays: to remove it could take it from a process that has
// just opened it.
func (s *Slot) Close() error { return s.file.Close() }
