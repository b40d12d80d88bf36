package routes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/rs/zerolog"

	"nanofront/etcd"
	"nanofront/etcd/discovery"
	"nanofront/internal/cli"
	"nanofront/internal/terminal"
	"nanofront/registry"
)

// Command is nanofront routes.
type Command struct {
	Get   getCommand   `cmd:"" help:"Show the routes in force."`
	Apply applyCommand `cmd:"" help:"Replace the routes with those of a file, if they are valid."`
	Add   addCommand   `cmd:"" help:"Add a route by prefix to those in force."`
}

type getCommand struct {
	cli.Discovery
	JSON bool `name:"json" help:"Print the document itself, ready to apply again."`
}

// Run implements command.
func (c *getCommand) Run(ctx context.Context, std cli.IO) error {
	src, err := discovery.Open(ctx, &c.Discovery, zerolog.Nop(), nil)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }() // nothing is lost with it
	doc, _, rev, err := src.Routes(ctx)
	if err != nil {
		return err
	}
	if doc == nil {
		return fmt.Errorf("there are no routes yet: add some with nanofront routes apply FILE")
	}
	if c.JSON {
		enc := json.NewEncoder(std.Out)
		enc.SetIndent("", "  ")
		return enc.Encode(doc)
	}
	out := terminal.ScreenOf(std.Out)
	out.Line("revision %d; of several that match a request, the first here is taken", rev)
	out.Line("")
	t := terminal.Table{Columns: []terminal.Column{
		{Head: "match"}, {Head: "service"}, {Head: "timeout", Right: true}, {Head: "max body", Right: true, Drop: 1}, {Head: "hash", Drop: 2}, {Head: "name", Drop: 3},
	}}
	for _, r := range doc.ByPrecedence() {
		timeout, maxBody := r.Timeout, r.MaxBody
		if timeout == 0 {
			timeout = registry.Duration(registry.DefaultTimeout)
		}
		if maxBody == 0 {
			maxBody = registry.DefaultMaxBody
		}
		t.Add(r.Match.String(), r.Service, timeout.String(), terminal.Size(maxBody), r.Hash, r.Name)
	}
	t.Print(out, out.Width, out.Colours)
	printShares(out, doc)
	warnMissing(ctx, std, src, doc)
	return nil
}

type applyCommand struct {
	cli.Discovery
	File     string `arg:"" type:"path" help:"Routes document, JSON or YAML; - for standard input."`
	Revision int64  `default:"-1" range:"-1..9223372036854775807" placeholder:"N" help:"Apply only if the routes in force have this revision (0: there are none). Default: any."`
	DryRun   bool   `help:"Only check the file, and name its services without a registered instance."`
}

// Run implements command.
func (c *applyCommand) Run(ctx context.Context, std cli.IO) error {
	raw, err := Read(c.File, std.In)
	if err != nil {
		return cli.Usagef("%w", err)
	}
	doc, err := registry.ParseRoutes(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	if c.DryRun {
		c.remark(ctx, std, doc)
		_, _ = fmt.Fprintf(std.Out, "%s is valid: %s to %s\n", c.File, terminal.Count(len(doc.Routes), "route"), strings.Join(doc.Services(), ", "))
		return nil
	}
	client, err := discovery.OpenEtcd(ctx, &c.Discovery, zerolog.Nop(), nil)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }() // nothing is lost with it
	expect := c.Revision
	if expect < 0 {
		// An invalid document may be replaced like any other.
		if _, _, expect, err = client.Routes(ctx); err != nil && !errors.Is(err, registry.ErrInvalidRoutes) {
			return err
		}
	}
	rev, err := client.Commit(ctx, etcd.Change{Routes: doc, RoutesExpect: expect, By: cli.Whoami(), Why: "nanofront routes apply"})
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(std.Out, "%s to %s in force as revision %d (before: %d)\n", terminal.Count(len(doc.Routes), "route"), strings.Join(doc.Services(), ", "), rev, expect)
	warnMissing(ctx, std, client, doc)
	return nil
}

// Read reads a file of at most registry.MaxDocument bytes; - is in.
func Read(name string, in io.Reader) ([]byte, error) {
	return cli.ReadInput(name, in, registry.MaxDocument)
}
