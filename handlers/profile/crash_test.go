package profile

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"nanofront/internal/testutil"
)

// TestPebbleStore_AcknowledgedSurvivesPowerLoss cuts the power while writers
// are at work: what was not synced is gone, what was acknowledged must not be.
func TestPebbleStore_AcknowledgedSurvivesPowerLoss(t *testing.T) {
	for seed := range uint64(5) {
		fs := vfs.NewCrashableMem()
		s := seeded(t, 20, PebbleOptions{Dir: "/data", fs: fs})
		var acknowledged [21]atomic.Uint64
		var wg sync.WaitGroup
		ctx, stop := context.WithCancel(t.Context())
		for id := uint64(1); id <= 20; id++ {
			wg.Go(func() {
				for ctx.Err() == nil {
					doc, err := s.Update(context.Background(), id, Condition{Any: true}, rename(fmt.Sprint("v", acknowledged[id].Load())))
					if err != nil {
						t.Error(err)
						return
					}
					acknowledged[id].Store(doc.Version)
				}
			})
		}
		testutil.Eventually(t, "some writes", func() bool { return acknowledged[7].Load() > 30 })
		var before [21]uint64
		for id := range before {
			before[id] = acknowledged[id].Load()
		}
		rng := rand.New(rand.NewPCG(seed, 1))
		after := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: int(seed) * 25, RNG: rng})
		stop()
		wg.Wait()

		again := open(t, PebbleOptions{Dir: "/data", fs: after})
		for id := uint64(1); id <= 20; id++ {
			m, ok := get(t, again, id)
			if !ok || m.Version < before[id] {
				t.Errorf("seed %d: member %d is at version %d (there: %v), but %d was acknowledged", seed, id, m.Version, ok, before[id])
			}
		}
		if err := again.Close(); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// countSyncs counts the syncs of logs.
type countSyncs struct {
	vfs.FS
	n *atomic.Int64
}

func (c countSyncs) wrap(f vfs.File, name string, err error) (vfs.File, error) {
	if err != nil || !strings.HasSuffix(name, ".log") {
		return f, err
	}
	return &countedFile{File: f, n: c.n}, nil
}

func (c countSyncs) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := c.FS.Create(name, category)
	return c.wrap(f, name, err)
}

func (c countSyncs) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := c.FS.ReuseForWrite(from, to, category)
	return c.wrap(f, to, err)
}

type countedFile struct {
	vfs.File
	n *atomic.Int64
}

// syncTime is what a sync takes at least: without it a machine with a fast
// disk would show nothing.
const syncTime = 10 * time.Millisecond

func (f *countedFile) Sync() error     { f.count(); return f.File.Sync() }
func (f *countedFile) SyncData() error { f.count(); return f.File.SyncData() }
func (f *countedFile) SyncTo(n int64) (bool, error) {
	f.count()
	return f.File.SyncTo(n)
}

func (f *countedFile) count() {
	f.n.Add(1)
	<-time.After(syncTime)
}

func TestPebbleStore_WritersShareSyncs(t *testing.T) {
	var syncs atomic.Int64
	s := seeded(t, 200, PebbleOptions{Dir: "/data", fs: countSyncs{FS: vfs.NewMem(), n: &syncs}})
	syncs.Store(0)
	const writers, each = 100, 10
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for range each {
				if _, err := s.Update(t.Context(), uint64(w+1), Condition{Any: true}, rename("x")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := syncs.Load(); n < 1 || n > writers*each/4 {
		t.Errorf("%d writes took %d syncs: want fewer by far, and at least one", writers*each, n)
	}
}

func TestPebbleStore_FullDisk(t *testing.T) {
	var full atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return errors.New("no space left on device")
		}
		return nil
	}))
	s := seeded(t, 20, PebbleOptions{Dir: "/data", fs: fs})
	full.Store(true)
	if _, err := s.Update(context.Background(), 3, Condition{Any: true}, rename("x")); !errors.Is(err, ErrFailed) {
		t.Errorf("update on a full disk returned %v", err)
	}
	select {
	case <-s.Failed():
	case <-time.After(testutil.Patience):
		t.Fatal("the store doesn't say that it has failed")
	}
	if err := s.Err(); !errors.Is(err, ErrFailed) || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("got %v", err)
	}
	if _, err := s.Update(context.Background(), 4, Condition{Any: true}, rename("x")); !errors.Is(err, ErrFailed) {
		t.Errorf("the next update: got %v", err)
	}
	if m, ok := get(t, s, 3); !ok {
		t.Errorf("can't be read any more: %+v", m)
	}
	if err := s.Close(); !errors.Is(err, ErrFailed) {
		t.Errorf("Close: got %v", err)
	}
}
