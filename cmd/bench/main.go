// Command bench measures: it generates load and reports what came back.
package main

import (
	"context"

	"nanofront/internal/cli"
)

type grammar struct {
	Load loadCommand `cmd:"" help:"Generate load on a URL, and report latencies."`
	cli.Version
}

// command is what each subcommand implements.
type command interface {
	Run(ctx context.Context, std cli.IO) error
}

func main() { cli.Main("bench", run) }

func run(ctx context.Context, args []string, std cli.IO) error {
	var g grammar
	k, err := cli.Parse(cli.Program{
		Name:        "bench",
		Description: "The load generator of nanofront.",
	}, &g, args, std)
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
