package systems

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"nanofront/etcd"
	"nanofront/internal/cli"
	"nanofront/internal/contexts"
	"nanofront/internal/terminal"
	"nanofront/nanobus/busflags"
)

// Command is nanofront context.
type Command struct {
	Add    addCommand    `cmd:"" help:"Add a context, or replace the one of that name."`
	Use    useCommand    `cmd:"" help:"Make a context the current one, which commands use."`
	List   listCommand   `cmd:"" help:"List the contexts."`
	Remove removeCommand `cmd:"" help:"Remove a context."`
}

type addCommand struct {
	Name string `arg:"" help:"Name of the context: lower-case letters, digits, '-', '.' and '_'."`

	cli.Discovery
	busflags.Flags

	given map[string]string // flags on the command line
}

// Help implements kong.HelpProvider.
func (*addCommand) Help() string {
	return "Keeps the flags that are given here; file names are made absolute. What the environment says is not kept. The first context becomes the current one."
}

// WithoutContext implements cli.WithoutContext.
func (*addCommand) WithoutContext() {}

// Validate is called by kong.
func (c *addCommand) Validate(k *kong.Context) error {
	if err := c.Discovery.Validate(); err != nil {
		return err
	}
	if err := c.Flags.Validate(); err != nil {
		return err
	}
	c.given = make(map[string]string)
	for _, p := range k.Path {
		if p.Flag == nil || p.Resolved || !slices.Contains(contexts.Flags, p.Flag.Name) {
			continue
		}
		value := fmt.Sprint(k.FlagValue(p.Flag))
		if p.Flag.Tag.Type == "path" && value != "" {
			abs, err := filepath.Abs(value)
			if err != nil {
				return err
			}
			value = abs
		}
		c.given[p.Flag.Name] = value
	}
	return nil
}

// Run implements command.
func (c *addCommand) Run(_ context.Context, std cli.IO) error {
	if err := contexts.CheckName(c.Name); err != nil {
		return &cli.UsageError{Err: err}
	}
	if c.given["etcd"] == "" && c.given["static"] == "" {
		return cli.Usagef("context %s: it needs --etcd or --static, to say which system is meant", c.Name)
	}
	if c.given["etcd"] != "" && c.given["static"] != "" {
		return cli.Usagef("context %s: --etcd and --static: give one of them", c.Name)
	}
	for _, url := range strings.Split(c.given["etcd"], ",") {
		if strings.Contains(url, "@") {
			return cli.Usagef("--etcd: a user or password in a URL would be kept in the contexts' file: use --etcd-user and --etcd-password-file")
		}
	}
	if _, err := etcd.ParsePrefix(c.EtcdPrefix); err != nil {
		return &cli.UsageError{Err: err}
	}
	f, err := contexts.Load()
	if err != nil {
		return err
	}
	_, had := f.Contexts[c.Name]
	f.Contexts[c.Name] = c.given
	if len(f.Contexts) == 1 {
		f.Current = c.Name
	}
	if err := f.Save(); err != nil {
		return err
	}
	what := "added"
	if had {
		what = "replaced"
	}
	current := fmt.Sprintf("commands use it after nanofront context use %s, or with --context %s", c.Name, c.Name)
	if f.Current == c.Name {
		current = "commands use it from now on"
	}
	_, _ = fmt.Fprintf(std.Out, "context %s %s: %s\n", c.Name, what, current)
	return nil
}

type useCommand struct {
	Name string `arg:"" help:"Name of the context."`
}

// Run implements command.
func (c *useCommand) Run(_ context.Context, std cli.IO) error {
	f, err := contexts.Load()
	if err != nil {
		return err
	}
	flags, err := f.Find(c.Name)
	if err != nil {
		return &cli.UsageError{Err: err}
	}
	f.Current = c.Name
	if err := f.Save(); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(std.Out, "commands use %s from now on: %s\n", c.Name, place(flags))
	return nil
}

type removeCommand struct {
	Name string `arg:"" help:"Name of the context."`
}

// Run implements command.
func (c *removeCommand) Run(_ context.Context, std cli.IO) error {
	f, err := contexts.Load()
	if err != nil {
		return err
	}
	if _, err := f.Find(c.Name); err != nil {
		return &cli.UsageError{Err: err}
	}
	delete(f.Contexts, c.Name)
	left := ""
	if f.Current == c.Name {
		f.Current, left = "", "; none is current now: choose one with nanofront context use"
		if len(f.Contexts) == 0 {
			left = ""
		}
	}
	if err := f.Save(); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(std.Out, "context %s removed%s\n", c.Name, left)
	return nil
}

type listCommand struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Run implements command.
func (c *listCommand) Run(_ context.Context, std cli.IO) error {
	f, err := contexts.Load()
	if err != nil {
		return err
	}
	if c.JSON {
		enc := json.NewEncoder(std.Out)
		enc.SetIndent("", "  ")
		return enc.Encode(f)
	}
	s := terminal.ScreenOf(std.Out)
	if len(f.Contexts) == 0 {
		s.Line("there are no contexts: commands use --etcd, or http://127.0.0.1:2379; add one with nanofront context add NAME --etcd URL")
		return nil
	}
	t := terminal.Table{Columns: []terminal.Column{{Head: "context"}, {Head: "current"}, {Head: "system", Least: 30}, {Head: "and", Drop: 1}}}
	for _, name := range f.Names() {
		flags, current := f.Contexts[name], ""
		if name == f.Current {
			current = "yes"
		}
		var more []string
		for _, flag := range contexts.Flags {
			if _, ok := flags[flag]; ok && flag != "etcd" && flag != "etcd-prefix" && flag != "static" {
				more = append(more, "--"+flag)
			}
		}
		t.AddCells(terminal.Cell{Text: name, Style: terminal.Bold}, terminal.Cell{Text: current}, terminal.Cell{Text: place(flags)}, terminal.Cell{Text: strings.Join(more, " ")})
	}
	t.Print(s, s.Width, s.Colours)
	return nil
}

// place is where a context's system is found, on a line.
func place(flags map[string]string) string {
	if table := flags["static"]; table != "" {
		return "table " + table
	}
	prefix := flags["etcd-prefix"]
	if prefix == "" {
		prefix = etcd.DefaultPrefix
	}
	return fmt.Sprintf("etcd %s, prefix %s", flags["etcd"], prefix)
}
