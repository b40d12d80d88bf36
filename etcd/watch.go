package etcd

import (
	"cmp"
	"context"
	"errors"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"nanofront/registry"
)

// Watch calls fn with the first complete snapshot, and then after each change
// with the new state, one call at a time and from the calling goroutine. It
// returns when ctx ends (nil) or the Client is closed (ErrClosed).
//
// Nothing is called back while etcd can't be reached. Afterwards, and after
// a compaction, a leader's loss or a restart of etcd, everything is read
// again, and fn is called if it differs. Invalid records are left out; an
// invalid or deleted routes document leaves the previous one in force.
func (c *Client) Watch(ctx context.Context, fn func(registry.Snapshot)) error {
	view := newView(c.keys, c.opts.LeaseTTL)
	w := &watcher{c: c, prefix: c.opts.Prefix, end: c.keys.toggles(), what: "instances and routes", view: view, deliver: func() { fn(view.snapshot()) }}
	view.onInvalid = w.invalid
	view.onRoutes = w.routes
	view.onRejected = func(rev int64, err error) { w.rejected(rev, view.routesRev, err) }
	view.onDeleted = func() { w.deleted(view.routesRev) }
	return w.run(ctx)
}

// state is what a watch keeps up: records and what else is below its prefix.
type state interface {
	put(kv *mvccpb.KeyValue) bool
	removed(kv *mvccpb.KeyValue) bool
	replace(kvs []*mvccpb.KeyValue, now time.Time) bool
	expire(now time.Time) bool
	nextExpiry() time.Time
}

// watcher is the state of one watch. Its goroutine is the caller of Watch.
type watcher struct {
	c       *Client
	prefix  string
	end     string        // what is read ends before this key; "": where the prefix does
	reread  time.Duration // 0: Options.reread
	what    string        // below the prefix, for the log
	view    state
	deliver func()

	reads     int
	periodic  bool // the next read is routine
	delivered bool
	readErr   string // last logged

	invalidLog limiter
}

func (w *watcher) run(ctx context.Context) error {
	c := w.c
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()

	var b backoff
	for ctx.Err() == nil {
		wake := c.changes()
		rev, err := w.read(ctx)
		if err != nil {
			w.logRead(ctx, err)
			b.wait(ctx, wake)
			continue
		}
		start := time.Now()
		w.follow(ctx, rev, wake)
		if time.Since(start) > maxBackoff {
			b.reset()
		}
		// Paced also after a good read: an etcd that answers but ends every
		// watch would be read in a tight loop; and the jitter keeps a
		// thousand watchers from reading together when etcd returns.
		b.wait(ctx, nil)
	}
	if c.ctx.Err() != nil {
		return ErrClosed
	}
	return nil
}

// read takes the whole state and delivers it if it is news.
func (w *watcher) read(ctx context.Context) (rev int64, err error) {
	var resp *clientv3.GetResponse
	err = w.c.call(ctx, func(ctx context.Context, cl *clientv3.Client) (err error) {
		resp, err = cl.Get(ctx, w.prefix, w.extent())
		return err
	})
	if err != nil {
		return 0, err
	}
	if w.reads++; w.reads > 1 && !w.periodic {
		w.c.metrics.resyncs.Inc()
	}
	w.periodic = false
	w.readErr = ""
	changed := w.view.replace(resp.Kvs, time.Now())
	if changed || !w.delivered {
		w.delivered = true
		w.deliver()
	}
	return resp.Header.Revision, nil
}

// extent is how far what is read goes.
func (w *watcher) extent() clientv3.OpOption {
	if w.end == "" {
		return clientv3.WithPrefix()
	}
	return clientv3.WithRange(w.end)
}

// follow applies changes after rev until the watch has to be set up anew.
func (w *watcher) follow(ctx context.Context, rev int64, wake <-chan struct{}) {
	// RequireLeader: a member that lost its cluster ends the watch instead
	// of keeping silent.
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	events := w.c.session.Load().Watch(ctx, w.prefix, w.extent(), clientv3.WithRev(rev+1))
	routine := time.NewTimer(cmp.Or(w.reread, w.c.opts.reread))
	defer routine.Stop()

	var due, expiry <-chan time.Time
	changed := false
	for {
		if next := w.view.nextExpiry(); expiry == nil && !next.IsZero() {
			expiry = time.After(time.Until(next))
		}
		select {
		case <-ctx.Done():
			return
		case resp, ok := <-events:
			if !ok || resp.Err() != nil {
				w.ended(resp.Err())
				w.flush(changed)
				return
			}
			for _, e := range resp.Events {
				if e.Type == clientv3.EventTypeDelete {
					changed = w.view.removed(e.Kv) || changed
				} else {
					changed = w.view.put(e.Kv) || changed
				}
			}
			if changed && due == nil {
				due = time.After(coalesce)
			}
		case <-due:
			due, changed = nil, false
			w.deliver()
		case <-expiry:
			expiry = nil
			if w.view.expire(time.Now()) {
				w.deliver()
				due, changed = nil, false
			}
		case <-wake:
			w.flush(changed)
			return
		case <-routine.C:
			w.periodic = true
			w.flush(changed)
			return
		}
	}
}

// flush delivers what was gathered before the watch is set up anew: the
// re-read compares with the view and would find no news.
func (w *watcher) flush(changed bool) {
	if changed {
		w.deliver()
	}
}

func (w *watcher) ended(err error) {
	if err == nil || errors.Is(err, context.Canceled) {
		return
	}
	w.c.opts.Logger.Info().Err(err).Msg("etcd: watch ended, reading everything again")
}

// logRead logs why reading fails, once per reason. That etcd is away is for
// the probe to say.
func (w *watcher) logRead(ctx context.Context, err error) {
	if ctx.Err() != nil || errors.Is(err, ErrUnreachable) || err.Error() == w.readErr {
		return
	}
	w.readErr = err.Error()
	w.c.opts.Logger.Error().Err(err).Msg("etcd: can't read " + w.what + ", retrying")
}

func (w *watcher) invalid(key string, err error) {
	w.c.metrics.invalid.Inc()
	if n, ok := w.invalidLog.allow(time.Now()); ok {
		w.c.opts.Logger.Warn().Str("key", key).Err(err).Int("suppressed", n).Msg("etcd: record ignored")
	}
}

func (w *watcher) routes(rev int64) {
	w.c.metrics.routesRevision.Set(rev)
	w.c.opts.Logger.Info().Int64("revision", rev).Msg("etcd: routes in force")
}

func (w *watcher) rejected(rev, inForce int64, err error) {
	w.c.metrics.routesRefused.Inc()
	w.c.opts.Logger.Error().Int64("revision", rev).Int64("in_force", inForce).Err(err).
		Msg("etcd: routes document rejected, the previous one stays in force")
}

func (w *watcher) deleted(inForce int64) {
	w.c.opts.Logger.Warn().Int64("in_force", inForce).
		Msg("etcd: routes document is gone, the previous one stays in force")
}

// limiter lets a line through every limitEvery.
type limiter struct {
	next       time.Time
	suppressed int
}

const limitEvery = 10 * time.Second

// allow reports whether to log now, and how many lines were left out since
// the last one.
func (l *limiter) allow(now time.Time) (suppressed int, ok bool) {
	if now.Before(l.next) {
		l.suppressed++
		return 0, false
	}
	suppressed = l.suppressed
	l.next, l.suppressed = now.Add(limitEvery), 0
	return suppressed, true
}
