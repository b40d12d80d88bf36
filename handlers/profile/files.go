package profile

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// tableSuffix is how the names of Pebble's tables end.
const tableSuffix = ".sst"

// files are the store's, as Pebble gets them: tables whose blocks are checked
// as they are read, and a directory that is frozen by the first write to it
// that fails.
//
// Pebble answers an error of its logs with a panic, in a place where that ends
// the process with a trace, whoever recovers, since it unlocks a mutex that
// isn't locked; and an error of its manifest with Fatalf, its locks held. So
// these errors don't reach it. The store fails, and from then on all that would
// change the directory does nothing, and says that it was done: what is there
// is then as after a power cut, which the next start recovers from.
// PebbleStore.Update looks whether the store has failed before it acknowledges
// anything. Tables are different: Pebble tries again to make one, and mustn't
// believe that it has.
type files struct {
	vfs.FS
	fail   func(error) // sets failed
	failed *atomic.Bool
}

// Unwrap implements vfs.FS.
func (fs *files) Unwrap() vfs.FS { return fs.FS }

// Open implements vfs.FS.
func (fs *files) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := fs.FS.Open(name, opts...)
	if err != nil || !strings.HasSuffix(name, tableSuffix) {
		return f, err
	}
	return checked(f, fs.PathBase(name))
}

// Create implements vfs.FS.
func (fs *files) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	create := func() (vfs.File, error) { return fs.FS.Create(name, category) }
	if !strings.HasSuffix(name, tableSuffix) {
		return fs.written(create)
	}
	if fs.failed.Load() {
		time.Sleep(frozenPause)
		return nil, fmt.Errorf("making %s: %w", fs.PathBase(name), ErrFailed)
	}
	return create()
}

// frozenPause slows Pebble down, which tries again at once.
const frozenPause = 10 * time.Millisecond

// ReuseForWrite implements vfs.FS.
func (fs *files) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return fs.written(func() (vfs.File, error) { return fs.FS.ReuseForWrite(from, to, category) })
}

// OpenDir implements vfs.FS. What is in a directory is durable when that is
// synced.
func (fs *files) OpenDir(name string) (vfs.File, error) {
	return fs.written(func() (vfs.File, error) { return fs.FS.OpenDir(name) })
}

// written makes a file that never fails.
func (fs *files) written(open func() (vfs.File, error)) (vfs.File, error) {
	if !fs.failed.Load() {
		f, err := open()
		if err == nil {
			return &writtenFile{File: f, fs: fs}, nil
		}
		fs.fail(err)
	}
	f, err := vfs.NewMem().Create("nowhere", vfs.WriteCategoryUnspecified)
	return &writtenFile{File: f, fs: fs}, err
}

// Rename implements vfs.FS.
func (fs *files) Rename(from, to string) error {
	return fs.do(func() error { return fs.FS.Rename(from, to) })
}

// Link implements vfs.FS.
func (fs *files) Link(from, to string) error {
	return fs.do(func() error { return fs.FS.Link(from, to) })
}

// MkdirAll implements vfs.FS.
func (fs *files) MkdirAll(dir string, perm os.FileMode) error {
	return fs.do(func() error { return fs.FS.MkdirAll(dir, perm) })
}

// Remove implements vfs.FS. That it fails does no harm.
func (fs *files) Remove(name string) error {
	if fs.failed.Load() {
		return nil
	}
	return fs.FS.Remove(name)
}

// RemoveAll implements vfs.FS.
func (fs *files) RemoveAll(name string) error {
	if fs.failed.Load() {
		return nil
	}
	return fs.FS.RemoveAll(name)
}

func (fs *files) do(change func() error) error {
	if fs.failed.Load() {
		return nil
	}
	if err := change(); err != nil {
		fs.fail(err)
	}
	return nil
}

// writtenFile is a file that is being written and is no table, or the directory
// of such files.
type writtenFile struct {
	vfs.File
	fs *files
}

// Write implements vfs.File.
func (f *writtenFile) Write(p []byte) (int, error) {
	return len(p), f.fs.do(func() error {
		_, err := f.File.Write(p)
		return err
	})
}

// WriteAt implements vfs.File.
func (f *writtenFile) WriteAt(p []byte, off int64) (int, error) {
	return len(p), f.fs.do(func() error {
		_, err := f.File.WriteAt(p, off)
		return err
	})
}

// Sync implements vfs.File.
func (f *writtenFile) Sync() error { return f.fs.do(f.File.Sync) }

// SyncData implements vfs.File.
func (f *writtenFile) SyncData() error { return f.fs.do(f.File.SyncData) }

// SyncTo implements vfs.File.
func (f *writtenFile) SyncTo(length int64) (whole bool, err error) {
	return whole, f.fs.do(func() (err error) {
		whole, err = f.File.SyncTo(length)
		return err
	})
}

// Close implements vfs.File.
func (f *writtenFile) Close() error {
	if err := f.File.Close(); err != nil {
		f.fs.fail(err)
	}
	return nil
}
