package toggles

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"nanofront/internal/lastknown"
	"nanofront/internal/logging"
	"nanofront/metrics"
	"nanofront/registry/toggled"
)

const (
	// KeptSets is how many revisions a Store keeps, for requests that were begun on an earlier one.
	KeptSets = 128
	// lateness is how long a request waits for the revision that it was begun on elsewhere.
	lateness = 100 * time.Millisecond
	// patience is how long etcd has, at the start, before the file is used.
	patience = time.Second
	// pace is how long the file is left alone after it was written.
	pace = time.Second
)

// Source is where toggles come from; etcd's client is one.
type Source interface {
	// WatchToggles calls back with all toggles, and then with what changes, until ctx ends.
	WatchToggles(ctx context.Context, changed func([]toggled.Change)) error
	// Healthy reports whether it answers at present.
	Healthy() bool
}

// Options configure a Store.
type Options struct {
	// Source is required.
	Source Source
	// File keeps the last known toggles for a start without etcd. "": none is kept.
	File string
	// Prefix tells systems apart: a file of another one is refused.
	Prefix string
	// Logger gets a line when toggles change. The zero Logger is silent.
	Logger zerolog.Logger
	// Metrics is where evaluations are counted. nil: nowhere.
	Metrics metrics.Meter

	patience time.Duration // for tests
}

// Store keeps all toggles in memory, up to date. All its methods may be called from any goroutine,
// and none waits for etcd.
type Store struct {
	opts   Options
	counts *counts
	gauges gauges

	current atomic.Pointer[Set]
	seen    atomic.Int64 // all changes up to this revision have come
	gaveUp  atomic.Int64 // revisions up to this one aren't waited for: one has not come in time
	file    atomic.Bool  // what is in force is the file's

	loaded chan struct{} // closed when anything is known
	once   sync.Once

	mu      sync.Mutex
	kept    []*Set        // the last of them is current
	arrived chan struct{} // closed, and replaced, when seen grows
	tell    []*func(changed []string)
	dirty   chan struct{} // capacity 1: to be written to the file

	limit  *logging.Limiter
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

type gauges struct {
	loaded, faults, revision *metrics.Gauge
	late, gone, unsaved      *metrics.Counter
}

// Open begins to keep toggles. It doesn't wait: see [Store.Loaded]. The error is that of a file that
// belongs to another system.
func Open(o Options) (*Store, error) {
	if o.Source == nil {
		return nil, errors.New("toggles: Options.Source is missing: use etcd's client")
	}
	if o.patience == 0 {
		o.patience = patience
	}
	o.Metrics = metrics.OrNone(o.Metrics)
	s := &Store{
		opts: o, counts: newCounts(o.Metrics), loaded: make(chan struct{}),
		arrived: make(chan struct{}), dirty: make(chan struct{}, 1),
		limit: logging.NewLimiter(o.Logger, 5, time.Second),
		gauges: gauges{
			loaded: o.Metrics.Gauge(metrics.TogglesLoaded), faults: o.Metrics.Gauge(metrics.TogglesFaults), revision: o.Metrics.Gauge(metrics.TogglesRevision),
			late: o.Metrics.Counter(metrics.TogglesOffRevision, "late"), gone: o.Metrics.Counter(metrics.TogglesOffRevision, "gone"),
			unsaved: o.Metrics.Counter(metrics.TogglesUnsaved),
		},
	}
	o.Metrics.GaugeFunc(metrics.TogglesStale, func() float64 {
		if s.Stale() {
			return 1
		}
		return 0
	})
	s.current.Store(&Set{counts: s.counts})
	s.kept = []*Set{s.current.Load()}
	var known toggled.Change
	var saved time.Time
	if o.File != "" {
		var err error
		known, saved, err = lastknown.ReadToggles(o.File, o.Prefix)
		if errors.Is(err, lastknown.ErrFile) {
			return nil, err
		}
		if err != nil {
			o.Logger.Warn().Err(err).Str(logging.File, o.File).Msg("the last known toggles are unusable; they will be replaced once etcd answers")
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.wg.Go(func() { s.watch(ctx) })
	if known.Whole {
		s.wg.Go(func() { s.fallBack(ctx, known, saved) })
	}
	if o.File != "" {
		s.wg.Go(func() { s.save(ctx) })
	}
	return s, nil
}

// Close ends the Store's goroutines, and waits for them. What it knows stays in force. Idempotent.
func (s *Store) Close() {
	s.cancel()
	s.wg.Wait()
	s.limit.Close()
}

// Loaded waits until toggles are known, from etcd or from the file. Before, evaluations give their
// callers' defaults.
func (s *Store) Loaded(ctx context.Context) error {
	select {
	case <-s.loaded:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Ready is an error until toggles are known.
func (s *Store) Ready() error {
	select {
	case <-s.loaded:
		return nil
	default:
		return errors.New("toggles: etcd has not answered yet, and nothing is known from before (--last-known)")
	}
}

// Stale reports whether toggles are those last known, because etcd doesn't answer.
func (s *Store) Stale() bool { return s.file.Load() || !s.opts.Source.Healthy() }

// Degraded is Stale as a line for operators; "" while etcd answers.
func (s *Store) Degraded() string {
	switch {
	case s.file.Load():
		return "etcd has not answered since the start: toggles are those of --last-known"
	case s.Ready() != nil:
		return s.Ready().Error()
	case s.Stale():
		return "etcd doesn't answer: toggles stay as they were last known"
	}
	return ""
}

// Current is all toggles as they are now.
func (s *Store) Current() *Set { return s.current.Load() }

// OnChange has fn called with the names of toggles that have changed, after they have, until stop is
// called. It must not block, nor call the Store's OnChange or Close.
func (s *Store) OnChange(fn func(changed []string)) (stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tell = append(s.tell, &fn)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.tell = slices.DeleteFunc(s.tell, func(f *func([]string)) bool { return f == &fn })
	}
}

// watch takes what changes, until ctx ends.
func (s *Store) watch(ctx context.Context) {
	err := s.opts.Source.WatchToggles(ctx, func(list []toggled.Change) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.file.CompareAndSwap(true, false) {
			s.opts.Logger.Info().Msg("etcd has answered: the last known toggles are no longer used")
		}
		for _, t := range list {
			s.take(t)
		}
		s.once.Do(func() { close(s.loaded) })
		close(s.arrived)
		s.arrived = make(chan struct{})
		select {
		case s.dirty <- struct{}{}:
		default: // it is to be written already
		}
	})
	if err != nil && ctx.Err() == nil {
		s.opts.Logger.Error().Err(err).Msg("toggles are no longer kept up to date")
	}
}

// take puts one revision's changes in force. Under mu.
func (s *Store) take(t toggled.Change) {
	before := s.current.Load()
	if t.Whole && t.Revision < s.seen.Load() {
		// An etcd that lost its data begins again: what was kept says nothing of its revisions. And
		// what it has lost stays: all toggles at their defaults at once would be a release of all.
		s.opts.Logger.Error().Int64("revision", t.Revision).Int("toggles", len(t.List)).Int("known", before.count).
			Msg("etcd has lost its data: toggles that it no longer has stay as they were")
		s.kept, t.Whole = nil, false
		s.gaveUp.Store(0)
	}
	defer s.seen.Store(t.Revision)
	if len(t.List) == 0 && !t.Whole && len(s.kept) > 0 {
		return // of something else
	}
	set, changed := before.Apply(t)
	if len(s.kept) == KeptSets {
		s.kept = slices.Delete(s.kept, 0, 1)
	}
	s.kept = append(s.kept, set)
	s.current.Store(set)
	s.gauges.loaded.Set(int64(set.Len()))
	s.gauges.faults.Set(int64(len(set.faults)))
	s.gauges.revision.Set(set.Revision())
	s.report(before, set, changed)
	if len(changed) > 0 {
		for _, fn := range s.tell {
			(*fn)(changed)
		}
	}
}

// report says what has changed.
func (s *Store) report(before, set *Set, changed []string) {
	if len(changed) > 0 && s.limit.Allow("toggles") {
		s.opts.Logger.Info().Int64("revision", set.revision).Int("toggles", set.count).Strs("changed", changed[:min(len(changed), 10)]).Msg("toggles in force")
	}
	for name, f := range set.faults {
		if old, had := before.faults[name]; had && old.err.Error() == f.err.Error() || !s.limit.Allow("toggle fault") {
			continue
		}
		what := "it gives its callers' defaults"
		if set.Flag(name) != nil {
			what = "the previous definition stays in force"
		}
		s.opts.Logger.Error().Str("toggle", name).Err(f.err).Msg("a toggle isn't valid: " + what)
	}
}

// fallBack puts the file's toggles in force, unless etcd is faster.
func (s *Store) fallBack(ctx context.Context, known toggled.Change, saved time.Time) {
	wait := time.NewTimer(s.opts.patience)
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return
	case <-s.loaded:
		return
	case <-wait.C:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Ready() == nil {
		return
	}
	s.file.Store(true)
	s.take(known)
	s.once.Do(func() { close(s.loaded) })
	s.opts.Logger.Warn().Str(logging.File, s.opts.File).Time("saved", saved).Int("toggles", len(known.List)).
		Msg("etcd doesn't answer: beginning with the toggles that were last known")
}

// save keeps the file up to date until ctx ends.
func (s *Store) save(ctx context.Context) {
	fault := ""
	for {
		select {
		case <-ctx.Done():
			select {
			case <-s.dirty:
				s.write(fault)
			default:
			}
			return
		case <-s.dirty:
		}
		fault = s.write(fault)
		rest := time.NewTimer(pace)
		select {
		case <-ctx.Done():
		case <-rest.C:
		}
		rest.Stop()
	}
}

// write writes the file, and returns why it couldn't, to be logged once.
func (s *Store) write(before string) (fault string) {
	set := s.Current()
	t := toggled.Change{Revision: set.revision, Whole: true}
	for name, rule := range set.evaluators {
		t.List = append(t.List, toggled.Toggle{Name: toggled.EvaluatorPrefix + name, Definition: rule})
	}
	for _, f := range set.Flags() {
		t.List = append(t.List, toggled.Toggle{Name: f.name, Definition: f.raw, Revision: f.revision})
	}
	err := lastknown.WriteToggles(s.opts.File, s.opts.Prefix, t)
	if err == nil {
		return ""
	}
	s.gauges.unsaved.Inc()
	if err.Error() != before {
		s.opts.Logger.Warn().Err(err).Str(logging.File, s.opts.File).Msg("can't save the current toggles; the file stays as it was")
	}
	return err.Error()
}
