package record

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"nanofront/cmd/nanofront/listening"
	"nanofront/etcd/discovery"
	"nanofront/internal/buildinfo"
	"nanofront/internal/cli"
	"nanofront/internal/recording"
	"nanofront/internal/terminal"
	"nanofront/nanobus/busflags"
	listen "nanofront/nanobus/tap"
	"nanofront/nanobus/wire"
	"nanofront/registry"
)

// Command is nanofront record.
type Command struct {
	Start startCommand `cmd:"" default:"withargs" help:"Record a share of the traffic into a file, until ctrl-C. What may be private is replaced."`
	Show  showCommand  `cmd:"" help:"List what is in a recording."`
	Prune pruneCommand `cmd:"" help:"Remove recordings that have expired."`
}

type startCommand struct {
	cli.Discovery
	busflags.Flags
	File    string        `arg:"" type:"path" placeholder:"FILE" help:"The file to write, which must not exist, such as traffic.nfrec."`
	Service []string      `sep:"," placeholder:"SERVICES" help:"Record requests to these services only, or to SERVICE/INSTANCE. Default: all."`
	Route   []string      `sep:"," placeholder:"ROUTES" help:"Record requests of these routes only, with what handlers ask other handlers for them. Default: all."`
	Share   float64       `default:"1" range:"0.000001..1" placeholder:"SHARE" help:"Share of requests to record, 0.000001 to 1. All hops of a request are recorded, or none."`
	For     time.Duration `default:"0s" range:"0s..24h" placeholder:"DURATION" help:"Stop after this time, up to 24h; 0s for no limit."`
	MaxSize int64         `type:"size" default:"256MiB" range:"1MiB..64GiB" placeholder:"SIZE" help:"Stop when the file is about this large, 1MiB to 64GiB."`
	Expires time.Duration `type:"age" default:"7d" range:"1m..366d" placeholder:"AGE" help:"How long the recording can be read, such as 12h or 7d: 1m to 366d."`

	KeyFile   string   `type:"path" placeholder:"FILE" help:"Key of the pseudonyms, 32 bytes or more, with mode 0600; the same key makes the same pseudonyms. Default: one that is thrown away."`
	Paths     string   `default:"tokens" oneof:"keep,tokens,ids,all" placeholder:"WHICH" help:"Segments of paths to replace: keep (none), tokens (what looks like a token, a key or an address), ids (those, and all with a digit), or all."`
	KeepField []string `sep:"," placeholder:"NAMES" help:"Header fields whose values are kept too, such as user-agent. Credentials never are."`
	KeepQuery []string `sep:"," placeholder:"NAMES" help:"Query parameters whose values are kept, such as page. Credentials never are."`
	KeepIDs   bool     `name:"keep-ids" help:"Keep request and trace ids, by which logs and traces are found."`
}

// Run implements command.
func (c *startCommand) Run(ctx context.Context, std cli.IO) error {
	targets, err := targetsOf(c.Service)
	if err != nil {
		return err
	}
	redactor, err := c.redactor()
	if err != nil {
		return err
	}
	security, err := c.Security(zerolog.Nop())
	if err != nil {
		return err
	}
	src, err := discovery.Open(ctx, &c.Discovery, zerolog.Nop(), nil)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }() // nothing is lost with it
	if err := c.checkRoutes(ctx, src); err != nil {
		return err
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	h := recording.Header{
		Created: now, Expires: now.Add(c.Expires), Program: buildinfo.Get().Version, System: registry.SystemName(c.EtcdPrefix),
		Share: c.Share, Services: c.Service, Routes: c.Route, KeyKept: c.KeyFile != "",
	}
	redactor.Header(&h)
	file, err := recording.Create(c.File, h)
	if err != nil {
		return err
	}
	return c.record(ctx, std, listening.Options{Targets: targets, Discovery: src, Security: security}, newRecorder(&converter{redact: redactor, share: c.Share}, file, c.Route, c.MaxSize), h)
}

func (c *startCommand) redactor() (*recording.Redactor, error) {
	o := recording.RedactOptions{Paths: recording.Paths(c.Paths), KeepFields: c.KeepField, KeepQuery: c.KeepQuery, KeepIDs: c.KeepIDs}
	if c.KeyFile != "" {
		key, err := recording.ReadKey(c.KeyFile)
		if err != nil {
			return nil, cli.Usagef("--key-file: %w", err)
		}
		o.Key = key
	}
	r, err := recording.NewRedactor(o)
	if err != nil {
		return nil, &cli.UsageError{Err: err}
	}
	return r, nil
}

// checkRoutes reports a route that isn't there: nothing would be recorded.
func (c *startCommand) checkRoutes(ctx context.Context, src discovery.Source) error {
	if len(c.Route) == 0 {
		return nil
	}
	ctx, enough := context.WithCancel(ctx)
	defer enough()
	var names []string
	err := src.Watch(ctx, func(s registry.Snapshot) {
		if names == nil {
			for _, r := range s.Routes.Compile().Routes() {
				names = append(names, r.Name)
			}
		}
		enough()
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	for _, name := range c.Route {
		if !slices.Contains(names, name) {
			return fmt.Errorf("--route: no route is called %q: there are %v", name, names)
		}
	}
	return nil
}

// record listens in until the end, and says what has come of it.
func (c *startCommand) record(ctx context.Context, std cli.IO, o listening.Options, r *recorder, h recording.Header) error {
	began := time.Now()
	p := newProgress(std.Err)
	o.Sample = 1 // by request ids it is done here, as the hops of a request have other correlation ids
	o.Kinds, o.Payload = []wire.Kind{wire.KindRequest, wire.KindResponse, wire.KindCancel}, listen.MaxCopied
	o.Duration, o.Discovered, o.Err = c.For, r.discovered, p
	o.Copy = func(copied *listen.Copy) error { return r.copied(copied, time.Now()) }
	o.Tick = func(lost listening.Losses) error {
		p.show(time.Since(began), r, lost)
		return r.tick(lost, time.Now())
	}
	losses, err := listening.Run(ctx, o)
	why := whyInterrupted
	switch {
	case err != nil:
		why = whyFailed
	case c.For > 0 && ctx.Err() == nil:
		why = whyFor
	}
	s, endErr := r.end(losses, why)
	p.end()
	if s.Records == 0 && err != nil { // nobody could be listened to: there is nothing to keep
		return errors.Join(err, endErr, os.Remove(c.File))
	}
	if s.Records > 0 || endErr == nil {
		summarize(std.Err, c.File, &h, &s, r.file.Size(), time.Since(began))
	}
	return errors.Join(err, endErr)
}

func targetsOf(services []string) (targets listening.Targets, err error) {
	for _, s := range services {
		t, err := listening.ParseTarget(s)
		if err != nil {
			return nil, cli.Usagef("--service: %w", err)
		}
		targets = append(targets, t)
	}
	return targets, nil
}

// summarize says what is in a recording that has ended, and what isn't.
func summarize(w io.Writer, name string, h *recording.Header, s *recording.Summary, size int64, took time.Duration) {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) } // nowhere to report a failure
	say("%s: %s in %s, %s (ended by %s)", name, terminal.Count(s.Records, "record"), terminal.Duration(took), bytesOf(size), s.Why)
	say("%s", lostLine(&s.Lost))
	say("it can be read until %s", h.Expires.Format("2006-01-02 15:04 UTC"))
	if s.Records == 0 {
		say("nothing was recorded: was there traffic? nanofront bus tap shows it")
	}
}
