package profile

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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
	err := s.Read([]uint64{id}, func(_ int, doc Document, err error) {
		if ok = err == nil; !ok {
			if !errors.Is(err, ErrNotFound) {
				t.Errorf("member %d: %v", id, err)
			}
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
	err := s.Read(ids, func(i int, doc Document, err error) {
		if err == nil {
			m, err := parseMember(append(make([]byte, recordHead), doc.JSON...))
			if err != nil {
				t.Error(err)
			}
			if d := cmp.Diff(Generate(ids[i]), m); d != "" {
				t.Errorf("%d: %s", ids[i], d)
			}
		}
		got = append(got, fmt.Sprintf("%d:%d:%v", i, ids[i], err == nil))
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
		ids[i] = uint64(i*15 + 1)
	}
	bytes := 0
	each := func(_ int, doc Document, _ error) { bytes += len(doc.JSON) }
	read := func() {
		if err := s.Read(ids, each); err != nil {
			t.Error(err)
		}
	}
	read()
	if n := testing.AllocsPerRun(200, read); n >= 1 && !testutil.Race {
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

func testRand() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }
