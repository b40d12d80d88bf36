package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"nanofront/etcd"
	"nanofront/etcd/embedded"
	"nanofront/internal/admin"
	"nanofront/internal/busflags"
	"nanofront/internal/cli"
	"nanofront/internal/logging"
	"nanofront/internal/supervisor"
	"nanofront/internal/terminal"
	"nanofront/internal/tuning"
	"nanofront/registry"
)

const (
	// Of the ten seconds in which everything is to be gone after ctrl-C, the
	// terminator and the handlers get these parts, etcd the rest.
	upTerminatorDrain = 5 * time.Second
	upHandlerDrain    = 2 * time.Second
	upGrace           = 500 * time.Millisecond // for a child's own end, beyond its drain
	upStop            = 9500 * time.Millisecond

	upSettle = 50 * time.Millisecond

	upReady = 2 * time.Minute // seeding a large store on a slow machine included
)

// Stages of the end: clients first, etcd last.
const (
	stageEtcd = iota
	stageStore
	stageHandlers
	stageTerminator
)

type upCommand struct {
	HTTP       string `name:"http" default:":8080" type:"addr" placeholder:"ADDR" help:"Address to serve HTTP on."`
	Admin      string `default:"127.0.0.1:8081" type:"addr" placeholder:"ADDR" help:"Address of the terminator's admin port."`
	EtcdURL    string `name:"etcd-url" default:"http://127.0.0.1:2379" placeholder:"URL" help:"Client URL of its own etcd, http://IP:PORT."`
	EtcdPrefix string `default:"/nanofront/v1/" placeholder:"PATH" help:"Prefix of all keys in etcd."`
	Statsd     string `type:"server" placeholder:"ADDR" help:"StatsD server that all report to, host:port (UDP). Default: none."`
	Data       string `default:"data" type:"path" placeholder:"DIR" help:"Directory for profiles and etcd's data."`
	Seed       int    `default:"100000" range:"0..100000000" placeholder:"N" help:"Members to create in a new store."`
	Web        int    `default:"2" range:"1..64" placeholder:"N" help:"Instances of the web role."`
	Echo       int    `default:"1" range:"0..64" placeholder:"N" help:"Instances of the echo role."`
	Routes     string `type:"path" placeholder:"FILE" help:"Initial routes, if etcd has none. Default: /hello and /echo to echo, everything else to web."`
	LogLevel   string `default:"info" oneof:"debug,info,warn,error,off" placeholder:"LEVEL" help:"Lowest level that the programs log: debug, info, warn, error or off."`
	AccessLog  int    `default:"10" range:"0..100000" placeholder:"N" help:"At most this many access log lines per second; 0 for none."`
	Durability string `default:"sync" oneof:"sync,nosync" placeholder:"HOW" help:"sync acknowledges a write once it is on disk; nosync earlier, so that even a killed process may lose the last writes."`

	busflags.Flags
}

// Run implements command.
func (c *upCommand) Run(ctx context.Context, std cli.IO) error {
	tuning.Apply()
	cli.Outlive()
	routes := registry.DefaultRoutes()
	if c.Routes != "" {
		raw, err := readDocument(c.Routes, nil)
		if err != nil {
			return cli.Usagef("--routes: %w", err)
		}
		if routes, err = registry.ParseRoutes(raw); err != nil {
			return cli.Usagef("--routes %s: %w", c.Routes, err)
		}
	}
	bin, err := siblings()
	if err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}

	s := supervisor.New(std.Err, terminal.Colours(std.Err))
	if terminal.Is(std.Err) {
		console := &logging.Console{
			Colours: terminal.Colours(std.Err), Width: func() int { return terminal.Width(std.Err) },
			Hide: []string{logging.Program, logging.Instance}, Sparse: true,
		}
		s.Render(console.Lines)
	}
	defer func() {
		stop, cancel := context.WithTimeout(context.Background(), upStop)
		defer cancel()
		s.Stop(stop)
		s.Say("all stopped")
		s.Flush()
	}()
	up, cancel := context.WithTimeout(ctx, upReady)
	defer cancel()
	err = c.start(up, s, bin, routes)
	switch {
	case ctx.Err() != nil:
		return nil // ended while starting: that is what was asked for
	case err != nil:
		return err
	}
	// The children's lines about their start come by way of pipes: the greeting shall
	// stand below them.
	select {
	case <-ctx.Done():
	case <-time.After(upSettle):
	}
	c.welcome(s)
	select {
	case <-ctx.Done():
		s.Say("stopping: what is in flight is answered first; ctrl-C again stops at once")
		return nil
	case err := <-s.Failed():
		return err
	}
}

// programs are the paths of the programs that are started.
type programs struct{ nanofront, terminator, handler string }

func siblings() (programs, error) {
	self, err := os.Executable()
	if err != nil {
		return programs{}, err
	}
	dir := filepath.Dir(self)
	p := programs{self, filepath.Join(dir, "terminator"), filepath.Join(dir, "handler")}
	for _, f := range []string{p.terminator, p.handler} {
		if _, err := os.Stat(f); err != nil {
			return p, fmt.Errorf("%s is missing beside %s: make build makes both", filepath.Base(f), filepath.Base(self))
		}
	}
	return p, nil
}

// check finds what would keep a child from starting, to say it in one line
// instead of in the child's log.
func (c *upCommand) check() error {
	if _, err := c.Security(zerolog.Nop()); err != nil {
		return err
	}
	u, err := url.Parse(c.EtcdURL)
	if err != nil || u.Scheme != "http" || u.Hostname() == "" || u.Port() == "" || u.Host != strings.TrimPrefix(c.EtcdURL, "http://") {
		return cli.Usagef("--etcd-url: %q is not http://IP:PORT", c.EtcdURL)
	}
	if c.EtcdPrefix, err = etcd.ParsePrefix(c.EtcdPrefix); err != nil {
		return &cli.UsageError{Err: err}
	}
	for _, f := range []struct{ flag, addr string }{
		{"http", c.HTTP}, {"admin", c.Admin}, {"etcd-url", u.Host},
	} {
		l, err := net.Listen("tcp", f.addr)
		if err != nil {
			var op *net.OpError
			if errors.As(err, &op) {
				err = op.Err
			}
			return fmt.Errorf("--%s %s: %w: choose another, or end what uses it", f.flag, f.addr, err)
		}
		_ = l.Close()
	}
	if err := os.MkdirAll(c.Data, 0o755); err != nil {
		return fmt.Errorf("--data %s: %w: choose another directory", c.Data, err)
	}
	probe, err := os.CreateTemp(c.Data, ".writable-*")
	if err != nil {
		return fmt.Errorf("--data %s: not writable: %w: choose another directory", c.Data, err)
	}
	_ = probe.Close()
	return os.Remove(probe.Name())
}

// start starts all and returns when the system answers.
func (c *upCommand) start(ctx context.Context, s *supervisor.Supervisor, bin programs, routes *registry.Routes) error {
	s.Say("starting etcd, profile, web ×%d, echo ×%d and the terminator; data in %s", c.Web, c.Echo, c.Data)
	// All that ties the children together is said outright. They inherit the
	// environment, for what tunes them, and it may have these too: for up
	// itself (NANOFRONT_ADMIN), or for another system (NANOFRONT_STATIC).
	common := []string{"--statsd=" + c.Statsd, "--log-level", c.LogLevel, "--log-format", "json"}
	discovery := []string{
		"--etcd", c.EtcdURL, "--etcd-prefix", c.EtcdPrefix, "--static=",
		"--etcd-user=", "--etcd-password-file=", "--etcd-cert=", "--etcd-key=", "--etcd-ca=",
	}
	bus, scheme := c.busFlags()
	err := s.Start(supervisor.Child{
		Name: "etcd", Path: bin.nanofront, Stage: stageEtcd, Grace: 2 * time.Second,
		Args: append([]string{
			"etcd", "--data", filepath.Join(c.Data, "etcd"), "--client-url", c.EtcdURL, "--admin=",
			"--name=", "--peer-url=", "--initial-cluster=", "--cert=", "--key=", "--ca=",
		}, common...),
	})
	if err != nil {
		return err
	}
	if err := c.seedRoutes(ctx, s, routes); err != nil {
		return err
	}
	handler := func(name, role string, stage int, args ...string) error {
		args = append([]string{
			role, "--instance", name, "--bus", scheme + "://127.0.0.1:0", "--advertise=", "--admin", "127.0.0.1:0",
			"--drain-timeout", upHandlerDrain.String(),
		}, args...)
		return s.Start(supervisor.Child{
			Name: name, Path: bin.handler, Args: slices.Concat(args, discovery, bus, common), Env: handlerEnv(),
			Stage: stage, Grace: upHandlerDrain + upGrace,
		})
	}
	err = handler("profile-1", "profile", stageStore,
		"--data", filepath.Join(c.Data, "profile"), "--seed", strconv.Itoa(c.Seed), "--durability", c.Durability)
	for i := 1; err == nil && i <= c.Web; i++ {
		err = handler(fmt.Sprintf("web-%d", i), "web", stageHandlers)
	}
	for i := 1; err == nil && i <= c.Echo; i++ {
		err = handler(fmt.Sprintf("echo-%d", i), "echo", stageHandlers)
	}
	if err != nil {
		return err
	}
	err = s.Start(supervisor.Child{
		Name: "terminator", Path: bin.terminator, Stage: stageTerminator, Grace: upTerminatorDrain + upGrace,
		Args: slices.Concat([]string{
			"--http", c.HTTP, "--admin", c.Admin, "--instance", "terminator-1",
			"--drain-timeout", upTerminatorDrain.String(), "--last-known=", "--drain-delay=0s", "--access-log=" + strconv.Itoa(c.AccessLog),
		}, discovery, bus, common),
	})
	if err != nil {
		return err
	}
	return c.ready(ctx, s)
}

// busFlags are what the children are told of the bus, and what stands before
// their addresses.
func (c *upCommand) busFlags() (flags []string, scheme string) {
	scheme = "tcp"
	if c.BusCert != "" {
		scheme = "tls+tcp"
	}
	return []string{
		"--bus-cert=" + c.BusCert, "--bus-key=" + c.BusKey, "--bus-ca=" + c.BusCA,
		"--bus-server-name=" + c.BusServerName, "--bus-secret-file=" + c.BusSecretFile,
	}, scheme
}

// instances are how many there are to be.
func (c *upCommand) instances() int { return 1 + c.Web + c.Echo }

// handlerEnv shares the machine's cores out: here several handlers run beside
// the terminator and, most likely, what loads it. Go's scheduler keeps looking
// for work on every core that it may use; with a core too many per process,
// that took a third of a handler's CPU time, out of its neighbours' share.
func handlerEnv() []string {
	if os.Getenv("GOMAXPROCS") != "" {
		return nil // whoever set it has thought about it
	}
	return []string{"GOMAXPROCS=" + strconv.Itoa(max(1, runtime.NumCPU()/4))}
}

// seedRoutes waits for etcd and writes the routes if there are none.
func (c *upCommand) seedRoutes(ctx context.Context, s *supervisor.Supervisor, routes *registry.Routes) error {
	client, err := etcd.Open(ctx, etcd.Options{Endpoints: []string{c.EtcdURL}, Prefix: c.EtcdPrefix, Logger: zerolog.Nop()})
	if err != nil {
		return cli.Usagef("--etcd-url: %w", err)
	}
	defer func() { _ = client.Close() }() // nothing is lost with it
	return c.wait(ctx, s, "etcd", func(ctx context.Context) error {
		written, err := client.SeedRoutes(ctx, routes)
		if err == nil && !written && c.Routes != "" {
			s.Say("etcd in %s has routes already: --routes %s is not used; nanofront routes apply changes them", c.Data, c.Routes)
		}
		return err
	})
}

// ready waits until all instances are announced, each says that it has what
// it needs, and the terminator has found them.
func (c *upCommand) ready(ctx context.Context, s *supervisor.Supervisor) error {
	client, err := etcd.Open(ctx, etcd.Options{Endpoints: []string{c.EtcdURL}, Prefix: c.EtcdPrefix, Logger: zerolog.Nop()})
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }() // nothing is lost with it
	return c.wait(ctx, s, "the system", func(ctx context.Context) error {
		instances, err := client.Instances(ctx)
		if err != nil {
			return err
		}
		if len(instances) < c.instances() {
			return fmt.Errorf("%d of %d instances are announced", len(instances), c.instances())
		}
		for _, in := range instances {
			if err := isReady(ctx, in.Admin); err != nil {
				return fmt.Errorf("%s: %w", in.ID, err)
			}
		}
		if err := isReady(ctx, dialable(c.Admin)); err != nil {
			return fmt.Errorf("terminator: %w", err)
		}
		return served(ctx, dialable(c.Admin), instances)
	})
}

// served reports which of the instances' services the terminator can't reach.
// That a service that isn't among them, of a document of the user's own, can't
// be reached is for him to know.
func served(ctx context.Context, terminator string, instances []registry.Instance) error {
	state, err := stateAt(ctx, terminator)
	if err != nil {
		return fmt.Errorf("terminator: %w", err)
	}
	for _, d := range state.Degraded {
		if slices.ContainsFunc(instances, func(in registry.Instance) bool { return in.Service == d.Service }) {
			return fmt.Errorf("terminator: %s", d.Reason)
		}
	}
	return nil
}

// isReady asks an admin port.
func isReady(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	resp, err := admin.Get(ctx, addr, "/readyz")
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	if resp.StatusCode != http.StatusOK {
		reasons, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // what there is of it
		return errors.New(strings.TrimSpace(string(reasons)))
	}
	return nil
}

// wait tries until it succeeds, a child is given up, or ctx ends. What is
// tried is cut short by either: a client of etcd is patient with a server that
// will never come.
func (c *upCommand) wait(ctx context.Context, s *supervisor.Supervisor, what string, try func(context.Context) error) error {
	trying, cancel := context.WithCancelCause(ctx)
	over, watched := make(chan struct{}), make(chan struct{})
	go func() { // ends with wait
		defer close(watched)
		select {
		case err := <-s.Failed():
			cancel(err)
		case <-over:
		}
	}()
	err := retry(trying, try)
	close(over)
	<-watched
	defer cancel(nil)
	switch {
	case ctx.Err() != nil && err != nil:
		return fmt.Errorf("%s did not come up: %w", what, err)
	case ctx.Err() == nil && trying.Err() != nil:
		return context.Cause(trying)
	}
	return err
}

// retry tries until it succeeds or ctx ends, and returns the last error.
func retry(ctx context.Context, try func(context.Context) error) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// dialable is an address to listen on as one to connect to.
func dialable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// statusCommand is how to see what is up.
func (c *upCommand) statusCommand() string {
	line := "bin/nanofront status"
	if c.EtcdURL != embedded.DefaultClientURL {
		line += " --etcd " + c.EtcdURL
	}
	if c.EtcdPrefix != etcd.DefaultPrefix {
		line += " --etcd-prefix " + c.EtcdPrefix
	}
	return line
}

func (c *upCommand) welcome(s *supervisor.Supervisor) {
	front := "http://" + dialable(c.HTTP)
	for _, line := range []string{
		"",
		"nanofront is up.",
		"",
		"  open      " + front + "/",
		"  try       curl -i " + front + "/profile/42",
		"  measure   wrk -t2 -c256 -d30s --latency " + front + "/profile/42",
		"  look      " + c.statusCommand(),
		"  figures   http://" + dialable(c.Admin) + "/metrics.json",
		"  stop      ctrl-C",
		"",
	} {
		s.Say("%s", line)
	}
}
