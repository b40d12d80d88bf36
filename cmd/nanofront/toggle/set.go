package toggle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"nanofront/etcd"
	"nanofront/internal/cli"
	"nanofront/internal/terminal"
	"nanofront/toggles"
)

type setCommand struct {
	cli.Discovery
	Assignments []string      `arg:"" placeholder:"TOGGLE=TO" help:"A variant of the toggle, to be its default; enabled or disabled; or a whole definition, as JSON or @FILE."`
	Create      bool          `help:"Make toggles that don't exist yet: on or off makes a boolean one."`
	NoRule      bool          `help:"Take the toggles' rules away, so that everybody gets the variant."`
	Revision    int64         `default:"-1" range:"-1..9223372036854775807" placeholder:"N" help:"Only if the toggle is at this revision (toggle list shows it). Default: the one that is found, so that no change of others is lost."`
	Wait        time.Duration `default:"0s" range:"0s..10m" placeholder:"D" help:"Wait up to this long until all handlers act on it, and say how long that took."`
}

// Help implements kong.HelpProvider.
func (*setCommand) Help() string {
	return "All toggles of one command change together: no request sees some of them changed and others not. What isn't valid is refused, and then nothing is written."
}

// Run implements command.
func (c *setCommand) Run(ctx context.Context, std cli.IO) error {
	if c.Revision >= 0 && len(c.Assignments) > 1 {
		return cli.Usagef("--revision %d: is for one toggle, not for %d", c.Revision, len(c.Assignments))
	}
	s, err := open(ctx, &c.Discovery)
	if err != nil {
		return err
	}
	defer s.close()
	var said []string
	ch := etcd.Change{By: cli.Whoami()}
	for _, a := range c.Assignments {
		w, line, err := c.assign(s, a)
		if err != nil {
			return err
		}
		ch.Toggles, said = append(ch.Toggles, w), append(said, line)
	}
	if err := errors.Join(ch.Check(), s.check(ch.Toggles)); err != nil {
		return err
	}
	start := time.Now()
	rev, err := s.Commit(ctx, ch)
	if err != nil {
		return err
	}
	for _, line := range said {
		_, _ = fmt.Fprintln(std.Out, line)
	}
	_, _ = fmt.Fprintf(std.Out, "revision %d\n", rev)
	if c.Wait == 0 {
		return nil
	}
	return s.wait(ctx, std, rev, start, c.Wait)
}

// assign is what becomes of one toggle, and what to say of it.
func (c *setCommand) assign(s *system, assignment string) (w etcd.ToggleWrite, said string, err error) {
	name, to, ok := strings.Cut(assignment, "=")
	if !ok || name == "" {
		return w, "", cli.Usagef("%q: want TOGGLE=TO, such as new-look=on", assignment)
	}
	old, exists := s.find(name)
	w = etcd.ToggleWrite{Name: name, Expect: old.Revision}
	if c.Revision >= 0 {
		w.Expect = c.Revision
	}
	if !exists && !c.Create {
		return w, "", s.unknown(name, "; to make it: --create")
	}
	switch {
	case strings.HasPrefix(to, "@"):
		if w.Definition, err = os.ReadFile(to[1:]); err != nil {
			return w, "", cli.Usagef("%s: %w", name, err)
		}
		return w, name + ": as in " + to[1:], nil
	case strings.HasPrefix(to, "{"):
		w.Definition = []byte(to)
		return w, name + ": as given", nil
	case !exists:
		on := to == "on" || to == "true"
		if !on && to != "off" && to != "false" {
			return w, "", cli.Usagef("%s doesn't exist, and %q makes none: want on or off for a boolean toggle, or a definition as JSON or @FILE", name, to)
		}
		w.Definition = toggles.NewBoolean(on)
		return w, fmt.Sprintf("%s: %s (new)", name, map[bool]string{true: "on", false: "off"}[on]), nil
	}
	var before string
	if w.Definition, before, err = toggles.WithVariant(name, old.Definition, to, c.NoRule); err != nil {
		return w, "", &cli.UsageError{Err: errors.New(reason(err))}
	}
	said = fmt.Sprintf("%s: %s (before: %s)", name, to, before)
	if before == "" {
		said = fmt.Sprintf("%s: %s (before: none)", name, to)
	}
	if f := s.set.Flag(name); f != nil && f.Targeted() && !c.NoRule && to != "disabled" {
		said += "; where its rule says nothing else (--no-rule takes that away)"
	}
	return w, said, nil
}

type deleteCommand struct {
	cli.Discovery
	Toggles []string `arg:"" placeholder:"TOGGLE" help:"Their names."`
}

// Run implements command.
func (c *deleteCommand) Run(ctx context.Context, std cli.IO) error {
	s, err := open(ctx, &c.Discovery)
	if err != nil {
		return err
	}
	defer s.close()
	ch := etcd.Change{By: cli.Whoami()}
	for _, name := range c.Toggles {
		t, ok := s.find(name)
		if !ok {
			return s.unknown(name, "; nothing was deleted")
		}
		ch.Toggles = append(ch.Toggles, etcd.ToggleWrite{Name: name, Expect: t.Revision})
	}
	if err := errors.Join(ch.Check(), s.check(ch.Toggles)); err != nil {
		return err
	}
	rev, err := s.Commit(ctx, ch)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(std.Out, "%s deleted: handlers get their own defaults\nrevision %d\n", terminal.Count(len(c.Toggles), "toggle"), rev)
	return nil
}
