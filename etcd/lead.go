package etcd

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	// leadTTL is how long a leader that died leaves its place empty. It is no shorter, as a server
	// raises it to one and a half of its election timeout.
	leadTTL = 5 * time.Second
	// leadEvery is how often a leader prolongs its lease, and others look whether there is one.
	leadEvery = time.Second
	// leadMargin is how much earlier than its lease a leader ends: for clocks that don't run at the
	// same speed, and for what is on its way.
	leadMargin = 500 * time.Millisecond
)

// Leadership is a candidacy for something that one process alone may do. At most one of those who
// stand for the same is the leader at any time, also if one of them is stopped and goes on later, or
// if etcd comes back without its data:
//
//	lease      |--------------------|            the server's, from when it had the request
//	old leader |-----------------|               by its own clocks, from before it asked
//	new leader                       |.....|---  waits for a lease's life: what is lost may be a key
type Leadership struct {
	c         *Client
	key, name string

	mu          sync.Mutex
	from, until time.Time // the time in which it leads; zero: none
	leader      string    // who does, as was last seen

	cancel  context.CancelFunc
	stopped chan struct{}
}

// Lead stands for what, which is a name, in the name of a process. It returns at once. The caller
// must Close the Leadership.
func (c *Client) Lead(what, name string) (*Leadership, error) {
	ctx, cancel := context.WithCancel(c.ctx)
	l := &Leadership{c: c, key: c.keys.leader(what), name: name, cancel: cancel, stopped: make(chan struct{})}
	if !c.start(func() { l.run(ctx) }) { // ends with Close or the client's; stopped says so
		cancel()
		return nil, ErrClosed
	}
	return l, nil
}

// Held reports whether this process leads, at this moment. Both clocks are asked: the monotonic one
// stands still while a machine sleeps, and the other may be set back.
func (l *Leadership) Held() bool {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.from.IsZero() && !now.Before(l.from) && now.Before(l.until) && now.Round(0).Before(l.until.Round(0))
}

// Leader is the name of who leads, or will in a moment; empty if that isn't known.
func (l *Leadership) Leader() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.leader
}

// Close steps back, so that another process can take over, and waits for that at most until ctx ends.
func (l *Leadership) Close(ctx context.Context) {
	l.cancel()
	select {
	case <-l.stopped:
	case <-ctx.Done():
	}
}

func (l *Leadership) set(from, until time.Time, leader string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.from, l.until, l.leader = from, until, leader
}

func (l *Leadership) run(ctx context.Context) {
	defer close(l.stopped)
	tick := time.NewTicker(leadEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		l.term(ctx, tick.C)
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// term tries to become the leader, and stays it as long as that lasts.
func (l *Leadership) term(ctx context.Context, tick <-chan time.Time) {
	began := time.Now()
	life, leader, err := l.take(ctx)
	if err != nil || life == nil {
		l.set(time.Time{}, time.Time{}, leader)
		return
	}
	log := l.c.opts.Logger.With().Str("key", l.key).Logger()
	log.Info().Msg("etcd: leads from now on")
	life.granted(began)
	from := time.Now().Add(life.ttl)
	l.set(from, began.Add(life.ttl-leadMargin), l.name)
	defer l.revoke(ctx, life)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick:
		}
		asked := time.Now()
		err := life.prolong(ctx)
		if err == nil {
			err = l.still(ctx, life.id)
		}
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errLeaseLost):
			l.set(time.Time{}, time.Time{}, "")
			log.Warn().Msg("etcd: leads no more: the lease is lost")
			return
		case err == nil:
			l.set(from, asked.Add(life.ttl-leadMargin), l.name)
		}
	}
}

// take puts the key if there is none.
func (l *Leadership) take(ctx context.Context) (life *lease, leader string, err error) {
	err = l.c.call(ctx, func(ctx context.Context, cl *clientv3.Client) error {
		resp, err := cl.Get(ctx, l.key)
		if err != nil {
			return err
		}
		if len(resp.Kvs) > 0 {
			leader = string(resp.Kvs[0].Value)
			return nil
		}
		granted, err := cl.Grant(ctx, int64(leadTTL/time.Second))
		if err != nil {
			return err
		}
		put, err := cl.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(l.key), "=", 0)).
			Then(clientv3.OpPut(l.key, l.name, clientv3.WithLease(granted.ID))).Commit()
		if err != nil {
			return err // the lease ends by itself, and the key with it
		}
		of := &lease{c: l.c, id: granted.ID, ttl: time.Duration(granted.TTL) * time.Second}
		if put.Succeeded {
			life = of
			return nil
		}
		_, err = cl.Revoke(ctx, granted.ID)
		return err
	})
	return life, leader, err
}

// still is errLeaseLost if the key isn't there under the lease: somebody may have deleted it.
func (l *Leadership) still(ctx context.Context, id clientv3.LeaseID) error {
	return l.c.call(ctx, func(ctx context.Context, cl *clientv3.Client) error {
		resp, err := cl.Get(ctx, l.key)
		if err == nil && (len(resp.Kvs) == 0 || clientv3.LeaseID(resp.Kvs[0].Lease) != id) {
			return errLeaseLost
		}
		return err
	})
}

// revoke ends the lease, once this process takes itself for the leader no more.
func (l *Leadership) revoke(ctx context.Context, life *lease) {
	l.set(time.Time{}, time.Time{}, "")
	life.close()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = l.c.call(ctx, func(ctx context.Context, cl *clientv3.Client) error { // it ends by itself otherwise
		_, err := cl.Revoke(ctx, life.id)
		if errors.Is(err, rpctypes.ErrLeaseNotFound) {
			return nil
		}
		return err
	})
}
