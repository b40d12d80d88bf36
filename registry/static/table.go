package static

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"nanofront/metrics"
	"nanofront/registry"
)

// DefaultPoll is how often the file is looked at.
const DefaultPoll = time.Second

// ErrFile is wrapped by the errors of Open.
var ErrFile = errors.New("static: bad table file")

// Options configure a Table. File is required, the zero values of the others are the defaults.
type Options struct {
	// File is the table's path.
	File string
	// Poll is how often the file is looked at, at least 1 ms. Zero means
	// DefaultPoll.
	Poll time.Duration
	// Logger gets a line per change of the file. The zero Logger discards
	// them.
	Logger zerolog.Logger
	// Metrics is where changes that are rejected are counted: metrics.New makes one that reports.
	// nil: nowhere that anyone sees.
	Metrics metrics.Meter
}

// Table is a static table. All its methods may be called from any goroutine.
type Table struct {
	opts     Options
	rejected *metrics.Counter
	closed   chan struct{}
	once     sync.Once

	mu       sync.Mutex
	snapshot registry.Snapshot
	raw      []byte
	revision int64       // of snapshot: 1 for the first, then one more per change
	seen     fs.FileInfo // of the last attempt to read; nil after a failure
	fault    string      // why the file isn't in force, as last logged
}

// Open reads the file. The error wraps ErrFile and names the file and all
// that is wrong with it.
func Open(ctx context.Context, o Options) (*Table, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if o.Poll == 0 {
		o.Poll = DefaultPoll
	}
	if o.File == "" {
		return nil, fmt.Errorf("%w: no file given: name one with Options.File (--static)", ErrFile)
	}
	if o.Poll < time.Millisecond {
		return nil, fmt.Errorf("%w: Options.Poll is %v: want at least 1ms", ErrFile, o.Poll)
	}
	o.Metrics = metrics.OrNone(o.Metrics)
	t := &Table{opts: o, rejected: o.Metrics.Counter(metrics.StaticRejected), closed: make(chan struct{})}
	info, err := t.load()
	if err != nil {
		return nil, fmt.Errorf("%w: --static: %s: %w", ErrFile, o.File, err)
	}
	t.seen = info
	return t, nil
}

// load reads the file and, if it is valid, puts it in force. The caller holds
// mu, or nobody else has t yet.
func (t *Table) load() (fs.FileInfo, error) {
	f, err := os.Open(t.opts.File)
	if err != nil {
		return nil, unwrapPath(err)
	}
	defer func() { _ = f.Close() }() // it was only read
	// Before reading: what is written meanwhile is seen at the next look.
	info, err := f.Stat()
	if err != nil {
		return nil, unwrapPath(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is not a regular file")
	}
	raw, err := io.ReadAll(io.LimitReader(f, registry.MaxDocument+1))
	if err != nil {
		return nil, unwrapPath(err)
	}
	s, err := registry.ParseTable(raw)
	if err != nil {
		return info, err
	}
	t.snapshot, t.raw = s, raw
	t.revision++
	return info, nil
}

// unwrapPath drops operation and path, which our errors have already.
func unwrapPath(err error) error {
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// refresh looks at the file, and returns what is in force with its revision.
func (t *Table) refresh() (registry.Snapshot, int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	info, err := os.Stat(t.opts.File)
	if err == nil && t.seen != nil && sameState(info, t.seen) {
		return t.snapshot, t.revision
	}
	before := t.revision
	info, err = t.load()
	t.seen = info
	log := t.opts.Logger.With().Str("file", t.opts.File).Int64("revision", t.revision).Logger()
	switch {
	case err != nil && t.fault != err.Error():
		t.fault = err.Error()
		t.rejected.Inc()
		log.Error().Err(unwrapPath(err)).Msg("static: table rejected, the previous one stays in force")
	case err == nil && t.revision > before:
		t.fault = ""
		log.Info().Int("instances", len(t.snapshot.Instances)).Msg("static: table in force")
	}
	return t.snapshot, t.revision
}

func sameState(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// Watch calls fn with the table, and again after each change of the file, one
// call at a time and from the calling goroutine. It returns nil when ctx ends
// or the Table is closed.
func (t *Table) Watch(ctx context.Context, fn func(registry.Snapshot)) error {
	tick := time.NewTicker(t.opts.Poll)
	defer tick.Stop()
	last := int64(0)
	for {
		if s, rev := t.refresh(); rev != last {
			last = rev
			fn(s)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.closed:
			return nil
		case <-tick.C:
		}
	}
}

// Register is there for whoever registers without knowing where: the
// registration is ready at once and makes nobody known. An instance that the
// file doesn't list at that address is logged. The error wraps
// registry.ErrInvalidInstance, or is that of ctx.
func (t *Table) Register(ctx context.Context, i registry.Instance) (registry.Registration, error) {
	if err := i.Validate(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s, _ := t.refresh()
	listed := 0
	for _, l := range s.Instances {
		if l.Service == i.Service {
			listed++
		}
	}
	if i.Owner != "" && listed > 1 {
		return nil, fmt.Errorf("static: %s lists %d instances of %q, which don't share their data, so each would answer for only a part: list one", t.opts.File, listed, i.Service)
	}
	if !slices.ContainsFunc(s.Instances, func(l registry.Instance) bool {
		return l.Service == i.Service && l.Address == i.Address
	}) {
		t.opts.Logger.Warn().Str("file", t.opts.File).Str("service", i.Service).Str("address", i.Address).
			Msg("static: the table doesn't list this instance, so nobody finds it: add it, or give its address with --bus")
	}
	r := &registration{ready: make(chan struct{}), service: i.Service, id: i.ID}
	close(r.ready)
	return r, nil
}

// Announce is there as Register is: only the table says which processes there are. The error wraps
// registry.ErrInvalidProcess, or is that of ctx.
func (t *Table) Announce(ctx context.Context, p registry.Process) (registry.Registration, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r := &registration{ready: make(chan struct{})}
	close(r.ready)
	return r, nil
}

// Processes lists the processes in force, sorted: those that the table has as such, and its
// instances. The error is always nil.
func (t *Table) Processes(context.Context) ([]registry.Process, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.snapshot.AllProcesses(), nil
}

// WatchProcesses is Watch for the processes.
func (t *Table) WatchProcesses(ctx context.Context, fn func([]registry.Process)) error {
	return t.Watch(ctx, func(s registry.Snapshot) { fn(s.AllProcesses()) })
}

// Routes returns the routes in force, the file's text and its revision, which
// counts the changes since the start. The document is nil if the file has
// none. The error is always nil.
func (t *Table) Routes(context.Context) (doc *registry.Routes, raw []byte, rev int64, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.snapshot.Routes, slices.Clone(t.raw), t.revision, nil
}

// Instances lists the instances in force, sorted. The error is always nil.
func (t *Table) Instances(context.Context) ([]registry.Instance, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.snapshot.Instances), nil
}

// Healthy reports whether the file, when last looked at, was what is in
// force.
func (t *Table) Healthy() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.fault == ""
}

// Err is nil while Healthy; else it says what is wrong with the file.
func (t *Table) Err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fault == "" {
		return nil
	}
	return fmt.Errorf("%w: --static %s: %s", ErrFile, t.opts.File, t.fault)
}

// Close ends all watches. It may be called more than once.
func (t *Table) Close() error {
	t.once.Do(func() { close(t.closed) })
	return nil
}

// registration implements registry.Registration.
type registration struct {
	ready       chan struct{}
	service, id string
}

func (r *registration) Ready() <-chan struct{} { return r.ready }

// Refused is never closed.
func (r *registration) Refused() <-chan struct{} { return nil }

// Err is always nil: only the table says which instances there are.
func (r *registration) Err() error { return nil }

func (r *registration) Update(i registry.Instance) error {
	if err := i.Validate(); err != nil {
		return err
	}
	if i.Service != r.service || i.ID != r.id {
		return fmt.Errorf("%w: service and id: %s/%s can't become %s/%s", registry.ErrInvalidInstance, r.service, r.id, i.Service, i.ID)
	}
	return nil
}

func (r *registration) Close(context.Context) error { return nil }
