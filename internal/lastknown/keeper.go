package lastknown

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"nanofront/internal/logging"
	"nanofront/metrics"
	"nanofront/registry"
)

const (
	// patience is how long discovery has, at the start, before what was last
	// known is used. An etcd that is there answers in milliseconds.
	patience = time.Second
	// refresh is how often a file is written again although nothing has
	// changed: so its age says for how long nothing is known.
	refresh = time.Minute
	// pace is how long the file is left alone after it was written.
	pace = time.Second
)

// ErrFile is wrapped by the errors of Open.
var ErrFile = errors.New("lastknown: bad file")

// Source is the discovery whose word is kept.
type Source interface {
	Watch(ctx context.Context, changed func(registry.Snapshot)) error
	Healthy() bool
}

// Options configure a Keeper. File and Source are required.
type Options struct {
	File string
	// Prefix tells systems apart: a file of another one is refused.
	Prefix  string
	Source  Source
	Logger  zerolog.Logger
	Metrics *metrics.Set

	// For tests, which have no minute.
	patience, refresh time.Duration
}

// Keeper is a discovery that begins with what was last known.
type Keeper struct {
	opts   Options
	known  *state // as read at the start; nil: nothing
	failed *metrics.Counter

	// turn is held by whoever calls back: one at a time. mu is taken under it,
	// and never held while calling out.
	turn sync.Mutex

	mu       sync.Mutex
	answered bool // the source has
	using    bool // known is in force
	latest   *registry.Snapshot
	dirty    chan struct{} // capacity 1: latest is to be written
	fault    string        // why the file can't be written, as last logged
}

// Open reads the file, if there is one, and sees whether it can be written. The
// error wraps ErrFile and names the flag.
func Open(o Options) (*Keeper, error) {
	if o.patience == 0 {
		o.patience = patience
	}
	if o.refresh == 0 {
		o.refresh = refresh
	}
	probe, err := os.CreateTemp(filepath.Dir(o.File), ".last-known-*")
	if err == nil {
		err = errors.Join(probe.Close(), os.Remove(probe.Name()))
	}
	if err != nil {
		return nil, fmt.Errorf("%w: --last-known %s can't be written: %w: name a file in an existing, writable directory", ErrFile, o.File, err)
	}
	k := &Keeper{opts: o, dirty: make(chan struct{}, 1)}
	k.known, err = read(o.File)
	switch {
	case errors.Is(err, errMissing):
	case err != nil:
		o.Logger.Warn().Err(err).Str(logging.File, o.File).Msg("the last known state is unusable; it will be replaced once etcd answers")
	case k.known.Prefix != o.Prefix:
		return nil, fmt.Errorf("%w: --last-known %s belongs to the system at --etcd-prefix %s, not to %s: name another file, or remove it", ErrFile, o.File, k.known.Prefix, o.Prefix)
	}
	if o.Metrics != nil {
		k.failed = o.Metrics.Counter(metrics.LastKnownFailed)
		o.Metrics.GaugeFunc(metrics.LastKnownAge, func() float64 {
			age, _ := k.Age()
			return age.Seconds()
		})
	}
	return k, nil
}

// Age is how old what was last known is, while that is in use.
func (k *Keeper) Age() (age time.Duration, using bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.using {
		return 0, false
	}
	return max(0, time.Since(k.known.Saved)), true
}

// Degraded is the age as a line for operators; "" while the source's word is in
// use.
func (k *Keeper) Degraded() string {
	age, using := k.Age()
	if !using {
		return ""
	}
	return fmt.Sprintf("etcd has not answered since the start: instances and routes are those of %s, %v old (--last-known)",
		k.known.Saved.UTC().Format(time.RFC3339), age.Round(time.Second))
}

// Watch is the source's. If that has nothing to say for a moment, it begins
// with what was last known.
func (k *Keeper) Watch(ctx context.Context, changed func(registry.Snapshot)) error {
	stop, cancel := context.WithCancel(ctx)
	var helpers sync.WaitGroup
	defer helpers.Wait()
	defer cancel()
	// Until the source is done, also when ctx has ended: what it says last is written down.
	last, written := context.WithCancel(context.WithoutCancel(ctx))
	defer written()
	helpers.Go(func() { k.write(last) })
	if k.known != nil {
		helpers.Go(func() { k.fallBack(stop, changed) })
	}
	return k.opts.Source.Watch(ctx, func(s registry.Snapshot) {
		k.turn.Lock()
		defer k.turn.Unlock()
		k.mu.Lock()
		used := k.using
		k.answered, k.using = true, false
		if s.Routes != nil { // else it is no state that a front could serve by
			k.latest = &s
		}
		k.mu.Unlock()
		if used {
			k.opts.Logger.Info().Msg("etcd has answered: the last known state is no longer used")
		}
		changed(s)
		select {
		case k.dirty <- struct{}{}:
		default: // it is to be written already
		}
	})
}

// fallBack puts what was last known in force, unless the source is faster.
func (k *Keeper) fallBack(ctx context.Context, changed func(registry.Snapshot)) {
	wait := time.NewTimer(k.opts.patience)
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return
	case <-wait.C:
	}
	k.turn.Lock()
	defer k.turn.Unlock()
	k.mu.Lock()
	k.using = !k.answered && ctx.Err() == nil
	using := k.using
	k.mu.Unlock()
	if !using {
		return
	}
	k.opts.Logger.Warn().Str(logging.File, k.opts.File).Time("saved", k.known.Saved).
		Stringer("age", max(0, time.Since(k.known.Saved)).Round(time.Second)).Int("instances", len(k.known.Instances)).
		Msg("etcd doesn't answer: beginning with the instances and routes that were last known")
	changed(registry.Snapshot{Instances: k.known.Instances, Routes: k.known.routes, Revision: k.known.Revision})
}

// write keeps the file up to date until ctx ends.
func (k *Keeper) write(ctx context.Context) {
	again := time.NewTicker(k.opts.refresh)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			select {
			case <-k.dirty:
				k.save()
			default:
			}
			return
		case <-k.dirty:
		case <-again.C:
			if !k.opts.Source.Healthy() {
				continue // it gets older
			}
		}
		k.save()
		rest := time.NewTimer(min(pace, k.opts.refresh))
		select {
		case <-ctx.Done():
		case <-rest.C:
		}
		rest.Stop()
	}
}

// save writes the latest state.
func (k *Keeper) save() {
	k.mu.Lock()
	s := k.latest
	k.mu.Unlock()
	if s == nil {
		return
	}
	routes, err := s.Routes.Marshal()
	if err == nil {
		st := state{Version: formatVersion, Saved: time.Now().UTC(), Prefix: k.opts.Prefix, Instances: s.Instances, Routes: routes, Revision: s.Revision}
		err = st.write(k.opts.File)
	}
	if err == nil {
		k.fault = ""
		return
	}
	if k.failed != nil {
		k.failed.Inc()
	}
	if k.fault != err.Error() {
		k.fault = err.Error()
		k.opts.Logger.Warn().Err(err).Str(logging.File, k.opts.File).Msg("can't save the current state; the file stays as it was")
	}
}
