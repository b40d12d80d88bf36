package up

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"nanofront/cmd/nanofront/routes"
	"nanofront/etcd"
	"nanofront/internal/cli"
	"nanofront/internal/logging"
	"nanofront/internal/supervisor"
	"nanofront/internal/terminal"
	"nanofront/internal/tuning"
	"nanofront/nanobus/busflags"
	"nanofront/registry"
)

const (
	// Of the ten seconds in which everything is to be gone after ctrl-C, the
	// terminator and the handlers get these parts, etcd the rest.
	terminatorDrain = 5 * time.Second
	handlerDrain    = 2 * time.Second
	childGrace      = 500 * time.Millisecond // for a child's own end, beyond its drain
	stopTimeout     = 9500 * time.Millisecond

	settleTime = 50 * time.Millisecond

	readyTimeout = 2 * time.Minute // seeding a large store on a slow machine included
)

// Stages of the end: clients first, etcd last.
const (
	stageEtcd = iota
	stageStore
	stageHandlers
	stageTerminator
)

// Command is nanofront up.
type Command struct {
	HTTP         string `name:"http" default:":8080" type:"addr" placeholder:"ADDR" help:"Address to serve HTTP on."`
	Admin        string `default:"127.0.0.1:8081" type:"addr" placeholder:"ADDR" help:"Address of the terminator's admin port."`
	Dash         string `default:"127.0.0.1:8082" type:"optaddr" placeholder:"ADDR" help:"Address of the live page, on this machine alone. Empty turns it off."`
	EtcdURL      string `name:"etcd-url" default:"http://127.0.0.1:2379" placeholder:"URL" help:"Client URL of its own etcd, http://IP:PORT."`
	EtcdPrefix   string `default:"/nanofront/v1/" placeholder:"PATH" help:"Prefix of all keys in etcd."`
	System       string `placeholder:"NAME" help:"Name of the system in tables, pages and metrics. Default: after --etcd-prefix."`
	Statsd       string `type:"server" placeholder:"ADDR" help:"StatsD server that all report to, host:port (UDP). Default: none."`
	StatsdMerged bool   `help:"Have the live page send to StatsD, too, what all processes together come to."`
	Data         string `default:"data" type:"path" placeholder:"DIR" help:"Directory for profiles and etcd's data."`
	Seed         int    `default:"100000" range:"0..100000000" placeholder:"N" help:"Members to create in a new store."`
	Web          int    `default:"2" range:"1..64" placeholder:"N" help:"Instances of the web role."`
	Echo         int    `default:"1" range:"0..64" placeholder:"N" help:"Instances of the echo role."`
	Routes       string `type:"path" placeholder:"FILE" help:"Initial routes, if etcd has none. Default: /hello and /echo to echo, everything else to web."`
	LogLevel     string `default:"info" oneof:"debug,info,warn,error,off" placeholder:"LEVEL" help:"Lowest level that the programs log: debug, info, warn, error or off."`
	AccessLog    int    `default:"10" range:"0..100000" placeholder:"N" help:"At most this many access log lines per second; 0 for none."`
	Durability   string `default:"sync" oneof:"sync,nosync" placeholder:"HOW" help:"sync acknowledges a write once it is on disk; nosync earlier, so that even a killed process may lose the last writes."`

	busflags.Flags
}

// Run implements command.
func (c *Command) Run(ctx context.Context, std cli.IO) error {
	tuning.Apply()
	cli.Outlive()
	doc := registry.DefaultRoutes()
	if c.Routes != "" {
		raw, err := routes.Read(c.Routes, nil)
		if err != nil {
			return cli.Usagef("--routes: %w", err)
		}
		if doc, err = registry.ParseRoutes(raw); err != nil {
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
		stop, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		s.Stop(stop)
		s.Say("all stopped")
		s.Flush()
	}()
	up, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	err = c.start(up, s, bin, doc)
	switch {
	case ctx.Err() != nil:
		return nil // ended while starting: that is what was asked for
	case err != nil:
		return err
	}
	self, err := c.announce(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = self.Close() }() // nothing is lost with it
	// The children's lines about their start come by way of pipes: the greeting shall
	// stand below them.
	select {
	case <-ctx.Done():
	case <-time.After(settleTime):
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
			return p, fmt.Errorf("%s is missing beside %s: build both with make build", filepath.Base(f), filepath.Base(self))
		}
	}
	return p, nil
}

// check finds what would keep a child from starting, to say it in one line
// instead of in the child's log.
func (c *Command) check() error {
	if _, err := c.Security(zerolog.Nop()); err != nil {
		return err
	}
	if c.StatsdMerged && (c.Statsd == "" || c.Dash == "") {
		return cli.Usagef("--statsd-merged: it is the live page that sends, to a server: give --statsd and --dash too")
	}
	if c.System != "" && !registry.ValidSystem(c.System) {
		return cli.Usagef("--system: %q is not a name: want 1 to 63 lower-case letters, digits, '-', '.' and '_'", c.System)
	}
	u, err := url.Parse(c.EtcdURL)
	if err != nil || u.Scheme != "http" || u.Hostname() == "" || u.Port() == "" || u.Host != strings.TrimPrefix(c.EtcdURL, "http://") {
		return cli.Usagef("--etcd-url: %q is not http://IP:PORT", c.EtcdURL)
	}
	if c.EtcdPrefix, err = etcd.ParsePrefix(c.EtcdPrefix); err != nil {
		return &cli.UsageError{Err: err}
	}
	for _, f := range []struct{ flag, addr string }{
		{"http", c.HTTP}, {"admin", c.Admin}, {"dash", c.Dash}, {"etcd-url", u.Host},
	} {
		if f.addr == "" {
			continue
		}
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
