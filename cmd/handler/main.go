// Command handler runs one of nanofront's backends: handler ROLE.
package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"nanofront/handlers"
	"nanofront/handlers/echo"
	"nanofront/handlers/ledger"
	"nanofront/handlers/profile"
	"nanofront/handlers/program"
	"nanofront/handlers/web"
	"nanofront/internal/cli"
)

type grammar struct {
	Echo    echoCommand    `cmd:"" help:"Answer with the request itself; for experiments and tests."`
	Profile profileCommand `cmd:"" help:"Keep members in a store on disk."`
	Web     webCommand     `cmd:"" help:"Render profiles as pages and JSON."`
	Ledger  ledgerCommand  `cmd:"" hidden:"" help:"Write down what was asked for, for bench chaos."`
	cli.Version
}

// command is what each role implements.
type command interface {
	Run(ctx context.Context, std cli.IO) error
}

func main() { cli.Main("handler", run) }

func run(ctx context.Context, args []string, std cli.IO) error {
	var g grammar
	k, err := cli.Parse(cli.Program{
		Name:        "handler",
		Description: "Runs one of nanofront's backends, which takes requests from the bus.",
		Vars:        program.Vars(),
	}, &g, args, std)
	if err != nil {
		return versionHint(args, err)
	}
	return k.Selected().Target.Addr().Interface().(command).Run(ctx, std) //nolint:forcetypeassert // all roles are
}

// versionHint names the flag that announces a version, for users that give --version a value.
func versionHint(args []string, err error) error {
	usage := &cli.UsageError{}
	if !errors.As(err, &usage) {
		return err
	}
	for i, a := range args {
		if strings.HasPrefix(a, "--version=") || a == "--version" && i+1 < len(args) {
			return &cli.UsageError{Err: fmt.Errorf("%s: --version prints this build's version and takes no value; announce one with --service-version V", a), Command: usage.Command}
		}
	}
	return err
}

type echoCommand struct{ program.Flags }

// Run implements command.
func (c *echoCommand) Run(ctx context.Context, _ cli.IO) error {
	return c.Serve(ctx, "echo", func(o handlers.Options) (program.Role, error) { return echo.New(o) })
}

type webCommand struct{ program.Flags }

// Run implements command.
func (c *webCommand) Run(ctx context.Context, _ cli.IO) error {
	return c.Serve(ctx, "web", func(o handlers.Options) (program.Role, error) { return web.New(o) })
}

type profileCommand struct {
	Data       string `default:"data/profile" type:"path" placeholder:"DIR" help:"Directory of the store."`
	Seed       uint64 `default:"100000" range:"0..100000000" placeholder:"N" help:"Members to create in a new store."`
	Durability string `default:"sync" oneof:"sync,nosync" placeholder:"HOW" help:"sync acknowledges a write once it is on disk; nosync earlier, so that even a killed process may lose the last writes."`
	CacheMB    int64  `name:"cache-mb" default:"256" range:"1..65536" placeholder:"MB" help:"Size of the store's cache in MB."`
	// A read takes microseconds, so thousands that wait are done in some milliseconds; and
	// they come by the score (a list of members), or all those of a moment in which a small
	// machine ran something else. A window that is too small for that refuses them.
	program.Flags `set:"window=4096"`
}

// Run implements command.
func (c *profileCommand) Run(ctx context.Context, _ cli.IO) error {
	if c.Data == "" {
		return cli.Usagef("--data: empty: want a directory")
	}
	return c.Serve(ctx, "profile", func(o handlers.Options) (program.Role, error) {
		return profile.New(o, profile.Options{
			Data: c.Data, Seed: c.Seed, Durability: profile.Durability(c.Durability), CacheBytes: c.CacheMB << 20,
		})
	})
}

type ledgerCommand struct {
	program.Flags
	Ledger string `default:"." type:"path" placeholder:"DIR" help:"Folder of its ledger."`
	Copies int    `default:"0" range:"0..1000" placeholder:"N" help:"Further instances in the same process."`
}

// Run implements command.
func (c *ledgerCommand) Run(ctx context.Context, _ cli.IO) error {
	return c.Serve(ctx, ledger.Service, func(o handlers.Options) (program.Role, error) { return ledger.New(o, c.Ledger, c.Copies) })
}
