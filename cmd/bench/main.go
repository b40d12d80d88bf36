// Command bench measures: it starts the system and its peers, generates load,
// and reports what came back.
package main

import (
	"context"

	"nanofront/internal/cli"
)

type grammar struct {
	Run     runCommand     `cmd:"" default:"withargs" help:"Run scenarios, and report."`
	List    listCommand    `cmd:"" help:"List scenarios, suites, peers and drivers."`
	Load    loadCommand    `cmd:"" help:"Generate load on a URL, and report latencies."`
	Report  reportCommand  `cmd:"" help:"Show saved results."`
	Compare compareCommand `cmd:"" help:"Show what changed between two saved results, beyond the noise."`
	Chaos   chaosCommand   `cmd:"" help:"Inject faults into a system under load, and check its books."`
	Soak    soakCommand    `cmd:"" help:"Load a system evenly for a long time, and tell what has grown."`
	Peer    peerCommand    `cmd:"" hidden:"" help:"Run a part of a peer."`
	cli.Version
}

// Examples implements cli.Exampler.
func (grammar) Examples() [][2]string {
	return [][2]string{
		{"bench hello", "One scenario: run may be left out."},
		{"bench load http://127.0.0.1:8080/hello --rate 5000", "One load, on whatever runs there."},
		{"bench compare before after", "What changed between two results."},
	}
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
		Description: "Measures nanofront, beside others.",
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
