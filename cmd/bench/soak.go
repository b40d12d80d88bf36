package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"nanofront/bench/soak"
	"nanofront/internal/cli"
)

type soakCommand struct {
	Bin  string        `type:"path" placeholder:"DIR" help:"Folder of the built programs. Default: bench's own."`
	Rate float64       `default:"10000" range:"1..200000" placeholder:"N" help:"Requests per second: half of what the machine can do is a good choice."`
	For  time.Duration `default:"1h" range:"10s..168h" placeholder:"DURATION" help:"How long, after a warm-up."`
}

// Examples implements cli.Exampler.
func (*soakCommand) Examples() [][2]string {
	return [][2]string{
		{"bench soak", "An hour at 10,000 requests a second."},
		{"bench soak --rate 30000 --for 10m", "Shorter, under more load."},
	}
}

// Run implements command.
func (c *soakCommand) Run(ctx context.Context, std cli.IO) error {
	bin, err := binFolder(c.Bin, "terminator", "handler")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "nanofront-soak-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // temporary
	outcome, err := soak.Run(ctx, soak.Options{
		Bin: bin, Dir: dir, Rate: c.Rate, Duration: c.For,
		Say: func(line string) { _, _ = fmt.Fprintln(std.Err, line) }, // as all output of a command
	})
	if err != nil {
		return err
	}
	width, colour := look(std.Out)
	outcome.Print(std.Out, width, colour)
	if n := outcome.Bad(); n > 0 {
		return fmt.Errorf("soak: %d of what was watched has grown more than it may, or requests failed", n)
	}
	return nil
}
