package top

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/rs/zerolog"

	"nanofront/cmd/nanofront/overview"
	"nanofront/etcd/discovery"
	"nanofront/internal/cli"
	"nanofront/internal/terminal"
)

// Command is nanofront top.
type Command struct {
	cli.Discovery
	Terminators []string      `sep:"," placeholder:"ADDRS" help:"Admin addresses of terminators, in addition to those announced in etcd. Default: 127.0.0.1:8081 if none is announced."`
	Interval    time.Duration `default:"1s" range:"200ms..1h" placeholder:"DURATION" help:"Time between two looks, 200ms to 1h."`
}

// Help implements kong.HelpProvider.
func (*Command) Help() string {
	return "Keys: 1, 2, 3 or tab choose processes, services or routes; s and r sort; / filters; w shows only what is wrong; p pauses; q ends."
}

// Run implements command.
func (c *Command) Run(ctx context.Context, std cli.IO) error {
	if !terminal.Is(std.Out) {
		return cli.Usagef("top needs a terminal: nanofront status --watch prints into files and pipes")
	}
	src, err := discovery.Open(ctx, &c.Discovery, zerolog.Nop(), nil)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }() // nothing is lost with it
	l := &overview.Looker{Source: src, From: overview.PlaceOf(&c.Discovery), Terminators: c.Terminators}
	first, err := l.Look(ctx)
	if err != nil {
		return err
	}
	m := newModel(first, func() (*overview.View, error) { return l.Look(ctx) }, c.Interval, terminal.Colours(std.Out))
	_, err = tea.NewProgram(m, tea.WithContext(ctx), tea.WithInput(std.In), tea.WithOutput(std.Out), tea.WithoutSignalHandler()).Run()
	if ctx.Err() != nil {
		return nil
	}
	return err
}
