package bus

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"nanofront/cmd/nanofront/listening"
	"nanofront/etcd/discovery"
	"nanofront/internal/cli"
	"nanofront/internal/terminal"
	"nanofront/nanobus"
	"nanofront/nanobus/busflags"
)

// Command is nanofront bus.
type Command struct {
	Tap  tapCommand  `cmd:"" help:"Listen in on the frames between instances and their callers."`
	Call callCommand `cmd:"" help:"Send a request straight to a service, and show where the time goes."`
}

type tapCommand struct {
	cli.Discovery
	busflags.Flags
	Target   string        `arg:"" optional:"" placeholder:"TARGET" help:"SERVICE or SERVICE/INSTANCE. Default: all instances."`
	Sample   float64       `default:"1" range:"0.000001..1" placeholder:"SHARE" help:"Share of requests to copy, 0.000001 to 1. A request and its response are either both copied or neither."`
	Kinds    []string      `sep:"," default:"request,response,cancel" placeholder:"KINDS" help:"Kinds of frames to copy, or all."`
	Payload  string        `default:"head" oneof:"none,head,full" placeholder:"HOW" help:"How much of requests and responses to copy: none, head (4 KiB, for method, path and status), or full (64 KiB, to show header and body too)."`
	Match    string        `placeholder:"PATH" help:"Show only requests whose path has this prefix, and their other frames."`
	Count    int           `default:"0" range:"0..1000000000" placeholder:"N" help:"Stop after this many frames; 0 for no limit."`
	Duration time.Duration `default:"0s" range:"0s..24h" placeholder:"DURATION" help:"Stop after this time, up to 24h; 0s for no limit."`
	JSON     bool          `name:"json" help:"Print a line of JSON for each frame."`
}

// Run implements command.
func (c *tapCommand) Run(ctx context.Context, std cli.IO) error {
	target, err := listening.ParseTarget(c.Target)
	if err != nil {
		return &cli.UsageError{Err: err}
	}
	kinds, err := ParseKinds(c.Kinds)
	if err != nil {
		return cli.Usagef("--kinds: %w", err)
	}
	switch {
	case c.Match != "" && c.Payload == string(PayloadNone):
		return cli.Usagef("--match %s needs the paths, which --payload none leaves out", c.Match)
	case c.Match != "" && !strings.HasPrefix(c.Match, "/"):
		return cli.Usagef("--match: %q is no beginning of a path: it begins with /", c.Match)
	}
	src, security, err := openBus(ctx, &c.Discovery, &c.Flags)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }() // nothing is lost with it
	return Tap(ctx, TapOptions{
		Target: target, Discovery: src, Security: security, Sample: c.Sample, Kinds: kinds, Payload: Payload(c.Payload), Match: c.Match,
		Count: c.Count, Duration: c.Duration, JSON: c.JSON, Color: !c.JSON && terminal.Colours(std.Out), Out: std.Out, Err: std.Err,
	})
}

type callCommand struct {
	cli.Discovery
	busflags.Flags
	Service  string        `arg:"" placeholder:"SERVICE" help:"The service to call."`
	Path     string        `arg:"" placeholder:"PATH" help:"Path, percent-encoded, with an optional query."`
	Method   string        `short:"X" placeholder:"METHOD" help:"Method. Default: GET, or POST with a body."`
	Header   []string      `short:"H" sep:"none" placeholder:"FIELD" help:"Header field, 'Name: value'; repeatable."`
	Body     string        `short:"d" placeholder:"BODY" help:"Body; @FILE takes it from a file, @- from standard input."`
	Instance string        `placeholder:"NAME" help:"Call this instance of the service. Default: the one that the bus chooses."`
	Timeout  time.Duration `default:"2s" range:"1ms..5m" placeholder:"DURATION" help:"Total time for the request, 1ms to 5m."`
	Count    int           `default:"1" range:"1..100000" placeholder:"N" help:"Requests to send, one after the other; several get a line each and a summary."`
	Trace    bool          `help:"Show what each instance did for the request, as a tree with times. Handlers must keep spans (--trace-ring or --trace-otlp)."`
	JSON     bool          `name:"json" help:"Print a line of JSON for each request."`
}

// Run implements command.
func (c *callCommand) Run(ctx context.Context, std cli.IO) error {
	switch {
	case c.Trace && c.Count > 1:
		return cli.Usagef("--trace is for one request: leave out --count")
	case c.Trace && hasTraceParent(c.Header):
		return cli.Usagef("--trace sets the field traceparent itself: leave out that --header")
	}
	body, err := readBody(c.Body, std.In)
	if err != nil {
		return cli.Usagef("--body: %w", err)
	}
	req, err := NewRequest(c.Service, c.Method, c.Path, c.Header, body)
	if err != nil {
		return &cli.UsageError{Err: err}
	}
	src, security, err := openBus(ctx, &c.Discovery, &c.Flags)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }() // nothing is lost with it
	return Call(ctx, CallOptions{
		Target: listening.Target{Service: c.Service, Instance: c.Instance}, Discovery: src, Security: security, Request: req,
		Timeout: c.Timeout, Count: c.Count, JSON: c.JSON, Trace: c.Trace, Color: !c.JSON && terminal.Colours(std.Out), Out: std.Out,
	})
}

// openBus is what both commands need to find and link with instances.
func openBus(ctx context.Context, d *cli.Discovery, b *busflags.Flags) (discovery.Source, nanobus.Security, error) {
	security, err := b.Security(zerolog.Nop())
	if err != nil {
		return nil, security, err
	}
	src, err := discovery.Open(ctx, d, zerolog.Nop(), nil)
	return src, security, err
}

// readBody is the body that a flag means; nil for none.
func readBody(flag string, in io.Reader) ([]byte, error) {
	name, isFile := strings.CutPrefix(flag, "@")
	switch {
	case flag == "":
		return nil, nil
	case !isFile:
		return []byte(flag), nil
	case name != "-":
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }() // it was only read
		in = f
	}
	body, err := io.ReadAll(io.LimitReader(in, MaxCallBody+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if body == nil {
		body = []byte{}
	}
	return body, nil
}
