package contexts

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nanofront/internal/wholefile"
)

const (
	version = 1
	maxFile = 1 << 20
	maxName = 63
)

// Flags are those that a context may hold, in the order in which they are shown: what finds a
// system and what lets one into it. None of them is a secret.
var Flags = []string{
	"etcd", "etcd-prefix", "etcd-user", "etcd-password-file", "etcd-cert", "etcd-key", "etcd-ca", "static",
	"bus-cert", "bus-key", "bus-ca", "bus-server-name", "bus-secret-file",
}

// Chooses tells the flags that say which system is meant: whoever gives one of them means that one,
// and not what a context says.
func Chooses(flag string) bool { return flag == "etcd" || flag == "static" }

// File is what the file holds.
type File struct {
	Version int `json:"version"`
	// Current is the name of the context in use; empty: none is.
	Current string `json:"current,omitempty"`
	// Contexts are values of flags, by the context's name and the flag's.
	Contexts map[string]map[string]string `json:"contexts"`

	path string
}

// Path is where the file is: contexts.json in nanofront's directory of $XDG_CONFIG_HOME, or of
// ~/.config.
func Path() (string, error) {
	dir := os.Getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) { // the specification has a relative one ignored
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "nanofront", "contexts.json"), nil
}

// Load reads the file. That there is none, or nowhere to look for it, is no error: then there are
// no contexts.
func Load() (*File, error) {
	f := &File{Version: version, Contexts: make(map[string]map[string]string)}
	path, err := Path()
	if err != nil {
		return f, nil
	}
	f.path = path
	r, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }() // it was only read
	raw, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > maxFile {
		return nil, fmt.Errorf("%s: more than %d bytes", path, maxFile)
	}
	if err := json.Unmarshal(raw, f); err != nil {
		return nil, fmt.Errorf("%s: %w: mend it, or remove it and add the contexts again", path, err)
	}
	if f.Version != version {
		return nil, fmt.Errorf("%s: version %d: this build knows version %d", path, f.Version, version)
	}
	if f.Contexts == nil {
		f.Contexts = make(map[string]map[string]string)
	}
	return f, nil
}

// Save writes the file, for its owner alone.
func (f *File) Save() error {
	if f.path == "" {
		path, err := Path()
		if err != nil {
			return fmt.Errorf("no place for contexts: %w: set XDG_CONFIG_HOME", err)
		}
		f.path = path
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return err
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	if err := enc.Encode(f); err != nil {
		return err
	}
	// One that is there keeps its mode when it is replaced; a new one gets the right one.
	if w, err := os.OpenFile(f.path, os.O_WRONLY|os.O_CREATE, 0o600); err == nil {
		_ = w.Close() // nothing was written
	}
	if err := os.Chmod(f.path, 0o600); err != nil {
		return err
	}
	w, err := wholefile.Create(f.path)
	if err != nil {
		return err
	}
	defer func() { _ = w.Close() }() // after Commit there is nothing to do
	if _, err := w.Write(b.Bytes()); err != nil {
		return err
	}
	return w.Commit()
}

// Names are those of the contexts, sorted.
func (f *File) Names() []string { return slices.Sorted(maps.Keys(f.Contexts)) }

// Find is a context's flags; the error says which contexts there are.
func (f *File) Find(name string) (map[string]string, error) {
	if flags, ok := f.Contexts[name]; ok {
		return flags, nil
	}
	if len(f.Contexts) == 0 {
		return nil, fmt.Errorf("there is no context %q, nor any other: add it with nanofront context add %s --etcd URL", name, name)
	}
	return nil, fmt.Errorf("there is no context %q: there are %s", name, strings.Join(f.Names(), ", "))
}

// CheckName reports what is wrong with a context's name.
func CheckName(name string) error {
	odd := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '.' && r != '_'
	}
	if name == "" || len(name) > maxName || strings.ContainsFunc(name, odd) || strings.HasPrefix(name, "-") {
		return fmt.Errorf("%q is not a context's name: want 1 to %d lower-case letters, digits, '-', '.' and '_'", name, maxName)
	}
	return nil
}
