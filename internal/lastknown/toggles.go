package lastknown

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"nanofront/registry/toggled"
)

// togglesState is what a file of toggles holds.
type togglesState struct {
	Version  int           `json:"version"`
	Saved    time.Time     `json:"saved"`
	Prefix   string        `json:"prefix"`
	Revision int64         `json:"revision"`
	Toggles  []savedToggle `json:"toggles"`
}

type savedToggle struct {
	Name       string          `json:"name"`
	Revision   int64           `json:"revision"`
	Definition json.RawMessage `json:"definition"`
}

// ReadToggles reads a file that WriteToggles has written for the same prefix. Without a file all is
// zero. The error wraps ErrFile if the file is another system's; any other says that it is unusable.
func ReadToggles(file, prefix string) (t toggled.Change, saved time.Time, err error) {
	raw, err := readFile(file)
	if errors.Is(err, errMissing) {
		return t, saved, nil
	}
	if err != nil {
		return t, saved, err
	}
	var s togglesState
	if err := json.Unmarshal(raw, &s); err != nil {
		return t, saved, fmt.Errorf("wasn't written by a handler: %w", err)
	}
	if s.Version != formatVersion {
		return t, saved, fmt.Errorf("has version %d: want %d", s.Version, formatVersion)
	}
	if s.Prefix != prefix {
		return t, saved, fmt.Errorf("%w: --last-known %s belongs to the system at --etcd-prefix %s, not to %s: name another file, or remove it", ErrFile, file, s.Prefix, prefix)
	}
	t = toggled.Change{Revision: s.Revision, Whole: true, List: make([]toggled.Toggle, len(s.Toggles))}
	for i, x := range s.Toggles {
		t.List[i] = toggled.Toggle{Name: x.Name, Definition: x.Definition, Revision: x.Revision}
	}
	return t, s.Saved, nil
}

// WriteToggles replaces the file.
func WriteToggles(file, prefix string, t toggled.Change) error {
	s := togglesState{Version: formatVersion, Saved: time.Now().UTC(), Prefix: prefix, Revision: t.Revision, Toggles: make([]savedToggle, len(t.List))}
	for i, x := range t.List {
		s.Toggles[i] = savedToggle{x.Name, x.Revision, x.Definition}
	}
	return writeFile(file, &s)
}
