// Command terminator is nanofront's HTTP front. It is stateless: run as many
// as you like.
package main

import (
	"context"
	"time"

	"nanofront/etcd/discovery"
	"nanofront/internal/buildinfo"
	"nanofront/internal/cli"
	"nanofront/internal/tuning"
	"nanofront/nanobus/busflags"
	"nanofront/registry"
	"nanofront/terminator"
	"nanofront/trace/traceflags"
)

type flags struct {
	HTTP            string        `name:"http" default:":8080" type:"addr" placeholder:"ADDR" help:"Address to serve HTTP on."`
	Instance        string        `placeholder:"NAME" help:"Name of this process in metrics and logs. Default: terminator, the host's name and a random part."`
	TrustedProxies  []string      `group:"Clients" sep:"," placeholder:"NETS" help:"Networks whose Forwarded and X-Forwarded-* fields are believed, such as 10.0.0.0/8."`
	HeaderTimeout   time.Duration `group:"Clients" default:"10s" range:"10ms..10m" placeholder:"DURATION" help:"Time from a request's first byte to the end of its header, 10ms to 10m."`
	BodyTimeout     time.Duration `group:"Clients" default:"30s" range:"10ms..1h" placeholder:"DURATION" help:"Time for each 64 KiB of a request's body, 10ms to 1h."`
	IdleTimeout     time.Duration `group:"Clients" default:"75s" range:"10ms..1h" placeholder:"DURATION" help:"Time after which an idle connection is closed, 10ms to 1h."`
	WriteTimeout    time.Duration `group:"Clients" default:"30s" range:"10ms..1h" placeholder:"DURATION" help:"How long a client may take to read a response, 10ms to 1h."`
	MaxHeader       int           `group:"Clients" default:"16384" range:"1024..61440" placeholder:"BYTES" help:"Largest request line and header section, in bytes."`
	MaxHeaderFields int           `group:"Clients" default:"100" range:"1..250" placeholder:"N" help:"Most header fields, and most trailer fields, of a request, 1 to 250."`
	MaxConnections  int           `group:"Clients" default:"20000" range:"1..1048576" placeholder:"N" help:"Most open client connections."`
	ClientMemory    int           `group:"Clients" default:"536870912" range:"1048576..1099511627776" placeholder:"BYTES" help:"Memory limit of the process, however many clients are slow. Bodies being gathered and responses not yet read may use half of it."`
	EventLoops      int           `group:"Clients" default:"0" range:"-1..1024" placeholder:"N" help:"Event loops for client connections (Linux). 0: half the number of cores. -1 (written --event-loops=-1): none, a goroutine per connection instead."`
	MaxInFlight     int           `group:"Overload" default:"16384" range:"1..131072" placeholder:"N" help:"How many requests may be in flight at once in all. A service may take as many as it leaves free."`
	MinInFlight     int           `group:"Overload" default:"8" range:"1..131072" placeholder:"N" help:"How many requests an overloaded service is left at the least."`
	LatencyTarget   time.Duration `group:"Overload" default:"50ms" range:"1ms..1m" placeholder:"DURATION" help:"The longest wait in a service's queue that is borne, whatever its handlers take; mostly it is half their time, or 5 ms."`
	DrainDelay      time.Duration `default:"0s" range:"0s..10m" placeholder:"DURATION" help:"How long to keep serving after SIGTERM, not ready and with Connection: close, 0s to 10m. Must exceed the time a balancer takes to see /readyz fail."`
	Handover        string        `type:"path" placeholder:"PATH" help:"Unix socket through which a new terminator takes over from the running one, without a lost connection. Start both with the same PATH."`
	LastKnown       string        `type:"path" placeholder:"FILE" help:"File to save the last known instances and routes in, and to load them from if etcd doesn't answer at startup. Default: none."`
	AccessLog       int           `default:"10" range:"0..100000" placeholder:"N" help:"At most this many access log lines per second; 0 for none."`
	AccessLogFile   string        `placeholder:"FILE" help:"File for the access log, opened anew after SIGHUP or a rename; - is standard output. Default: among the other log lines."`
	AccessLogFormat string        `default:"json" oneof:"json,combined" placeholder:"FORMAT" help:"Format of the access log: json, with OpenTelemetry's names, or combined, which needs --access-log-file."`
	LogSlowerThan   time.Duration `default:"0s" range:"0s..1h" placeholder:"DURATION" help:"Log each request that takes longer, up to 100 a second, with its stages, whatever --access-log is; 0s for none."`

	traceflags.Flags
	TraceSample     float64       `group:"Tracing" default:"0" range:"0..1" placeholder:"SHARE" help:"Share of requests to trace, 0 to 1. Those that fail are traced, too."`
	TraceSlowerThan time.Duration `group:"Tracing" default:"0s" range:"0s..1h" placeholder:"DURATION" help:"Trace each request that takes longer, up to 500 a second; 0s for none."`

	cli.Common
	cli.Discovery
	BusSecurity busflags.Flags `embed:""`
	cli.Version
}

// leastMemory is what the collector leaves a terminator at least: less would only cost time.
const leastMemory = 64 << 20

func main() { cli.Main("terminator", run) }

func run(ctx context.Context, args []string, std cli.IO) error {
	var f flags
	if _, err := cli.Parse(cli.Program{
		Name:        "terminator",
		Description: "nanofront's HTTP front: turns requests into messages on the bus.",
	}, &f, args, std); err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return err
	}
	tuning.Apply()
	tuning.Within(max(int64(f.ClientMemory)/16*15, leastMemory)) // the rest is the program's code
	if f.Instance == "" {
		f.Instance = registry.NewID("terminator")
		f.NameBySlot("terminator")
	}
	heir, err := takeOver(ctx, &f)
	if err != nil {
		return err
	}
	if heir != nil {
		defer func() { _ = heir.Close() }() // harmless once it serves
	}
	passed, err := activation(&f, heir)
	if err != nil {
		return err
	}
	base, err := f.Start("terminator", f.Instance, func() []string { return []string{"starting"} })
	if err != nil {
		return err
	}
	defer func() { _ = base.Close() }() // what it could say, it has logged
	source, err := discovery.Open(context.WithoutCancel(ctx), &f.Discovery, base.Log, base.Metrics)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }() // nothing is lost with it
	security, err := f.BusSecurity.Security(base.Log)
	if err != nil {
		return err
	}
	front := &front{source: source, name: f.Instance, started: base.Metrics.Started().UTC()}
	watched, err := front.watched(&f, base)
	if err != nil {
		return err
	}
	lines, err := openAccessLog(&f, base)
	if err != nil {
		return err
	}
	defer lines.close()
	tracer, err := f.Flags.Recorder("terminator", f.Instance, buildinfo.Get().Version, base)
	if err != nil {
		return err
	}
	t, err := terminator.New(terminator.Options{
		HTTP: f.HTTP, Listener: passed, Waits: heir != nil, Discovery: watched, Instance: f.Instance, Version: buildinfo.Get().Version,
		Security:       security,
		TrustedProxies: f.TrustedProxies,
		HeaderTimeout:  f.HeaderTimeout, BodyTimeout: f.BodyTimeout, IdleTimeout: f.IdleTimeout,
		WriteTimeout: f.WriteTimeout, DrainTimeout: max(f.DrainTimeout, 10*time.Millisecond), DrainDelay: f.DrainDelay,
		MaxHeader: f.MaxHeader, MaxFields: f.MaxHeaderFields, MaxConns: f.MaxConnections, ClientMemory: f.ClientMemory, EventLoops: f.EventLoops,
		MaxInFlight: f.MaxInFlight, MinInFlight: min(f.MinInFlight, f.MaxInFlight), LatencyTarget: f.LatencyTarget,
		AccessLog: accessLog(f.AccessLog), AccessLogTo: lines.to(), AccessLogCombined: f.AccessLogFormat == "combined",
		LogSlowerThan: f.LogSlowerThan, Tracer: tracer, TraceSample: f.TraceSample, TraceSlowerThan: f.TraceSlowerThan,
		Logger: base.Log, Metrics: base.Metrics,
	})
	if err != nil {
		return &cli.UsageError{Err: err}
	}
	front.t = t
	if err := t.Listen(); err != nil {
		return err
	}
	if base.Admin != nil {
		front.serves(t, base.Admin)
	}
	if f.Handover != "" {
		var cancel context.CancelCauseFunc
		ctx, cancel = context.WithCancelCause(ctx)
		end := make(chan struct{})
		go func() {
			defer close(end)
			succession(ctx, func() { cancel(terminator.ErrSucceeded) }, &f, heir, t, base)
		}()
		defer func() { cancel(nil); <-end }()
	}
	announced := discovery.Announce(ctx, source, base, &f.Discovery, registry.Process{
		Kind: registry.KindTerminator, Name: f.Instance, HTTP: cli.Reachable(t.Addr().String()),
	})
	defer announced.Close()
	front.announcement.Store(announced)
	managed := make(chan struct{})
	managing, over := context.WithCancel(ctx)
	go func() {
		defer close(managed)
		manage(managing, t, base)
	}()
	defer func() { over(); <-managed }()
	return t.Run(ctx)
}

// check looks at what one flag alone doesn't show.
func (f *flags) check() error {
	switch {
	case f.TraceOTLP == "" && (f.TraceSample > 0 || f.TraceSlowerThan > 0):
		return cli.Usagef("--trace-sample and --trace-slower-than need --trace-otlp URL, which says where traces go")
	case f.AccessLogFile == "" && f.AccessLogFormat == "combined":
		return cli.Usagef("--access-log-format combined: needs --access-log-file FILE, since the log on standard error has other lines, too; - is standard output")
	}
	return nil
}
