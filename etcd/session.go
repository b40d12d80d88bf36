package etcd

import (
	"context"
	"errors"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	grpcbackoff "google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"

	"nanofront/internal/chores"
)

// window is how many bytes etcd may send before they are read.
const window = 1 << 20

// poisonedAfter is for how long etcd may be there and answer nothing before the
// session counts as poisoned.
const poisonedAfter = 3 * time.Second

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
	since := time.Now()
	for c.ctx.Err() == nil {
		cl, err := clientv3.New(c.config())
		if err == nil {
			c.session.Store(cl)
			close(c.connected)
			return true
		}
		c.mu.Lock()
		first := c.lastErr == nil
		c.lastErr = err
		c.mu.Unlock()
		c.trouble.Store(&trouble{since, c.explain(c.ctx, err, c.opts.DialTimeout)})
		if c.ctx.Err() != nil {
			break
		}
		if first {
			c.opts.Logger.Warn().Err(c.explain(c.ctx, err, c.opts.DialTimeout)).Msg("etcd: not connected, retrying")
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
		Password:    c.password(),
		DialTimeout: c.opts.DialTimeout,
		// gRPC allows no shorter one; a black hole is noticed sooner by
		// the probe and by the leases.
		DialKeepAliveTime:    10 * time.Second,
		DialKeepAliveTimeout: 3 * time.Second,
		PermitWithoutStream:  true,
		// The library logs every attempt; we log changes of state.
		Logger: zap.NewNop(),
		DialOptions: []grpc.DialOption{
			grpc.WithConnectParams(grpc.ConnectParams{
				// gRPC's own goes up to two minutes, in which a restarted
				// etcd would not be found.
				Backoff:           grpcbackoff.Config{BaseDelay: minBackoff, Multiplier: 1.6, Jitter: 0.2, MaxDelay: maxBackoff},
				MinConnectTimeout: c.opts.DialTimeout,
			}),
			// etcd is in the network of those who use it: what HTTPS_PROXY
			// says is for the world outside.
			grpc.WithNoProxy(),
			// With a size that is given, gRPC doesn't measure the way by a ping
			// for each answer, for which an idle process wakes once more each.
			grpc.WithStaticStreamWindowSize(window), grpc.WithStaticConnWindowSize(window),
		},
	}
	if c.handshakes.files != nil {
		// Later options win: this replaces what the library makes of TLS.
		cfg.DialOptions = append(cfg.DialOptions, grpc.WithTransportCredentials(c.handshakes))
	}
	return cfg
}

// password is the one to be used now.
func (c *Client) password() string {
	if c.opts.PasswordFrom == nil {
		return c.opts.Password
	}
	p, err := c.opts.PasswordFrom()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		c.goodPassword = p
	case c.passwordFault != err.Error():
		c.opts.Logger.Warn().Err(err).Msg("etcd: the password can't be read again; the previous one stays in use")
	}
	c.passwordFault = ""
	if err != nil {
		c.passwordFault = err.Error()
	}
	return c.goodPassword
}

// probe asks etcd once a second, through its leader, and keeps Healthy. It
// also finds data that went back in time: an etcd that was restored or wiped
// holds a watch on a revision that it hasn't reached, and stays silent.
func (c *Client) probe() {
	var cluster uint64
	var revision int64
	var failing time.Time // since when this session fails; zero: it doesn't
	var lost time.Time    // since when all do
	said := ""
	var again limiter
	timer := time.NewTimer(chores.Next(probeInterval))
	defer timer.Stop()
	for {
		wake, began := c.changes(), time.Now()
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
			first := failing.IsZero()
			if first {
				failing, lost = began, began
			}
			c.trouble.Store(&trouble{lost, err})
			// Said again when it is known better why.
			if text := err.Error(); first || said != text {
				if _, ok := again.allow(time.Now()); ok || first {
					said = text
					what := "etcd: lost; the last known instances and routes stay in force"
					if cluster == 0 { // it was never there
						what = "etcd: not connected, retrying"
					}
					c.opts.Logger.Warn().Err(err).Msg(what)
				}
			}
			c.setHealthy(false)
			if c.poisoned(err, failing) {
				c.renew()
				failing = time.Now() // whichever it is now, it gets its time
				wake = c.changes()
			}
		default:
			back := !failing.IsZero()
			replaced := cluster != 0 && (resp.Header.ClusterId != cluster || resp.Header.Revision < revision)
			if cluster == 0 {
				c.opts.Logger.Info().Strs("endpoints", c.opts.Endpoints).Msg("etcd: connected")
			} else if back || replaced {
				c.opts.Logger.Info().Bool("data_replaced", replaced).Msg("etcd: connected again")
			}
			if back || replaced {
				c.announce()
				wake = c.changes()
			}
			cluster, revision, failing, said = resp.Header.ClusterId, resp.Header.Revision, time.Time{}, ""
			c.trouble.Store(nil)
			c.setHealthy(true)
		}
		select {
		case <-c.ctx.Done():
		case <-wake:
		case <-timer.C:
		}
		timer.Reset(chores.Next(probeInterval))
	}
}

// poisoned reports whether the session is most likely the reason for err: etcd
// refuses it, or is there and has not answered since failing. Servers before
// 3.5 refuse a new token to whoever shows one that they don't know, as all
// tokens are after their restart; the library shows it, and asks again for
// ever. And a password that was changed is used by a new session only.
func (c *Client) poisoned(err error, failing time.Time) bool {
	if c.opts.Username == "" || time.Since(failing) < poisonedAfter {
		return false
	}
	return errors.Is(err, ErrDenied) || c.session.Load().ActiveConnection().GetState() == connectivity.Ready
}

// renew replaces the session by a fresh one, if one can be had.
func (c *Client) renew() {
	fresh, err := clientv3.New(c.config())
	if err != nil {
		return // the probe says what is wrong
	}
	old := c.session.Swap(fresh)
	c.opts.Logger.Info().Msg("etcd: the session has become unusable, starting another")
	c.announce()
	_ = old.Close() // ends its watches and leases, which begin again on the fresh one
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
	conn := c.session.Load().ActiveConnection()
	state, first := connectivity.State(-1), true
	for {
		now := conn.GetState()
		if now == connectivity.Shutdown && c.ctx.Err() == nil {
			if fresh := c.session.Load().ActiveConnection(); fresh != conn {
				conn, state = fresh, connectivity.State(-1) // the session was renewed
				continue
			}
		}
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
