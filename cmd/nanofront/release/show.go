package release

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"nanofront/internal/cli"
	"nanofront/internal/terminal"
	"nanofront/registry"
	"nanofront/release"
)

type statusCommand struct {
	Release string `arg:"" optional:"" placeholder:"RELEASE" help:"The release, or its service. Default: a table of all."`
	JSON    bool   `name:"json" help:"Print the document of the release, or of all of them."`
	Watch   bool   `help:"Wait until the release has ended; the exit code is 0 if it is done, and 3 if it went back."`
	cli.Discovery
}

// wentBack is the exit code for a release that did.
const wentBack = 3

// Run implements command.
func (c *statusCommand) Run(ctx context.Context, std cli.IO) error {
	client, end, err := open(ctx, &c.Discovery)
	if err != nil {
		return err
	}
	defer end()
	out := terminal.ScreenOf(std.Out)
	if c.Release == "" && !c.Watch {
		list, err := release.List(ctx, client)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(std, list)
		}
		if len(list) == 0 {
			out.Line("no releases yet: begin one with nanofront release start SERVICE VERSION")
			return nil
		}
		t := terminal.Table{Columns: []terminal.Column{
			{Head: "release"}, {Head: "version"}, {Head: "state"}, {Head: "step"}, {Head: "shares"}, {Head: "started", Drop: 2}, {Head: "why", Drop: 1},
		}}
		for _, r := range list {
			t.Add(r.ID, r.Version, string(r.State), fmt.Sprintf("%d of %d", r.Step+1, len(r.Ramp)), r.Words(), r.Started.Local().Format(time.DateTime), r.Why)
		}
		t.Print(out, out.Width, out.Colours)
		return nil
	}
	said := 0
	for {
		r, err := release.Find(ctx, client, c.Release)
		if err != nil {
			return err
		}
		switch {
		case c.JSON && (!c.Watch || r.State.Ended()):
			err = printJSON(std, r)
		case !c.Watch:
			show(out, r, release.Known(ctx, client, r))
		case !c.JSON:
			for ; said < len(r.Steps); said++ {
				line(out, r.Steps[said])
			}
		}
		switch {
		case err != nil || !c.Watch:
			return err
		case r.State == release.Done:
			return nil
		case r.State == release.Back:
			return &cli.CodeError{Code: wentBack, Err: fmt.Errorf("%s went back: %s", r.ID, r.Why)}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}

func printJSON(std cli.IO, v any) error {
	enc := json.NewEncoder(std.Out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func line(out terminal.Screen, s release.Step) {
	why := ""
	if s.Why != "" {
		why = ": " + s.Why
	}
	out.Line("%s  %s, by %s%s", s.At.Local().Format(time.TimeOnly), s.What, s.By, why)
}

func show(out terminal.Screen, r *release.Release, known *release.Saved) {
	out.Line("%s: version %s of %s, %s, step %d of %d: %s", r.ID, r.Version, r.Service, r.State, r.Step+1, len(r.Ramp), r.Words())
	if r.Why != "" {
		out.Line("why: %s", r.Why)
	}
	out.Line("")
	for _, s := range r.Steps {
		line(out, s)
	}
	if known == nil {
		return
	}
	d := known.Decision
	out.Line("")
	out.Line("guard, %s ago: %s%s", time.Since(known.At).Round(time.Second), d.Verdict, after(": ", d.Why))
	if known.Waits != "" && known.Waits != d.Why {
		out.Line("waiting: %s", known.Waits)
	}
	t := terminal.Table{Columns: []terminal.Column{
		{Head: "figure"}, {Head: "old", Right: true}, {Head: "new", Right: true}, {Head: "requests", Right: true}, {Head: "against", Right: true}, {Head: "for", Right: true},
	}}
	for _, f := range d.Figures {
		what := f.Name
		if f.Name == "p99" {
			what = fmt.Sprintf("above p99 (%.1f ms)", f.MS)
		}
		t.Add(what, fmt.Sprintf("%.2f %%", 100*f.Old), fmt.Sprintf("%.2f %%", 100*f.New), fmt.Sprintf("%.0f", f.Requests),
			fmt.Sprintf("%.3g of %.3g", f.Against, f.Back), fmt.Sprintf("%.3g of %.3g", f.For, f.Clear))
	}
	t.Print(out, out.Width, out.Colours)
	if d.Intended > 0 {
		out.Line("served: %.2f %% of the requests, intended %.2f %%", 100*d.Served, 100*d.Intended)
	}
}

func after(sep, text string) string {
	if text == "" {
		return ""
	}
	return sep + text
}

type historyCommand struct {
	Last int  `default:"10" range:"1..50" placeholder:"N" help:"How many revisions."`
	JSON bool `name:"json" help:"Print it as JSON."`
	cli.Discovery
}

// Run implements command.
func (c *historyCommand) Run(ctx context.Context, std cli.IO) error {
	client, end, err := open(ctx, &c.Discovery)
	if err != nil {
		return err
	}
	defer end()
	list, err := client.History(ctx)
	if err != nil {
		return err
	}
	before := make(map[int64]*registry.Routes)
	for _, p := range list {
		before[p.Revision] = p.Routes
	}
	list = list[max(0, len(list)-c.Last):]
	if c.JSON {
		return printJSON(std, list)
	}
	out := terminal.ScreenOf(std.Out)
	if len(list) == 0 {
		out.Line("nothing is kept yet: each change of the routes document will be")
	}
	for _, p := range list {
		out.Line("%d  %s  by %s%s%s", p.Revision, p.At.Local().Format(time.DateTime), p.By, after(", ", p.Release), after(": ", p.Why))
		was := before[p.After]
		switch {
		case p.Routes == nil:
			out.Line("    can't be read")
		case was == nil && p.After != 0:
			out.Line("    the revision before it, %d, isn't kept", p.After)
		default:
			for _, l := range release.Diff(was, p.Routes) {
				out.Line("    %s", l)
			}
		}
	}
	return nil
}

type rollbackCommand struct {
	What string `arg:"" optional:"" placeholder:"REV" help:"A revision, or a release that has ended. Default: the last revision."`
	cli.Discovery
}

// Run implements command.
func (c *rollbackCommand) Run(ctx context.Context, std cli.IO) error {
	client, end, err := open(ctx, &c.Discovery)
	if err != nil {
		return err
	}
	defer end()
	lines, rev, err := release.Rollback(ctx, client, c.What, cli.Whoami())
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(std.Out, "in force as revision %d:\n    %s\n", rev, strings.Join(lines, "\n    "))
	return nil
}

type verifyCommand struct {
	Revision int64         `arg:"" optional:"" placeholder:"REV" help:"The revision. Default: that of the routes in force."`
	Timeout  time.Duration `default:"30s" placeholder:"TIME" help:"How long to wait."`
	cli.Discovery
}

// Run implements command.
func (c *verifyCommand) Run(ctx context.Context, std cli.IO) error {
	client, end, err := open(ctx, &c.Discovery)
	if err != nil {
		return err
	}
	defer end()
	_, _, now, err := client.Routes(ctx)
	if err != nil {
		return err
	}
	rev := c.Revision
	if rev == 0 {
		rev = now
	}
	if rev > now {
		return cli.Usagef("revision %d: the routes in force are %d", rev, now)
	}
	look := release.Looker{Processes: client.Processes}
	until := time.Now().Add(c.Timeout)
	for {
		fronts := look.Look(ctx)
		behind := fronts.Behind(rev)
		if len(behind) == 0 && fronts.Any() {
			_, _ = fmt.Fprintf(std.Out, "%s on revision %d: all there are\n", terminal.Count(len(fronts.Revisions), "terminator"), rev)
			return nil
		}
		if time.Now().After(until) {
			var list []string
			for _, name := range behind {
				if why := fronts.Silent[name]; why != "" {
					list = append(list, name+" doesn't answer: "+why)
				} else {
					list = append(list, fmt.Sprintf("%s acts on %d", name, fronts.Revisions[name]))
				}
			}
			if list == nil {
				list = []string{"no terminator is registered"}
			}
			return fmt.Errorf("not all terminators act on revision %d after %v: %s", rev, c.Timeout, strings.Join(list, "; "))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(200 * time.Millisecond):
		}
	}
}
