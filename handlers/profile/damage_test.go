package profile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/rs/zerolog"

	"nanofront/handlers"
	"nanofront/handlers/handlertest"
	"nanofront/internal/testutil"
	"nanofront/metrics"
	"nanofront/nanobus"
)

const damageMembers = 2000

// table is a file of the store, and where in it something lies.
type table struct {
	path   string
	offset int64
}

// locate finds the bytes in the store's tables.
func locate(t *testing.T, dir, what string) table {
	t.Helper()
	var found []table
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".sst") {
			return err
		}
		content, err := os.ReadFile(path)
		if i := bytes.Index(content, []byte(what)); i >= 0 {
			found = append(found, table{path, int64(i)})
		}
		return err
	})
	if err != nil || len(found) == 0 {
		t.Fatalf("%q is in no table below %s (%v)", what, dir, err)
	}
	return found[0]
}

// flip flips one bit of the store's tables, within the bytes.
func flip(t *testing.T, dir, what string) {
	t.Helper()
	at := locate(t, dir, what)
	content, err := os.ReadFile(at.path)
	if err != nil {
		t.Fatal(err)
	}
	content[at.offset+int64(len(what)/2)] ^= 4
	if err := os.WriteFile(at.path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// closedStore is a directory with members in tables and nobody at it.
func closedStore(t *testing.T, change func(*PebbleStore)) (dir string) {
	t.Helper()
	dir = t.TempDir()
	s := open(t, PebbleOptions{Dir: dir})
	if err := Seed(t.Context(), s, damageMembers, nil); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(s)
	}
	if err := errors.Join(s.Sync(), s.Close()); err != nil {
		t.Fatal(err)
	}
	return dir
}

// asked runs the role on the directory and asks it.
type asked struct {
	t   *testing.T
	c   *handlertest.Caller
	set *metrics.Set
	log *lockedBuffer
}

type lockedBuffer = testutil.Buffer

func serveDir(t *testing.T, o PebbleOptions) (a *asked, stop func()) {
	t.Helper()
	a = &asked{t: t, log: &lockedBuffer{}, set: metrics.New(metrics.Handler, "p")}
	o.CacheBytes, o.Logger, o.Metrics = testCache, zerolog.New(a.log), a.set
	store, err := OpenPebble(o)
	if err != nil {
		t.Fatal(err)
	}
	d := handlertest.NewDiscovery()
	ho := handlers.Options{Service: Service, Instance: "p", Discovery: d, Metrics: a.set, Logger: zerolog.New(a.log)}
	role, err := newRole(ho, Options{Seed: damageMembers, Writers: 4}, store)
	if err != nil {
		t.Fatal(err)
	}
	stop = testutil.Start(t, "profile", role.Run)
	a.c = handlertest.NewCaller(t, d, Service)
	return a, stop
}

// status is 500 too for what the terminator makes one of.
func (a *asked) status(method, target, body string, header ...string) int {
	a.t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), testutil.Patience)
	defer cancel()
	got, err := a.c.Do(ctx, Service, method, target, []byte(body), header...)
	if took := time.Since(began); took > testutil.Patience/2 {
		a.t.Errorf("%s %s took %v: want an answer at once", method, target, took)
	}
	var remote *nanobus.RemoteError
	switch {
	case errors.As(err, &remote) && remote.Code == nanobus.CodeInternal:
		return 500
	case err != nil:
		a.t.Fatalf("%s %s: %v", method, target, err)
	}
	return got.Status
}

// failing are the ids from 1 on that are answered with 500; all others must be
// there.
func (a *asked) failing() (ids []int) {
	a.t.Helper()
	for id := 1; id <= damageMembers; id++ {
		switch status := a.status("GET", fmt.Sprint("/profile/", id), ""); status {
		case 200:
		case 500:
			ids = append(ids, id)
		default:
			a.t.Fatalf("member %d: got %d", id, status)
		}
	}
	return ids
}

// citiesFailing counts the cities whose listing is a 500.
func (a *asked) citiesFailing() (n int) {
	a.t.Helper()
	for _, p := range places {
		switch status := a.status("GET", "/ids?city="+strings.ReplaceAll(p.city, " ", "+"), ""); status {
		case 200:
		case 500:
			n++
		default:
			a.t.Fatalf("%s: got %d", p.city, status)
		}
	}
	return n
}

// perBlock is more than the records that share a block.
const perBlock = 40

func TestRole_OneDamagedRecord(t *testing.T) {
	dir := closedStore(t, nil)
	flip(t, dir, `"id":777,`)
	for round := range 2 { // a restart changes nothing
		a, stop := serveDir(t, PebbleOptions{Dir: dir})
		if got := a.status("GET", "/profile/777", ""); got != 500 {
			t.Errorf("round %d: its GET: got %d, want 500", round, got)
		}
		if got := a.status("PUT", "/profile/777", "{}", "if-match: *"); got != 500 {
			t.Errorf("round %d: its PUT: got %d, want 500", round, got)
		}
		if n := len(a.failing()); n < 1 || n > perBlock {
			t.Errorf("round %d: %d members can't be read, want those of one block", round, n)
		}
		if n := a.citiesFailing(); n != 0 {
			t.Errorf("round %d: %d cities can't be listed", round, n)
		}
		if got := a.status("PUT", "/profile/1", "{}", "if-match: *"); got != 200 {
			t.Errorf("round %d: another's PUT: got %d", round, got)
		}
		if a.set.Counter(metrics.StoreDamaged).Value() == 0 || a.set.Counter(metrics.StoreUnreadable).Value() < 3 {
			t.Errorf("round %d: not counted: %d damaged, %d unreadable", round,
				a.set.Counter(metrics.StoreDamaged).Value(), a.set.Counter(metrics.StoreUnreadable).Value())
		}
		if text := a.log.String(); !strings.Contains(text, "a part of the store is damaged") || !strings.Contains(text, ".sst") {
			t.Errorf("round %d: the log doesn't say so:\n%s", round, text)
		}
		stop()
	}
}

// TestPebbleStore_ReadGoesOnAfterDamage: in a batch, each is for itself.
func TestPebbleStore_ReadGoesOnAfterDamage(t *testing.T) {
	dir := closedStore(t, nil)
	for _, id := range []int{500, 777, 778, 1999} {
		flip(t, dir, fmt.Sprintf(`"id":%d,`, id))
	}
	s := open(t, PebbleOptions{Dir: dir})
	ids := make([]uint64, damageMembers+1)
	for i := range ids {
		ids[i] = uint64(i + 1)
	}
	next, damaged, missing := 0, 0, 0
	err := s.Read(ids, func(i int, doc Document, err error) {
		if i != next {
			t.Errorf("%d is called when %d is next", i, next)
		}
		next++
		switch {
		case errors.Is(err, ErrNotFound):
			missing++
		case err != nil:
			damaged++
			if !pebble.IsCorruptionError(err) || !strings.Contains(err.Error(), fmt.Sprint("member ", i+1)) {
				t.Errorf("%d: %v", i+1, err)
			}
		case !bytes.Contains(doc.JSON, fmt.Appendf(nil, `"id":%d,`, i+1)):
			t.Errorf("%d: got %s", i+1, doc.JSON)
		}
	})
	if err != nil || next != len(ids) || missing != 1 || damaged < 4 || damaged > 4*perBlock {
		t.Errorf("got %v; %d of %d called, %d missing, %d damaged", err, next, len(ids), missing, damaged)
	}
}

// TestPebbleStore_DamageIsFoundAtOnce, however large the block is and however
// many of its bits are wrong.
func TestPebbleStore_DamageIsFoundAtOnce(t *testing.T) {
	dir := closedStore(t, nil)
	for _, id := range []int{777, 778} {
		flip(t, dir, fmt.Sprintf(`"id":%d,`, id))
	}
	s := open(t, PebbleOptions{Dir: dir})
	const reads = 50
	began := time.Now()
	for range reads {
		err := s.Read([]uint64{777}, func(_ int, _ Document, err error) {
			if !pebble.IsCorruptionError(err) {
				t.Errorf("got %v", err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took > reads*20*time.Millisecond {
		t.Errorf("%d reads took %v", reads, took)
	}
}

func TestRole_DamagedIndexOfCities(t *testing.T) {
	dir := closedStore(t, nil)
	flip(t, dir, "belgrade\x00") // one that begins a bundle of keys, and is so stored whole
	a, _ := serveDir(t, PebbleOptions{Dir: dir})
	if got := a.status("GET", "/ids?city=Belgrade", ""); got != 500 {
		t.Errorf("its listing: got %d, want 500", got)
	}
	if n := a.citiesFailing(); n < 1 || n > len(places)/2 {
		t.Errorf("%d of %d cities can't be listed, want those of one block", n, len(places))
	}
	if bad := a.failing(); len(bad) != 0 {
		t.Errorf("members %v can't be read", bad)
	}
	if got := a.status("PUT", "/profile/5", `{"city":"Oslo"}`, "if-match: *"); got != 200 {
		t.Errorf("a move: got %d", got)
	}
}

// TestRole_DamagedMark: how many members were made is in a block with the last
// of them. It can't be read; they still can, and none is made anew.
func TestRole_DamagedMark(t *testing.T) {
	var changed uint64
	dir := closedStore(t, func(s *PebbleStore) {
		doc, err := s.Update(context.Background(), 1, Condition{Any: true}, rename("changed"))
		if err != nil {
			t.Fatal(err)
		}
		changed = doc.Version
	})
	flip(t, dir, "s/seeded")
	a, _ := serveDir(t, PebbleOptions{Dir: dir})
	if n := len(a.failing()); n > perBlock {
		t.Errorf("%d members can't be read", n)
	}
	got := a.c.Get(t, Service, "/profile/1")
	if want := fmt.Sprintf("%q", fmt.Sprint(changed)); got.Header["etag"] != want {
		t.Errorf("etag %s, want %s: made anew", got.Header["etag"], want)
	}
	if text := a.log.String(); !strings.Contains(text, "none are created") {
		t.Errorf("the log doesn't say so:\n%s", text)
	}
}

// TestPebbleStore_DamagedOlderVersion: what has been written since is read.
func TestPebbleStore_DamagedOlderVersion(t *testing.T) {
	dir := closedStore(t, func(s *PebbleStore) {
		// To the lowest level, and the newer version stays above it.
		if err := s.db.Compact(context.Background(), []byte("a"), []byte("z"), false); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Update(context.Background(), 777, Condition{Any: true}, rename("newer")); err != nil {
			t.Fatal(err)
		}
	})
	m := Generate(777)
	old, err := m.appendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	flip(t, dir, string(old))
	s := open(t, PebbleOptions{Dir: dir})
	if m, ok := get(t, s, 777); !ok || m.Nickname != "newer" {
		t.Errorf("got %+v, %v", m, ok)
	}
	if _, err := s.Update(context.Background(), 777, Condition{Versions: []uint64{2}}, rename("newest")); err != nil {
		t.Error(err)
	}
}

// TestRole_SectorThatCannotBeRead: the disk says so itself.
func TestRole_SectorThatCannotBeRead(t *testing.T) {
	dir := closedStore(t, nil)
	bad := locate(t, dir, `"id":777,`)
	a, _ := serveDir(t, PebbleOptions{Dir: dir, fs: errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileReadAt && op.Path == bad.path && op.Offset <= bad.offset && bad.offset < op.Offset+2*blockSize {
			return &os.PathError{Op: "read", Path: op.Path, Err: syscall.EIO}
		}
		return nil
	}))})
	if got := a.status("GET", "/profile/777", ""); got != 500 {
		t.Errorf("its GET: got %d, want 500", got)
	}
	if n := len(a.failing()); n < 1 || n > 3*perBlock {
		t.Errorf("%d members can't be read", n)
	}
	if a.set.Counter(metrics.StoreUnreadable).Value() == 0 {
		t.Error("not counted")
	}
}

// TestOpenPebble_DamagedFiles: what the store can't begin without is one line
// that says what to do.
func TestOpenPebble_DamagedFiles(t *testing.T) {
	for _, pattern := range []string{"MANIFEST-*", "*.sst", "OPTIONS-*", "marker.manifest.*"} {
		for what, harm := range map[string]func(path string) error{
			"removed": os.Remove,
			"emptied": func(path string) error { return os.Truncate(path, 0) },
			"cut": func(path string) error {
				info, err := os.Stat(path)
				if err != nil {
					return err
				}
				return os.Truncate(path, info.Size()*2/3)
			},
			"overwritten": func(path string) error {
				info, err := os.Stat(path)
				if err != nil {
					return err
				}
				return os.WriteFile(path, bytes.Repeat([]byte{0xa5}, int(info.Size())), 0o600)
			},
		} {
			dir := closedStore(t, nil)
			files, err := filepath.Glob(filepath.Join(dir, pebbleDir, pattern))
			if err != nil || len(files) == 0 {
				t.Fatalf("no %s in the store (%v)", pattern, err)
			}
			for _, file := range files {
				if err := harm(file); err != nil {
					t.Fatal(err)
				}
			}
			s, err := OpenPebble(PebbleOptions{Dir: dir, CacheBytes: testCache, Logger: zerolog.Nop()})
			switch {
			case err == nil:
				_ = s.Close()
				if bad := pattern == "*.sst" && what != "overwritten" || pattern == "MANIFEST-*" && what != "cut" || pattern == "marker.manifest.*" && what == "removed"; bad {
					t.Errorf("%s %s: opened", pattern, what)
				}
			case !errors.Is(err, ErrDirDamaged) || !strings.Contains(err.Error(), dir+" is damaged: restore it") || len(err.Error()) > 1000 || strings.Contains(err.Error(), "\n"):
				t.Errorf("%s %s: got %v", pattern, what, err)
			}
		}
	}
}
