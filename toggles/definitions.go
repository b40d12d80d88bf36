package toggles

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"nanofront/registry/toggled"
)

// FlagdVersion is the version of flagd's definitions and evaluation that is meant: that of the
// scenarios that it passes, github.com/open-feature/flagd-testbed, whose shares (fractional-v2)
// came with flagd core 0.15.
const FlagdVersion = "flagd-testbed v3.9.0"

// ParseDefinitions reads a file of flagd's: {"flags": {NAME: …}, "$evaluators": {NAME: …}}. Flags
// may also be a list with their names as key. It checks the names and sizes alone: [Set.Apply]
// makes toggles of them.
func ParseDefinitions(raw []byte) ([]toggled.Toggle, error) {
	var file struct {
		Flags      json.RawMessage            `json:"flags"`
		Evaluators map[string]json.RawMessage `json:"$evaluators"`
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		return nil, fmt.Errorf("%w: not a file of flag definitions: %w", ErrDefinition, err)
	}
	flags, err := parseFlags(file.Flags)
	if err != nil {
		return nil, err
	}
	var list []toggled.Toggle
	for _, name := range slices.Sorted(maps.Keys(file.Evaluators)) {
		list = append(list, toggled.Toggle{Name: toggled.EvaluatorPrefix + name, Definition: file.Evaluators[name]})
	}
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		list = append(list, toggled.Toggle{Name: name, Definition: flags[name]})
	}
	for _, t := range list {
		if err := toggled.Check(t.Name, t.Definition); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func parseFlags(raw json.RawMessage) (map[string]json.RawMessage, error) {
	flags := make(map[string]json.RawMessage)
	if len(raw) == 0 {
		return nil, fmt.Errorf(`%w: no "flags" in it: want {"flags": {NAME: {"variants": …}}}`, ErrDefinition)
	}
	err := json.Unmarshal(raw, &flags)
	if err == nil {
		return flags, nil
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return nil, fmt.Errorf("%w: flags: %w", ErrDefinition, err)
	}
	for i, raw := range list {
		var f struct {
			Key string `json:"key"`
		}
		if err := json.Unmarshal(raw, &f); err != nil || f.Key == "" {
			return nil, fmt.Errorf("%w: flags[%d]: no key, which is its name", ErrDefinition, i)
		}
		if flags[f.Key] != nil {
			return nil, fmt.Errorf("%w: flags[%d]: there are two flags %q", ErrDefinition, i, f.Key)
		}
		flags[f.Key] = raw
	}
	return flags, nil
}
