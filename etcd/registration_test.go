package etcd

import (
	"errors"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"nanofront/metrics"
	"nanofront/registry"
)

func TestRegistration_LifeCycle(t *testing.T) {
	t.Parallel()
	c := openOn(t, startServer(t))
	w := watch(t, c)
	r := register(t, c, inst("a"))
	ready(t, r)
	w.ids(t, "a")

	i := inst("a")
	i.Window, i.Weight = 99, registry.NoWeight
	if err := r.Update(i); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new window arrives", func() bool {
		s := w.last()
		return len(s.Instances) == 1 && s.Instances[0].Window == 99 && s.Instances[0].Weight == registry.NoWeight
	})
	if resp, err := c.session.Load().Get(t.Context(), testKeys.instance(i)); err != nil || len(resp.Kvs) != 1 || !strings.Contains(string(resp.Kvs[0].Value), `"weight":0`) {
		t.Errorf("the record is %v, %v: want the weight 0 in it", resp, err)
	}
	list, err := c.Instances(t.Context())
	if err != nil || len(list) != 1 || !sameInstance(list[0], i) {
		t.Errorf("Instances() = %v, %v, want %v", list, err, i)
	}
	for range 2 {
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	w.ids(t)
	if err := r.Update(i); !errors.Is(err, ErrClosed) {
		t.Errorf("Update after Close: %v", err)
	}
	if n := c.count(metrics.EtcdRegistrationsLost); n != 0 {
		t.Errorf("%d registrations lost", n)
	}
}

func TestRegistration_RefusesBadRecords(t *testing.T) {
	t.Parallel()
	c := openOn(t, startServer(t))
	if _, err := c.Register(t.Context(), registry.Instance{}); !errors.Is(err, registry.ErrInvalidInstance) {
		t.Errorf("Register: %v", err)
	}
	r := register(t, c, inst("a"))
	if err := r.Update(inst("b")); !errors.Is(err, registry.ErrInvalidInstance) {
		t.Errorf("Update with another ID: %v", err)
	}
	if err := r.Update(registry.Instance{}); !errors.Is(err, registry.ErrInvalidInstance) {
		t.Errorf("Update: %v", err)
	}
}

func TestRegistration_SurvivesLossOfLeaseAndKey(t *testing.T) {
	t.Parallel()
	c := openOn(t, startServer(t))
	r := register(t, c, inst("a"))
	ready(t, r)
	w := watch(t, c)
	w.ids(t, "a")
	key := testKeys.instance(inst("a"))

	leaseOf := func() clientv3.LeaseID {
		resp, err := c.session.Load().Get(t.Context(), key)
		if err != nil || len(resp.Kvs) == 0 {
			return 0
		}
		return clientv3.LeaseID(resp.Kvs[0].Lease)
	}
	old := leaseOf()
	if _, err := c.session.Load().Revoke(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the record is back on another lease", func() bool { l := leaseOf(); return l != 0 && l != old })
	eventually(t, "the loss is counted", func() bool { return c.count(metrics.EtcdRegistrationsLost) == 1 })

	if _, err := c.session.Load().Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the deleted record is back", func() bool { return leaseOf() != 0 })
	if _, err := c.session.Load().Put(t.Context(), key, "scribble"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the overwritten record is back", func() bool { return leaseOf() != 0 })
	w.ids(t, "a")
}

func TestRegistration_LaterProcessTakesOver(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	oldClient, newClient := openOn(t, s), openOn(t, s)
	old, young := inst("a"), inst("a")
	young.Started = old.Started.Add(time.Minute)
	young.Address = "tcp://127.0.0.1:7001"
	r1 := register(t, oldClient, old)
	ready(t, r1)
	r2 := register(t, newClient, young)
	ready(t, r2)
	eventually(t, "the old one notices", func() bool {
		return contains(oldClient.log, "a newer process has registered")
	})
	if err := r1.Err(); err == nil || !strings.Contains(err.Error(), young.Address) || !strings.Contains(err.Error(), "superseded") {
		t.Errorf("the old one's state is %v, want that it is superseded, and by whom", err)
	}
	if err := r2.Err(); err != nil {
		t.Errorf("the successor's state is %v", err)
	}
	holds := func(want string) bool {
		list, err := newClient.Instances(t.Context())
		return err == nil && len(list) == 1 && list[0].Address == want
	}
	// The old one's end doesn't take the successor's record with it.
	if err := r1.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !holds(young.Address) {
		t.Error("the successor's record is gone")
	}
	// The other way round: the later one goes, the earlier one takes it back.
	r3 := register(t, oldClient, old)
	if err := r2.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	ready(t, r3)
	if !holds(old.Address) {
		t.Error("the earlier process doesn't take the record back")
	}
}

func TestRegistration_CloseWithoutServer(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	c := open(t, Options{Endpoints: []string{s.ClientURL()}, DialTimeout: 200 * time.Millisecond})
	r := register(t, c, inst("a"))
	ready(t, r)
	s.Close()
	if err := r.Close(t.Context()); !errors.Is(err, ErrUnreachable) {
		t.Errorf("Close without a server: %v, want ErrUnreachable", err)
	}
}
