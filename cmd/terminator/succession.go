package main

import (
	"context"
	"errors"
	"net"
	"time"

	"nanofront/internal/cli"
	"nanofront/internal/handover"
	"nanofront/internal/logging"
	"nanofront/internal/systemd"
	"nanofront/internal/unixpath"
	"nanofront/terminator"
)

// heirReady is how long a successor waits for its instances before it takes
// over all the same: the predecessor has them no more than it has, then.
const heirReady = 15 * time.Second

// inherited is what a predecessor left; nil if there was none.
// The names of what is passed to a successor.
const (
	listenerHTTP  = "http"
	listenerAdmin = "admin"
)

// inherited is what a predecessor left; nil if there was none.
type inherited struct{ *handover.Heir }

func (i *inherited) http() *net.TCPListener {
	if i == nil {
		return nil
	}
	return i.Listener(listenerHTTP)
}

// takeOver gets the sockets of the terminator that runs, if one offers them.
func takeOver(ctx context.Context, f *flags) (*inherited, error) {
	if f.Handover == "" {
		return nil, nil
	}
	if err := unixpath.Check(f.Handover); err != nil {
		return nil, cli.Usagef("--handover: %q: %w", f.Handover, err)
	}
	heir, err := handover.Take(ctx, f.Handover)
	if errors.Is(err, handover.ErrNobody) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if f.Admin != "" {
		f.AdminListener = heir.Listener(listenerAdmin)
	}
	return &inherited{heir}, nil
}

// succession takes the predecessor's place when t is ready, offers t's sockets
// to the next, and ends t when that one has taken them. It returns when ctx
// ends or that has happened.
func succession(ctx context.Context, end func(), f *flags, heir *inherited, t *terminator.Terminator, base *cli.Base) {
	if heir != nil {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for deadline := time.Now().Add(heirReady); t.Ready() != nil && time.Now().Before(deadline); {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
		t.Accept() // what comes before is the predecessor's: it would get a 503 here
		var inherit func([]int, []byte) int
		if t.Inherits() {
			inherit = t.Inherit
		}
		// Before the predecessor goes: its end would be the service's.
		if err := systemd.Notify(systemd.MainPID()); err != nil {
			base.Log.Warn().Err(err).Msg("the service manager can't be told of this process")
		}
		if err := heir.Ready(inherit); err != nil {
			base.Log.Error().Err(err).Msg("takeover failed, and both terminators serve now: end one of them")
		} else {
			base.Log.Info().Str(logging.Addr, t.Addr().String()).Msg("took over from the previous terminator")
		}
	}
	sockets := map[string]*net.TCPListener{listenerHTTP: t.Listener()}
	if base.Admin != nil {
		sockets[listenerAdmin] = base.Admin.Listener()
	}
	offer, err := handover.Serve(f.Handover, sockets)
	if err != nil {
		base.Log.Error().Err(err).Str(logging.File, f.Handover).Msg("no successor can take over from this terminator")
		return
	}
	defer func() { _ = offer.Close() }() // closed, at worst
	select {
	case <-ctx.Done():
	case <-offer.Taken():
		base.Log.Info().Msg("a successor has taken over")
		switch passage := offer.Passage(); {
		case passage == nil:
		case t.Inherits():
			t.Bequeath(passage)
		default:
			_ = passage.Close() // nothing goes through
		}
		if base.Admin != nil {
			_ = base.Admin.Close() // what comes is the successor's
		}
		end()
	}
}
