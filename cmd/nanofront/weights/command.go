package weights

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"nanofront/etcd"
	"nanofront/etcd/discovery"
	"nanofront/internal/cli"
	"nanofront/registry"
)

// Drain is nanofront drain.
type Drain struct {
	Process string `arg:"" placeholder:"PROCESS" help:"The instance, as SERVICE/INSTANCE or by its name alone, or the terminator."`
	Force   bool   `help:"Drain the last instance of a service, too: its requests get a 503."`
	cli.Discovery
}

// Help implements kong.HelpProvider.
func (*Drain) Help() string {
	return "An instance gets no new requests, and finishes what it has. A terminator serves on, and isn't ready, so that a balancer sends requests elsewhere. It holds until nanofront undrain, or the process ends."
}

// Run implements command.
func (c *Drain) Run(ctx context.Context, std cli.IO) error {
	o, err := open(ctx, &c.Discovery, c.Process)
	if err != nil {
		return err
	}
	defer o.close()
	if !c.Force && !o.intent.Terminator {
		if err := o.othersServe(); err != nil {
			return err
		}
	}
	if err := o.set(ctx, registry.NoWeight); err != nil {
		return err
	}
	what := "gets no new requests"
	if o.intent.Terminator {
		what = "is not ready, and serves on until its balancer has seen that"
	}
	_, _ = fmt.Fprintf(std.Out, "%s %s; back with: nanofront undrain %s\n", o.name(), what, o.name())
	return nil
}

// Undrain is nanofront undrain.
type Undrain struct {
	Process string `arg:"" placeholder:"PROCESS" help:"The instance, as SERVICE/INSTANCE or by its name alone, or the terminator."`
	cli.Discovery
}

// Help implements kong.HelpProvider.
func (*Undrain) Help() string {
	return "The process gets what it says itself again: ends nanofront drain and nanofront weight."
}

// Run implements command.
func (c *Undrain) Run(ctx context.Context, std cli.IO) error {
	o, err := open(ctx, &c.Discovery, c.Process)
	if err != nil {
		return err
	}
	defer o.close()
	had, err := o.client.Unintend(ctx, o.intent)
	if err != nil {
		return err
	}
	if !had {
		_, _ = fmt.Fprintf(std.Out, "%s is as it says itself: nothing to undo\n", o.name())
		return nil
	}
	_, _ = fmt.Fprintf(std.Out, "%s is as it says itself again\n", o.name())
	return nil
}

// Weight is nanofront weight.
type Weight struct {
	Process string `arg:"" placeholder:"INSTANCE" help:"The instance, as SERVICE/INSTANCE or by its name alone."`
	Weight  int    `arg:"" range:"0..1000" placeholder:"N" help:"Its share among the instances of its service, 0 to 1000; 100 is usual, 0 drains it."`
	Force   bool   `help:"Let 0 drain the last instance of a service, too: its requests get a 503."`
	cli.Discovery
}

// Help implements kong.HelpProvider.
func (*Weight) Help() string {
	return "It takes the place of the weight that the instance gives itself, until nanofront undrain, or its process ends."
}

// Run implements command.
func (c *Weight) Run(ctx context.Context, std cli.IO) error {
	o, err := open(ctx, &c.Discovery, c.Process)
	if err != nil {
		return err
	}
	defer o.close()
	if o.intent.Terminator {
		return cli.Usagef("%s is a terminator, which has no weight: nanofront drain takes it out", o.name())
	}
	if c.Weight == 0 && !c.Force {
		if err := o.othersServe(); err != nil {
			return err
		}
	}
	if err := o.set(ctx, registry.WeightOf(c.Weight)); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(std.Out, "%s has weight %d (before: %v); its own again with: nanofront undrain %s\n", o.name(), c.Weight, o.before, o.name())
	return nil
}

// operation is on one process.
type operation struct {
	client    *etcd.Client
	instances []registry.Instance
	intent    registry.Intent
	before    registry.Weight
}

func (o *operation) close() { _ = o.client.Close() } // nothing is lost with it

func open(ctx context.Context, flags *cli.Discovery, name string) (*operation, error) {
	client, err := discovery.OpenEtcd(ctx, flags, zerolog.Nop(), nil)
	if err != nil {
		return nil, err
	}
	o := &operation{client: client}
	if err := o.find(ctx, name); err != nil {
		o.close()
		return nil, err
	}
	return o, nil
}

// find finds the process that is meant.
func (o *operation) find(ctx context.Context, name string) error {
	var err error
	if o.instances, err = o.client.Instances(ctx); err != nil {
		return err
	}
	processes, err := o.client.Processes(ctx)
	if err != nil {
		return err
	}
	var found, all []string
	for _, in := range o.instances {
		full := in.Service + "/" + in.ID
		all = append(all, full)
		if name == full || name == in.ID {
			found = append(found, full)
			o.intent, o.before = registry.Intent{Service: in.Service, ID: in.ID}, in.Weight
		}
	}
	for _, p := range processes {
		if p.Kind != registry.KindTerminator {
			continue
		}
		all = append(all, p.Name)
		if name == p.Name {
			found = append(found, p.Name)
			o.intent = registry.Intent{Service: p.Kind, ID: p.Name, Terminator: true}
		}
	}
	switch {
	case len(found) == 1:
		return nil
	case len(found) > 1:
		return cli.Usagef("%q is the name of several: say which of %s", name, strings.Join(found, ", "))
	case len(all) == 0:
		return fmt.Errorf("no process is registered: nothing to drain")
	}
	return cli.Usagef("no process %q is registered: there are %s", name, strings.Join(all, ", "))
}

func (o *operation) name() string {
	if o.intent.Terminator {
		return o.intent.ID
	}
	return o.intent.Service + "/" + o.intent.ID
}

// othersServe is an error if the instance is the last of its service that has a weight.
func (o *operation) othersServe() error {
	for _, in := range o.instances {
		if in.Service == o.intent.Service && in.ID != o.intent.ID && in.Weight.Share() > 0 {
			return nil
		}
	}
	return fmt.Errorf("%s is the only instance of %s that gets requests: they would get a 503; drain it all the same with --force", o.name(), o.intent.Service)
}

func (o *operation) set(ctx context.Context, w registry.Weight) error {
	i := o.intent
	i.Weight, i.By, i.At = w, cli.Whoami(), time.Now().UTC()
	return o.client.Intend(ctx, i)
}
