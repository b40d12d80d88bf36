package up

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"nanofront/etcd"
	"nanofront/internal/admin"
	"nanofront/internal/cli"
	"nanofront/internal/supervisor"
	"nanofront/registry"
)

// seedRoutes waits for etcd and writes the routes if there are none.
func (c *Command) seedRoutes(ctx context.Context, s *supervisor.Supervisor, routes *registry.Routes) error {
	client, err := etcd.Open(ctx, etcd.Options{Endpoints: []string{c.EtcdURL}, Prefix: c.EtcdPrefix, Logger: zerolog.Nop()})
	if err != nil {
		return cli.Usagef("--etcd-url: %w", err)
	}
	defer func() { _ = client.Close() }() // nothing is lost with it
	return c.wait(ctx, s, "etcd", func(ctx context.Context) error {
		written, err := client.SeedRoutes(ctx, routes)
		if err == nil && !written && c.Routes != "" {
			s.Say("etcd in %s has routes already: --routes %s is not used; nanofront routes apply changes them", c.Data, c.Routes)
		}
		if err != nil {
			return err
		}
		return seedToggle(ctx, client)
	})
}

// look is a toggle to try: the colour of web's start page.
const look = `{"state":"ENABLED","variants":{"teal":"teal","plum":"plum","amber":"amber"},"defaultVariant":"teal"}`

// seedToggle writes it if it isn't there.
func seedToggle(ctx context.Context, client *etcd.Client) error {
	_, err := client.Commit(ctx, etcd.Change{By: "nanofront up", Toggles: []etcd.ToggleWrite{{Name: "web-look", Definition: []byte(look)}}})
	if errors.Is(err, etcd.ErrConflict) {
		return nil
	}
	return err
}

// ready waits until all instances are announced, each says that it has what
// it needs, and the terminator has found them.
func (c *Command) ready(ctx context.Context, s *supervisor.Supervisor) error {
	client, err := etcd.Open(ctx, etcd.Options{Endpoints: []string{c.EtcdURL}, Prefix: c.EtcdPrefix, Logger: zerolog.Nop()})
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }() // nothing is lost with it
	return c.wait(ctx, s, "the system", func(ctx context.Context) error {
		instances, err := client.Instances(ctx)
		if err != nil {
			return err
		}
		if len(instances) < c.instances() {
			return fmt.Errorf("%d of %d instances are announced", len(instances), c.instances())
		}
		for _, in := range instances {
			if err := isReady(ctx, in.Admin); err != nil {
				return fmt.Errorf("%s: %w", in.ID, err)
			}
		}
		if err := isReady(ctx, dialable(c.Admin)); err != nil {
			return fmt.Errorf("terminator: %w", err)
		}
		return served(ctx, dialable(c.Admin), instances)
	})
}

// served reports which of the instances' services the terminator can't reach.
// That a service that isn't among them, of a document of the user's own, can't
// be reached is for him to know.
func served(ctx context.Context, terminator string, instances []registry.Instance) error {
	var state struct {
		Degraded []struct {
			Service, Reason string
		}
	}
	if err := admin.GetJSON(ctx, terminator, "/state.json", &state); err != nil {
		return fmt.Errorf("terminator: %w", err)
	}
	for _, d := range state.Degraded {
		if slices.ContainsFunc(instances, func(in registry.Instance) bool { return in.Service == d.Service }) {
			return fmt.Errorf("terminator: %s", d.Reason)
		}
	}
	return nil
}

// isReady asks an admin port.
func isReady(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	resp, err := admin.Get(ctx, addr, "/readyz")
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	if resp.StatusCode != http.StatusOK {
		reasons, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // as much as came
		return errors.New(strings.TrimSpace(string(reasons)))
	}
	return nil
}

// wait tries until it succeeds, a child is given up, or ctx ends. What is
// tried is cut short by either: a client of etcd is patient with a server that
// will never come.
func (c *Command) wait(ctx context.Context, s *supervisor.Supervisor, what string, try func(context.Context) error) error {
	trying, cancel := context.WithCancelCause(ctx)
	over, watched := make(chan struct{}), make(chan struct{})
	go func() { // ends with wait
		defer close(watched)
		select {
		case err := <-s.Failed():
			cancel(err)
		case <-over:
		}
	}()
	err := retry(trying, try)
	close(over)
	<-watched
	defer cancel(nil)
	switch {
	case ctx.Err() != nil && err != nil:
		return fmt.Errorf("%s did not come up: %w", what, err)
	case ctx.Err() == nil && trying.Err() != nil:
		return context.Cause(trying)
	}
	return err
}

// retry tries until it succeeds or ctx ends, and returns the last error.
func retry(ctx context.Context, try func(context.Context) error) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}
