package etcd

import (
	"errors"
	"slices"
	"testing"
	"time"

	"nanofront/metrics"
)

func TestOutage_RestartWithTheSameData(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	c := openOn(t, s)
	if _, err := c.SeedRoutes(t.Context(), routesTo("a")); err != nil {
		t.Fatal(err)
	}
	ready(t, register(t, c, inst("a")))
	w := watch(t, c)
	w.ids(t, "a")
	calls := w.count()
	s.restart(t, "")
	late := openOn(t, s)
	ready(t, register(t, late, inst("b")))
	w.ids(t, "a", "b")
	for _, snap := range w.all()[calls:] {
		if snap.Routes == nil || len(snap.Instances) == 0 {
			t.Errorf("a snapshot lost what was there: %+v", snap)
		}
	}
}

func TestOutage_RestartWithEmptyData(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	c := openOn(t, s)
	if _, err := c.SeedRoutes(t.Context(), routesTo("a")); err != nil {
		t.Fatal(err)
	}
	r := register(t, c, inst("a"))
	ready(t, r)
	gone := register(t, c, inst("gone"))
	ready(t, gone)
	w := watch(t, c)
	w.ids(t, "a", "gone")
	calls := w.count()

	s.Close()
	// The second one ends while etcd is away: nobody can say so.
	gone.(*Registration).cancel()
	s.restart(t, t.TempDir())
	eventually(t, "the registration is back", func() bool {
		list, err := c.Instances(t.Context())
		return err == nil && len(list) == 1 && list[0].ID == "a"
	})
	// The one that is gone leaves after a lease's life; the living one was
	// never missing, nor were the routes.
	w.ids(t, "a")
	for _, snap := range w.all()[calls:] {
		if len(snap.Instances) == 0 || snap.Instances[0].ID != "a" || snap.Routes == nil {
			t.Errorf("a snapshot lost what was there: %+v", snap)
		}
	}
	// The watch isn't stuck at a revision of the old data.
	if _, err := c.SeedRoutes(t.Context(), routesTo("b")); err != nil {
		t.Fatal(err)
	}
	w.service(t, "b")
	if c.count(metrics.EtcdWatchResyncs) == 0 || c.count(metrics.EtcdRegistrationsLost) == 0 {
		t.Error("the loss isn't counted")
	}
}

func TestOutage_NothingIsCalledBack(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	c := open(t, Options{Endpoints: []string{s.ClientURL()}, DialTimeout: 500 * time.Millisecond})
	ready(t, register(t, c, inst("a")))
	w := watch(t, c)
	w.ids(t, "a")
	calls := w.count()
	s.Kill()
	eventually(t, "the outage is noticed", func() bool { return !c.Healthy() })
	end := time.Now().Add(leaseTTL + 500*time.Millisecond)
	eventually(t, "the lease has run out", func() bool { return time.Now().After(end) })
	if got := w.count(); got != calls {
		t.Errorf("%d calls during the outage", got-calls)
	}
	s.restart(t, "")
	eventually(t, "the return is noticed", c.Healthy)
	w.ids(t, "a")
}

func TestOutage_LeaderOfThreeIsKilled(t *testing.T) {
	t.Parallel()
	nodes := startCluster(t, 3)
	c := open(t, Options{Endpoints: []string{nodes[0].ClientURL(), nodes[1].ClientURL(), nodes[2].ClientURL()}, DialTimeout: 3 * time.Second})
	w := watch(t, c)
	r := register(t, c, inst("a"))
	ready(t, r)
	var rev int64
	eventuallyNil(t, "there are routes", func() error {
		if _, err := c.SeedRoutes(t.Context(), routesTo("a")); err != nil {
			return err
		}
		_, _, at, err := c.Routes(t.Context())
		rev = at
		return err
	})
	w.ids(t, "a")
	w.service(t, "a")
	calls := w.count()

	leader := -1
	eventually(t, "a leader", func() bool {
		leader = slices.IndexFunc(nodes, func(n *node) bool { return n.IsLeader() })
		return leader >= 0
	})
	nodes[leader].Kill()
	rest := slices.Delete(slices.Clone(nodes), leader, leader+1)
	eventuallyNil(t, "routes can be changed", func() error {
		_, err := c.ApplyRoutes(t.Context(), routesTo("b"), rev)
		if errors.Is(err, ErrConflict) {
			return nil // an attempt whose answer was lost: what is in force is looked at below
		}
		return err
	})
	w.service(t, "b")
	other := openOn(t, rest...)
	ready(t, register(t, other, inst("b")))
	w.ids(t, "a", "b")
	for _, snap := range w.all()[calls:] {
		if len(snap.Instances) == 0 || snap.Instances[0].ID != "a" {
			t.Errorf("a snapshot lost the instance: %+v", snap)
		}
	}
	eventually(t, "healthy", c.Healthy)

	// Without a majority nothing changes, and the text says so.
	rest[0].Kill()
	eventually(t, "the loss of the majority is noticed", func() bool { return !c.Healthy() })
	w.ids(t, "a", "b")
	rest[1].Kill() // Close would wait for answers that never come
}
