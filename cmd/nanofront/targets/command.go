package targets

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"nanofront/etcd"
	"nanofront/etcd/discovery"
	"nanofront/internal/admin"
	"nanofront/internal/cli"
	"nanofront/internal/logging"
	"nanofront/registry"
)

// Command is nanofront targets.
type Command struct {
	cli.Discovery
	Listen    string   `type:"optaddr" placeholder:"ADDR" help:"Serve the list over HTTP (http_sd) at this address, such as :9111 for the loopback's port 9111, until ctrl-C. Default: print it once (file_sd)."`
	Hosts     []string `sep:"," placeholder:"NAMES" help:"Further names that requests may call the server by, or * for any. IP addresses, localhost and this machine's names need none."`
	LastKnown string   `type:"path" placeholder:"FILE" help:"File to save the last known list in, and to begin with if etcd doesn't answer at the start."`
	System    string   `placeholder:"NAME" help:"Name of the system in the label system, for processes that say none. Default: after --etcd-prefix."`
}

// Run implements command.
func (c *Command) Run(ctx context.Context, std cli.IO) error {
	if c.System == "" {
		c.System = registry.SystemName(c.EtcdPrefix)
	} else if !registry.ValidSystem(c.System) {
		return cli.Usagef("--system: %q is not a name: want 1 to 63 lower-case letters, digits, '-', '.' and '_'", c.System)
	}
	machine, err := os.Hostname()
	if err != nil {
		machine = "" // every loopback address is another machine's then
	}
	l := &list{from: machine, system: c.System, file: c.LastKnown}
	if c.Listen == "" {
		return c.print(ctx, std, l)
	}
	return c.serve(ctx, std, l)
}

// print writes the list once.
func (c *Command) print(ctx context.Context, std cli.IO, l *list) error {
	src, err := discovery.Open(ctx, &c.Discovery, zerolog.Nop(), nil)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }() // nothing is lost with it
	now, err := src.Processes(ctx)
	switch {
	case err == nil:
		if err := l.set(now); err != nil {
			return err
		}
	case !errors.Is(err, etcd.ErrUnreachable) || l.file == "":
		return err
	default:
		if rerr := l.read(); rerr != nil {
			return errors.Join(err, rerr)
		}
		_, _ = fmt.Fprintf(std.Err, "etcd doesn't answer: this is the last known list, of %s\n", l.since.UTC().Format(time.RFC3339))
	}
	body, _ := l.json()
	for _, p := range l.unreachable() {
		_, _ = fmt.Fprintln(std.Err, p)
	}
	_, err = std.Out.Write(body)
	return err
}

// serve answers http_sd until ctx ends.
func (c *Command) serve(ctx context.Context, std cli.IO, l *list) error {
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return cli.Usagef("--listen: %w", err)
	}
	if host == "" {
		host = "127.0.0.1" // who else may read it is to be said
	}
	logs, err := logging.New(logging.Options{Out: std.Err})
	if err != nil {
		return err
	}
	defer func() { _ = logs.Close() }() // what it could say, it has said
	log := logs.Logger()
	if l.file != "" {
		if err := l.read(); err != nil && !errors.Is(err, os.ErrNotExist) {
			log.Warn().Err(err).Str(logging.File, l.file).Msg("the last known list can't be used")
		}
	}
	src, err := discovery.Open(ctx, &c.Discovery, log, nil)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }() // nothing is lost with it
	ln, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return fmt.Errorf("--listen %s: %w: choose another, or end what uses it", c.Listen, err)
	}
	srv := &http.Server{
		Handler:           admin.Guard(l, c.Hosts, "--hosts"),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 16 << 10,
	}
	log.Info().Str("url", "http://"+ln.Addr().String()+"/").Msg("serving targets for Prometheus' http_sd")
	watching, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() { // ends with ctx
		_ = src.WatchProcesses(watching, func(now []registry.Process) { // that it was closed is no news
			if err := l.set(now); err != nil {
				log.Warn().Err(err).Str(logging.File, l.file).Msg("the last known list can't be saved")
			}
			for _, text := range l.unreachable() {
				log.Warn().Msg(text)
			}
		})
	})
	wg.Go(func() { // ends with ctx
		<-watching.Done()
		_ = srv.Close() // a list is sent in no time, and asked for again
	})
	err = srv.Serve(ln)
	stop()
	wg.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return err
}
