package profile

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable/block"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/rs/zerolog"

	"nanofront/metrics"
)

// Defaults and bounds of PebbleOptions.
const (
	DefaultCacheBytes = 256 << 20
	MinCacheBytes     = 1 << 20
	MaxCacheBytes     = 1 << 40

	// DefaultDurability is DurabilitySync.
	DefaultDurability = DurabilitySync
)

// Durability says when a write is acknowledged.
type Durability string

const (
	// DurabilitySync is when the disk has it. Writers that come together
	// share one sync.
	DurabilitySync Durability = "sync"
	// DurabilityNoSync is at once. The disk gets it soon after; a process or
	// machine that dies loses the last moments, in whole writes.
	DurabilityNoSync Durability = "nosync"
)

// Tuning, measured with BenchmarkStore_Read and variants of it on two shared
// cores: 100,000 members, records of about 1 KB, µs for each record read, sorted
// ids, 64 a batch. The last two columns are with a cache that holds a seventh of
// the data, the files being in the system's page cache.
//
//	block     in the cache   not, Snappy   not, unpacked
//	 4 KiB        2.1            15              8
//	16 KiB        1.4–1.9        19             11
//	32 KiB        1.7            26             16
//
// DB.Get for each instead of one iterator for all: 4 to 5 µs, and an allocation.
// A batch of one costs 3.5 µs, of 256 1.0 µs.
//
// So 16 KiB: larger blocks mean fewer index entries and cache handles to touch,
// and most reads are of what is in the cache. And no compression: Snappy would
// halve the files (110 MB to 55 MB) but doubles what a miss costs.
const (
	blockSize      = 16 << 10
	indexBlockSize = 256 << 10 // one level of index for some millions of members
	memTableSize   = 32 << 20
	bloomBits      = 10 // 1 % false positives: a missing id costs no block
	lockStripes    = 1024
)

// PebbleOptions says where and how a PebbleStore keeps its data. Dir is
// required.
type PebbleOptions struct {
	// Dir is the directory; it is made if it isn't there.
	Dir string
	// CacheBytes is the size of the cache of blocks. 0: DefaultCacheBytes.
	CacheBytes int64
	// Durability is when a write is acknowledged. Empty: DefaultDurability.
	Durability Durability
	// Logger gets a line when something is wrong with the store.
	Logger zerolog.Logger
	// Metrics counts damaged blocks. nil: counted for nobody.
	Metrics metrics.Meter

	fs vfs.FS // nil: the disk's
}

func (o *PebbleOptions) setDefaults() error {
	if o.Dir == "" {
		return errors.New("profile: --data is empty: name a directory")
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = DefaultCacheBytes
	}
	if o.CacheBytes < MinCacheBytes || o.CacheBytes > MaxCacheBytes {
		return fmt.Errorf("profile: cache of %d bytes: want %d to %d", o.CacheBytes, MinCacheBytes, int64(MaxCacheBytes))
	}
	switch o.Durability {
	case "":
		o.Durability = DefaultDurability
	case DurabilitySync, DurabilityNoSync:
	default:
		return fmt.Errorf("profile: --durability: %q: want %s or %s", o.Durability, DurabilitySync, DurabilityNoSync)
	}
	if o.fs == nil {
		o.fs = vfs.Default
	}
	o.Metrics = metrics.OrNone(o.Metrics)
	return nil
}

// PebbleStore is the Store in a directory of this machine.
type PebbleStore struct {
	db    *pebble.DB
	dir   *directory
	log   *pebbleLog
	write *pebble.WriteOptions
	now   func() time.Time

	// stripes serialise the updates of each id. A goroutine holds one at
	// most.
	stripes [lockStripes]sync.Mutex

	failed  chan struct{} // closed when the store can't write any more
	failure atomic.Pointer[error]
	closed  atomic.Bool
}

var (
	_ Store  = (*PebbleStore)(nil)
	_ Loader = (*PebbleStore)(nil)
)

// OpenPebble opens the store, and makes it if the directory is empty or not
// there. Its errors are ErrDirInUse, ErrDirForeign, ErrDirFull, ErrDirDamaged
// and ErrDirUnusable, each wrapped with the directory's name and what to do, or
// about the options.
func OpenPebble(o PebbleOptions) (*PebbleStore, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	dir, err := openDirectory(o.fs, o.Dir)
	if err != nil {
		return nil, err
	}
	s := &PebbleStore{
		dir: dir, write: pebble.Sync, now: time.Now, failed: make(chan struct{}),
	}
	if o.Durability == DurabilityNoSync {
		s.write = pebble.NoSync
	}
	po := s.pebbleOptions(o)
	var db *pebble.DB
	err = s.attempt(func() (err error) {
		db, err = pebble.Open(dir.pebble, po)
		if err == nil && s.Err() != nil {
			return db.Close()
		}
		return err
	})
	if err != nil {
		s.log.limit.Close()
		_ = dir.close()
		var f *failure
		if errors.As(err, &f) {
			err = f.cause
		}
		return nil, dirError(unopened(err), o.Dir, err)
	}
	s.db = db
	return s, nil
}

// ID is what the data is known by: drawn when the store was made, and its for
// ever.
func (s *PebbleStore) ID() string { return s.dir.id }

func (s *PebbleStore) pebbleOptions(o PebbleOptions) *pebble.Options {
	s.log = newPebbleLog(o.Logger, o.Metrics.Counter(metrics.StoreDamaged), s.fail)
	po := &pebble.Options{
		FS:                 &files{FS: o.fs, fail: s.log.giveUp, failed: &s.log.failed},
		Lock:               s.dir.lock,
		CacheSize:          o.CacheBytes,
		FormatMajorVersion: s.dir.version,
		MemTableSize:       memTableSize,
		Logger:             s.log,
		EventListener:      s.log.listener(),
	}
	for i := range po.Levels {
		l := &po.Levels[i]
		l.BlockSize, l.IndexBlockSize = blockSize, indexBlockSize
		l.FilterPolicy = bloom.FilterPolicy(bloomBits)
	}
	po.ApplyCompressionSettings(func() pebble.DBCompressionSettings {
		return pebble.UniformDBCompressionSettings(block.NoCompression)
	})
	return po
}

// keyPool: a key given to an iterator escapes to the heap.
var keyPool = sync.Pool{New: func() any { return new([memberKeyLen]byte) }}

// Read implements Store. An iterator that has met an error is not used again.
func (s *PebbleStore) Read(ids []uint64, each func(i int, doc Document, err error)) error {
	for done := 0; done < len(ids); {
		n, err := s.readSome(ids, done, each)
		if err != nil {
			return err
		}
		done = n
	}
	return nil
}

// readSome reads the ids from the first on, with one iterator, up to the end
// or the first that can't be read so, that one included. It returns how many
// are done.
func (s *PebbleStore) readSome(ids []uint64, first int, each func(int, Document, error)) (done int, err error) {
	if s.closed.Load() {
		return first, ErrClosed
	}
	it, err := s.db.NewIter(nil)
	if err != nil {
		return first, fmt.Errorf("profile: reading: %w", err)
	}
	defer func() { _ = it.Close() }()            // its errors are those of the seeks
	space := keyPool.Get().(*[memberKeyLen]byte) //nolint:forcetypeassert // the pool has nothing else
	defer keyPool.Put(space)
	for i, id := range ids[first:] {
		i += first
		key := appendMemberKey(space[:0], id)
		if !it.SeekPrefixGE(key) {
			if it.Error() != nil {
				s.readAlone(i, id, key, each)
				return i + 1, nil
			}
			each(i, Document{}, ErrNotFound)
			continue
		}
		value, err := it.ValueAndErr()
		if err != nil {
			s.readAlone(i, id, key, each)
			return i + 1, nil
		}
		doc, err := parseRecord(value)
		if err != nil {
			err = fmt.Errorf("member %d: %w", id, err)
		}
		each(i, doc, err)
	}
	return len(ids), nil
}

// readAlone reads what an iterator could not. It looks at one level after the
// other and ends at the first that has the record: an older version that is
// damaged is then in nobody's way.
func (s *PebbleStore) readAlone(i int, id uint64, key []byte, each func(int, Document, error)) {
	value, closer, err := s.db.Get(key)
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		each(i, Document{}, ErrNotFound)
		return
	case err != nil:
		each(i, Document{}, fmt.Errorf("profile: reading member %d: %w", id, shortError{err}))
		return
	}
	defer func() { _ = closer.Close() }() // it only lets go of the value
	doc, err := parseRecord(value)
	if err != nil {
		err = fmt.Errorf("member %d: %w", id, err)
	}
	each(i, doc, err)
}

// City implements Store.
func (s *PebbleStore) City(city string, limit int) ([]uint64, error) {
	if s.closed.Load() {
		return nil, ErrClosed
	}
	if limit < 1 || limit > MaxCityIDs {
		return nil, fmt.Errorf("profile: limit %d: want 1 to %d", limit, MaxCityIDs)
	}
	lower := appendCityPrefix(nil, city)
	upper := append([]byte(nil), lower...)
	upper[len(upper)-1] = 1 // the byte after the 0 that ends the city
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, fmt.Errorf("profile: reading the index of %q: %w", clip(city), err)
	}
	var ids []uint64
	for ok := it.First(); ok && len(ids) < limit; ok = it.Next() {
		if id, ok := idOfKey(it.Key(), len(lower)); ok {
			ids = append(ids, id)
		}
	}
	if err := it.Close(); err != nil {
		return nil, fmt.Errorf("profile: reading the index of %q: %w", clip(city), shortError{err})
	}
	return ids, nil
}

// Failed is closed when the store can't write any more, and the process should
// end. Err says why.
func (s *PebbleStore) Failed() <-chan struct{} { return s.failed }

// Err is nil until Failed is closed; it then wraps ErrFailed.
func (s *PebbleStore) Err() error {
	if err := s.failure.Load(); err != nil {
		return *err
	}
	return nil
}

func (s *PebbleStore) fail(cause error) {
	var err error = &failure{cause}
	if s.failure.CompareAndSwap(nil, &err) {
		close(s.failed)
	}
}

// failure is an ErrFailed that knows why.
type failure struct{ cause error }

// Error implements error.
func (f *failure) Error() string {
	if isFull(f.cause) {
		return fmt.Sprintf("%v: the disk is full: free some space and start it again (%v)", ErrFailed, shortError{f.cause})
	}
	return fmt.Sprintf("%v: %v", ErrFailed, shortError{f.cause})
}

// Is makes it an ErrFailed.
func (f *failure) Is(target error) bool { return target == ErrFailed }

// Unwrap returns why.
func (f *failure) Unwrap() error { return f.cause }

// Close implements Store. If the store has failed, or fails with it, that is the
// error; its directory is recovered when it is opened again.
func (s *PebbleStore) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.log.serving.Store(false)
	defer s.log.limit.Close()
	err := s.attempt(s.db.Close)
	unlocked := s.dir.close()
	switch {
	case errors.Is(err, ErrFailed):
		return err
	case err != nil:
		return fmt.Errorf("profile: closing the store: %w", err)
	}
	return unlocked
}
