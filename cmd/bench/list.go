package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"nanofront/bench/drivers"
	"nanofront/bench/peers"
	"nanofront/bench/scenario"
	"nanofront/internal/cli"
)

type listCommand struct {
	Long bool `help:"Show more about each."`
}

// Examples implements cli.Exampler.
func (*listCommand) Examples() [][2]string {
	return [][2]string{{"bench list --long", "What each scenario is for, and what is not installed."}}
}

// Run implements command.
func (c *listCommand) Run(_ context.Context, std cli.IO) error {
	for _, kind := range []struct {
		title  string
		suites bool
	}{{"Suites: bench run SUITE", true}, {"Scenarios: bench run SCENARIO...", false}} {
		_, _ = fmt.Fprintf(std.Out, "%s\n\n", kind.title) // as all output of a command
		for _, name := range scenario.Names(kind.suites) {
			p, err := scenario.Load(name)
			if err != nil {
				return err
			}
			_, _ = fmt.Fprintf(std.Out, "  %-14s %s\n", name, p.Title) // as above
			if c.Long {
				wrapped(std.Out, p.About)
			}
		}
		_, _ = fmt.Fprintln(std.Out) // as above
	}
	_, _ = fmt.Fprint(std.Out, "Peers\n\n") // as above
	for _, p := range peers.All() {
		_, _ = fmt.Fprintf(std.Out, "  %-14s %s%s\n", p.Key, p.About, missing(p.Available())) // as above
	}
	_, _ = fmt.Fprintf(std.Out, "\nDrivers of closed loops\n\n  %-14s the load generator of bench itself, which also makes all open loops\n", scenario.DriverBench) // as above
	for _, d := range drivers.All() {
		state := "installed"
		if err := d.Available(); err != nil {
			state = strings.TrimPrefix(err.Error(), "drivers: ")
		}
		_, _ = fmt.Fprintf(std.Out, "  %-14s %s\n", d.Name, state) // as above
	}
	return nil
}

func missing(err error) string {
	if err == nil {
		return ""
	}
	return "; " + strings.TrimPrefix(err.Error(), "peers: ")
}

// wrapped prints a text in lines that are indented.
func wrapped(w io.Writer, text string) {
	const width, indent = 92, "                 "
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			_, _ = fmt.Fprintln(w, indent+line) // as all output of a command
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	_, _ = fmt.Fprintln(w, indent+line) // as above
}
