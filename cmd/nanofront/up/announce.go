package up

import (
	"context"
	"os"

	"github.com/rs/zerolog"

	"nanofront/etcd"
	"nanofront/internal/buildinfo"
	"nanofront/metrics"
	"nanofront/registry"
)

// announce lists up itself among the processes of the system until the client
// that it returns is closed. There is no need to withdraw it: etcd ends next.
func (c *Command) announce(ctx context.Context) (*etcd.Client, error) {
	set := metrics.New(metrics.Nanofront, "up")
	client, err := etcd.Open(ctx, etcd.Options{Endpoints: []string{c.EtcdURL}, Prefix: c.EtcdPrefix, Logger: zerolog.Nop(), Metrics: set})
	if err != nil {
		return nil, err
	}
	p := registry.Process{
		Kind: registry.KindUp, Name: "up", System: c.system(), Version: buildinfo.Get().Version,
		PID: os.Getpid(), StartID: set.StartID(), Started: set.Started().UTC(),
	}
	p.Host, _ = os.Hostname() // unknown, at worst
	if _, err := client.Announce(ctx, p); err != nil {
		_ = client.Close() // nothing is lost with it
		return nil, err
	}
	return client, nil
}

// system is the name of the system that is up.
func (c *Command) system() string {
	if c.System != "" {
		return c.System
	}
	return registry.SystemName(c.EtcdPrefix)
}
