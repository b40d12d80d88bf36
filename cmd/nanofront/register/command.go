package register

import (
	"context"
	"time"

	"nanofront/etcd/discovery"
	"nanofront/internal/cli"
	"nanofront/registry"
)

// Command is nanofront register.
type Command struct {
	Service        string        `arg:"" help:"Service that the handler answers for, as routes name it."`
	Address        string        `arg:"" help:"Where the handler listens, as callers reach it: tcp://HOST:PORT, tls+tcp://HOST:PORT or ipc:///PATH."`
	Handler        []string      `arg:"" optional:"" name:"command" help:"The handler, with its arguments, after --. Default: somebody else runs it."`
	Instance       string        `placeholder:"NAME" help:"Name of this process. Default: the service, the host's name and a random part."`
	ServiceVersion string        `placeholder:"V" help:"Version of the handler's code to announce."`
	Window         int           `default:"1024" range:"1..65536" placeholder:"N" help:"Requests that the handler takes at once, from all callers together."`
	Weight         int           `default:"100" range:"0..1000" placeholder:"N" help:"Share of the requests among the instances of the service: twice the weight, twice the requests. 0: none."`
	AnswerTimeout  time.Duration `default:"30s" range:"1s..1h" placeholder:"DURATION" help:"How long the handler may take until it answers at ADDRESS, 1s to 1h."`
	cli.Common
	cli.Discovery
}

// Run runs the command.
func (c *Command) Run(ctx context.Context, _ cli.IO) error {
	in := registry.Instance{
		Service: c.Service, ID: c.Instance, Address: c.Address, Version: c.ServiceVersion,
		Window: c.Window, Weight: registry.WeightOf(c.Weight), Started: time.Now().UTC(),
	}
	if in.ID == "" {
		in.ID = registry.NewID(c.Service)
		c.NameBySlot(c.Service)
	}
	if err := in.Validate(); err != nil {
		return &cli.UsageError{Err: err}
	}
	base, err := c.Start("nanofront", in.ID, nil)
	if err != nil {
		return err
	}
	defer func() { _ = base.Close() }() // what it could say, it has logged
	client, err := discovery.OpenEtcd(context.WithoutCancel(ctx), &c.Discovery, base.Log, base.Metrics)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }() // nothing is lost with it
	announced := discovery.Announce(ctx, client, base, &c.Discovery, registry.Process{
		Kind: registry.KindRegister, Name: in.ID, Service: c.Service, Version: c.ServiceVersion,
	})
	defer announced.Close()
	return serve(ctx, options{
		Instance: in, Registrar: client, Command: c.Handler,
		AnswerTimeout: c.AnswerTimeout, DrainTimeout: max(c.DrainTimeout, time.Millisecond), Logger: base.Log,
	})
}
