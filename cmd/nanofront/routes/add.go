package routes

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rs/zerolog"

	"nanofront/etcd"
	"nanofront/etcd/discovery"
	"nanofront/internal/cli"
	"nanofront/registry"
)

// addTries is how often others may change the routes meanwhile.
const addTries = 10

type addCommand struct {
	cli.Discovery
	Prefix  string `arg:"" help:"Prefix of the requests' paths, such as /greet."`
	Service string `arg:"" help:"Service that answers them."`
}

// Run implements command. To add what is there already is no error: what runs a handler
// may do so each time.
func (c *addCommand) Run(ctx context.Context, std cli.IO) error {
	route := registry.Route{Match: registry.Match{Prefix: c.Prefix}, Service: c.Service}
	if err := (&registry.Routes{Version: registry.RoutesVersion, Routes: []registry.Route{route}}).Validate(); err != nil {
		return &cli.UsageError{Err: err}
	}
	client, err := discovery.OpenEtcd(ctx, &c.Discovery, zerolog.Nop(), nil)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }() // nothing is lost with it
	for range addTries {
		var doc *registry.Routes
		var rev int64
		if doc, _, rev, err = client.Routes(ctx); err != nil {
			return err
		}
		if doc == nil {
			doc = &registry.Routes{Version: registry.RoutesVersion}
		}
		if i := slices.IndexFunc(doc.Routes, func(r registry.Route) bool { return r.Match.String() == route.Match.String() }); i >= 0 {
			if there := doc.Routes[i].Service; there != c.Service {
				return fmt.Errorf("%s already goes to %s: choose another prefix, or edit the routes (nanofront routes get --json, then nanofront routes apply)", c.Prefix, there)
			}
			_, _ = fmt.Fprintf(std.Out, "%s already goes to %s\n", c.Prefix, c.Service)
			return nil
		}
		doc.Routes = append(doc.Routes, route)
		rev, err = client.Commit(ctx, etcd.Change{Routes: doc, RoutesExpect: rev, By: cli.Whoami(), Why: "nanofront routes add"})
		if err == nil {
			_, _ = fmt.Fprintf(std.Out, "%s now goes to %s, as of revision %d of the routes\n", c.Prefix, c.Service, rev)
			return nil
		}
		if !errors.Is(err, etcd.ErrConflict) {
			return err
		}
	}
	return err
}
