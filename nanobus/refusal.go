package nanobus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"nanofront/internal/logging"
	"nanofront/metrics"
	"nanofront/nanobus/sp"
)

const (
	// minRedial and maxRedial bound the pause after a link that we dialled and
	// that was of no use; it doubles from one to the next.
	minRedial = 50 * time.Millisecond
	maxRedial = 2 * time.Second

	// provenGood is how long a link must have lived for its end to be a new
	// story.
	provenGood = 10 * time.Second
)

// errTooEarly keeps mangos from dialling an address again so soon.
var errTooEarly = errors.New("nanobus: waiting before dialling again")

// socketConfig is what the bus' sockets need to know of it. ctx ends what is
// being dialled.
func (b *Bus) socketConfig(ctx context.Context) (sp.Config, error) {
	files, err := b.opts.Security.TLS.credentials(func(err error) {
		b.node.Warn("tls files").Err(err).Msg("the changed TLS files are unusable; the previous ones stay in use")
	})
	return sp.Config{
		Context: ctx, Credentials: files, Tasks: &b.node.Tasks,
		Attach: b.attach, Detach: b.detach, Refused: b.refusedConnection, Broken: b.unreadable,
	}, err
}

// refusedConnection notes a connection that has not become a link. Those that
// just end are logged at debug level: probes of balancers do that.
func (b *Bus) refusedConnection(reason, remote string, dialled bool, err error) {
	if b.sockets.Context.Err() != nil {
		return // we have ended it ourselves
	}
	b.node.Metrics.Set.Counter(metrics.BusLinkRefused, reason).Inc()
	kind, text := "connection refused: "+reason, "refusing a connection"
	if dialled {
		kind, text = "connection failed: "+reason, "connecting to a peer has failed"
	}
	e := b.node.Log.Debug()
	if reason != "handshake_broken" {
		e = b.node.Warn(kind)
	}
	e.Err(err).Str(logging.Peer, remote).Str(logging.Reason, reason).Msg(text)
}

// unreadable notes that the bytes of a link can't be taken apart any more. The
// connection is being closed.
func (b *Bus) unreadable(remote string, err error) {
	b.node.Metrics.DroppedMalformed.Inc()
	b.node.Warn("unreadable").Err(fmt.Errorf("%w: %w", ErrMalformed, err)).Str(logging.Peer, remote).Msg("closing a link whose peer violates the protocol")
}

// backOff decides, when a link that we dialled has ended, how long to wait
// before the next: one that is refused each time must not be tried, and
// logged, twenty times a second for ever.
func (b *Bus) backOff(l *Link, in *instance) {
	now, reason := b.node.Nanos(), l.Reason()
	failed := l.Hello.Load() == nil
	switch reason {
	case "malformed", "auth", "flood", "duplicate":
		failed = true
	}
	if !failed || now-l.Attached > int64(provenGood) {
		in.failures.Store(0)
		return
	}
	n := min(in.failures.Add(1), 16)
	in.holdUntil.Store(now + min(int64(minRedial)<<n, int64(maxRedial)))
	if l.Challenge.Owed.Load() && reason == "peer" {
		b.node.Warn("proof refused").Stringer(logging.Link, l).
			Msg("the peer has ended the link instead of proving the shared secret: most likely its --bus-secret-file has different content")
	}
}
