package profile

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// idOfKey is the id at the end of a key, behind a prefix of that length.
func idOfKey(key []byte, prefix int) (uint64, bool) {
	if len(key) != prefix+8 {
		return 0, false
	}
	return binary.BigEndian.Uint64(key[prefix:]), true
}

// Update implements Store. Concurrent updates of different members share the
// syncs of the log: Pebble's commit pipeline writes all that have gathered
// while one sync was under way with the next (TestPebbleStore_WritersShareSyncs).
func (s *PebbleStore) Update(ctx context.Context, id uint64, cond Condition, change func(*Member) error) (Document, error) {
	lock := s.stripe(id)
	lock.Lock()
	defer lock.Unlock()
	// The wait for the stripe may have been long.
	if err := ctx.Err(); err != nil {
		return Document{}, err
	}
	if s.closed.Load() {
		return Document{}, ErrClosed
	}
	if err := s.Err(); err != nil {
		return Document{}, err
	}
	key := appendMemberKey(nil, id)
	m, err := s.member(key)
	if err != nil {
		return Document{}, err
	}
	if !cond.Holds(m.Version) {
		return Document{}, &ConflictError{Current: m.Version}
	}
	version, city := m.Version, m.City
	if err := change(&m); err != nil {
		return Document{}, err
	}
	m.ID, m.Version = id, version+1
	m.LastSeen = s.now().UTC().Truncate(time.Second)
	value, err := appendRecord(nil, &m)
	if err != nil {
		return Document{}, err
	}
	b := s.db.NewBatch()
	_ = b.Set(key, value, nil) // into memory: can't fail
	if foldCity(city) != foldCity(m.City) {
		_ = b.Delete(appendCityKey(nil, city, id), nil)
		_ = b.Set(appendCityKey(nil, m.City, id), nil, nil)
	}
	// Commit may not return when the store fails (pebbleLog.Fatalf): what is
	// deferred then runs, and must leave the batch alone.
	err = s.commit(b)
	_ = b.Close()
	if err == nil {
		err = s.Err() // a log that fails doesn't say so to Commit
	}
	if err != nil {
		return Document{}, fmt.Errorf("profile: writing member %d: %w", id, err)
	}
	return parseRecord(value)
}

// commit makes a panic of Pebble the end of the store: what locks it holds then,
// nobody knows.
func (s *PebbleStore) commit(b *pebble.Batch) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.log.giveUp(panicked(p))
			err = s.Err()
		}
	}()
	return b.Commit(s.write)
}

func (s *PebbleStore) stripe(id uint64) *sync.Mutex {
	// Fibonacci hashing spreads consecutive ids and equal remainders alike.
	return &s.stripes[id*0x9e3779b97f4a7c15>>54]
}

// member reads one for a change.
func (s *PebbleStore) member(key []byte) (Member, error) {
	value, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return Member{}, ErrNotFound
	}
	if err != nil {
		return Member{}, fmt.Errorf("%w: %w", errUnreadable, shortError{err})
	}
	m, err := parseMember(value)
	if err != nil {
		err = fmt.Errorf("%w: %w", errUnreadable, shortError{err})
	}
	return m, errors.Join(err, closer.Close())
}

// Loaded implements Loader.
func (s *PebbleStore) Loaded() (uint64, error) {
	value, closer, err := s.db.Get(seededKey)
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errUnreadable, shortError{err})
	}
	id, ok := idOfKey(value, 0)
	if !ok {
		err = fmt.Errorf("%w: %w", errUnreadable, errCorrupt)
	}
	return id, errors.Join(err, closer.Close())
}

// Load implements Loader. Members and mark are one batch, and batches reach
// the disk in their order, so that whatever a crash leaves is as if Seed had
// been told to end after some batch.
func (s *PebbleStore) Load(members []Member) error {
	b := s.db.NewBatch()
	var key, value []byte
	for i := range members {
		m := &members[i]
		var err error
		if value, err = appendRecord(value[:0], m); err != nil {
			return err
		}
		key = appendMemberKey(key[:0], m.ID)
		_ = b.Set(key, value, nil) // into memory: can't fail
		key = appendCityKey(key[:0], m.City, m.ID)
		_ = b.Set(key, nil, nil)
	}
	if len(members) > 0 {
		last := binary.BigEndian.AppendUint64(nil, members[len(members)-1].ID)
		_ = b.Set(seededKey, last, nil)
	}
	err := s.attempt(func() error { return b.Commit(pebble.NoSync) })
	if errors.Is(err, ErrFailed) {
		return err // the batch may be in use
	}
	_ = b.Close()
	if err != nil {
		return fmt.Errorf("profile: loading members: %w", err)
	}
	return nil
}

// Sync implements Loader. It moves the members into tables too: that is where
// they are read from fastest, and the next start has no log to replay.
func (s *PebbleStore) Sync() error {
	var flushed <-chan struct{}
	err := s.attempt(func() (err error) {
		flushed, err = s.db.AsyncFlush()
		return err
	})
	if err == nil {
		select { // Pebble tries again for ever
		case <-flushed:
			return nil
		case <-s.failed:
			err = s.Err()
		}
	}
	if errors.Is(err, ErrFailed) {
		return err
	}
	return fmt.Errorf("profile: flushing what was loaded: %w", err)
}
