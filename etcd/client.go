package etcd

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"nanofront/metrics"
)

// Client is a connection to etcd that is always being kept up. All its
// methods may be called from any goroutine.
type Client struct {
	opts Options
	keys keys

	handshakes handshakes // zero for http

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // run, and the registrations' goroutines

	closeOnce sync.Once

	connected chan struct{} // closed once session is set
	session   atomic.Pointer[clientv3.Client]
	healthy   atomic.Bool
	trouble   atomic.Pointer[trouble] // nil: none, or nothing is known yet

	mu      sync.Mutex
	closed  bool  // no more goroutines are started
	lastErr error // why there is no connection yet

	goodPassword, passwordFault string // as last read, and what was wrong then

	changed chan struct{} // closed, and replaced, when etcd may have changed

	metrics clientMetrics
}

// clientMetrics are nil without Options.Metrics.
type clientMetrics struct {
	connected, routesRevision             *metrics.Gauge
	resyncs, lost, invalid, routesRefused *metrics.Counter
}

// Open checks the options and starts to connect. It doesn't wait: an etcd
// that is down is found and used when it comes up. The error wraps ErrOptions
// (or is that of ctx).
func Open(ctx context.Context, o Options) (*Client, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := o.validate(); err != nil {
		return nil, err
	}
	handshakes, err := o.handshakes()
	if err != nil {
		return nil, err
	}
	c := &Client{
		opts:      o,
		keys:      keys(o.Prefix),
		connected: make(chan struct{}),
		changed:   make(chan struct{}),

		handshakes: handshakes, goodPassword: o.Password,
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	set := metrics.OrNone(o.Metrics)
	c.metrics = clientMetrics{
		connected:      set.Gauge(metrics.EtcdConnected),
		routesRevision: set.Gauge(metrics.EtcdRoutesRevision),
		resyncs:        set.Counter(metrics.EtcdWatchResyncs),
		lost:           set.Counter(metrics.EtcdRegistrationsLost),
		invalid:        set.Counter(metrics.EtcdInstancesInvalid),
		routesRefused:  set.Counter(metrics.EtcdRoutesRejected),
	}
	c.metrics.connected.Set(0)
	c.start(c.run) // ends with Close
	return c, nil
}

// Close ends all watches and registrations' upkeep, and waits for the client's goroutines (a Watch
// runs on its caller's and returns soon). Registrations that weren't closed before stay in etcd
// until their leases end. It may be called more than once.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.wg.Wait()
	c.closeOnce.Do(func() {
		if cl := c.session.Load(); cl != nil {
			// Its error is that of the context, which has ended.
			_ = cl.Close()
		}
	})
	return nil
}

// Prefix is what is above all keys of the system.
func (c *Client) Prefix() string { return c.opts.Prefix }

// start runs fn in a goroutine that Close waits for, unless it has been
// called already.
func (c *Client) start(fn func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.wg.Go(fn)
	return true
}

// Healthy reports whether etcd, with a leader, answered the last probe (one a
// second).
func (c *Client) Healthy() bool { return c.healthy.Load() }

// Err is nil while etcd answers, and before that is known; else it says since
// when it doesn't, and why.
func (c *Client) Err() error {
	if t := c.trouble.Load(); t != nil {
		return t
	}
	return nil
}

// trouble is what Err returns.
type trouble struct {
	since time.Time
	err   error
}

func (t *trouble) Error() string {
	return fmt.Sprintf("since %s: %v", t.since.UTC().Format(time.RFC3339), t.err)
}

func (t *trouble) Unwrap() error { return t.err }

// changes returns a channel that is closed when what was read from etcd
// before may not be what is there now.
func (c *Client) changes() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

func (c *Client) announce() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.changed)
	c.changed = make(chan struct{})
}

// conn waits for the connection.
func (c *Client) conn(ctx context.Context) (*clientv3.Client, error) {
	select {
	case <-c.connected:
		return c.session.Load(), nil
	default:
	}
	c.mu.Lock()
	err := c.lastErr
	c.mu.Unlock()
	if _, denied := deniedText(err, &c.opts, ""); denied {
		return nil, err // waiting for a better answer would be in vain
	}
	select {
	case <-c.connected:
		return c.session.Load(), nil
	case <-c.ctx.Done():
		return nil, ErrClosed
	case <-ctx.Done():
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.lastErr != nil {
			return nil, c.lastErr
		}
		return nil, ctx.Err()
	}
}

// Do runs one request, as all of the client are run: for what is beside discovery, below Prefix.
func (c *Client) Do(ctx context.Context, fn func(context.Context, *clientv3.Client) error) error {
	return c.call(ctx, fn)
}

// call runs one request within DialTimeout and explains its error.
func (c *Client) call(ctx context.Context, fn func(context.Context, *clientv3.Client) error) error {
	within := c.opts.DialTimeout
	if end, ok := ctx.Deadline(); ok {
		within = min(within, time.Until(end))
	}
	cctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	cl, err := c.conn(cctx)
	if err == nil {
		err = fn(cctx, cl)
	}
	return c.explain(ctx, err, within)
}
