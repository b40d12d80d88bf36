package profile

import (
	"context"
	"errors"
	"fmt"

	"nanofront/handlers"
	"nanofront/metrics"
)

const (
	// Service is the name under which the role is announced unless
	// handlers.Options say otherwise.
	Service = "profile"

	// DefaultWriters is how many writes are at work at once. More share a
	// sync, and wait longer for it.
	DefaultWriters = 256
	maxWriters     = 1 << 14
)

// Options says what the role is beyond handlers.Options. Data is required.
type Options struct {
	// Data is the directory of the store (--data).
	Data string
	// Seed is how many members there are to be at least (--seed); those that
	// are missing are made up before the role is announced. 0: none.
	Seed uint64
	// Durability is when a write is acknowledged (--durability). Empty:
	// DefaultDurability.
	Durability Durability
	// CacheBytes is the store's cache. 0: DefaultCacheBytes.
	CacheBytes int64
	// Writers is how many writes are at work at once. 0: DefaultWriters.
	Writers int
}

// Role is the profile role with its store open.
type Role struct {
	rt    *handlers.Runtime
	h     *handler
	store *PebbleStore
	opts  Options
	ho    handlers.Options
}

// New opens the store and makes the role, which serves nothing yet. Run or
// Close must follow.
func New(ho handlers.Options, o Options) (*Role, error) {
	if o.Seed > MaxSeed {
		return nil, fmt.Errorf("profile: --seed %d: want at most %d", o.Seed, MaxSeed)
	}
	if o.Writers == 0 {
		o.Writers = DefaultWriters
	}
	if o.Writers < 1 || o.Writers > maxWriters {
		return nil, fmt.Errorf("profile: %d writers: want 1 to %d", o.Writers, maxWriters)
	}
	if ho.Service == "" {
		ho.Service = Service
	}
	if ho.Metrics == nil {
		ho.Metrics = metrics.New(metrics.Handler, ho.Instance)
	}
	store, err := OpenPebble(PebbleOptions{
		Dir: o.Data, CacheBytes: o.CacheBytes, Durability: o.Durability, Logger: ho.Logger,
		Metrics: ho.Metrics,
	})
	if err != nil {
		return nil, err
	}
	// Two profiles with a store each would have half of the members each.
	ho.Owner = store.ID()
	r, err := newRole(ho, o, store)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return r, nil
}

func newRole(ho handlers.Options, o Options, store *PebbleStore) (*Role, error) {
	rt, err := handlers.New(ho)
	if err != nil {
		return nil, err
	}
	return &Role{rt: rt, h: newHandler(store, ho.Metrics, o.Writers), store: store, opts: o, ho: ho}, nil
}

// Runtime is what serves the role, for its readiness and links.
func (r *Role) Runtime() *handlers.Runtime { return r.rt }

// Run makes the members that are missing, serves until ctx ends, leaves as
// handlers.Runtime.Run does, and closes the store. It returns early, with
// ErrFailed, if the store can't go on. If ctx ends while members are being
// made, that is no error: the next start goes on.
func (r *Role) Run(ctx context.Context) error {
	err := r.run(ctx)
	closed := r.Close()
	if err != nil && errors.Is(closed, ErrFailed) {
		return err // said once
	}
	return errors.Join(err, closed)
}

func (r *Role) run(ctx context.Context) error {
	if err := r.seed(ctx); err != nil {
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return nil
		}
		return err
	}
	r.store.serves()
	serving, stop := context.WithCancel(ctx)
	defer stop()
	go func() { // ends with Run
		select {
		case <-r.store.Failed():
			stop()
		case <-serving.Done():
		}
	}()
	err := r.rt.RunBatch(serving, r.h)
	if r.store.Err() == nil { // else some may never end
		r.h.writers.wait()
	}
	return err
}

// seed shows its progress.
func (r *Role) seed(ctx context.Context) error {
	loaded, err := r.store.Loaded()
	if errors.Is(err, errUnreadable) {
		// Members that may be there already must not be made again.
		r.ho.Logger.Error().Err(err).Msg("can't read how many members were created, so none are created; whatever can be read is served")
		return nil
	}
	if err != nil || loaded >= r.opts.Seed {
		return err
	}
	p := newProgress(r.ho.Logger, loaded, r.opts.Seed)
	err = Seed(ctx, r.store, r.opts.Seed, p.report)
	p.end(err)
	return err
}

// Close closes the store and the bus. Only for a role that is not run.
func (r *Role) Close() error { return errors.Join(r.rt.Close(), r.store.Close()) }

// Run makes the role and runs it: see New and Role.Run.
func Run(ctx context.Context, ho handlers.Options, o Options) error {
	r, err := New(ho, o)
	if err != nil {
		return err
	}
	return r.Run(ctx)
}
