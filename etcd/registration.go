package etcd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"nanofront/etcd/lease"
	"nanofront/registry"
)

var (
	// errLeaseLost ends a session; the next one makes a new lease.
	errLeaseLost = lease.ErrLost
	// errNotYet is a registration's state before its first attempt has ended.
	errNotYet = errors.New("not registered yet")
	// errRivalStays: another owner's record is still there.
	errRivalStays = errors.New("etcd: waiting for another owner to go")
)

// Register makes the instance known for as long as the registration is open.
// It returns at once: the record is written as soon as etcd can be reached,
// and again whenever it got lost. ctx bounds only the call. The error wraps
// registry.ErrInvalidInstance, or is ErrClosed or that of ctx.
//
// A later process (by Started) that registers the same service and ID takes
// the record over: this registration then leaves it alone, so that an old
// process which drains doesn't fight with its successor.
func (c *Client) Register(ctx context.Context, i registry.Instance) (registry.Registration, error) {
	mine, err := c.instanceRecord(i)
	if err != nil {
		return nil, err
	}
	return c.register(ctx, mine)
}

// Announce is Register for a process of whatever kind, which only operators and what collects
// figures look for. The record of one that died stays a little longer than an instance's. The error
// wraps registry.ErrInvalidProcess, or is as Register's.
func (c *Client) Announce(ctx context.Context, p registry.Process) (registry.Registration, error) {
	mine, err := c.processRecord(p)
	if err != nil {
		return nil, err
	}
	return c.register(ctx, mine)
}

func (c *Client) register(ctx context.Context, mine record) (registry.Registration, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r := &Registration{
		c:       c,
		key:     mine.key,
		mine:    mine,
		state:   errNotYet,
		updated: make(chan struct{}, 1),
		ready:   make(chan struct{}),
		refused: make(chan struct{}),
		stopped: make(chan struct{}),
	}
	r.ctx, r.cancel = context.WithCancel(c.ctx)
	if !c.start(r.run) { // ends with Close or the client's; stopped says so
		r.cancel()
		return nil, ErrClosed
	}
	return r, nil
}

// Registration is one process' record in etcd. It implements
// registry.Registration.
type Registration struct {
	c   *Client
	key string

	mu    sync.Mutex
	mine  record
	state error // nil while the record is in etcd

	updated chan struct{} // capacity 1: the record changed
	ready   chan struct{}
	refused chan struct{}

	ctx     context.Context
	cancel  context.CancelFunc
	stopped chan struct{} // closed when run has ended

	// The goroutine's own until stopped is closed.
	lease      clientv3.LeaseID // 0 for none
	isReady    bool
	superseded bool
	ttl        time.Duration // of the lease
	rivalSince time.Time     // since when somebody else owns the service; zero: nobody does

	revoking sync.Mutex // one Close at a time
	revoked  bool
}

// Ready is closed once the record is in etcd for the first time.
func (r *Registration) Ready() <-chan struct{} { return r.ready }

// Refused is closed when the service has another owner, and the registration
// has been given up: Err says who.
func (r *Registration) Refused() <-chan struct{} { return r.refused }

// Err is nil while the record is in etcd, as far as is known, so that others
// find the process; else it says why not.
func (r *Registration) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}

func (r *Registration) setState(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state = err
}

// Update replaces the record. It returns at once; the new one is written as
// soon as etcd can be reached. The error wraps registry.ErrInvalidInstance.
func (r *Registration) Update(i registry.Instance) error {
	mine, err := r.c.instanceRecord(i)
	if err != nil {
		return err
	}
	if mine.key != r.key {
		return fmt.Errorf("%w: service and id: %s can't become %s/%s: close the registration and make another",
			registry.ErrInvalidInstance, strings.TrimPrefix(r.key, r.c.keys.instances()), i.Service, i.ID)
	}
	if r.ctx.Err() != nil {
		return ErrClosed
	}
	r.mu.Lock()
	r.mine = mine
	r.mu.Unlock()
	select {
	case r.updated <- struct{}{}:
	default: // a write of whatever is newest is due already
	}
	return nil
}

// Close deletes the record, by revoking its lease, and waits until that is
// done or ctx ends. If etcd can't be reached the error says so, and the
// record goes away with the lease, within its TTL. It may be called more than
// once; after a failure it tries again.
func (r *Registration) Close(ctx context.Context) error {
	r.cancel()
	select {
	case <-r.stopped:
	case <-ctx.Done():
		return fmt.Errorf("etcd: registration of %s: %w", r.key, context.Cause(ctx))
	}
	r.revoking.Lock()
	defer r.revoking.Unlock()
	if r.revoked || r.lease == 0 {
		return nil
	}
	err := r.c.call(ctx, func(ctx context.Context, cl *clientv3.Client) error {
		_, err := cl.Revoke(ctx, r.lease)
		if errors.Is(err, rpctypes.ErrLeaseNotFound) {
			return nil // gone already
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("etcd: record of %s could not be deleted and stays for up to %v: %w", r.key, r.lifetime(), err)
	}
	r.revoked = true
	return nil
}

// lifetime is how long the record stays when it isn't kept up.
func (r *Registration) lifetime() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Duration(r.mine.lives) * r.c.opts.LeaseTTL
}

// run keeps a session up, one after the other.
func (r *Registration) run() {
	defer close(r.stopped)
	log := r.c.opts.Logger.With().Str("key", r.key).Logger()
	var b backoff
	logged := false
	for r.ctx.Err() == nil {
		wake, start := r.c.changes(), time.Now()
		had, err := r.session()
		if r.ctx.Err() != nil {
			return
		}
		if errors.Is(err, ErrOwned) {
			log.Error().Err(err).Msg("etcd: registration refused")
			r.setState(err)
			close(r.refused)
			return
		}
		if !r.superseded {
			r.setState(fmt.Errorf("not registered: %w", err))
		}
		if had {
			r.c.metrics.lost.Inc()
			log.Warn().Err(err).Msg("etcd: registration lost, registering again")
			logged = false
		} else if !logged && !errors.Is(err, ErrUnreachable) {
			log.Error().Err(err).Msg("etcd: can't register, retrying")
			logged = true
		}
		if time.Since(start) > maxBackoff {
			b.reset() // it lived, so the next may at once
		}
		b.wait(r.ctx, wake)
	}
}

// session lives as long as one lease. It reports whether it got one.
func (r *Registration) session() (had bool, err error) {
	var granted *clientv3.LeaseGrantResponse
	began := time.Now()
	err = r.c.call(r.ctx, func(ctx context.Context, cl *clientv3.Client) (err error) {
		granted, err = cl.Grant(ctx, int64(r.lifetime()/time.Second))
		return err
	})
	if err != nil {
		return false, err
	}
	r.lease = granted.ID
	ttl := time.Duration(granted.TTL) * time.Second
	r.ttl = ttl

	life := &lease.Lease{Call: r.c.call, ID: granted.ID, TTL: ttl}
	life.Granted(began)
	defer life.Close()

	check := time.NewTicker(ttl / 3)
	defer check.Stop()
	var retry <-chan time.Time
	var b backoff
	serializable := false
	for first := true; ; first = false {
		wake := r.c.changes()
		var err error
		if !first {
			err = life.Prolong(r.ctx)
		}
		if err == nil {
			err = r.ensure(serializable)
		}
		switch {
		case r.ctx.Err() != nil:
			return true, r.ctx.Err()
		case errors.Is(err, errLeaseLost):
			return true, err
		case errors.Is(err, rpctypes.ErrLeaseNotFound):
			return true, errLeaseLost
		case errors.Is(err, ErrOwned):
			return true, err
		case err != nil:
			retry = time.After(b.delay())
		default:
			b.reset()
			retry = nil
		}
		for again := false; !again; {
			select {
			case <-r.ctx.Done():
				return true, r.ctx.Err()
			case <-check.C:
				// Somebody may have deleted the key under the lease. A
				// local read of a member is enough to find that.
				again, serializable = true, true
			case <-r.updated:
				again, serializable = true, false
			case <-retry:
				again, serializable = true, false
			case <-wake:
				again, serializable = true, false
			}
		}
	}
}

// ensure makes the key hold the record under the lease, unless a later
// process has it.
func (r *Registration) ensure(serializable bool) error {
	r.mu.Lock()
	mine := r.mine
	r.mu.Unlock()
	return r.c.call(r.ctx, func(ctx context.Context, cl *clientv3.Client) error {
		var opts []clientv3.OpOption
		if serializable {
			opts = append(opts, clientv3.WithSerializable())
		}
		if mine.owner != "" {
			return r.ensureOwner(ctx, cl, mine, opts)
		}
		resp, err := cl.Get(ctx, r.key, opts...)
		if err != nil {
			return err
		}
		rev := int64(0)
		if len(resp.Kvs) > 0 {
			kv := resp.Kvs[0]
			rev = kv.ModRevision
			if r.holds(kv, mine) {
				r.confirm()
				return nil
			}
			if clientv3.LeaseID(kv.Lease) != r.lease && r.yields(mine, kv) {
				return nil
			}
		}
		// Compared, so that two processes don't overwrite each other unseen.
		return r.put(ctx, cl, mine, clientv3.Compare(clientv3.ModRevision(r.key), "=", rev))
	})
}

// holds reports whether what is there is what is to be there.
func (r *Registration) holds(kv *mvccpb.KeyValue, mine record) bool {
	return clientv3.LeaseID(kv.Lease) == r.lease && string(kv.Key) == r.key && string(kv.Value) == string(mine.value)
}

// put writes the record, and does what is to be done to others', if nothing
// has changed since it was looked at.
func (r *Registration) put(ctx context.Context, cl *clientv3.Client, mine record, unchanged clientv3.Cmp, others ...clientv3.Op) error {
	put, err := cl.Txn(ctx).
		If(unchanged).
		Then(append(others, clientv3.OpPut(r.key, string(mine.value), clientv3.WithLease(r.lease)))...).
		Commit()
	if err != nil {
		return err
	}
	if !put.Succeeded {
		return errors.New("record changed meanwhile")
	}
	r.confirm()
	return nil
}

func (r *Registration) confirm() {
	r.superseded, r.rivalSince = false, time.Time{}
	r.setState(nil)
	if !r.isReady {
		r.isReady = true
		close(r.ready)
		r.c.opts.Logger.Info().Str("key", r.key).Msg("etcd: registered")
	}
}

// yields reports whether the record there belongs to a later process.
func (r *Registration) yields(mine record, kv *mvccpb.KeyValue) bool {
	other, err := r.c.decode(string(kv.Key), kv.Value)
	if err != nil {
		return false
	}
	later := other.later(mine)
	if later {
		r.supersede(other)
	}
	r.superseded = later
	return later
}

// supersede notes that another process has taken over.
func (r *Registration) supersede(by record) {
	how, remedy := "under this name", "give one of them another --instance"
	if by.key != r.key {
		how, remedy = "with the same data, as "+by.name, "end one of them"
	}
	if !r.superseded {
		r.c.opts.Logger.Warn().Str("key", r.key).Str("address", by.address).Time("started", by.started).
			Msg("etcd: a newer process has registered " + how + " and keeps the record; " + remedy)
	}
	r.superseded = true
	r.setState(fmt.Errorf("%w: a process at %s, started %s, has registered %s: %s", ErrSuperseded, by.address, by.started.UTC().Format(time.RFC3339), how, remedy))
}
