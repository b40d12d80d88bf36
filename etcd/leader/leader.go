package leader

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"nanofront/etcd"
	"nanofront/etcd/lease"
)

const (
	// ttl is how long a leader that died leaves its place empty. It is no shorter, as a server
	// raises it to one and a half of its election timeout.
	ttl = 5 * time.Second
	// every is how often a leader prolongs its lease, and others look whether there is one.
	every = time.Second
	// margin is how much earlier than its lease a leader ends: for clocks that don't run at the
	// same speed, and for what is on its way.
	margin = 500 * time.Millisecond
)

// Leadership is a candidacy for something that one process alone may do. At most one of those who
// stand for the same is the leader at any time, also if one of them is stopped and goes on later, or
// if etcd comes back without its data:
//
//	lease      |--------------------|            the server's, from when it had the request
//	old leader |-----------------|               by its own clocks, from before it asked
//	new leader                       |.....|---  waits for a lease's life: what is lost may be a key
type Leadership struct {
	c         *etcd.Client
	key, name string
	log       zerolog.Logger

	mu          sync.Mutex
	from, until time.Time // the time in which it leads; zero: none
	leader      string    // who does, as was last seen

	cancel  context.CancelFunc
	stopped chan struct{}
}

// Stand stands for what, which is a name, in the name of a process, until Close. It returns at once.
func Stand(c *etcd.Client, what, name string, log zerolog.Logger) *Leadership {
	ctx, cancel := context.WithCancel(context.Background())
	key := c.Prefix() + "leaders/" + what
	l := &Leadership{c: c, key: key, name: name, log: log.With().Str("key", key).Logger(), cancel: cancel, stopped: make(chan struct{})}
	go l.run(ctx) // ends with Close; stopped says so
	return l
}

// Held reports whether this process leads, at this moment. Both clocks are asked: the monotonic one
// stands still while a machine sleeps, and the other may be set back.
func (l *Leadership) Held() bool {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.from.IsZero() && !now.Before(l.from) && now.Before(l.until) && now.Round(0).Before(l.until.Round(0))
}

// Leader is the name of the process that leads, or will in a moment; empty if that isn't known.
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
	tick := time.NewTicker(every)
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
	l.log.Info().Msg("etcd: leads from now on")
	life.Granted(began)
	from := time.Now().Add(life.TTL)
	l.set(from, began.Add(life.TTL-margin), l.name)
	defer l.revoke(ctx, life)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick:
		}
		asked := time.Now()
		err := life.Prolong(ctx)
		if err == nil {
			err = l.still(ctx, life.ID)
		}
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, lease.ErrLost):
			l.set(time.Time{}, time.Time{}, "")
			l.log.Warn().Msg("etcd: leads no more: the lease is lost")
			return
		case err == nil:
			l.set(from, asked.Add(life.TTL-margin), l.name)
		}
	}
}

// take puts the key if there is none.
func (l *Leadership) take(ctx context.Context) (life *lease.Lease, leader string, err error) {
	err = l.c.Do(ctx, func(ctx context.Context, cl *clientv3.Client) error {
		resp, err := cl.Get(ctx, l.key)
		if err != nil {
			return err
		}
		if len(resp.Kvs) > 0 {
			leader = string(resp.Kvs[0].Value)
			return nil
		}
		granted, err := cl.Grant(ctx, int64(ttl/time.Second))
		if err != nil {
			return err
		}
		put, err := cl.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(l.key), "=", 0)).
			Then(clientv3.OpPut(l.key, l.name, clientv3.WithLease(granted.ID))).Commit()
		if err != nil {
			return err // the lease ends by itself, and the key with it
		}
		of := &lease.Lease{Call: l.c.Do, ID: granted.ID, TTL: time.Duration(granted.TTL) * time.Second}
		if put.Succeeded {
			life = of
			return nil
		}
		_, err = cl.Revoke(ctx, granted.ID)
		return err
	})
	return life, leader, err
}

// still is lease.ErrLost if the key isn't there under the lease: somebody may have deleted it.
func (l *Leadership) still(ctx context.Context, id clientv3.LeaseID) error {
	return l.c.Do(ctx, func(ctx context.Context, cl *clientv3.Client) error {
		resp, err := cl.Get(ctx, l.key)
		if err == nil && (len(resp.Kvs) == 0 || clientv3.LeaseID(resp.Kvs[0].Lease) != id) {
			return lease.ErrLost
		}
		return err
	})
}

// revoke ends the lease, once this process takes itself for the leader no more.
func (l *Leadership) revoke(ctx context.Context, life *lease.Lease) {
	l.set(time.Time{}, time.Time{}, "")
	life.Close()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = l.c.Do(ctx, func(ctx context.Context, cl *clientv3.Client) error { // it ends by itself otherwise
		_, err := cl.Revoke(ctx, life.ID)
		if errors.Is(err, rpctypes.ErrLeaseNotFound) {
			return nil
		}
		return err
	})
}
