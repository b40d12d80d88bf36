package wholefile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// File is written beside its name, until Commit.
type File struct {
	f    *os.File
	name string // what it is to become; empty: f is that already
}

// Create makes a file that is to have this name. If the name is a symbolic link, it is the file
// behind it that is replaced. What isn't a regular file, as /dev/stdout or a pipe, is written to as
// it is.
func Create(name string) (*File, error) {
	if target, err := filepath.EvalSymlinks(name); err == nil {
		name = target
	}
	info, err := os.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return nil, err
		}
		return &File{f: f}, nil
	}
	mode := os.FileMode(0o644)
	if err == nil {
		mode = info.Mode().Perm()
		// A user who may not write the file may not replace it either.
		w, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return nil, err
		}
		_ = w.Close() // nothing was written
	}
	f, err := createBeside(name, mode)
	if err != nil {
		return nil, err
	}
	return &File{f: f, name: name}, nil
}

// createBeside is os.CreateTemp with permissions that the umask still narrows.
func createBeside(name string, mode os.FileMode) (*os.File, error) {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return nil, err
	}
	temp := f.Name()
	if err := errors.Join(f.Close(), os.Remove(temp)); err != nil {
		return nil, err
	}
	return os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
}

// Write implements io.Writer.
func (f *File) Write(p []byte) (int, error) { return f.f.Write(p) }

// Commit puts what was written in its place, with all of it on the disk.
func (f *File) Commit() error {
	if f.f == nil {
		return os.ErrClosed
	}
	if f.name == "" {
		err := f.f.Close()
		f.f = nil
		return err
	}
	err := f.f.Sync()
	if cerr := f.f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.f.Name(), f.name)
	}
	if err != nil {
		_ = os.Remove(f.f.Name()) // the first error is the one to tell
	}
	f.f = nil
	return err
}

// Close gives up what was written, unless Commit was called.
func (f *File) Close() error {
	if f.f == nil {
		return nil
	}
	err := f.f.Close()
	if f.name != "" {
		err = errors.Join(err, os.Remove(f.f.Name()))
	}
	f.f = nil
	return err
}

// Write makes a file of what write writes.
func Write(name string, write func(io.Writer) error) error {
	f, err := Create(name)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		return errors.Join(err, f.Close())
	}
	return f.Commit()
}
