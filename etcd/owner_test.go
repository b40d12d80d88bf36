package etcd

import (
	"errors"
	"strings"
	"testing"
	"time"

	"nanofront/registry"
)

// owned is an instance of "web" with data.
func owned(id, data string, started time.Duration) registry.Instance {
	i := inst(id)
	i.Owner, i.Started = data, i.Started.Add(started)
	i.Address = "ipc:///run/" + id
	return i
}

// A second instance with other data is refused, and told by whom; when the
// owner goes, whoever comes next is the owner.
func TestOwner_ASecondOneIsRefused(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	a, b := openOn(t, s), openOn(t, s)
	w := watch(t, a)
	r1 := register(t, a, owned("a", "one", 0))
	ready(t, r1)
	for name, other := range map[string]registry.Instance{
		"another name":  owned("b", "two", time.Minute),
		"the same name": owned("a", "two", time.Minute),
	} {
		r2 := register(t, b, other)
		select {
		case <-r2.Refused():
		case <-time.After(patience):
			t.Fatalf("%s: not refused", name)
		}
		if err := r2.Err(); !errors.Is(err, ErrOwned) || !strings.Contains(err.Error(), "web/a at ipc:///run/a") {
			t.Errorf("%s: refused with %v, want by whom", name, err)
		}
		if err := r2.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	w.ids(t, "a")
	for _, snap := range w.all() {
		if len(snap.Instances) > 1 || len(snap.Instances) == 1 && snap.Instances[0].Owner != "one" {
			t.Errorf("a snapshot with another owner: %+v", snap.Instances)
		}
	}
	if err := r1.Err(); err != nil {
		t.Errorf("the owner's state: %v", err)
	}
	r3 := register(t, b, owned("c", "two", time.Hour))
	eventually(t, "it waits for the owner to go", func() bool {
		err := r3.Err()
		return err != nil && strings.Contains(err.Error(), "web/a")
	})
	if err := r1.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	ready(t, r3)
	w.ids(t, "c")
}

// A process that was killed and comes back with its data, under whatever name,
// has its place at once; the record that it has left makes room.
func TestOwner_ComesBackWithItsData(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	a, b := openOn(t, s), openOn(t, s)
	w := watch(t, a)
	old := register(t, a, owned("a", "one", 0))
	ready(t, old)
	w.ids(t, "a")
	began := time.Now()
	again := register(t, b, owned("b", "one", time.Minute))
	ready(t, again)
	w.ids(t, "b")
	if took := time.Since(began); took > leaseTTL {
		t.Errorf("it took %v, longer than a lease's life", took)
	}
	eventually(t, "the old one, should it live, is superseded", func() bool {
		err := old.Err()
		return err != nil && strings.Contains(err.Error(), "superseded") && strings.Contains(err.Error(), "web/b")
	})
	for _, snap := range w.all() {
		if len(snap.Instances) > 1 {
			t.Errorf("a snapshot with two: %+v", snap.Instances)
		}
	}
}

// Of many that start at one moment, one is registered.
func TestOwner_ManyAtOnce(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	c := openOn(t, s)
	w := watch(t, c)
	var all []registry.Registration
	for _, id := range []string{"a", "b", "c", "d", "e", "f"} {
		all = append(all, register(t, c, owned(id, "data-of-"+id, 0)))
	}
	refused := 0
	eventually(t, "all but one are refused", func() bool {
		refused = 0
		for _, r := range all {
			if errors.Is(r.Err(), ErrOwned) {
				select {
				case <-r.Refused():
					refused++
				default:
				}
			}
		}
		return refused == len(all)-1
	})
	for _, snap := range w.all() {
		if len(snap.Instances) > 1 {
			t.Errorf("a snapshot with %d owners: %+v", len(snap.Instances), snap.Instances)
		}
	}
}
