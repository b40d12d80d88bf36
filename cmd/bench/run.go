package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"nanofront/bench/load"
	"nanofront/bench/result"
	"nanofront/bench/scenario"
	"nanofront/internal/cli"
)

type runCommand struct {
	Scenarios []string `arg:"" optional:"" name:"scenario" help:"Scenarios, or one suite, of those that bench list shows; or paths of .yaml files. Default: the suite default."`

	Bin         string        `type:"path" placeholder:"DIR" help:"Folder of the built programs. Default: bench's own."`
	Target      string        `placeholder:"URL" help:"URL of a running system to measure, instead of starting one."`
	TargetAdmin []string      `sep:"," placeholder:"ADDRS" help:"Admin addresses of --target, for its stage timings."`
	Terminator  string        `name:"terminator-flags" placeholder:"FLAGS" help:"Further flags for the terminator that is started, with spaces between them."`
	Handlers    string        `name:"handler-flags" placeholder:"FLAGS" help:"Further flags for the handlers that are started."`
	Subjects    []string      `sep:"," placeholder:"LIST" help:"Measure only these: nanofront, plain, nginx, haproxy, caddy, nats."`
	Driver      string        `oneof:",bench,wrk,h2load,weighttp" placeholder:"NAME" help:"Generator for closed loops: bench, wrk, h2load or weighttp. Default: wrk if installed."`
	Rounds      int           `default:"0" range:"0..100" placeholder:"N" help:"Rounds, 1 to 100; 0 for what the scenarios say."`
	Duration    time.Duration `default:"0s" range:"0s..168h" placeholder:"DURATION" help:"Duration of each step, up to 168h; 0s for what the scenarios say."`
	Connections int           `default:"0" range:"0..60000" placeholder:"N" help:"Connections of closed loops, up to 60000; 0 for what the scenarios say."`
	Knee        float64       `default:"0" range:"0..1e7" placeholder:"RATE" help:"The knee in requests per second, for overload; 0 to find it."`
	Quick       bool          `help:"Run just long enough to see whether everything works."`
	Out         string        `type:"path" placeholder:"DIR" help:"Folder for the report. Default: bench-results/ and the date."`
	Cache       string        `type:"path" placeholder:"DIR" help:"Folder that keeps a store of members for later runs. Default: in the user's cache."`
}

// Examples implements cli.Exampler.
func (*runCommand) Examples() [][2]string {
	return [][2]string{
		{"bench run", "The suite default: nanofront beside others, in about five minutes."},
		{"bench run hello --duration 1s --rounds 1", "One scenario, briefly."},
		{"bench run hello --driver h2load --subjects nanofront,plain,nginx", "Some subjects only, under another generator."},
		{"bench run profile --target http://10.0.0.5:8080 --target-admin 10.0.0.5:8081", "A system that runs already."},
		{"bench run profile --terminator-flags=--max-in-flight=256", "A terminator with a flag more; several stand in quotes."},
		{"bench run gate", "The limits that CI holds."},
	}
}

// Run implements command.
func (c *runCommand) Run(ctx context.Context, std cli.IO) error {
	plan, err := scenario.Load(c.Scenarios...)
	if err != nil {
		return cli.Usagef("%w", err)
	}
	dir, err := os.MkdirTemp("", "nanofront-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // temporary
	p := newProgress(std.Err)
	say := func(line string) {
		p.end()
		_, _ = fmt.Fprintln(std.Err, line) // as all output of a command
	}
	o := scenario.Options{
		Dir: dir, Target: c.Target, Admins: c.TargetAdmin, Driver: c.Driver, Subjects: c.Subjects, Rounds: c.Rounds,
		TerminatorFlags: strings.Fields(c.Terminator), HandlerFlags: strings.Fields(c.Handlers),
		Duration: c.Duration, Connections: c.Connections, Knee: c.Knee, Quick: c.Quick, Say: say,
	}
	if p.terminal {
		o.Live = func(s load.Snapshot) { p.show(s) }
	}
	if o.Bin, err = c.bin(); err != nil {
		return err
	}
	if o.Cache, err = c.cache(); err != nil {
		return err
	}
	began := time.Now()
	say(fmt.Sprintf("%s: about %v; ctrl-C ends it and reports what there is", plan.Name, scenario.Estimate(plan, o).Round(time.Second)))
	rep, err := scenario.RunBounded(ctx, plan, o)
	p.end()
	if rep == nil || len(rep.Runs) == 0 {
		switch {
		case errors.Is(err, scenario.ErrOptions):
			return cli.Usagef("%s", strings.TrimPrefix(err.Error(), scenario.ErrOptions.Error()+": "))
		case err == nil:
			err = errors.New("nothing was measured")
		}
		return err
	}
	rep.Commands = []string{"make build", strings.Join(append([]string{"bin/bench"}, reproduce(c)...), " ")}
	if serr := c.save(std, rep, began); serr != nil {
		err = errors.Join(err, serr)
	}
	return err
}

// save prints the report and writes it to files.
func (c *runCommand) save(std cli.IO, rep *result.Report, began time.Time) error {
	if err := show(std, rep); err != nil {
		return err
	}
	out := c.Out
	if out == "" {
		out = filepath.Join("bench-results", began.Format("2006-01-02-150405"))
	}
	return writeAll(std.Out, out, rep)
}

// bin is the folder of the programs, if any is needed.
func (c *runCommand) bin() (string, error) {
	if c.Target != "" {
		return c.Bin, nil
	}
	return binFolder(c.Bin, "terminator", "handler", "bench")
}

func (c *runCommand) cache() (string, error) {
	if c.Cache != "" {
		return c.Cache, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil { // there is no home
		dir = os.TempDir()
	}
	return filepath.Join(dir, "nanofront", "bench"), nil
}

// quoted is a value with spaces as a shell takes it.
func quoted(value string) string {
	if strings.Contains(value, " ") {
		return "'" + value + "'"
	}
	return value
}

// reproduce are the arguments that make the same run.
func reproduce(c *runCommand) []string {
	args := append([]string{"run"}, c.Scenarios...)
	add := func(flag, value, none string) {
		if value != none {
			args = append(args, flag+"="+value)
		}
	}
	add("--target", c.Target, "")
	add("--terminator-flags", quoted(c.Terminator), "")
	add("--handler-flags", quoted(c.Handlers), "")
	add("--subjects", strings.Join(c.Subjects, ","), "")
	add("--driver", c.Driver, "")
	add("--rounds", fmt.Sprint(c.Rounds), "0")
	add("--duration", c.Duration.String(), "0s")
	add("--connections", fmt.Sprint(c.Connections), "0")
	add("--knee", fmt.Sprint(c.Knee), "0")
	if c.Quick {
		args = append(args, "--quick")
	}
	return args
}
