package etcd

import (
	"errors"
	"testing"
	"time"

	"nanofront/registry"
)

// What an operator wants of an instance holds at once for everybody who watches, outlives the loss
// of its registration, and ends with its process: a later one of the same name has its own weight.
func TestIntend_HoldsForTheProcess(t *testing.T) {
	t.Parallel()
	c := openOn(t, startServer(t))
	w := watch(t, c)
	weight := func(what string, want registry.Weight, by string) {
		t.Helper()
		eventually(t, what, func() bool {
			s := w.last()
			return len(s.Instances) == 1 && s.Instances[0].Weight.Share() == want.Share() && s.Instances[0].WeightBy == by
		})
		list, err := c.Instances(t.Context())
		if err != nil || len(list) != 1 || list[0].Weight.Share() != want.Share() || list[0].WeightBy != by {
			t.Errorf("%s: Instances() = %+v, %v", what, list, err)
		}
	}
	first := inst("a")
	first.Started = time.Now().UTC()
	intent := registry.Intent{Service: first.Service, ID: first.ID, Weight: registry.NoWeight, By: "ada@host", At: time.Now()}
	if err := c.Intend(t.Context(), intent); !errors.Is(err, ErrUnknown) {
		t.Errorf("of one that isn't registered: %v", err)
	}
	r := register(t, c, first)
	ready(t, r)
	weight("its own", registry.DefaultWeight, "")
	if err := c.Intend(t.Context(), intent); err != nil {
		t.Fatal(err)
	}
	weight("drained", registry.NoWeight, "ada@host")

	if _, err := c.session.Load().Delete(t.Context(), testKeys.instance(first)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is registered again", func() bool {
		list, err := c.Instances(t.Context())
		return err == nil && len(list) == 1
	})
	weight("registered again", registry.NoWeight, "ada@host")
	changed := first
	changed.Weight = 300
	if err := r.Update(changed); err != nil {
		t.Fatal(err)
	}
	weight("its own weight changes", registry.NoWeight, "ada@host")

	later := first
	later.Started = first.Started.Add(time.Second)
	next := register(t, c, later)
	ready(t, next)
	weight("a later process", registry.DefaultWeight, "")
	intent.Weight, intent.By = 7, ""
	if err := c.Intend(t.Context(), intent); err != nil {
		t.Fatal(err)
	}
	weight("of the later process", 7, "somebody")
	if had, err := c.Unintend(t.Context(), intent); !had || err != nil {
		t.Errorf("Unintend: %v %v", had, err)
	}
	weight("left to itself", registry.DefaultWeight, "")
	if had, err := c.Unintend(t.Context(), intent); had || err != nil {
		t.Errorf("Unintend again: %v %v", had, err)
	}
}

// What was wanted of processes that are gone is removed with the next order.
func TestIntend_RemovesWhatIsOver(t *testing.T) {
	t.Parallel()
	c := openOn(t, startServer(t))
	a, b := register(t, c, inst("a")), register(t, c, inst("b"))
	ready(t, a)
	ready(t, b)
	for _, id := range []string{"a", "b"} {
		in := inst(id)
		if err := c.Intend(t.Context(), registry.Intent{Service: in.Service, ID: id, Weight: 5, At: time.Now()}); err != nil {
			t.Fatal(err)
		}
		if id == "a" {
			if err := a.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if list, err := c.Intents(t.Context()); err != nil || len(list) != 1 || list[0].ID != "b" {
		t.Errorf("Intents() = %v, %v", list, err)
	}
	if err := c.Intend(t.Context(), registry.Intent{Service: "web", ID: "b", Weight: 2000}); !errors.Is(err, registry.ErrInvalidIntent) {
		t.Errorf("a weight of 2000: %v", err)
	}
}
