// Command nanofront is the operator's tool: it runs the whole system on one
// machine, shows its state, changes its routes, and looks into its bus.
package main

import (
	"context"

	"nanofront/cmd/nanofront/bus"
	"nanofront/cmd/nanofront/dash"
	"nanofront/cmd/nanofront/newproject"
	"nanofront/cmd/nanofront/record"
	"nanofront/cmd/nanofront/register"
	"nanofront/cmd/nanofront/release"
	"nanofront/cmd/nanofront/replay"
	"nanofront/cmd/nanofront/routes"
	"nanofront/cmd/nanofront/status"
	"nanofront/cmd/nanofront/systems"
	"nanofront/cmd/nanofront/targets"
	"nanofront/cmd/nanofront/toggle"
	"nanofront/cmd/nanofront/top"
	"nanofront/cmd/nanofront/up"
	"nanofront/cmd/nanofront/weights"
	"nanofront/internal/cli"
)

type grammar struct {
	Up       up.Command         `cmd:"" help:"Run the whole system on this machine until ctrl-C."`
	Etcd     etcdCommand        `cmd:"" help:"Run an etcd server."`
	Status   status.Command     `cmd:"" help:"Show which processes are alive, and how they are doing."`
	Top      top.Command        `cmd:"" help:"Watch processes, services and routes on a live screen."`
	Drain    weights.Drain      `cmd:"" help:"Take an instance or a terminator out of the traffic, for as long as its process lives."`
	Undrain  weights.Undrain    `cmd:"" help:"Leave a process to itself again."`
	Weight   weights.Weight     `cmd:"" help:"Give an instance another share of its service's requests."`
	Dash     dash.Command       `cmd:"" help:"Serve a live page: what is wrong, where, and what changed."`
	Targets  targets.Command    `cmd:"" help:"List the processes for Prometheus, as a file or over HTTP."`
	Replay   replay.Command     `cmd:"" help:"Send a recording's requests again, and say which answers are other ones now."`
	Routes   routes.Command     `cmd:"" help:"Show or change the routes."`
	Toggle   toggle.Command     `cmd:"" help:"Show or change toggles."`
	Release  release.Command    `cmd:"" help:"Give a new version of a service its traffic in steps, and see what changed when."`
	New      newproject.Command `cmd:"" help:"Write a handler of your own, ready to run."`
	Register register.Command   `cmd:"" help:"Run a handler in any language, and keep it registered in etcd."`
	Bus      bus.Command        `cmd:"" help:"Listen in on the bus, or send a request over it."`
	Record   record.Command     `cmd:"" help:"Record a share of the traffic, and show recordings."`
	Contexts systems.Command    `cmd:"" name:"context" help:"Give systems names, and choose the one that commands are for."`

	PrintVersion cli.VersionCommand `cmd:"" name:"version" help:"Print the version of this build."`
	Completion   cli.Completion     `cmd:"" help:"Print what a shell needs to complete commands and flags."`
	cli.Contextual
	cli.Version
}

// command is what each subcommand implements.
type command interface {
	Run(ctx context.Context, std cli.IO) error
}

func main() { cli.Main("nanofront", run) }

func run(ctx context.Context, args []string, std cli.IO) error {
	var g grammar
	k, err := cli.Parse(cli.Program{
		Name:        "nanofront",
		Description: "The operator's tool of nanofront, an HTTP front with a message bus behind it.",
		Vars:        map[string]string{"admin": ""},
	}, &g, toggle.Args(args), std)
	if err != nil {
		return err
	}
	for n := k.Selected(); n != nil; n = n.Parent {
		if c, ok := n.Target.Addr().Interface().(command); ok {
			return c.Run(ctx, std)
		}
	}
	return cli.Usagef("no command")
}
