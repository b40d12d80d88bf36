package profile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// What can be wrong with a data directory.
var (
	// ErrDirInUse: another process has it open.
	ErrDirInUse = errors.New("is in use by another process, which already serves it: stop that one first (one profile serves all members; a second one with its own directory would have different ones)")
	// ErrDirForeign: there is something in it that this package didn't write.
	ErrDirForeign = errors.New("holds something other than a profile store: name an empty directory, or a new one, with --data")
	// ErrDirUnusable: it can't be read or written.
	ErrDirUnusable = errors.New("can't be used as a data directory: make it readable and writable, or name another one with --data")
	// ErrDirFull: there is no room.
	ErrDirFull = errors.New("is on a full disk: free some space and start it again, or name another directory with --data")
	// ErrDirDamaged: what is in it is not what was written.
	ErrDirDamaged = errors.New("is damaged: restore it from a backup, or name an empty directory with --data to start over")
)

func dirError(kind error, dir string, cause error) error {
	if cause == nil {
		return fmt.Errorf("profile: %s %w", dir, kind)
	}
	return fmt.Errorf("profile: %s %w (%w)", dir, kind, shortError{cause})
}

// shortError is an error of which one line is shown, with an end: Pebble quotes
// what it finds in files.
type shortError struct{ error }

const maxErrorText = 300

// Error implements error.
func (e shortError) Error() string {
	text := strings.Join(strings.Fields(e.error.Error()), " ")
	if len(text) > maxErrorText {
		text = strings.ToValidUTF8(text[:maxErrorText], "") + "…"
	}
	return text
}

// Unwrap returns the whole error.
func (e shortError) Unwrap() error { return e.error }

// unusable tells a full disk from what else the system may have against a
// directory.
func unusable(err error) error {
	if isFull(err) {
		return ErrDirFull
	}
	return ErrDirUnusable
}

// unopened is the kind of what keeps Pebble from opening: if the system has
// nothing against it, the files are not what they were.
func unopened(err error) error {
	var no syscall.Errno
	switch {
	case isFull(err):
		return ErrDirFull
	case pebble.IsCorruptionError(err):
		return ErrDirDamaged
	case errors.As(err, &no) && no != syscall.ENOENT:
		return ErrDirUnusable
	}
	return ErrDirDamaged
}

func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// A data directory holds the file FORMAT, which says what it is and is looked
// at before anything else is touched, and Pebble's files in a directory below.
const (
	formatFile = "FORMAT"
	formatText = "nanofront profile store, format 1\n"
	pebbleDir  = "pebble"
)

// newStoreVersion is the on-disk format of new stores. Existing ones keep
// theirs, so that opening one with a newer program changes nothing.
const newStoreVersion = pebble.FormatTableFormatV6

// directory is a data directory that this process holds the lock of.
type directory struct {
	pebble  string // the path of Pebble's files
	id      string // what the data is known by
	version pebble.FormatMajorVersion
	lock    *pebble.Lock
}

func openDirectory(fs vfs.FS, path string) (*directory, error) {
	if err := fs.MkdirAll(path, 0o755); err != nil {
		return nil, dirError(unusable(err), path, err)
	}
	fresh, err := checkFormat(fs, path)
	if err != nil {
		return nil, err
	}
	d := &directory{pebble: fs.PathJoin(path, pebbleDir), version: newStoreVersion}
	if err := fs.MkdirAll(d.pebble, 0o755); err != nil {
		return nil, dirError(unusable(err), path, err)
	}
	d.lock, err = pebble.LockDirectory(d.pebble, fs)
	switch {
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EACCES), err != nil && isHeldHere(err):
		return nil, dirError(ErrDirInUse, path, nil)
	case err != nil:
		return nil, dirError(unusable(err), path, err)
	}
	if fresh {
		if err := errors.Join(writeFormat(fs, path), syncAbove(fs, path)); err != nil {
			return nil, errors.Join(dirError(unusable(err), path, err), d.close())
		}
	}
	if d.id, err = identity(fs, path); err != nil {
		return nil, errors.Join(dirError(unusable(err), path, err), d.close())
	}
	desc, err := pebble.Peek(d.pebble, fs)
	if err != nil {
		return nil, errors.Join(dirError(unopened(err), path, err), d.close())
	}
	if desc.Exists {
		d.version = desc.FormatMajorVersion
		return d, nil
	}
	// Pebble would begin anew, and remove the tables that nothing names.
	names, err := fs.List(d.pebble)
	if err != nil {
		return nil, errors.Join(dirError(unusable(err), path, err), d.close())
	}
	for _, name := range names {
		if strings.HasSuffix(name, tableSuffix) {
			return nil, errors.Join(dirError(ErrDirDamaged, path, fmt.Errorf("there is %s, but nothing says what it is part of", name)), d.close())
		}
	}
	return d, nil
}

func (d *directory) close() error { return d.lock.Close() }

// checkFormat reports whether the directory is still to be made a store.
func checkFormat(fs vfs.FS, path string) (fresh bool, err error) {
	names, err := fs.List(path)
	if err != nil {
		return false, dirError(ErrDirUnusable, path, err)
	}
	foreign := ""
	for _, name := range names {
		switch name {
		case formatFile:
			text, err := readFile(fs, fs.PathJoin(path, formatFile))
			if err != nil {
				return false, dirError(ErrDirUnusable, path, err)
			}
			if text != formatText {
				return false, dirError(ErrDirForeign, path, fmt.Errorf("%s says %q", formatFile, clip(text)))
			}
			return false, nil
		case "lost+found", pebbleDir, formatFile + ".new":
			// A file system's own, or ours from a start that was cut short.
		default:
			foreign = name
		}
	}
	if foreign != "" {
		return false, dirError(ErrDirForeign, path, fmt.Errorf("there is %q", clip(foreign)))
	}
	return true, nil
}

func readFile(fs vfs.FS, path string) (string, error) {
	f, err := fs.Open(path)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(f, 1024))
	return string(text), errors.Join(err, f.Close())
}

// writeFormat makes the file FORMAT, whole or not at all.
func writeFormat(fs vfs.FS, path string) error { return writeWhole(fs, path, formatFile, formatText) }

// writeWhole makes a file, or replaces it, whole or not at all.
func writeWhole(fs vfs.FS, path, name, text string) error {
	name = fs.PathJoin(path, name)
	f, err := fs.Create(name+".new", vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte(text))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := fs.Rename(name+".new", name); err != nil {
		return err
	}
	return syncDir(fs, path)
}

func syncDir(fs vfs.FS, path string) error {
	d, err := fs.OpenDir(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// syncAbove makes the path itself durable, all directories of which may be
// new: else all data would be gone after a power cut, however well it was
// synced. One that may not be opened is not new.
func syncAbove(fs vfs.FS, path string) error {
	for {
		above := fs.PathDir(path)
		if above == path {
			return nil
		}
		if err := syncDir(fs, above); err != nil && !errors.Is(err, os.ErrPermission) {
			return err
		}
		path = above
	}
}

// isHeldHere recognises that this very process has the lock; vfs has no value
// for that.
func isHeldHere(err error) bool {
	return strings.Contains(err.Error(), "held by current process")
}
