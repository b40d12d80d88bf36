package toggle

import (
	"context"
	"fmt"
	"strings"

	"github.com/rs/zerolog"

	"nanofront/etcd"
	"nanofront/etcd/discovery"
	"nanofront/internal/cli"
	"nanofront/registry/toggled"
	"nanofront/toggles"
)

// Command is nanofront toggle.
type Command struct {
	List   listCommand   `cmd:"" help:"List all toggles."`
	Get    getCommand    `cmd:"" help:"Print a toggle's definition."`
	Set    setCommand    `cmd:"" help:"Change toggles, several of them in one transaction."`
	Delete deleteCommand `cmd:"" help:"Delete toggles, in one transaction."`
	Test   testCommand   `cmd:"" help:"Say what a request would get."`
	Import importCommand `cmd:"" help:"Write the toggles of a file of flagd's."`
}

// system is etcd, and all toggles there.
type system struct {
	*etcd.Client
	now toggled.Change
	set *toggles.Set
}

func open(ctx context.Context, flags *cli.Discovery) (*system, error) {
	client, err := discovery.OpenEtcd(ctx, flags, zerolog.Nop(), nil)
	if err != nil {
		return nil, err
	}
	s := &system{Client: client}
	if s.now, err = client.Toggles(ctx); err != nil {
		_ = client.Close() // nothing is lost with it
		return nil, err
	}
	s.set, _ = new(toggles.Set).Apply(s.now)
	return s, nil
}

func (s *system) close() { _ = s.Close() } // nothing is lost with it

// find is a toggle's definition as it is written, in force or not.
func (s *system) find(name string) (toggled.Toggle, bool) {
	for _, t := range s.now.List {
		if t.Name == name {
			return t, true
		}
	}
	return toggled.Toggle{}, false
}

// unknown is the error for a toggle that isn't there.
func (s *system) unknown(name, hint string) error {
	if len(s.now.List) == 0 {
		return cli.Usagef("there is no toggle %q, nor any other%s", name, hint)
	}
	if near := s.near(name); near != "" {
		return cli.Usagef("there is no toggle %q; there is %s%s", name, near, hint)
	}
	return cli.Usagef("there is no toggle %q (nanofront toggle list shows those that exist)%s", name, hint)
}

// near is a toggle whose name looks like the one that was meant.
func (s *system) near(name string) string {
	low := strings.ToLower(name)
	for _, t := range s.now.List {
		other := strings.ToLower(t.Name)
		if strings.Contains(other, low) || strings.Contains(low, other) {
			return t.Name
		}
	}
	return ""
}

// broken is what a change would break, and hasn't been broken before.
type broken []string

// Error implements error.
func (b broken) Error() string { return strings.Join(b, "; ") }

// Mistakes implements the interface of errors that are many.
func (b broken) Mistakes() []string { return b }

// check is an error if a change would leave a definition that isn't valid.
func (s *system) check(writes []etcd.ToggleWrite) error {
	change := toggled.Change{Revision: s.now.Revision + 1}
	for _, w := range writes {
		if err := toggled.Check(w.Name, w.Definition); err != nil {
			return err
		}
		change.List = append(change.List, toggled.Toggle{Name: w.Name, Definition: w.Definition, Revision: change.Revision})
	}
	next, _ := s.set.Apply(change)
	var b broken
	before, after := s.set.Faults(), next.Faults()
	for _, w := range writes {
		if err := after[w.Name]; err != nil {
			b = append(b, reason(err))
			delete(after, w.Name)
		}
	}
	for name, err := range after {
		if before[name] == nil {
			b = append(b, reason(err))
		}
	}
	if len(b) > 0 {
		return b
	}
	return nil
}

// reason is an error without the revision that it would have had, and without its code.
func reason(err error) string {
	text := err.Error()
	if code := toggles.CodeOf(err); code != "" {
		return strings.TrimPrefix(text, code.Error()+": ")
	}
	if _, rest, ok := strings.Cut(text, toggles.ErrDefinition.Error()+": "); ok {
		return rest
	}
	return text
}

// text is a value as people read it.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return fmt.Sprintf("%q", v)
	case map[string]any, []any:
		return compact(v)
	}
	return fmt.Sprint(v)
}
