package main

import (
	"context"
	"errors"
	"net"
	"time"

	"nanofront/internal/cli"
	"nanofront/internal/systemd"
	"nanofront/terminator"
)

// activation is the socket for clients that a predecessor or the service manager has passed, nil
// for none. The admin port's goes to where it is listened on.
func activation(f *flags, heir *inherited) (*net.TCPListener, error) {
	passed, err := systemd.Listeners()
	if err != nil {
		return nil, err
	}
	if heir != nil {
		for _, l := range passed {
			_ = l.Close() // the predecessor's are the same, and have what waits in them
		}
		return heir.http(), nil
	}
	if l := passed[listenerAdmin]; l != nil && f.Admin != "" {
		f.AdminListener = l
	}
	return passed[listenerHTTP], nil
}

// readyWithin is how long a terminator that can't get ready leaves the manager waiting: it serves
// all the same.
const readyWithin = heirReady

// manage tells the service manager, if there is one, how the terminator does, until ctx ends: that
// it is ready, and while its event loops take turns, that it lives.
func manage(ctx context.Context, t *terminator.Terminator, base *cli.Base) {
	tell := func(what ...string) {
		if err := systemd.Notify(what...); err != nil && ctx.Err() == nil {
			base.Log.Warn().Err(err).Msg("the service manager can't be told")
		}
	}
	if err := systemd.AnnounceReady(ctx, t.Ready, readyWithin, "serving HTTP on "+t.Addr().String()); err != nil {
		base.Log.Warn().Err(err).Msg("the service manager can't be told that this process is ready")
	}
	var feed <-chan time.Time
	interval := systemd.WatchdogInterval()
	if interval > 0 {
		ticker := time.NewTicker(interval / 3)
		defer ticker.Stop()
		feed = ticker.C
		tell(systemd.Watchdog)
	}
	for {
		select {
		case <-ctx.Done():
			if !errors.Is(context.Cause(ctx), terminator.ErrSucceeded) { // else the service goes on
				_ = systemd.Notify(systemd.Stopping) // it ends all the same
			}
			return
		case <-feed:
			if err := terminator.Live(t, interval/3); err != nil {
				base.Log.Error().Err(err).Msg("the service manager isn't told that this process lives")
				continue
			}
			tell(systemd.Watchdog)
		}
	}
}
