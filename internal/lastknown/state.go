package lastknown

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"nanofront/registry"
)

const (
	formatVersion = 1
	// maxFile bounds what is read: 10,000 instances and the largest document
	// have some 5 MB, 20,000 toggles some 10.
	maxFile = 64 << 20
)

// state is what the file holds.
type state struct {
	Version   int                 `json:"version"`
	Saved     time.Time           `json:"saved"` // when it was last known to hold
	Prefix    string              `json:"prefix"`
	Instances []registry.Instance `json:"instances"`
	Routes    json.RawMessage     `json:"routes"`
	Revision  int64               `json:"revision,omitempty"` // of the routes

	routes *registry.Routes
}

// errMissing: there is no file yet.
var errMissing = errors.New("no file yet")

// readFile reads a file of bounded size; errMissing if there is none.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, errMissing
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > maxFile {
		return nil, fmt.Errorf("has more than %d bytes", maxFile)
	}
	return raw, nil
}

// read reads and checks the file.
func read(name string) (*state, error) {
	raw, err := readFile(name)
	if err != nil {
		return nil, err
	}
	var s state
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, fmt.Errorf("wasn't written by a terminator: %w", err)
	}
	if s.Version != formatVersion {
		return nil, fmt.Errorf("has version %d: want %d", s.Version, formatVersion)
	}
	for _, in := range s.Instances {
		if err := in.Validate(); err != nil {
			return nil, err
		}
	}
	registry.SortInstances(s.Instances)
	if s.routes, err = registry.ParseRoutes(s.Routes); err != nil {
		return nil, err
	}
	return &s, nil
}

// write replaces the file by s.
func (s *state) write(name string) error { return writeFile(name, s) }

// writeFile replaces the file by v as JSON.
func writeFile(name string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	dir := filepath.Dir(name)
	f, err := os.CreateTemp(dir, ".last-known-*")
	if err != nil {
		return err
	}
	_, err = f.Write(append(raw, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // of no use any more
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
