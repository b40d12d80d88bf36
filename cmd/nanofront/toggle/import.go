package toggle

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"

	"nanofront/etcd"
	"nanofront/internal/cli"
	"nanofront/registry/toggled"
	"nanofront/toggles"
)

// maxFile bounds a file of definitions, in bytes.
const maxFile = 64 << 20

type importCommand struct {
	cli.Discovery
	File   string `arg:"" type:"path" help:"Definitions in flagd's format, JSON or YAML; - for standard input."`
	Prune  bool   `help:"Delete the toggles and shared rules that the file doesn't have."`
	DryRun bool   `help:"Only check the file, and say what it would change."`
}

// Help implements kong.HelpProvider.
func (*importCommand) Help() string {
	return "Up to 100 toggles, of 1 MiB in all, change together; more are written in several transactions, shared rules first. What isn't valid is refused, and then nothing is written."
}

// Run implements command.
func (c *importCommand) Run(ctx context.Context, std cli.IO) error {
	raw, err := read(c.File, std.In)
	if err != nil {
		return cli.Usagef("%w", err)
	}
	list, err := toggles.ParseDefinitions(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	s, err := open(ctx, &c.Discovery)
	if err != nil {
		return err
	}
	defer s.close()
	writes, sum := s.differences(list, c.Prune)
	if err := s.check(writes); err != nil {
		return err
	}
	if n := len(s.now.List) + sum.added - sum.deleted; n > toggled.MaxToggles {
		return fmt.Errorf("there would be %d toggles and shared rules: want at most %d", n, toggled.MaxToggles)
	}
	if c.DryRun {
		_, _ = fmt.Fprintf(std.Out, "%s is valid: it would write %v\n", c.File, sum)
		return nil
	}
	if len(writes) == 0 {
		_, _ = fmt.Fprintf(std.Out, "all is as in %s already: nothing was written\n", c.File)
		return nil
	}
	written, rev, err := s.ApplyToggles(ctx, cli.Whoami(), writes)
	if err != nil {
		if written > 0 {
			return fmt.Errorf("%d of %d were written, up to revision %d, and no more; run it again: %w", written, len(writes), rev, err)
		}
		return err
	}
	_, _ = fmt.Fprintf(std.Out, "%v\nrevision %d\n", sum, rev)
	return nil
}

// summary is what a file changes.
type summary struct{ added, changed, deleted, same int }

// String is for people.
func (s summary) String() string {
	text := fmt.Sprintf("%d new, %d changed", s.added, s.changed)
	if s.deleted > 0 {
		text += fmt.Sprintf(", %d deleted", s.deleted)
	}
	return text + fmt.Sprintf(", %d as they were", s.same)
}

// differences are what has to be written so that all is as in the file.
func (s *system) differences(list []toggled.Toggle, prune bool) (writes []etcd.ToggleWrite, sum summary) {
	there := make(map[string]toggled.Toggle, len(s.now.List))
	for _, t := range s.now.List {
		there[t.Name] = t
	}
	for _, t := range list {
		definition := tight(t.Definition)
		old, exists := there[t.Name]
		delete(there, t.Name)
		switch {
		case !exists:
			sum.added++
		case string(tight(old.Definition)) == string(definition):
			sum.same++
			continue
		default:
			sum.changed++
		}
		writes = append(writes, etcd.ToggleWrite{Name: t.Name, Definition: definition, Expect: old.Revision})
	}
	if prune {
		for name, t := range there {
			sum.deleted++
			writes = append(writes, etcd.ToggleWrite{Name: name, Expect: t.Revision})
		}
	}
	return writes, sum
}

// tight is JSON without spaces, its keys sorted; what isn't JSON stays.
func tight(raw []byte) []byte {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return raw
	}
	out, err := json.Marshal(v)
	if err != nil {
		return raw
	}
	return out
}

// read reads a file as JSON, also one that is YAML.
func read(name string, in io.Reader) ([]byte, error) {
	raw, err := cli.ReadInput(name, in, maxFile)
	if err != nil {
		return nil, err
	}
	if json.Valid(raw) {
		return raw, nil
	}
	var v map[string]any
	if err := yaml.Unmarshal(raw, &v); err != nil {
		return nil, fmt.Errorf("%s: neither JSON nor YAML: %w", name, err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return out, nil
}
