package static

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"nanofront/internal/testutil"
	"nanofront/metrics"
	"nanofront/registry"
)

// patience is how long a test waits for what must happen.
const patience = time.Minute

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func table(service string) string {
	return fmt.Sprintf("version: 1\ninstances: [{service: %[1]s, id: a, address: \"tcp://127.0.0.1:1\"}]\nroutes: [{match: {prefix: /}, service: %[1]s}]\n", service)
}

// replace writes a file the way the package's documentation asks for.
func replace(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// log is a log that can be read while it is written.
type log = testutil.Buffer

func open(t *testing.T, text string) (*Table, string, *log) {
	t.Helper()
	return openWith(t, text, nil)
}

func openWith(t *testing.T, text string, m metrics.Meter) (*Table, string, *log) {
	t.Helper()
	file, l := filepath.Join(t.TempDir(), "table"), &log{}
	replace(t, file, text)
	tb, err := Open(t.Context(), Options{File: file, Poll: 2 * time.Millisecond, Logger: zerolog.New(l), Metrics: m})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tb.Close() })
	return tb, file, l
}

// meter is what somebody has who reports in a way of their own.
type meter struct {
	mu       sync.Mutex
	counters map[string]*metrics.Counter
}

func (m *meter) Counter(d *metrics.Desc, details ...string) *metrics.Counter {
	m.mu.Lock()
	defer m.mu.Unlock()
	name := d.SeriesName(details...)
	if m.counters[name] == nil {
		m.counters[name] = new(metrics.Counter)
	}
	return m.counters[name]
}

func (*meter) Gauge(*metrics.Desc, ...string) *metrics.Gauge { return new(metrics.Gauge) }

func (*meter) GaugeFunc(*metrics.Desc, func() float64, ...string) {}

func (*meter) Timer(*metrics.Desc, ...string) *metrics.Timer { return new(metrics.Timer) }

func (m *meter) value(name string) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.counters[name].Value()
}

// watch delivers snapshots on a channel; the Watch has ended when the test
// has.
func watch(t *testing.T, tb *Table) <-chan registry.Snapshot {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	got, end := make(chan registry.Snapshot, 100), make(chan error, 1)
	go func() { end <- tb.Watch(ctx, func(s registry.Snapshot) { got <- s }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-end; err != nil {
			t.Errorf("Watch returned %v, want nil", err)
		}
	})
	return got
}

func next(t *testing.T, got <-chan registry.Snapshot) registry.Snapshot {
	t.Helper()
	select {
	case s := <-got:
		return s
	case <-time.After(patience):
		t.Fatal("no snapshot")
		return registry.Snapshot{}
	}
}

func TestSample_IsValid(t *testing.T) {
	tb, err := Open(t.Context(), Options{File: filepath.Join("..", "..", "docs", "static.sample.yaml")})
	if err != nil {
		t.Fatal(err)
	}
	defer tb.Close()
	list, _ := tb.Instances(t.Context())
	doc, raw, rev, err := tb.Routes(t.Context())
	if len(list) != 3 || len(doc.Routes) != 4 || len(raw) == 0 || rev != 1 || err != nil {
		t.Errorf("instances %v, routes %v at %d, %v", list, doc, rev, err)
	}
	r := doc.Compile()
	for path, want := range map[string]string{"/hello": "echo", "/echo/x": "echo", "/echoes": "web", "/": "web"} {
		if got, _ := r.Match([]byte("GET"), nil, []byte(path)); got == nil || got.Service != want {
			t.Errorf("%s leads to %+v, want %s", path, got, want)
		}
	}
}

func TestTable_WatchFollowsTheFile(t *testing.T) {
	counter := &meter{counters: map[string]*metrics.Counter{}}
	tb, file, l := openWith(t, table("one"), counter)
	got, second := watch(t, tb), watch(t, tb)
	for _, ch := range []<-chan registry.Snapshot{got, second} {
		if s := next(t, ch); s.Instances[0].Service != "one" || s.Routes.Routes[0].Service != "one" {
			t.Errorf("first snapshot %+v", s)
		}
	}
	replace(t, file, table("two"))
	for _, ch := range []<-chan registry.Snapshot{got, second} {
		if s := next(t, ch); s.Instances[0].Service != "two" {
			t.Errorf("second snapshot %+v", s)
		}
	}

	replace(t, file, "version: 1\ninstances: [{service: BAD}]")
	testutil.Eventually(t, "the bad file is noticed", func() bool { return !tb.Healthy() })
	if doc, _, _, _ := tb.Routes(t.Context()); doc.Routes[0].Service != "two" {
		t.Errorf("routes %+v after a bad file", doc)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "the missing file is noticed", func() bool { return strings.Contains(l.String(), "no such file") })
	replace(t, file, table("three"))
	if s := next(t, got); s.Instances[0].Service != "three" {
		t.Errorf("snapshot %+v, want three without another before", s)
	}
	testutil.Eventually(t, "healthy again", tb.Healthy)
	if n, counted := strings.Count(l.String(), "table rejected"), counter.value("static.rejected"); n != 2 || counted != 2 {
		t.Errorf("logged %d rejections and counted %d, want one for each fault:\n%s", n, counted, l)
	}
}

func TestTable_WatchEndsWithClose(t *testing.T) {
	tb, _, _ := open(t, table("one"))
	end := make(chan error, 1)
	started := make(chan struct{})
	go func() { end <- tb.Watch(context.Background(), func(registry.Snapshot) { close(started) }) }()
	<-started
	for range 2 {
		if err := tb.Close(); err != nil {
			t.Error(err)
		}
	}
	select {
	case err := <-end:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("Watch doesn't end")
	}
}

func TestTable_Register(t *testing.T) {
	tb, _, l := open(t, table("one"))
	i := registry.Instance{Service: "one", ID: "x", Address: "tcp://127.0.0.1:1", Window: 1}
	r, err := tb.Register(t.Context(), i)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-r.Ready():
	default:
		t.Error("not ready at once")
	}
	if l.String() != "" {
		t.Errorf("log of an instance that is listed:\n%s", l)
	}
	i.Window = 2
	if err := r.Update(i); err != nil {
		t.Error(err)
	}
	if err := r.Update(registry.Instance{}); !errors.Is(err, registry.ErrInvalidInstance) {
		t.Errorf("Update: %v", err)
	}
	i.ID = "y"
	if err := r.Update(i); !errors.Is(err, registry.ErrInvalidInstance) {
		t.Errorf("Update with another ID: %v", err)
	}
	for range 2 {
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	i.Address = "tcp://127.0.0.1:2"
	if _, err := tb.Register(t.Context(), i); err != nil || !strings.Contains(l.String(), "doesn't list this instance") {
		t.Errorf("error %v, log:\n%s", err, l)
	}
	if _, err := tb.Register(t.Context(), registry.Instance{}); !errors.Is(err, registry.ErrInvalidInstance) {
		t.Errorf("Register: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tb.Register(ctx, i); !errors.Is(err, context.Canceled) {
		t.Errorf("Register: %v", err)
	}
}

func TestOpen_Refuses(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad")
	replace(t, bad, "version: 3\ninstances: {}")
	for name, tt := range map[string]struct{ file, want string }{
		"no name":   {"", "name one with Options.File (--static)"},
		"no file":   {filepath.Join(dir, "none"), "none: no such file or directory"},
		"directory": {dir, "is not a regular file"},
		"content":   {bad, "version: 3: want 1 or 2"},
	} {
		tb, err := Open(t.Context(), Options{File: tt.file})
		if tb != nil || !errors.Is(err, ErrFile) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q in it", name, err, tt.want)
		}
	}
}

// TestTable_IsADiscovery holds Table to the seam that programs declare, which
// package etcd's Client fits, too.
func TestTable_IsADiscovery(t *testing.T) {
	var _ interface {
		Watch(context.Context, func(registry.Snapshot)) error
		Register(context.Context, registry.Instance) (registry.Registration, error)
		Routes(context.Context) (*registry.Routes, []byte, int64, error)
		Instances(context.Context) ([]registry.Instance, error)
		Healthy() bool
		Close() error
	} = (*Table)(nil)
}

func TestTable_WeightsFollowTheFile(t *testing.T) {
	text := func(weight string) string {
		return "version: 1\ninstances:\n  - {service: web, id: a, address: \"tcp://127.0.0.1:1\"" + weight + "}\n"
	}
	tb, file, _ := open(t, text(""))
	got := watch(t, tb)
	if s := next(t, got); s.Instances[0].Weight != registry.DefaultWeight {
		t.Errorf("none written: weight %d, want %d", int(s.Instances[0].Weight), int(registry.DefaultWeight))
	}
	replace(t, file, text(", weight: 0"))
	if s := next(t, got); s.Instances[0].Weight != registry.NoWeight {
		t.Errorf("0: weight %d, want none", int(s.Instances[0].Weight))
	}
	replace(t, file, text(", weight: 2000"))
	testutil.Eventually(t, "the file is rejected", func() bool { return !tb.Healthy() })
	if list, _ := tb.Instances(t.Context()); list[0].Weight != registry.NoWeight {
		t.Errorf("after a bad weight it is %d", int(list[0].Weight))
	}
}
