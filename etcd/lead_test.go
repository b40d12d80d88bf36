package etcd

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// One leads at a time: whoever comes second waits, takes over when the first steps back, and also
// when the first has lost its key; never do both.
func TestLead_OneAtATime(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	a, b := openOn(t, s), openOn(t, s)
	one, err := a.Lead("sums", "one")
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "one leads", one.Held)
	two, err := b.Lead("sums", "two")
	if err != nil {
		t.Fatal(err)
	}
	var both, over atomic.Bool
	watched := make(chan struct{})
	go func() { // ends with over
		defer close(watched)
		for !over.Load() {
			if one.Held() && two.Held() {
				both.Store(true)
			}
			time.Sleep(time.Millisecond) // how often it is looked
		}
	}()
	eventually(t, "two knows who leads", func() bool { return two.Leader() == "one" && !two.Held() })
	// Without its key, as after a loss of etcd's data, one steps back before two sends anything.
	if err := a.call(t.Context(), func(ctx context.Context, cl *clientv3.Client) error {
		_, err := cl.Delete(ctx, a.keys.leader("sums"))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "somebody leads again", func() bool { return one.Held() || two.Held() })
	first, second := one, two
	if two.Held() {
		first, second = two, one
	}
	first.Close(t.Context())
	if first.Held() {
		t.Error("it leads after Close")
	}
	eventually(t, "the other takes over", second.Held)
	second.Close(t.Context())
	over.Store(true)
	<-watched
	if both.Load() {
		t.Error("both led at once")
	}
}

// A leader that is cut off from etcd, or whose machine slept, leads no longer than its lease.
func TestLead_EndsWithItsLease(t *testing.T) {
	now := time.Now()
	for name, l := range map[string]*Leadership{
		"none":                   {},
		"not yet":                {from: now.Add(time.Minute), until: now.Add(time.Hour)},
		"over":                   {from: now.Add(-time.Hour), until: now.Add(-time.Second)},
		"over by the wall clock": {from: now.Add(-time.Hour), until: now.Add(-time.Minute).Round(0)},
	} {
		if l.Held() {
			t.Errorf("%s: leads", name)
		}
	}
	if l := (&Leadership{from: now.Add(-time.Second), until: now.Add(time.Minute)}); !l.Held() {
		t.Error("doesn't lead within its time")
	}
}
