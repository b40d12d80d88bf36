package discovery

import (
	"context"
	"time"

	"nanofront/internal/cli"
	"nanofront/registry"
)

// withdrawTimeout bounds how long an end waits for etcd; without it the
// record goes away with its lease.
const withdrawTimeout = time.Second

// Announcement is a process that operators find. A nil one is of a process
// that could not be announced.
type Announcement struct{ reg registry.Registration }

// Announce makes the process known to operators, for as long as the
// Announcement is open. It doesn't wait, and needn't succeed: a process that
// nobody can look at serves all the same. p has the process' kind and name,
// and its service if it has one; what it can say of itself is filled in.
func Announce(ctx context.Context, src Source, base *cli.Base, flags *cli.Discovery, p registry.Process) *Announcement {
	reg, err := src.Announce(context.WithoutCancel(ctx), base.Self(flags, p))
	if err != nil {
		base.Log.Warn().Err(err).Msg("not announced: nanofront status and the like won't show this process")
		return nil
	}
	return &Announcement{reg}
}

// Err is nil while others find the process, as far as is known.
func (a *Announcement) Err() error {
	if a == nil {
		return nil
	}
	return a.reg.Err()
}

// Close withdraws the announcement, for a second at most.
func (a *Announcement) Close() {
	if a == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), withdrawTimeout)
	defer cancel()
	_ = a.reg.Close(ctx) // the lease ends it then
}
