package etcd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"nanofront/internal/testutil"
	"nanofront/registry/toggled"
)

// heardToggles is what a watch of toggles has said.
type heardToggles struct {
	mu   sync.Mutex
	list []toggled.Change
}

func watchToggles(t *testing.T, c *client) *heardToggles {
	t.Helper()
	h := &heardToggles{}
	testutil.Start(t, "watch of toggles", func(ctx context.Context) error {
		return c.WatchToggles(ctx, func(list []toggled.Change) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.list = append(h.list, list...)
		})
	})
	eventually(t, "toggles are read", func() bool { return len(h.all()) > 0 })
	return h
}

func (h *heardToggles) all() []toggled.Change {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.list)
}

func (h *heardToggles) last() toggled.Change {
	all := h.all()
	return all[len(all)-1]
}

func toggleTo(name, definition string, expect int64) ToggleWrite {
	w := ToggleWrite{Name: name, Expect: expect}
	if definition != "" {
		w.Definition = []byte(definition)
	}
	return w
}

func commit(t *testing.T, c *client, writes ...ToggleWrite) int64 {
	t.Helper()
	rev, err := c.Commit(t.Context(), Change{Toggles: writes, By: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

// All toggles of a transaction come as one change of one revision, and only what has changed does.
func TestWatchToggles_ByRevisions(t *testing.T) {
	t.Parallel()
	c := open(t, Options{Endpoints: []string{startServer(t).opts.ClientURL}})
	first := commit(t, c, toggleTo("old", "1", 0))
	h := watchToggles(t, c)
	if w := h.last(); !w.Whole || w.Revision != first || len(w.List) != 1 || w.List[0].Revision != first {
		t.Fatalf("at first: %+v", w)
	}
	var writes []ToggleWrite
	for i := range toggled.MaxChanges {
		writes = append(writes, toggleTo(fmt.Sprint("t", i), "{}", 0))
	}
	rev := commit(t, c, writes...)
	eventually(t, "the change has come", func() bool { return h.last().Revision == rev })
	if all := h.all(); len(all) != 2 || all[1].Whole || len(all[1].List) != toggled.MaxChanges {
		t.Errorf("100 toggles in one transaction came as %d changes", len(all)-1)
	}
	gone := commit(t, c, toggleTo("old", "", first))
	eventually(t, "the deletion has come", func() bool { return h.last().Revision == gone })
	if l := h.last().List; len(l) != 1 || l[0].Name != "old" || l[0].Definition != nil {
		t.Errorf("a deletion came as %+v", l)
	}
	// A change of routes alone is told, too: it is a revision that requests are decided on.
	routes, err := c.ApplyRoutes(t.Context(), routesTo("x"), 0)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the routes' revision has come", func() bool { return h.last().Revision == routes })
	if l := h.last(); len(l.List) != 0 || l.Whole {
		t.Errorf("a change of routes came as %+v", l)
	}
	whole, err := c.Toggles(t.Context())
	if err != nil || whole.Revision != routes || len(whole.List) != toggled.MaxChanges {
		t.Errorf("Toggles: %d at revision %d, %v; want 100 at %d", len(whole.List), whole.Revision, err, routes)
	}
}

// What is read of toggles is what it costs those who have none: nothing.
func TestWatch_LeavesTogglesOut(t *testing.T) {
	t.Parallel()
	c := open(t, Options{Endpoints: []string{startServer(t).opts.ClientURL}})
	commit(t, c, toggleTo("a", "1", 0), toggleTo(toggled.EvaluatorPrefix+"e", "{}", 0))
	cl, err := c.conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w := &watcher{prefix: c.opts.Prefix, end: c.keys.toggles()}
	resp, err := cl.Get(t.Context(), w.prefix, w.extent())
	if err != nil || len(resp.Kvs) != 1 || string(resp.Kvs[0].Key) != c.keys.head() {
		t.Errorf("a watch of instances and routes reads %v, %v; want the head alone", resp.Kvs, err)
	}
	if !strings.Contains(string(resp.Kvs[0].Value), `"by":"test","toggles":2`) {
		t.Errorf("head: %s", resp.Kvs[0].Value)
	}
}

// A transaction is written whole or not at all.
func TestCommit_Conflicts(t *testing.T) {
	t.Parallel()
	c := open(t, Options{Endpoints: []string{startServer(t).opts.ClientURL}})
	rev := commit(t, c, toggleTo("a", "1", 0), toggleTo("b", "1", 0))
	for _, x := range []struct {
		writes []ToggleWrite
		want   string
	}{
		{[]ToggleWrite{toggleTo("a", "2", rev), toggleTo("b", "2", rev-1)}, fmt.Sprintf("toggle b is at revision %d, not %d", rev, rev-1)},
		{[]ToggleWrite{toggleTo("a", "2", rev), toggleTo("b", "2", 0)}, fmt.Sprintf("toggle b exists already, at revision %d", rev)},
		{[]ToggleWrite{toggleTo("a", "2", rev), toggleTo("c", "", 7)}, "toggle c was expected at revision 7, and is gone"},
	} {
		_, err := c.Commit(t.Context(), Change{Toggles: x.writes})
		if !errors.Is(err, ErrConflict) || !strings.Contains(fmt.Sprint(err), x.want) {
			t.Errorf("%v: got %v, want %s", x.writes, err, x.want)
		}
	}
	_, err := c.Commit(t.Context(), Change{Routes: routesTo("x"), RoutesExpect: 3, Toggles: []ToggleWrite{toggleTo("a", "2", AnyRevision)}})
	if conflict := new(ConflictError); !errors.As(err, &conflict) || conflict.Expected != 3 {
		t.Errorf("routes that are at none: %v", err)
	}
	got, err := c.ReadToggles(t.Context(), "a", "b", "c")
	if err != nil || len(got) != 2 || string(got["a"].Definition) != "1" || got["a"].Revision != rev {
		t.Errorf("after transactions that failed: %v, %v", got, err)
	}
	both, err := c.Commit(t.Context(), Change{Routes: routesTo("x"), Toggles: []ToggleWrite{toggleTo("a", "2", AnyRevision)}})
	if err != nil {
		t.Fatal(err)
	}
	_, _, routes, err := c.Routes(t.Context())
	got, err2 := c.ReadToggles(t.Context(), "a")
	if err != nil || err2 != nil || routes != both || got["a"].Revision != both {
		t.Errorf("routes and a toggle together: revisions %d and %d, want %d (%v, %v)", routes, got["a"].Revision, both, err, err2)
	}
}

// What one transaction can't take is refused before anything is written, or goes in several.
func TestCommit_Sizes(t *testing.T) {
	t.Parallel()
	c := open(t, Options{Endpoints: []string{startServer(t).opts.ClientURL}})
	many := func(n, size int) (list []ToggleWrite) {
		for i := range n {
			list = append(list, toggleTo(fmt.Sprint("t", i), `"`+strings.Repeat("x", size-2)+`"`, AnyRevision))
		}
		return list
	}
	for _, x := range []struct {
		writes []ToggleWrite
		want   string
	}{
		{many(toggled.MaxChanges+1, 10), "101 toggles in one transaction: want at most 100"},
		{many(20, 60<<10), "1228800 bytes in one transaction: want at most 1048576"},
		{many(1, toggled.MaxDefinition+1), "65537 bytes: want at most 65536"},
		{append(many(1, 10), many(1, 10)...), "t0 is written twice"},
		{[]ToggleWrite{toggleTo("a/b", "1", 0)}, `"a/b" is not a toggle's name`},
	} {
		if _, err := c.Commit(t.Context(), Change{Toggles: x.writes}); !errors.Is(err, toggled.ErrInvalid) || !strings.Contains(err.Error(), x.want) {
			t.Errorf("got %v, want %s", err, x.want)
		}
	}
	list := many(250, 10<<10)
	n, _, err := c.ApplyToggles(t.Context(), "test", list)
	whole, err2 := c.Toggles(t.Context())
	if err != nil || err2 != nil || n != 250 || len(whole.List) != 250 {
		t.Errorf("250 toggles of 10 KiB: %d written, %d there, %v, %v", n, len(whole.List), err, err2)
	}
}

// After a compaction, and after etcd was away, what has changed meanwhile comes as a whole.
func TestWatchToggles_SurvivesCompaction(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	c := open(t, Options{Endpoints: []string{s.opts.ClientURL}})
	commit(t, c, toggleTo("a", "1", 0), toggleTo("b", "1", 0))
	h := watchToggles(t, c)
	s.restart(t, "")
	other := open(t, Options{Endpoints: []string{s.opts.ClientURL}})
	commit(t, other, toggleTo("a", "", AnyRevision))
	rev := commit(t, other, toggleTo("c", "1", 0))
	cl, err := other.conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cl.Compact(t.Context(), rev, clientv3.WithCompactPhysical()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the last change has come", func() bool { return h.last().Revision == rev })
	names := map[string]bool{}
	for _, change := range h.all() {
		if change.Whole {
			clear(names)
		}
		for _, x := range change.List {
			names[x.Name] = x.Definition != nil
		}
	}
	if names["a"] || !names["b"] || !names["c"] {
		t.Errorf("known: %v, want b and c", names)
	}
}
