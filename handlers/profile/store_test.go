package profile

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"nanofront/internal/testutil"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testCache = 16 << 20

// open opens a store that is closed when the test ends.
func open(t testing.TB, o PebbleOptions) *PebbleStore {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = testCache
	}
	o.Logger = zerolog.Nop()
	s, err := OpenPebble(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, ErrFailed) {
			t.Errorf("closing: %v", err)
		}
	})
	return s
}

func seeded(t testing.TB, n uint64, o PebbleOptions) *PebbleStore {
	t.Helper()
	s := open(t, o)
	if err := Seed(t.Context(), s, n, nil); err != nil {
		t.Fatal(err)
	}
	return s
}

// get reads one member.
func get(t testing.TB, s Store, id uint64) (m Member, ok bool) {
	t.Helper()
	err := s.Read([]uint64{id}, func(_ int, doc Document, there bool) {
		if ok = there; !there {
			return
		}
		b, err := appendRecordOf(doc)
		if err == nil {
			m, err = parseMember(b)
		}
		if err != nil {
			t.Errorf("member %d: %v in %s", id, err, doc.JSON)
		}
		if m.Version != doc.Version || m.LastSeen.Unix() != doc.LastSeen {
			t.Errorf("member %d: head and document differ", id)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return m, ok
}

// appendRecordOf makes a record that has the document.
func appendRecordOf(doc Document) ([]byte, error) {
	return append(make([]byte, recordHead), doc.JSON...), nil
}

func rename(name string) func(*Member) error {
	return func(m *Member) error { m.Nickname = name; return nil }
}

func TestPebbleStore_Read(t *testing.T) {
	s := seeded(t, 1200, PebbleOptions{})
	ids := []uint64{7, 1, 1200, 7, 1201, 0, 600, 1 << 60}
	var got []string
	err := s.Read(ids, func(i int, doc Document, ok bool) {
		if ok {
			m, err := parseMember(append(make([]byte, recordHead), doc.JSON...))
			if err != nil {
				t.Error(err)
			}
			if d := cmp.Diff(Generate(ids[i]), m); d != "" {
				t.Errorf("%d: %s", ids[i], d)
			}
		}
		got = append(got, fmt.Sprintf("%d:%d:%v", i, ids[i], ok))
	})
	want := []string{"0:7:true", "1:1:true", "2:1200:true", "3:7:true", "4:1201:false", "5:0:false", "6:600:true", "7:1152921504606846976:false"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestPebbleStore_ReadAllocatesNothing(t *testing.T) {
	s := seeded(t, 1000, PebbleOptions{})
	ids := make([]uint64, 64)
	for i := range ids {
		ids[i] = uint64(i*15 + 1) //nolint:gosec // small
	}
	bytes := 0
	each := func(_ int, doc Document, _ bool) { bytes += len(doc.JSON) }
	read := func() {
		if err := s.Read(ids, each); err != nil {
			t.Error(err)
		}
	}
	read()
	if n := testing.AllocsPerRun(200, read); n >= 1 && !raceEnabled {
		t.Errorf("%v allocations for %d reads", n, len(ids))
	}
}

func TestPebbleStore_Update(t *testing.T) {
	s := seeded(t, 10, PebbleOptions{})
	s.now = func() time.Time { return today }
	ctx := t.Context()
	doc, err := s.Update(ctx, 3, Condition{Versions: []uint64{1}}, rename("Zoë"))
	if err != nil || doc.Version != 2 || doc.LastSeen != today.Unix() || !strings.Contains(string(doc.JSON), `"version":2,"nickname":"Zoë"`) {
		t.Fatalf("got %+v %s, %v", doc, doc.JSON, err)
	}
	want := Generate(3)
	want.Version, want.Nickname, want.LastSeen = 2, "Zoë", today
	if got, _ := get(t, s, 3); !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}

	_, err = s.Update(ctx, 3, Condition{Versions: []uint64{1}}, rename("stale"))
	var conflict *ConflictError
	if !errors.Is(err, ErrConflict) || !errors.As(err, &conflict) || conflict.Current != 2 {
		t.Errorf("stale version: got %v", err)
	}
	if _, err := s.Update(ctx, 3, Condition{}, rename("never")); !errors.Is(err, ErrConflict) {
		t.Errorf("no condition at all: got %v", err)
	}
	if _, err := s.Update(ctx, 99, Condition{Any: true}, rename("x")); !errors.Is(err, ErrNotFound) {
		t.Errorf("missing member: got %v", err)
	}
	oops := errors.New("oops")
	if _, err := s.Update(ctx, 3, Condition{Any: true}, func(*Member) error { return oops }); !errors.Is(err, oops) {
		t.Errorf("change that fails: got %v", err)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := s.Update(gone, 3, Condition{Any: true}, rename("late")); !errors.Is(err, context.Canceled) {
		t.Errorf("ended context: got %v", err)
	}
	if got, _ := get(t, s, 3); got.Nickname != "Zoë" || got.Version != 2 {
		t.Errorf("a refused change has changed it: %+v", got)
	}
}

func TestPebbleStore_ChangeCannotTouchIDAndVersion(t *testing.T) {
	s := seeded(t, 5, PebbleOptions{})
	_, err := s.Update(t.Context(), 2, Condition{Any: true}, func(m *Member) error {
		m.ID, m.Version = 4, 77
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := get(t, s, 2); got.ID != 2 || got.Version != 2 {
		t.Errorf("got %+v", got)
	}
	if got, _ := get(t, s, 4); got.Version != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestPebbleStore_City(t *testing.T) {
	const n = 3000
	s := seeded(t, n, PebbleOptions{})
	var want []uint64
	for id := uint64(1); id <= n; id++ {
		if Generate(id).City == "Reykjavík" {
			want = append(want, id)
		}
	}
	for _, name := range []string{"Reykjavík", "REYKJAVÍK", " reykjavík "} {
		got, err := s.City(name, MaxCityIDs)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: got %v, %v, want %v", name, got, err, want)
		}
	}
	if got, err := s.City("Reykjavík", 2); err != nil || !slices.Equal(got, want[:2]) {
		t.Errorf("two: got %v, %v", got, err)
	}
	for _, name := range []string{"Nowhere", "", "Reykjav", "\x00", "\xff"} {
		if got, err := s.City(name, 10); err != nil || len(got) != 0 {
			t.Errorf("%q: got %v, %v", name, got, err)
		}
	}
	for _, limit := range []int{0, -1, MaxCityIDs + 1} {
		if _, err := s.City("Berlin", limit); err == nil {
			t.Errorf("limit %d: no error", limit)
		}
	}

	move := func(to string) func(*Member) error { return func(m *Member) error { m.City = to; return nil } }
	if _, err := s.Update(t.Context(), want[0], Condition{Any: true}, move("Atlantis")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Update(t.Context(), want[1], Condition{Any: true}, move("REYKJAVÍK")); err != nil {
		t.Fatal(err)
	}
	if got, _ := s.City("atlantis", 10); !slices.Equal(got, want[:1]) {
		t.Errorf("after the move: got %v, want %v", got, want[:1])
	}
	if got, _ := s.City("Reykjavík", MaxCityIDs); !slices.Equal(got, want[1:]) {
		t.Errorf("after the move: got %v, want %v", got, want[1:])
	}
}

func TestPebbleStore_NoUpdateIsLost(t *testing.T) {
	s := seeded(t, 3, PebbleOptions{Durability: DurabilityNoSync})
	const writers, each = 50, 20
	var conflicts atomic.Int64
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			version := uint64(1)
			for range each {
				for { // as a client does it: read, change, send, again if stale
					doc, err := s.Update(t.Context(), 2, Condition{Versions: []uint64{version}}, func(m *Member) error {
						m.About += string(rune('a' + w%26))
						return nil
					})
					var stale *ConflictError
					if errors.As(err, &stale) {
						conflicts.Add(1)
						version = stale.Current
						continue
					}
					if err != nil {
						t.Error(err)
						return
					}
					version = doc.Version
					break
				}
			}
		})
	}
	wg.Wait()
	got, _ := get(t, s, 2)
	if want := len(Generate(2).About) + writers*each; len(got.About) != want || got.Version != 1+writers*each {
		t.Errorf("got %d bytes at version %d, want %d at %d", len(got.About), got.Version, want, 1+writers*each)
	}
	t.Logf("%d conflicts", conflicts.Load())
}

func TestPebbleStore_Reopen(t *testing.T) {
	dir := t.TempDir()
	s := seeded(t, 700, PebbleOptions{Dir: dir})
	if _, err := s.Update(t.Context(), 5, Condition{Any: true}, rename("kept")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
	if err := s.Read([]uint64{1}, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("read after Close: got %v", err)
	}
	if _, err := s.Update(t.Context(), 5, Condition{Any: true}, rename("x")); !errors.Is(err, ErrClosed) {
		t.Errorf("update after Close: got %v", err)
	}
	if _, err := s.City("Berlin", 1); !errors.Is(err, ErrClosed) {
		t.Errorf("city after Close: got %v", err)
	}
	s = seeded(t, 700, PebbleOptions{Dir: dir})
	if got, _ := get(t, s, 5); got.Nickname != "kept" || got.Version != 2 {
		t.Errorf("got %+v", got)
	}
}

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
		rng := rand.New(rand.NewPCG(seed, 1))                                                    //nolint:gosec // a test's
		after := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: int(seed) * 25, RNG: rng}) //nolint:gosec // small
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
const syncTime = 2 * time.Millisecond

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
				if _, err := s.Update(t.Context(), uint64(w+1), Condition{Any: true}, rename("x")); err != nil { //nolint:gosec // small
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
	ended := make(chan struct{})
	go func() { // ends in the middle of Update, or with its error
		defer close(ended)
		_, err := s.Update(context.Background(), 3, Condition{Any: true}, rename("x"))
		t.Errorf("update on a full disk returned %v", err)
	}()
	select {
	case <-s.Failed():
	case <-time.After(testutil.Patience):
		t.Fatal("the store doesn't say that it has failed")
	}
	<-ended
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
	// What a process leaves to its end: here it must not count as a leak.
	full.Store(false)
	_ = s.db.Close()
}

func TestOpenPebble_SaysWhatIsWrong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	foreign, other, inUse := t.TempDir(), t.TempDir(), t.TempDir()
	for path, text := range map[string]string{
		file:                                "x",
		filepath.Join(foreign, "notes.txt"): "x",
		filepath.Join(other, formatFile):    "nanofront profile store, format 2\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	open(t, PebbleOptions{Dir: inUse})
	for _, c := range []struct {
		o    PebbleOptions
		kind error
		want string
	}{
		{PebbleOptions{}, nil, "--data is empty"},
		{PebbleOptions{Dir: foreign, Durability: "maybe"}, nil, `--durability: "maybe": want sync or nosync`},
		{PebbleOptions{Dir: foreign, CacheBytes: 5}, nil, "cache of 5 bytes"},
		{PebbleOptions{Dir: file}, ErrDirUnusable, file + " can't be used"},
		{PebbleOptions{Dir: filepath.Join(file, "below")}, ErrDirUnusable, "not a directory"},
		{PebbleOptions{Dir: foreign}, ErrDirForeign, `there is "notes.txt"`},
		{PebbleOptions{Dir: other}, ErrDirForeign, "format 2"},
		{PebbleOptions{Dir: inUse}, ErrDirInUse, inUse + " is in use by another process"},
	} {
		c.o.Logger = zerolog.Nop()
		_, err := OpenPebble(c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) || c.kind != nil && !errors.Is(err, c.kind) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: got %v, want %q in one line", c.o, err, c.want)
		}
	}
	if left, _ := os.ReadDir(foreign); len(left) != 1 {
		t.Errorf("a foreign directory was written to: %v", left)
	}
}

func TestOpenPebble_GoesOnAfterAStartCutShort(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{pebbleDir, "lost+found"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	seeded(t, 10, PebbleOptions{Dir: dir})
}

func testRand() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) } //nolint:gosec // a test's
