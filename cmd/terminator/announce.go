package main

import (
	"context"
	"os"
	"time"

	"nanofront/internal/buildinfo"
	"nanofront/internal/cli"
	"nanofront/registry"
)

// withdrawTimeout bounds how long an end waits for etcd; without it the
// record goes away with its lease.
const withdrawTimeout = time.Second

// announce runs the terminator, and tells operators of it for as long.
func (r *front) announce(ctx context.Context, f *flags, base *cli.Base) error {
	t := r.t
	self := registry.Terminator{
		ID: f.Instance, HTTP: cli.Reachable(t.Addr().String()), Version: buildinfo.Get().Version, Started: time.Now().UTC(),
	}
	self.Host, _ = os.Hostname() // unknown, at worst
	if base.Admin != nil {
		self.Admin = cli.Reachable(base.Admin.Addr())
	}
	reg, err := r.source.Announce(context.WithoutCancel(ctx), self)
	if err != nil {
		// It serves all the same.
		base.Log.Warn().Err(err).Msg("not announced: nanofront status won't show this terminator")
		return t.Run(ctx)
	}
	r.registration.Store(&reg)
	defer func() {
		withdraw, cancel := context.WithTimeout(context.WithoutCancel(ctx), withdrawTimeout)
		defer cancel()
		_ = reg.Close(withdraw) // the lease ends it then
	}()
	return t.Run(ctx)
}
