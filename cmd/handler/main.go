// Command handler runs one of nanofront's backends: handler ROLE.
package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"nanofront/handlers"
	"nanofront/handlers/echo"
	"nanofront/handlers/profile"
	"nanofront/handlers/web"
	"nanofront/internal/busflags"
	"nanofront/internal/cli"
	"nanofront/internal/discovery"
	"nanofront/internal/registry"
	"nanofront/internal/tuning"
	"nanofront/nanobus"
)

// flags are the same for all roles; those that one role alone looks at say so.
type flags struct {
	cli.Common
	cli.Discovery
	BusSecurity busflags.Flags `embed:""`

	Role      string `arg:"" placeholder:"ROLE" oneof:"echo,profile,web" help:"What to run: echo, profile or web."`
	Bus       string `default:"tcp://127.0.0.1:0" placeholder:"URL" help:"Where the bus listens: tcp://HOST:PORT or tls+tcp://HOST:PORT (port 0: any free one), or ipc:///PATH."`
	Advertise string `placeholder:"URL" help:"Bus address to announce, if others reach it under another one."`
	Instance  string `placeholder:"NAME" help:"Name of this process. Default: the role and the process id."`
	Version   string `placeholder:"V" help:"Version of this backend's code, to announce."`
	Window    int    `default:"0" range:"0..65536" placeholder:"N" help:"Requests taken at once. 0 for 1024, and 4096 for profile, whose requests are quick and come in bursts."`
	BusTap    bool   `default:"true" help:"Let nanofront bus tap listen in on the requests of this process, which shows their content; --bus-tap=false forbids it."`
	Weight    int    `default:"100" range:"0..1000" placeholder:"N" help:"Share of the requests among the instances of the role: twice the weight, twice the requests. 0: none."`
	Workers   int    `default:"256" range:"1..65536" placeholder:"N" help:"Goroutines that work on them at once."`

	Data       string `default:"data/profile" type:"path" placeholder:"DIR" help:"profile: where the store is."`
	Seed       uint64 `default:"100000" range:"0..100000000" placeholder:"N" help:"profile: members that a new store begins with."`
	Durability string `default:"sync" oneof:"sync,nosync" placeholder:"HOW" help:"profile: whether a write is on the disk before it is acknowledged: sync, or nosync, with which even a killed process may lose the last ones."`
	CacheMB    int64  `name:"cache-mb" default:"256" range:"1..65536" placeholder:"MB" help:"profile: the store's cache in MB."`
}

func main() { cli.Main("handler", run) }

func run(ctx context.Context, args []string, std cli.IO) error {
	var f flags
	if _, err := cli.Parse(cli.Program{
		Name:        "handler",
		Description: "Runs one of nanofront's backends.",
		Vars:        map[string]string{"admin": "127.0.0.1:0"},
	}, &f, args, std); err != nil {
		return err
	}
	name := f.Instance
	if name == "" {
		name = handlers.DefaultInstance(f.Role)
	}
	if f.Window == 0 {
		f.Window = defaultWindow(f.Role)
	}
	if err := f.check(name); err != nil {
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
	opts := handlers.Options{
		Instance: name, Version: f.Version, Listen: f.Bus, Advertise: f.Advertise, Security: security,
		Window: f.Window, Weight: registry.WeightOf(f.Weight), Workers: min(f.Workers, f.Window), NoTap: !f.BusTap,
		Discovery: source, DrainTimeout: max(f.DrainTimeout, time.Millisecond),
		Logger: base.Log, Metrics: base.Metrics,
	}
	if base.Admin != nil {
		opts.Admin = cli.Reachable(base.Admin.Addr())
	}
	r, err := newRole(&f, opts)
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
	return r.Run(ctx)
}

// defaultWindow is a role's window. A read of a profile takes microseconds, so
// thousands that wait are done in some milliseconds; and they come by the
// score (a list of members), or all those of a moment in which a small machine
// ran something else. A window that is too small for that refuses them.
func defaultWindow(role string) int {
	if role == "profile" {
		return 4 * nanobus.DefaultWindow
	}
	return nanobus.DefaultWindow
}

// check finds what is wrong with flags whose values mean something to others
// too, to name the flag instead of what they make of it.
func (f *flags) check(name string) error {
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
		{"version", func(in *registry.Instance) { in.Version = f.Version }},
		{"advertise", func(in *registry.Instance) {
			if f.Advertise != "" {
				in.Address = f.Advertise
			}
		}},
	} {
		in := registry.Instance{Service: f.Role, ID: "valid", Address: "tcp://127.0.0.1:1", Window: f.Window}
		c.set(&in)
		if err := in.Validate(); err != nil {
			return cli.Usagef("--%s: %w", c.flag, err)
		}
	}
	if f.Role == "profile" && f.Data == "" {
		return cli.Usagef("--data: empty: want a directory")
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
			return nil
		}
	}
	return cli.Usagef("--bus: %q is not tcp://HOST:PORT, tls+tcp://HOST:PORT or ipc:///PATH", addr)
}

// role is what each package of a role makes.
type role interface {
	Runtime() *handlers.Runtime
	Run(ctx context.Context) error
}

func newRole(f *flags, opts handlers.Options) (role, error) {
	switch f.Role {
	case "echo":
		return echo.New(opts)
	case "web":
		return web.New(opts)
	case "profile":
		return profile.New(opts, profile.Options{
			Data: f.Data, Seed: f.Seed, Durability: profile.Durability(f.Durability), CacheBytes: f.CacheMB << 20,
		})
	default:
		return nil, cli.Usagef("role %q: want echo, profile or web", f.Role)
	}
}
