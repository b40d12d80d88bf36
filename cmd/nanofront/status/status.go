package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rs/zerolog"

	"nanofront/cmd/nanofront/overview"
	"nanofront/etcd/discovery"
	"nanofront/internal/cli"
	"nanofront/internal/terminal"
)

// Command is nanofront status.
type Command struct {
	cli.Discovery
	Terminators []string      `sep:"," placeholder:"ADDRS" help:"Admin addresses of terminators, in addition to those announced in etcd. Default: 127.0.0.1:8081 if none is announced."`
	Watch       bool          `short:"w" help:"Go on until ctrl-C: in place on a terminal, else one after the other."`
	Interval    time.Duration `default:"2s" range:"200ms..1h" placeholder:"DURATION" help:"Time between two looks of --watch, 200ms to 1h."`
	JSON        bool          `name:"json" help:"Print JSON; with --watch, a line for each look."`
}

// Help implements kong.HelpProvider.
func (*Command) Help() string {
	return "Exits with 0 if all is well, with 1 if something is down or degraded, and with 2 if the command line is wrong. With --watch ctrl-C ends it with 0."
}

// Run implements command.
func (c *Command) Run(ctx context.Context, std cli.IO) error {
	src, err := discovery.Open(ctx, &c.Discovery, zerolog.Nop(), nil)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }() // nothing is lost with it
	l := &overview.Looker{Source: src, From: overview.PlaceOf(&c.Discovery), Terminators: c.Terminators}
	if c.Watch {
		return c.watch(ctx, std, l)
	}
	v, err := l.Look(ctx)
	if err != nil {
		return err
	}
	if err := c.show(std.Out, terminal.ScreenOf(std.Out), v); err != nil {
		return err
	}
	return down(v)
}

// show writes a look, for a screen if it isn't JSON.
func (c *Command) show(w io.Writer, s terminal.Screen, v *overview.View) error {
	if !c.JSON {
		s.Writer = w
		printOn(s, v)
		return nil
	}
	enc := json.NewEncoder(w)
	if !c.Watch {
		enc.SetIndent("", "  ")
	}
	return enc.Encode(v)
}

// watch looks again and again until ctx ends.
func (c *Command) watch(ctx context.Context, std cli.IO, l *overview.Looker) error {
	display := terminal.NewDisplay(std.Out)
	if !c.JSON {
		display.Open()
		defer display.Close()
	}
	tick := time.NewTicker(c.Interval)
	defer tick.Stop()
	for {
		v, err := l.Look(ctx)
		if ctx.Err() != nil {
			return nil
		}
		switch {
		case c.JSON && err != nil:
			return err
		case c.JSON:
			err = c.show(std.Out, terminal.Screen{}, v)
		case err != nil:
			err = display.Show(func(s terminal.Screen) { s.Line("%v", l.From); s.Line("%v", err) })
		default:
			err = display.Show(func(s terminal.Screen) { printOn(s, v) })
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// down is an error if something is, for scripts: its text is the first problem.
func down(v *overview.View) error {
	if v.Healthy {
		return nil
	}
	p := &v.Problems[0]
	if n := len(v.Problems) - 1; n > 0 {
		return fmt.Errorf("%v; and %s", p, terminal.Count(n, "more problem"))
	}
	return errors.New(p.String())
}
