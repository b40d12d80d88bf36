package toggles

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"nanofront/internal/testutil"
	"nanofront/metrics"
	"nanofront/registry/toggled"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// source says what the test sends.
type source struct {
	says chan []toggled.Change
	away atomic.Bool
}

func newSource() *source { return &source{says: make(chan []toggled.Change)} }

func (s *source) Healthy() bool { return !s.away.Load() }

func (s *source) WatchToggles(ctx context.Context, fn func([]toggled.Change)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case list := <-s.says:
			fn(list)
		}
	}
}

// store is a Store with what a test looks at.
type store struct {
	*Store
	source *source
	set    *metrics.Set
	log    *testutil.Buffer
}

func openStore(t *testing.T, o Options) *store {
	t.Helper()
	s := &store{source: newSource(), set: metrics.New(metrics.Handler, "test"), log: &testutil.Buffer{}}
	o.Source, o.Metrics, o.Logger = s.source, s.set, zerolog.New(s.log)
	var err error
	if s.Store, err = Open(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// says sends changes, and waits until they are in force.
func (s *store) says(t *testing.T, list ...toggled.Change) {
	t.Helper()
	s.source.says <- list
	last := list[len(list)-1].Revision
	testutil.Eventually(t, "the change is in force", func() bool { return s.seen.Load() == last })
}

func change(rev int64, toggles ...string) toggled.Change {
	c := toggled.Change{Revision: rev}
	for i := 0; i < len(toggles); i += 2 {
		x := toggled.Toggle{Name: toggles[i], Revision: rev}
		if toggles[i+1] != "" {
			x.Definition = []byte(toggles[i+1])
		}
		c.List = append(c.List, x)
	}
	return c
}

func whole(rev int64, toggles ...string) toggled.Change {
	c := change(rev, toggles...)
	c.Whole = true
	return c
}

// is the definition of a toggle that has one value.
func is(v string) string {
	return fmt.Sprintf(`{"variants": {"it": %s}, "defaultVariant": "it"}`, v)
}

func valueOf(set *Set, name string) any { return set.Evaluate(name, "", nil).Value }

// A definition that isn't valid leaves the one before in force, and is reported; and the next valid
// one takes its place.
func TestStore_BrokenKeepsPredecessor(t *testing.T) {
	s := openStore(t, Options{})
	s.says(t, whole(1, "a", is("1"), "$evaluators/e", `{"==": [1, 1]}`,
		"r", `{"variants": {"yes": "yes"}, "targeting": {"if": [{"$ref": "e"}, "yes"]}}`))
	for _, bad := range []string{
		`{"variants": {"it": 2}, "defaultVariant": "other"}`,
		`{"variants": {"it": 2}, "defaultVariant": "it", "targeting": {"iff": [1]}}`,
		`{"variants": {"it": 2}, "defaultVariant": "it", "targeting": {"$ref": "missing"}}`,
		`{"variants": {"it": 2, "too": "x"}, "defaultVariant": "it"}`,
		`nonsense`,
	} {
		rev := s.seen.Load() + 1
		s.says(t, change(rev, "a", bad, "new", bad))
		set := s.Current()
		if got := valueOf(set, "a"); got != 1.0 || set.Revision() != rev || len(set.Faults()) != 2 {
			t.Errorf("%s: a is %v at revision %d, faults %v", bad, got, set.Revision(), set.Faults())
		}
		if r := set.Evaluate("new", "", nil); r.Value != nil || CodeOf(r.Err) != Unparsable {
			t.Errorf("%s as a new one: %v, %v", bad, r.Value, r.Err)
		}
	}
	if !strings.Contains(s.log.String(), `"toggle":"a"`) || !strings.Contains(s.log.String(), "the previous definition stays in force") {
		t.Errorf("the log doesn't tell:\n%s", s.log)
	}
	// So it is with a shared rule that becomes invalid.
	s.says(t, change(50, "$evaluators/e", `{"nonsense": [1]}`))
	if got, fault := valueOf(s.Current(), "r"), s.Current().Faults()["r"]; got != "yes" || fault == nil {
		t.Errorf("with an evaluator that isn't valid: %v, fault %v", got, fault)
	}
	s.says(t, change(51, "$evaluators/e", `{"==": [1, 2]}`, "a", is("3"), "new", ""))
	s.says(t, change(52, "late", `{"variants": {"it": 1}, "defaultVariant": "it", "targeting": {"if": [{"$ref": "later"}, "it"]}}`))
	s.says(t, change(53, "$evaluators/later", "true"))
	if set := s.Current(); valueOf(set, "late") != 1.0 {
		t.Errorf("a toggle that was written before its evaluator: faults %v", set.Faults())
	}
	if set := s.Current(); valueOf(set, "r") != nil || valueOf(set, "a") != 3.0 || len(set.Faults()) != 0 {
		t.Errorf("repaired: r %v, a %v, faults %v", valueOf(set, "r"), valueOf(set, "a"), set.Faults())
	}
}

// A request is decided on its revision, wherever it is: what came later doesn't count, and what is
// yet to come is waited for.
func TestStore_At(t *testing.T) {
	s := openStore(t, Options{})
	if s.At(t.Context(), 7); s.gaveUp.Load() != 0 || s.set.Counter(metrics.TogglesOffRevision, "late").Value() != 0 {
		t.Error("a revision is waited for where there are no toggles")
	}
	s.says(t, whole(10, "a", is("10")))
	s.says(t, change(12, "a", is("12")), change(13, "a", is("13")), change(20))
	for rev, want := range map[int64]any{0: 13.0, 10: 10.0, 11: 10.0, 12: 12.0, 13: 13.0, 15: 13.0, 20: 13.0} {
		if got := valueOf(s.At(t.Context(), rev), "a"); got != want {
			t.Errorf("at revision %d: %v, want %v", rev, got, want)
		}
	}
	got := make(chan any)
	go func() { got <- valueOf(s.At(t.Context(), 21), "a") }() // ends with the change
	s.says(t, change(21, "a", is("21")))
	if v := <-got; v != 21.0 {
		t.Errorf("a revision that was still to come: %v", v)
	}
	if v := s.set.Counter(metrics.TogglesOffRevision, "late").Value(); v != 0 {
		t.Errorf("%d requests counted as late", v)
	}
	// One that doesn't come: the present one, and the next request doesn't wait.
	for range 2 {
		if v := valueOf(s.At(t.Context(), 1000), "a"); v != 21.0 {
			t.Errorf("a revision that doesn't come: %v", v)
		}
	}
	if s.gaveUp.Load() != 1000 || s.set.Counter(metrics.TogglesOffRevision, "late").Value() != 2 {
		t.Errorf("gave up %d, %d late", s.gaveUp.Load(), s.set.Counter(metrics.TogglesOffRevision, "late").Value())
	}
	for rev := range int64(KeptSets) {
		s.says(t, change(1001+rev, "a", is("1001")))
	}
	if v := valueOf(s.At(t.Context(), 12), "a"); v != 1001.0 || s.set.Counter(metrics.TogglesOffRevision, "gone").Value() != 1 {
		t.Errorf("a revision of long ago: %v", v)
	}
	if len(s.kept) != KeptSets {
		t.Errorf("%d revisions are kept, want %d", len(s.kept), KeptSets)
	}
}

// What an etcd that has lost its data no longer knows stays.
func TestStore_EtcdLosesItsData(t *testing.T) {
	s := openStore(t, Options{})
	s.says(t, whole(100, "a", is("true"), "b", is("1")))
	s.says(t, whole(1, "b", is("2")))
	if set := s.Current(); valueOf(set, "a") != true || valueOf(set, "b") != 2.0 {
		t.Errorf("a %v, b %v; want true and 2", valueOf(set, "a"), valueOf(set, "b"))
	}
	if v := valueOf(s.At(t.Context(), 1), "b"); v != 2.0 {
		t.Errorf("at the new etcd's revision: %v", v)
	}
	// A toggle that was deleted, by one that has its data, goes.
	s.says(t, whole(2, "b", is("2")))
	if set := s.Current(); set.Flag("a") != nil || set.Len() != 1 {
		t.Errorf("%d toggles: %v", set.Len(), set.Flags())
	}
}

// Without etcd the last known values stay, are reported stale, and a process that starts then has
// them from its file.
func TestStore_WithoutEtcd(t *testing.T) {
	file := filepath.Join(t.TempDir(), "last-known.json")
	s := openStore(t, Options{File: file, Prefix: "/p/"})
	if s.Ready() == nil {
		t.Error("ready before anything is known")
	}
	s.says(t, whole(7, "a", is("true"), "$evaluators/e", `{"==": [1, 1]}`, "r", `{"variants": {"yes": 1}, "targeting": {"if": [{"$ref": "e"}, "yes"]}}`))
	if s.Stale() || s.Ready() != nil || s.Degraded() != "" {
		t.Errorf("stale %v, ready %v, %q", s.Stale(), s.Ready(), s.Degraded())
	}
	s.source.away.Store(true)
	if !s.Stale() || valueOf(s.Current(), "a") != true || !strings.Contains(s.Degraded(), "last known") || gauge(s.set, metrics.TogglesStale) != 1 {
		t.Errorf("with etcd away: stale %v, a %v, %q", s.Stale(), valueOf(s.Current(), "a"), s.Degraded())
	}
	s.Close() // writes the file

	next := openStore(t, Options{File: file, Prefix: "/p/", patience: time.Millisecond})
	ctx, cancel := context.WithTimeout(t.Context(), testutil.Patience)
	defer cancel()
	if err := next.Loaded(ctx); err != nil {
		t.Fatal(err)
	}
	if set := next.Current(); valueOf(set, "a") != true || valueOf(set, "r") != 1.0 || !next.Stale() || !strings.Contains(next.Degraded(), "--last-known") {
		t.Errorf("from the file: a %v, r %v, stale %v, %q", valueOf(set, "a"), valueOf(set, "r"), next.Stale(), next.Degraded())
	}
	next.says(t, whole(9, "a", is("false")))
	if set := next.Current(); valueOf(set, "a") != false || set.Len() != 1 || next.Stale() {
		t.Errorf("once etcd has answered: a %v, %d toggles, stale %v", valueOf(set, "a"), set.Len(), next.Stale())
	}
	if _, err := Open(Options{Source: newSource(), File: file, Prefix: "/other/"}); err == nil || !strings.Contains(err.Error(), "belongs to the system at --etcd-prefix /p/") {
		t.Errorf("a file of another system: %v", err)
	}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	damaged := openStore(t, Options{File: file, Prefix: "/p/", patience: time.Millisecond})
	testutil.Eventually(t, "the damaged file is reported", func() bool {
		return strings.Contains(damaged.log.String(), "the last known toggles are unusable")
	})
	damaged.says(t, whole(1, "a", is("true")))
	if set := damaged.Current(); valueOf(set, "a") != true {
		t.Errorf("behind a damaged file: a is %v", valueOf(set, "a"))
	}
}

func gauge(set *metrics.Set, d *metrics.Desc) float64 { return set.Gauge(d).Value() }

// Who saw which variant is counted, and what could not be had is, by reason.
func TestStore_Counts(t *testing.T) {
	s := openStore(t, Options{})
	s.says(t, whole(1, "a", is("true"), "share", `{"variants": {"x": 1, "y": 2}, "defaultVariant": "x", "targeting": {"fractional": [["y"]]}}`))
	for _, who := range []Context{nil, Attributes{"targetingKey": "me"}, Attributes{"targetingKey": "you"}} {
		s.Current().Evaluate("share", Number, who)
	}
	s.Current().Evaluate("a", Boolean, nil)
	s.says(t, change(2, "a", is("true"))) // counts go on
	s.Current().Evaluate("a", Boolean, nil)
	s.Current().Evaluate("a", String, nil)
	s.Current().Evaluate("none", Boolean, nil)
	for _, x := range []struct {
		desc    *metrics.Desc
		details []string
		want    uint64
	}{
		{metrics.Exposures, []string{"a", "it"}, 2},
		{metrics.Exposures, []string{"share", "x"}, 1},
		{metrics.Exposures, []string{"share", "y"}, 2},
		{metrics.TogglesErrors, []string{"no_key"}, 1},
		{metrics.TogglesErrors, []string{"wrong_type"}, 1},
		{metrics.TogglesErrors, []string{"not_found"}, 1},
	} {
		if got := s.set.Counter(x.desc, x.details...).Value(); got != x.want {
			t.Errorf("%s: %d, want %d", x.desc.SeriesName(x.details...), got, x.want)
		}
	}
}
