package release

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"nanofront/etcd"
	"nanofront/etcd/discovery"
	"nanofront/etcd/leader"
	"nanofront/internal/cli"
	"nanofront/internal/terminal"
	"nanofront/registry"
	"nanofront/release"
)

// Command is nanofront release.
type Command struct {
	Start    startCommand    `cmd:"" help:"Begin to give a new version of a service its traffic, in steps."`
	Status   statusCommand   `cmd:"" help:"Show releases, or one in detail."`
	History  historyCommand  `cmd:"" help:"Show who changed the routes document, when, why and what."`
	Rollback rollbackCommand `cmd:"" help:"Take back what a revision of the routes document, or a release, has changed."`
	Verify   verifyCommand   `cmd:"" help:"Wait until all terminators act on a revision of the routes document."`
	Pause    pauseCommand    `cmd:"" help:"Do no further step; the guard stays on."`
	Resume   resumeCommand   `cmd:"" help:"Go on with a release that was paused, or is held."`
	Step     stepCommand     `cmd:"" help:"Do the next step now, whatever the guard knows."`
	Abort    abortCommand    `cmd:"" help:"Go back to the shares before the release."`
	Run      runCommand      `cmd:"" help:"Carry releases on, unless another process does so already."`
}

func open(ctx context.Context, flags *cli.Discovery) (*etcd.Client, func(), error) {
	client, err := discovery.OpenEtcd(ctx, flags, zerolog.Nop(), nil)
	if err != nil {
		return nil, nil, err
	}
	return client, func() { _ = client.Close() }, nil // nothing is lost with it
}

type startCommand struct {
	Service string        `arg:"" help:"The service."`
	Version string        `arg:"" help:"Its new version, as its instances say."`
	Ramp    []float64     `default:"1,5,25,100" sep:"," placeholder:"LIST" help:"Shares of the new version, in per cent, rising."`
	Every   time.Duration `default:"2m" placeholder:"TIME" help:"How long a step lasts at the least, once all terminators act on it."`
	Limit   time.Duration `default:"30m" placeholder:"TIME" help:"How long a step lasts at most, if the guard can't tell."`
	AtLimit string        `default:"back" oneof:"back,hold" placeholder:"HOW" help:"Then: back to the shares before the release, or hold until somebody says nanofront release resume."`
	Guard   string        `default:"errors +0.2..+0.5pt, p99 x1.1..x1.3" placeholder:"LINES" help:"Two lines for each figure against the old version, tolerated..intolerable: errors in points, p99 as a factor."`
	cli.Discovery
}

// Run implements command.
func (c *startCommand) Run(ctx context.Context, std cli.IO) error {
	client, end, err := open(ctx, &c.Discovery)
	if err != nil {
		return err
	}
	defer end()
	r := &release.Release{
		Service: c.Service, Version: c.Version, Ramp: c.Ramp, Every: registry.Duration(c.Every), Limit: registry.Duration(c.Limit),
		Hold: c.AtLimit == "hold", Guard: c.Guard, By: cli.Whoami(),
	}
	if err := r.Validate(); err != nil {
		return &cli.UsageError{Err: err}
	}
	if err := release.Start(ctx, client, r); err != nil {
		return err
	}
	out := terminal.ScreenOf(std.Out)
	out.Line("%s begins: %s of %s gets its traffic in %s, guarded by %s", r.ID, r.Version, r.Service, terminal.Count(len(r.Ramp), "step"), r.Guard)
	wait, rate := release.Expect(ctx, client, r)
	switch {
	case rate == 0:
		out.Line("%s has no requests at present: without any, no step is done, and after %v the release %s", r.Service, c.Limit, atLimit(r))
	default:
		out.Line("at %.0f req/s of %s, the first step, %v %%, takes about %v", rate, r.Service, r.Ramp[0], wait.Round(time.Second))
		if wait > c.Limit {
			out.Line("warning: that is more than --limit %v: the guard will not be sure, and the release %s; begin with a larger share, or wait longer", c.Limit, atLimit(r))
		}
	}
	out.Line("nanofront up and nanofront release run carry it on; watch it with: nanofront release status %s", r.ID)
	return nil
}

func atLimit(r *release.Release) string {
	if r.Hold {
		return "is held"
	}
	return "goes back"
}

type order struct {
	Release string `arg:"" placeholder:"RELEASE" help:"The release, or its service."`
	cli.Discovery
}

func (o *order) give(ctx context.Context, std cli.IO, what, done string) error {
	client, end, err := open(ctx, &o.Discovery)
	if err != nil {
		return err
	}
	defer end()
	var r *release.Release
	for range 10 { // the leader writes now and then
		r, err = release.Order(ctx, client, o.Release, what, cli.Whoami())
		if !errors.Is(err, etcd.ErrConflict) {
			break
		}
	}
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(std.Out, "%s %s: %s\n", r.ID, done, r.Words())
	return nil
}

type pauseCommand struct{ order }

// Run implements command.
func (c *pauseCommand) Run(ctx context.Context, std cli.IO) error {
	return c.give(ctx, std, "pause", "is paused")
}

type resumeCommand struct{ order }

// Run implements command.
func (c *resumeCommand) Run(ctx context.Context, std cli.IO) error {
	return c.give(ctx, std, "resume", "goes on")
}

type stepCommand struct{ order }

// Run implements command.
func (c *stepCommand) Run(ctx context.Context, std cli.IO) error {
	return c.give(ctx, std, "step", "does its next step")
}

type abortCommand struct{ order }

// Run implements command.
func (c *abortCommand) Run(ctx context.Context, std cli.IO) error {
	return c.give(ctx, std, "abort", "is back")
}

// leaders is what those who carry releases on take turns at.
const leaders = "releases"

type runCommand struct {
	cli.Common
	cli.Discovery
}

// Run implements command.
func (c *runCommand) Run(ctx context.Context, _ cli.IO) error {
	base, err := c.Start("nanofront", "release", nil)
	if err != nil {
		return err
	}
	defer func() { _ = base.Close() }() // what it could say, it has logged
	client, err := discovery.OpenEtcd(ctx, &c.Discovery, base.Log, base.Metrics)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }() // its lease has ended by then
	engine := release.NewEngine(client, func(r *release.Release, text string) {
		base.Log.Info().Str("service", r.Service).Str("version", r.Version).Str("reason", text).Msg("release " + r.ID)
	})
	lead := leader.Stand(client, leaders, cli.Whoami(), base.Log)
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		lead.Close(end)
	}()
	engine.Run(ctx, lead.Held)
	return nil
}
