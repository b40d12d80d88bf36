package profile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/rs/zerolog"

	"nanofront/handlers"
	"nanofront/handlers/handlertest"
	"nanofront/internal/testutil"
	"nanofront/metrics"
)

// fullDisk has room for so many writes. They count from the start, or from when
// they were last set.
type fullDisk struct {
	left atomic.Int64
	fs   vfs.FS
}

const room = 1 << 40

func newFullDisk(writes int64) *fullDisk {
	d := &fullDisk{}
	d.left.Store(writes)
	d.fs = errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpRemove && op.Kind != errorfs.OpFileClose && d.left.Add(-1) < 0 {
			return &os.PathError{Op: "write", Path: op.Path, Err: syscall.ENOSPC}
		}
		return nil
	}))
	return d
}

// within fails the test if f does not return.
func within(t *testing.T, what string, f func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(testutil.Patience):
		t.Fatalf("%s: hangs", what)
		return nil
	}
}

// TestRole_StartsOnAFullDisk lets the disk be full at each write of a start in
// turn: it ends, with one line that says why, and goes well when there is room.
func TestRole_StartsOnAFullDisk(t *testing.T) {
	const seed = 1200
	ended, stride := 0, int64(50)
	if testutil.Race {
		stride = 5 // fewer of them: each takes much longer
	}
	for writes := int64(0); ; writes += 1 + writes/stride {
		d := newFullDisk(writes)
		start := func() error {
			store, err := OpenPebble(PebbleOptions{Dir: "/data", CacheBytes: testCache, Logger: zerolog.Nop(), fs: d.fs})
			if err != nil {
				return err
			}
			role, err := newRole(handlers.Options{Service: Service, Instance: "p", Discovery: handlertest.NewDiscovery(), Metrics: metrics.New(metrics.Handler, "p")}, Options{Seed: seed, Writers: 4}, store)
			if err != nil {
				return errors.Join(err, store.Close())
			}
			if err := role.seed(t.Context()); err != nil {
				return errors.Join(err, role.rt.Close(), store.Close())
			}
			return errors.Join(role.rt.Close(), store.Close())
		}
		err := within(t, fmt.Sprintf("with room for %d writes", writes), start)
		if err == nil {
			break
		}
		ended++
		if !errors.Is(err, ErrDirFull) && !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "free some space and start it again") {
			t.Fatalf("with room for %d writes: got %v", writes, err)
		}
		d.left.Store(room)
		if err := within(t, "with room again", start); err != nil {
			t.Fatalf("full after %d writes, then with room: got %v", writes, err)
		}
	}
	if ended < 15 { // of over 200 writes
		t.Errorf("a start makes only %d writes: is this the disk?", ended)
	}
}

// TestPebbleStore_FullWhileOpen: updates fail, reads go on, closing ends.
func TestPebbleStore_FullWhileOpen(t *testing.T) {
	for writes := range int64(12) {
		for _, durability := range []Durability{DurabilitySync, DurabilityNoSync} {
			what := fmt.Sprintf("%s, with room for %d writes", durability, writes)
			d := newFullDisk(room)
			s, err := OpenPebble(PebbleOptions{Dir: "/data", CacheBytes: testCache, Durability: durability, Logger: zerolog.Nop(), fs: d.fs})
			if err != nil {
				t.Fatal(err)
			}
			if err := Seed(t.Context(), s, 20, nil); err != nil {
				t.Fatal(err)
			}
			s.serves()
			d.left.Store(writes)
			var acknowledged uint64
			err = within(t, what, func() error {
				for {
					doc, err := s.Update(context.Background(), 3, Condition{Any: true}, rename(strings.Repeat("x", 60)))
					if err != nil {
						return err
					}
					acknowledged = doc.Version
				}
			})
			if !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("%s: got %v", what, err)
			}
			if _, ok := get(t, s, 3); !ok {
				t.Errorf("%s: can't be read any more", what)
			}
			if err := within(t, what, s.Close); !errors.Is(err, ErrFailed) {
				t.Errorf("%s: Close: got %v", what, err)
			}
			d.left.Store(room)
			again := open(t, PebbleOptions{Dir: "/data", fs: d.fs})
			if m, ok := get(t, again, 3); durability == DurabilitySync && (!ok || m.Version < acknowledged) {
				t.Errorf("%s: at version %d after a restart, but %d was acknowledged", what, m.Version, acknowledged)
			}
		}
	}
}

// TestPebbleStore_FullWhileClosing: closing writes the end of the log.
func TestPebbleStore_FullWhileClosing(t *testing.T) {
	d := newFullDisk(room)
	s, err := OpenPebble(PebbleOptions{Dir: "/data", CacheBytes: testCache, Durability: DurabilityNoSync, Logger: zerolog.Nop(), fs: d.fs})
	if err != nil {
		t.Fatal(err)
	}
	if err := Seed(t.Context(), s, 20, nil); err != nil {
		t.Fatal(err)
	}
	s.serves()
	if _, err := s.Update(context.Background(), 3, Condition{Any: true}, rename("x")); err != nil {
		t.Fatal(err)
	}
	d.left.Store(0)
	if err := within(t, "Close", s.Close); !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v", err)
	}
}

// TestPebbleStore_NeverFlushed: logs that are used again need no room, tables
// do. That is not tried for ever.
func TestPebbleStore_NeverFlushed(t *testing.T) {
	var full atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && op.Kind == errorfs.OpCreate && filepath.Ext(op.Path) == tableSuffix {
			return syscall.ENOSPC
		}
		return nil
	}))
	s, err := OpenPebble(PebbleOptions{Dir: "/data", CacheBytes: testCache, Logger: zerolog.Nop(), fs: fs})
	if err != nil {
		t.Fatal(err)
	}
	if err := Seed(t.Context(), s, 20, nil); err != nil {
		t.Fatal(err)
	}
	s.serves()
	var passed atomic.Int64
	began := time.Now()
	s.log.now = func() time.Time { return began.Add(time.Duration(passed.Load())) }
	if _, err := s.Update(context.Background(), 3, Condition{Any: true}, rename("x")); err != nil {
		t.Fatal(err)
	}
	full.Store(true)
	if _, err := s.db.AsyncFlush(); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "a flush that fails", func() bool { return s.log.unflushed.Load() != 0 })
	if err := s.Err(); err != nil {
		t.Errorf("given up at once: %v", err)
	}
	passed.Store(int64(flushPatience + time.Second))
	select {
	case <-s.Failed():
	case <-time.After(testutil.Patience):
		t.Error("never given up")
	}
	if err := within(t, "Close", s.Close); !errors.Is(err, ErrFailed) {
		t.Errorf("Close: got %v", err)
	}
}
