// Package discovery opens what the flags say: etcd, or the static table in its
// place. Programs use what it returns through the interfaces that the
// terminator and the handlers declare for themselves.
package discovery

import (
	"context"

	"github.com/rs/zerolog"

	"nanofront/etcd"
	"nanofront/internal/cli"
	"nanofront/metrics"
	"nanofront/registry"
	"nanofront/registry/static"
)

// Source is what both kinds of discovery can do.
type Source interface {
	// Register announces an instance until the registration is closed.
	Register(ctx context.Context, in registry.Instance) (registry.Registration, error)
	// Announce makes a process known to operators until the registration is
	// closed.
	Announce(ctx context.Context, p registry.Process) (registry.Registration, error)
	// Watch calls back with the state of the system, first as it is and then
	// after each change, until ctx ends.
	Watch(ctx context.Context, changed func(registry.Snapshot)) error
	// Routes returns the routes document, its bytes and its revision.
	Routes(ctx context.Context) (doc *registry.Routes, raw []byte, rev int64, err error)
	// Instances lists the live instances.
	Instances(ctx context.Context) ([]registry.Instance, error)
	// Processes lists the processes that have announced themselves.
	Processes(ctx context.Context) ([]registry.Process, error)
	// WatchProcesses calls back with them, first as they are and then after
	// each change, until ctx ends.
	WatchProcesses(ctx context.Context, changed func([]registry.Process)) error
	// Healthy reports whether the source answers at present.
	Healthy() bool
	// Err is nil while it does, and before that is known; else it says why not.
	Err() error
	Close() error
}

// Open opens the source that the flags name.
func Open(ctx context.Context, flags *cli.Discovery, log zerolog.Logger, set metrics.Meter) (Source, error) {
	if flags.Static != "" {
		t, err := static.Open(ctx, static.Options{File: flags.Static, Logger: log, Metrics: set})
		if err != nil {
			return nil, &cli.UsageError{Err: err}
		}
		return t, nil
	}
	c, err := OpenEtcd(ctx, flags, log, set)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// OpenEtcd opens etcd, for what the static table can't do.
func OpenEtcd(ctx context.Context, flags *cli.Discovery, log zerolog.Logger, set metrics.Meter) (*etcd.Client, error) {
	if flags.Static != "" {
		return nil, cli.Usagef("--static %s: this command changes etcd; edit the file to change the table", flags.Static)
	}
	endpoints, err := etcd.ParseEndpoints(flags.Etcd)
	if err != nil {
		return nil, &cli.UsageError{Err: err}
	}
	c, err := etcd.Open(ctx, etcd.Options{
		Endpoints: endpoints, Prefix: flags.EtcdPrefix,
		Username: flags.EtcdUser, PasswordFrom: flags.EtcdPassword,
		CertFile: flags.EtcdCert, KeyFile: flags.EtcdKey, CAFile: flags.EtcdCA,
		Logger: log, Metrics: set,
	})
	if err != nil {
		return nil, &cli.UsageError{Err: err}
	}
	return c, nil
}
