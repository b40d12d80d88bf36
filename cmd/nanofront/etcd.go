package main

import (
	"context"
	"errors"
	"os"

	"nanofront/etcd/embedded"
	"nanofront/internal/cli"
	"nanofront/internal/tuning"
)

type etcdCommand struct {
	cli.Common
	Data           string `default:"data/etcd" type:"path" placeholder:"DIR" help:"Directory for its data."`
	ClientURL      string `name:"client-url" default:"http://127.0.0.1:2379" placeholder:"URL" help:"URL for clients, http://IP:PORT."`
	PeerURL        string `name:"peer-url" placeholder:"URL" help:"URL for the other members of its cluster. Default: a single server."`
	Name           string `placeholder:"NAME" help:"Its name in --initial-cluster."`
	InitialCluster string `placeholder:"LIST" help:"All members of a new cluster, NAME=PEER-URL,..."`
	Cert           string `type:"path" placeholder:"FILE" help:"Certificate for clients, PEM."`
	Key            string `type:"path" placeholder:"FILE" help:"Key of --cert, PEM."`
	CA             string `name:"ca" type:"path" placeholder:"FILE" help:"CA certificates to verify clients with, PEM."`
}

// Run implements command.
func (c *etcdCommand) Run(ctx context.Context, _ cli.IO) error {
	tuning.Apply()
	// The members of a cluster reach each other straight; etcd's library would
	// go through a proxy.
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"} {
		_ = os.Unsetenv(name) // fails for no name of these
	}
	base, err := c.Start("nanofront", "etcd", nil)
	if err != nil {
		return err
	}
	defer func() { _ = base.Close() }() // what it could say, it has logged
	s, err := embedded.StartServer(ctx, embedded.ServerOptions{
		DataDir: c.Data, ClientURL: c.ClientURL, PeerURL: c.PeerURL, Name: c.Name, InitialCluster: c.InitialCluster,
		CertFile: c.Cert, KeyFile: c.Key, CAFile: c.CA, Logger: base.Log,
	})
	if errors.Is(err, embedded.ErrOptions) {
		return &cli.UsageError{Err: err}
	}
	if err != nil {
		return err
	}
	base.Log.Info().Str("url", s.ClientURL()).Str("data", c.Data).Msg("etcd serving")
	select {
	case <-ctx.Done():
		return s.Close()
	case <-s.Done():
		return s.Err()
	}
}
