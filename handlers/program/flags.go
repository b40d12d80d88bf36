package program

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"nanofront/etcd/discovery"
	"nanofront/handlers"
	"nanofront/internal/cli"
	"nanofront/internal/systemd"
	"nanofront/internal/tuning"
	"nanofront/internal/unixpath"
	"nanofront/nanobus"
	"nanofront/nanobus/busflags"
	"nanofront/registry"
	"nanofront/trace/traceflags"
)

// Flags are the flags of a program that serves one service, in the form of internal/cli. Embed
// them.
type Flags struct {
	Bus            string `default:"tcp://127.0.0.1:0" placeholder:"URL" help:"Address to listen on for the bus: tcp://HOST:PORT or tls+tcp://HOST:PORT (port 0: any free one), or ipc:///PATH."`
	Advertise      string `placeholder:"URL" help:"Bus address to announce, if others must use a different one."`
	Instance       string `placeholder:"NAME" help:"Name of this process. Default: the role, the host's name and a random part."`
	ServiceVersion string `placeholder:"V" help:"Version of this backend's code to announce."`
	Window         int    `default:"${window}" range:"1..65536" placeholder:"N" help:"Requests accepted at once, from all callers together."`
	Weight         int    `default:"100" range:"0..1000" placeholder:"N" help:"This instance's share of its role's requests: twice the weight, twice the requests. 0: none."`
	Workers        int    `default:"256" range:"1..65536" placeholder:"N" help:"Goroutines that work on requests at the same time."`
	LastKnown      string `type:"path" placeholder:"FILE" help:"File to save the last known toggles in, for a role that has any, and to load them from if etcd doesn't answer at startup. Default: none."`
	BusTap         bool   `default:"true" help:"Let nanofront bus tap copy this process's requests, which reveals their content; --bus-tap=false forbids it."`
	cli.Common
	cli.Discovery
	BusSecurity busflags.Flags `embed:""`
	traceflags.HandlerFlags
}

// Vars are what the tags of Flags refer to.
func Vars() map[string]string {
	return map[string]string{"admin": "127.0.0.1:0", "window": strconv.Itoa(nanobus.DefaultWindow)}
}

// Role serves one service until Run's context ends.
type Role interface {
	Runtime() *handlers.Runtime
	Run(ctx context.Context) error
}

// Shower is a Role that has something of its own to show at the admin port.
type Shower interface {
	// Degraded is what isn't as it should be and is no reason to get no requests, as lines for
	// operators.
	Degraded() []string
	// Shows are further pages, by their paths.
	Shows() map[string]http.Handler
}

// Serve runs a role, with all that the flags ask for, until ctx ends.
func (f *Flags) Serve(ctx context.Context, service string, newRole func(handlers.Options) (Role, error)) error {
	name := f.Instance
	if name == "" {
		name = handlers.DefaultInstance(service)
		f.NameBySlot(service)
	}
	if err := f.check(service, name); err != nil {
		return err
	}
	tuning.Apply()
	base, err := f.Start("handler", name, func() []string { return []string{"starting"} })
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
	tracer, err := f.HandlerFlags.Recorder(service, name, f.ServiceVersion, base)
	if err != nil {
		return err
	}
	opts := handlers.Options{
		Instance: name, Version: f.ServiceVersion, Listen: f.Bus, Advertise: f.Advertise, Security: security,
		Window: f.Window, Weight: registry.WeightOf(f.Weight), Workers: min(f.Workers, f.Window), NoTap: !f.BusTap,
		Tracer:    tracer,
		LastKnown: f.LastKnown,
		Discovery: source, DrainTimeout: max(f.DrainTimeout, time.Millisecond),
		Admin: base.AdminAddr(), Logger: base.Log, Metrics: base.Metrics,
	}
	r, err := newRole(opts)
	if err != nil {
		return err
	}
	if base.Admin != nil {
		rt := r.Runtime()
		base.Admin.SetReady(func() []string { return cli.Reasons(rt.Ready()) })
		base.Admin.Handle("/links.json", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(rt.Links()) // a client that went away
		}))
	}
	if shows, ok := r.(Shower); ok && base.Admin != nil {
		base.Admin.SetDegraded(shows.Degraded)
		for path, h := range shows.Shows() {
			base.Admin.Handle(path, h)
		}
	}
	announced := discovery.Announce(ctx, source, base, &f.Discovery, registry.Process{
		Kind: registry.KindHandler, Name: name, Service: service, Version: f.ServiceVersion,
	})
	defer announced.Close()
	managed := make(chan struct{})
	managing, over := context.WithCancel(ctx)
	go func() {
		defer close(managed)
		if err := systemd.AnnounceReady(managing, r.Runtime().Ready, readyWithin, service+" "+name); err != nil {
			base.Log.Warn().Err(err).Msg("the service manager can't be told that this process is ready")
		}
	}()
	defer func() { over(); <-managed }()
	return r.Run(ctx)
}

// readyWithin is how long a handler that can't get ready, for want of another service, leaves a
// service manager waiting.
const readyWithin = 15 * time.Second

// check finds what is wrong with flags whose values mean something to others
// too, to name the flag instead of what they make of it.
func (f *Flags) check(service, name string) error {
	if err := checkBus(f.Bus); err != nil {
		return err
	}
	if err := f.BusSecurity.CheckListen("bus", f.Bus); err != nil {
		return err
	}
	for _, c := range []struct {
		flag string
		set  func(in *registry.Instance)
	}{
		{"instance", func(in *registry.Instance) { in.ID = name }},
		{"service-version", func(in *registry.Instance) { in.Version = f.ServiceVersion }},
		{"advertise", func(in *registry.Instance) {
			if f.Advertise != "" {
				in.Address = f.Advertise
			}
		}},
	} {
		in := registry.Instance{Service: service, ID: "valid", Address: "tcp://127.0.0.1:1", Window: f.Window}
		c.set(&in)
		if err := in.Validate(); err != nil {
			return cli.Usagef("--%s: %w", c.flag, err)
		}
	}
	return nil
}

func checkBus(addr string) error {
	scheme, rest, _ := strings.Cut(addr, "://")
	switch scheme {
	case "tcp", "tls+tcp":
		_, port, err := net.SplitHostPort(rest)
		if _, perr := strconv.ParseUint(port, 10, 16); err == nil && perr == nil {
			return nil
		}
	case "ipc":
		if strings.HasPrefix(rest, "/") && len(rest) > 1 {
			if err := unixpath.Check(rest); err != nil {
				return cli.Usagef("--bus: %q: %w", addr, err)
			}
			return nil
		}
	}
	return cli.Usagef("--bus: %q is not tcp://HOST:PORT, tls+tcp://HOST:PORT or ipc:///PATH", addr)
}
