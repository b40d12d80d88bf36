package etcd

import (
	"context"
	"crypto/tls"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	grpcbackoff "google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"

	"nanofront/internal/metrics"
)

// Client is a connection to etcd that is always being kept up. All its
// methods may be called from any goroutine.
type Client struct {
	opts Options
	keys keys
	tls  *tls.Config // nil for http

	handshakes handshakes

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // run, and the registrations' goroutines

	closeOnce sync.Once

	connected chan struct{}    // closed once etcd is set
	etcd      *clientv3.Client // fixed once connected is closed
	healthy   atomic.Bool

	mu      sync.Mutex
	closed  bool          // no more goroutines are started
	lastErr error         // why there is no connection yet
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
	tlsConfig, err := o.validate()
	if err != nil {
		return nil, err
	}
	c := &Client{
		opts:      o,
		keys:      keys(o.Prefix),
		tls:       tlsConfig,
		connected: make(chan struct{}),
		changed:   make(chan struct{}),
	}
	if tlsConfig != nil {
		c.handshakes = newHandshakes(tlsConfig)
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	set := o.Metrics
	if set == nil {
		// A set that nobody reads saves a test for nil at every count.
		set = metrics.New(metrics.Nanofront, "")
	}
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

// Close ends all watches and registrations' upkeep, and waits for the
// client's goroutines (a Watch runs on its caller's and returns soon). Registrations that weren't closed before stay in
// etcd until their leases end. It may be called more than once.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.wg.Wait()
	c.closeOnce.Do(func() {
		if c.etcd != nil {
			// Its error is that of the context, which has ended.
			_ = c.etcd.Close()
		}
	})
	return nil
}

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

// run connects, and then watches over the connection.
func (c *Client) run() {
	if !c.connect() {
		return
	}
	var wg sync.WaitGroup
	wg.Go(c.followState)
	c.probe()
	wg.Wait()
}

// connect makes the library's client. Without a password that succeeds at
// once, etcd running or not; with one it asks for a token first.
func (c *Client) connect() bool {
	var b backoff
	for c.ctx.Err() == nil {
		cl, err := clientv3.New(c.config())
		if err == nil {
			c.etcd = cl
			close(c.connected)
			return true
		}
		c.mu.Lock()
		first := c.lastErr == nil
		c.lastErr = err
		c.mu.Unlock()
		if c.ctx.Err() != nil {
			break
		}
		if first {
			c.opts.Logger.Warn().Err(c.explain(c.ctx, err, c.opts.DialTimeout)).Msg("etcd: not connected, trying on")
		}
		b.wait(c.ctx, nil)
	}
	return false
}

func (c *Client) config() clientv3.Config {
	cfg := clientv3.Config{
		Context:     c.ctx,
		Endpoints:   c.opts.Endpoints,
		Username:    c.opts.Username,
		Password:    c.opts.Password,
		TLS:         c.tls,
		DialTimeout: c.opts.DialTimeout,
		// gRPC allows no shorter one; a black hole is noticed sooner by
		// the probe and by the leases.
		DialKeepAliveTime:    10 * time.Second,
		DialKeepAliveTimeout: 3 * time.Second,
		PermitWithoutStream:  true,
		// The library logs every attempt; we log changes of state.
		Logger: zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithConnectParams(grpc.ConnectParams{
			// gRPC's own goes up to two minutes, in which a restarted
			// etcd would not be found.
			Backoff:           grpcbackoff.Config{BaseDelay: minBackoff, Multiplier: 1.6, Jitter: 0.2, MaxDelay: maxBackoff},
			MinConnectTimeout: c.opts.DialTimeout,
		})},
	}
	if c.tls != nil {
		// Later options win: this replaces what the library makes of TLS.
		cfg.DialOptions = append(cfg.DialOptions, grpc.WithTransportCredentials(c.handshakes))
	}
	return cfg
}

// probe asks etcd once a second, through its leader, and keeps Healthy. It
// also finds data that went back in time: an etcd that was restored or wiped
// holds a watch on a revision that it hasn't reached, and stays silent.
func (c *Client) probe() {
	var cluster uint64
	var revision int64
	failed := false
	tick := time.NewTicker(probeInterval)
	defer tick.Stop()
	for {
		wake := c.changes()
		var resp *clientv3.GetResponse
		err := c.call(c.ctx, func(ctx context.Context, cl *clientv3.Client) (err error) {
			resp, err = cl.Get(ctx, c.keys.routes(), clientv3.WithCountOnly())
			return err
		})
		switch {
		case c.ctx.Err() != nil:
			c.setHealthy(false)
			return
		case err != nil:
			if c.healthy.Load() || !failed {
				c.opts.Logger.Warn().Err(err).Msg("etcd: lost; the last known instances and routes stay in force")
			}
			failed = true
			c.setHealthy(false)
		default:
			back := failed
			replaced := cluster != 0 && (resp.Header.ClusterId != cluster || resp.Header.Revision < revision)
			if back || replaced {
				c.opts.Logger.Info().Bool("data_replaced", replaced).Msg("etcd: connected again")
				c.announce()
				wake = c.changes()
			} else if cluster == 0 {
				c.opts.Logger.Info().Strs("endpoints", c.opts.Endpoints).Msg("etcd: connected")
			}
			cluster, revision, failed = resp.Header.ClusterId, resp.Header.Revision, false
			c.setHealthy(true)
		}
		select {
		case <-c.ctx.Done():
		case <-wake:
		case <-tick.C:
		}
	}
}

func (c *Client) setHealthy(ok bool) {
	c.healthy.Store(ok)
	v := int64(0)
	if ok {
		v = 1
	}
	c.metrics.connected.Set(v)
}

// followState announces every new connection: etcd may have restarted within
// a probe's interval, without its data, and the library resumes its watches
// as if nothing had been.
func (c *Client) followState() {
	conn := c.etcd.ActiveConnection()
	state, first := connectivity.State(-1), true
	for {
		now := conn.GetState()
		if now == connectivity.Ready && state != now {
			if !first {
				c.announce()
			}
			first = false
		}
		if now == connectivity.Idle {
			conn.Connect()
		}
		state = now
		if !conn.WaitForStateChange(c.ctx, now) {
			return
		}
		if conn.GetState() == state {
			// It changed and changed back meanwhile.
			state = connectivity.State(-1)
		}
	}
}

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
		return c.etcd, nil
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
		return c.etcd, nil
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
