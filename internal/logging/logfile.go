package logging

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
)

// lookEvery is how often a LogFile looks, when it is written to, whether it is still where it was.
const lookEvery = time.Second

// flags of opening one. Without O_NONBLOCK a pipe that nobody reads would be waited for.
const flags = os.O_APPEND | os.O_CREATE | os.O_WRONLY | syscall.O_NONBLOCK

// fileMode is that of a log file that is made: it says who asked for what.
const fileMode = 0o640

// LogFile is a log file that may be rotated by renaming it: it is opened anew when Reopen is
// called, and within a second of a line after it was renamed or removed.
type LogFile struct {
	path string

	mu     sync.Mutex
	f      *os.File
	looked time.Time
}

// OpenFile opens a log file to append to, and makes it if it isn't there. "-" is standard output.
func OpenFile(path string) (*LogFile, error) {
	f := &LogFile{path: path}
	if path == "-" {
		f.f = os.Stdout
		return f, nil
	}
	if err := f.open(); err != nil {
		return nil, err
	}
	return f, nil
}

// open opens the file, and closes the one before if that has worked. mu must be held, unless nobody
// knows f.
func (f *LogFile) open() error {
	next, err := os.OpenFile(f.path, flags, fileMode)
	if err != nil {
		return fmt.Errorf("logging: can't open the log file: %w", err)
	}
	old := f.f
	f.f, f.looked = next, time.Now()
	if old != nil {
		if err := old.Close(); err != nil {
			return fmt.Errorf("logging: the log file before %s: %w", f.path, err)
		}
	}
	return nil
}

// Write implements io.Writer.
func (f *LogFile) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := time.Now(); f.path != "-" && now.Sub(f.looked) > lookEvery {
		f.looked = now
		if f.moved() {
			_ = f.open() // or it is tried again in a second; until then lines go where they went
		}
	}
	return f.f.Write(p)
}

// moved reports whether the name is another file's by now, or nobody's.
func (f *LogFile) moved() bool {
	named, err := os.Stat(f.path)
	if err != nil {
		return errors.Is(err, os.ErrNotExist)
	}
	open, err := f.f.Stat()
	return err == nil && !os.SameFile(named, open)
}

// Reopen opens the file anew, after it was renamed. On an error lines go where they went before.
func (f *LogFile) Reopen() error {
	if f.path == "-" {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open()
}

// Close closes the file. Nothing may be written then.
func (f *LogFile) Close() error {
	if f.path == "-" {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.f.Close()
}
