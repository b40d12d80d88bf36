package lastknown

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"nanofront/internal/testutil"
	"nanofront/metrics"
	"nanofront/registry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// etcd is a source that says what the test sends.
type etcd struct {
	says    chan registry.Snapshot
	healthy atomic.Bool
}

func (e *etcd) Healthy() bool { return e.healthy.Load() }

func (e *etcd) Watch(ctx context.Context, changed func(registry.Snapshot)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case s := <-e.says:
			changed(s)
		}
	}
}

// front is what watches.
type front struct {
	*Keeper
	etcd *etcd
	set  *metrics.Set
	log  *bytes.Buffer // to be read when it has stopped
	stop func()

	mu  sync.Mutex
	got []registry.Snapshot
}

func begin(t *testing.T, file string, o Options) *front {
	t.Helper()
	f := &front{etcd: &etcd{says: make(chan registry.Snapshot)}, set: metrics.New(metrics.Terminator, "t"), log: &bytes.Buffer{}}
	o.File, o.Source, o.Metrics, o.Logger = file, f.etcd, f.set, zerolog.New(zerolog.SyncWriter(f.log))
	if o.Prefix == "" {
		o.Prefix = "/nanofront/v1/"
	}
	if o.patience == 0 {
		o.patience = 10 * time.Millisecond
	}
	var err error
	if f.Keeper, err = Open(o); err != nil {
		t.Fatal(err)
	}
	f.stop = testutil.Start(t, "keeper", func(ctx context.Context) error {
		return f.Watch(ctx, func(s registry.Snapshot) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.got = append(f.got, s)
		})
	})
	return f
}

func (f *front) last() (s registry.Snapshot, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n = len(f.got); n > 0 {
		s = f.got[n-1]
	}
	return s, n
}

func snapshot(ids ...string) registry.Snapshot {
	s := registry.Snapshot{Routes: registry.DefaultRoutes()}
	for _, id := range ids {
		s.Instances = append(s.Instances, registry.Instance{
			Service: "echo", ID: id, Address: "tcp://127.0.0.1:7000", Window: 8, Weight: registry.NoWeight, Started: time.Unix(1700000000, 0).UTC(),
		})
	}
	return s
}

func names(s registry.Snapshot) string {
	var out []string
	for _, in := range s.Instances {
		out = append(out, in.ID)
	}
	return strings.Join(out, " ")
}

func TestKeeper_BeginsWithWhatWasKnown(t *testing.T) {
	file := filepath.Join(t.TempDir(), "known")
	a := begin(t, file, Options{})
	a.etcd.says <- snapshot("a")
	a.etcd.says <- snapshot("a", "b")
	a.stop()
	if _, n := a.last(); n != 2 {
		t.Errorf("%d calls, want etcd's two", n)
	}

	b := begin(t, file, Options{})
	testutil.Eventually(t, "what was known is in use", func() bool { s, n := b.last(); return n == 1 && names(s) == "a b" })
	s, _ := b.last()
	if s.Routes == nil || len(s.Routes.Routes) != len(registry.DefaultRoutes().Routes) || s.Instances[0].Weight != registry.NoWeight {
		t.Errorf("it isn't what was written: %+v", s)
	}
	if age, using := b.Age(); !using || age < 0 || age > time.Minute {
		t.Errorf("age %v, in use %v", age, using)
	}
	if text := b.Degraded(); !strings.Contains(text, "old (--last-known)") {
		t.Errorf("degraded: %q", text)
	}
	// Nobody has said anything meanwhile, so the file keeps its time.
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b.etcd.says <- snapshot("c")
	testutil.Eventually(t, "etcd's word holds", func() bool { s, n := b.last(); return n == 2 && names(s) == "c" })
	if _, using := b.Age(); using || b.Degraded() != "" {
		t.Error("what was known is still in use")
	}
	b.stop()
	if after, err := os.ReadFile(file); err != nil || bytes.Equal(before, after) || !bytes.Contains(after, []byte(`"id":"c"`)) {
		t.Errorf("the file isn't etcd's word: %s, %v", after, err)
	}
	if !strings.Contains(b.log.String(), "that were last known") || !strings.Contains(b.log.String(), `"age":`) {
		t.Errorf("the log doesn't say so:\n%s", b.log)
	}
}

// An etcd that answers at once is all that is heard of.
func TestKeeper_EtcdIsThere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "known")
	a := begin(t, file, Options{})
	a.etcd.says <- snapshot("a")
	a.stop()
	b := begin(t, file, Options{patience: time.Hour})
	b.etcd.says <- snapshot("b")
	b.stop()
	if s, n := b.last(); n != 1 || names(s) != "b" {
		t.Errorf("%d calls, the last with %s; want etcd's alone", n, names(s))
	}
}

// A snapshot without routes, as of an etcd that has lost its data, is no state
// to begin with next time.
func TestKeeper_WithoutRoutes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "known")
	a := begin(t, file, Options{})
	a.etcd.says <- snapshot("a")
	a.etcd.says <- registry.Snapshot{}
	a.stop()
	if s, err := read(file); err != nil || len(s.Instances) != 1 {
		t.Errorf("the file has %+v, %v; want a", s, err)
	}
}

// While etcd answers, the file's time goes on although nothing changes.
func TestKeeper_StaysYoung(t *testing.T) {
	file := filepath.Join(t.TempDir(), "known")
	a := begin(t, file, Options{refresh: 5 * time.Millisecond})
	a.etcd.says <- snapshot("a")
	saved := func() time.Time {
		s, err := read(file)
		if errors.Is(err, errMissing) {
			return time.Time{}
		}
		if err != nil {
			t.Fatal(err) // never a half
		}
		return s.Saved
	}
	testutil.Eventually(t, "written", func() bool { return !saved().IsZero() })
	a.etcd.healthy.Store(true)
	first := saved()
	testutil.Eventually(t, "written again", func() bool { return saved().After(first) })
}

func TestKeeper_BadFiles(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "known")
	a := begin(t, file, Options{})
	a.etcd.says <- snapshot("a")
	a.stop()
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"empty": "", "cut": string(good[:len(good)/2]), "version": strings.Replace(string(good), `"version":1`, `"version":2`, 1),
		"instance": strings.Replace(string(good), "tcp://127", "x://127", 1), "no routes": `{"version":1,"prefix":"/nanofront/v1/"}`,
	} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		b := begin(t, file, Options{})
		b.etcd.says <- snapshot("b")
		b.stop()
		if s, n := b.last(); n != 1 || names(s) != "b" || !strings.Contains(b.log.String(), "is unusable") {
			t.Errorf("%s: %d calls, the last with %q; log %s", name, n, names(s), b.log)
		}
		if s, err := read(file); err != nil || s.Instances[0].ID != "b" {
			t.Errorf("%s: the file isn't mended: %v", name, err)
		}
	}

	if _, err := Open(Options{File: file, Prefix: "/other/"}); !errors.Is(err, ErrFile) || !strings.Contains(err.Error(), "/other/") {
		t.Errorf("a file of another system: %v", err)
	}
	if _, err := Open(Options{File: filepath.Join(dir, "none", "known")}); !errors.Is(err, ErrFile) || !strings.Contains(err.Error(), "--last-known") {
		t.Errorf("a directory that isn't there: %v", err)
	}
}

// What can't be written is counted, and the file stays.
func TestKeeper_CannotWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dir")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	a := begin(t, filepath.Join(dir, "known"), Options{})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	a.etcd.says <- snapshot("a")
	testutil.Eventually(t, "counted", func() bool { return a.set.Counter(metrics.LastKnownFailed).Value() > 0 })
	a.stop()
	if !strings.Contains(a.log.String(), "can't save the current state") {
		t.Errorf("log %s", a.log)
	}
}
