package dash

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"nanofront/etcd"
	"nanofront/etcd/discovery"
	"nanofront/internal/admin"
	"nanofront/internal/cli"
	"nanofront/internal/dash/collect"
	"nanofront/internal/dash/page"
	"nanofront/internal/logging"
	"nanofront/internal/tuning"
	"nanofront/registry"
)

// Command is nanofront dash.
type Command struct {
	cli.Common
	cli.Discovery

	Listen            string   `default:"127.0.0.1:8082" type:"addr" placeholder:"ADDR" help:"Address of the page. One that other machines reach needs --token-file."`
	TokenFile         string   `type:"path" placeholder:"FILE" help:"File with a token that the page asks for. Default: none, on a loopback address."`
	Hosts             []string `sep:"," placeholder:"NAMES" help:"Names by which browsers may ask for the page, besides localhost and addresses."`
	Terminators       []string `sep:"," placeholder:"ADDRS" help:"Admin addresses of terminators, in addition to those announced in etcd. Default: 127.0.0.1:8081 with a static table."`
	StatsdMerged      bool     `group:"Logs and metrics" help:"Send to StatsD, too, what all processes together come to: percentiles, and shares within goals. Of several pages that are to, one does."`
	StatsdMergedLeast float64  `group:"Logs and metrics" default:"0.9" range:"0..1" placeholder:"SHARE" help:"Share of a service's processes that must be heard for that, 0 to 1."`

	Runbook string `placeholder:"URL" help:"Where docs/runbook.md is to be read, for links from the page."`
}

const (
	maxToken    = 4096
	leastToken  = 16
	headerTime  = 5 * time.Second
	idleTime    = time.Minute
	closeTime   = time.Second
	maxHeader   = 16 << 10
	maxRequests = 256 // connections
)

// Run implements command.
func (c *Command) Run(ctx context.Context, std cli.IO) error {
	tuning.Apply()
	token, err := c.token()
	if err != nil {
		return err
	}
	if c.StatsdMerged && c.Statsd == "" {
		return cli.Usagef("--statsd-merged: there is no server to send to: give --statsd too")
	}
	base, err := c.Start("nanofront", "dash", nil)
	if err != nil {
		return err
	}
	defer func() { _ = base.Close() }() // what it could say, it has logged
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	source, err := discovery.Open(context.WithoutCancel(ctx), &c.Discovery, base.Log, base.Metrics)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }() // nothing is lost with it
	ln, err := net.Listen("tcp", c.Listen)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		return fmt.Errorf("--listen %s: %w: choose another, or end what uses it", c.Listen, err)
	}
	id := boot()
	name := "dash-" + id[:6]
	announced := discovery.Announce(ctx, source, base, &c.Discovery, registry.Process{Kind: registry.KindDash, Name: name})
	defer announced.Close()
	options := collect.Options{System: c.systemName(), Boot: id, Etcd: c.Static == "", Commands: c.flags()}
	if c.StatsdMerged {
		sends, err := c.merging(ctx, source, base, name)
		if err != nil {
			return errors.Join(err, ln.Close())
		}
		defer sends.close()
		options.Merged = sends.merger.Take
	}
	col := collect.New(options)
	srv := &http.Server{
		Handler:           admin.Guard(page.New(page.Options{Collector: col, Token: token, Runbook: c.Runbook, Done: ctx.Done()}), c.Hosts, "--hosts"),
		ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader,
		ErrorLog: stdlog.New(io.Discard, "", 0),
	}
	var loops sync.WaitGroup
	loops.Go(func() { c.watch(ctx, source, col) })
	loops.Go(func() { rollout(ctx, source, col) })
	loops.Go(func() { col.Run(ctx) })
	served := make(chan error, 1)
	loops.Go(func() { served <- srv.Serve(ln) })
	base.Log.Info().Str(logging.Addr, ln.Addr().String()).Msg("the page is at http://" + ln.Addr().String() + "/")
	select {
	case <-ctx.Done():
		err = nil
	case err = <-served:
	}
	cancel()
	stop, stopped := context.WithTimeout(context.Background(), closeTime)
	defer stopped()
	if srv.Shutdown(stop) != nil {
		_ = srv.Close() // who is still there has had a second
	}
	loops.Wait()
	return err
}

// token reads it, and sees to it that a page that others reach has one.
func (c *Command) token() (string, error) {
	if c.TokenFile == "" {
		if loopback(c.Listen) {
			return "", nil
		}
		return "", cli.Usagef("--listen %s: other machines reach this address: give --token-file FILE, with a secret of %d letters or more, or listen on 127.0.0.1", c.Listen, leastToken)
	}
	f, err := os.Open(c.TokenFile)
	if err != nil {
		return "", cli.Usagef("--token-file: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	content, err := io.ReadAll(io.LimitReader(f, maxToken+1))
	if err != nil {
		return "", cli.Usagef("--token-file: %w", err)
	}
	token := strings.TrimSpace(string(content))
	if len(token) < leastToken || len(content) > maxToken {
		return "", cli.Usagef("--token-file: %s has %d bytes: want %d to %d", c.TokenFile, len(content), leastToken, maxToken)
	}
	return token, nil
}

func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

func boot() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

func (c *Command) systemName() string {
	switch {
	case c.System != "":
		return c.System
	case c.Static != "":
		return registry.DefaultSystem
	}
	return registry.SystemName(c.EtcdPrefix)
}

// flags are what commands need to reach the same system.
func (c *Command) flags() string {
	if c.Static != "" {
		return " --static " + c.Static
	}
	line := " --etcd " + c.Etcd // also where it is the default, for whoever has a context for another system
	if c.EtcdPrefix != etcd.DefaultPrefix {
		line += " --etcd-prefix " + c.EtcdPrefix
	}
	return line
}
