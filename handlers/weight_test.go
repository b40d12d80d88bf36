package handlers_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"nanofront/handlers"
	"nanofront/handlers/handlertest"
	"nanofront/internal/testutil"
	"nanofront/registry"
)

// named answers with the name of the instance.
func named(name string) handlers.HandlerFunc {
	return func(_ context.Context, _ *handlers.Request, resp *handlers.Response) error {
		resp.Body = append(resp.Body[:0], name...)
		return nil
	}
}

func TestRuntime_SetWeight(t *testing.T) {
	d := handlertest.NewDiscovery()
	rt, _ := caller(t, d, nil)
	one := serve(t, handlers.Options{Discovery: d, Instance: "work-1", Weight: registry.NoWeight}, named("work-1"))
	two := serve(t, handlers.Options{Discovery: d, Instance: "work-2"}, named("work-2"))
	weights := func() map[string]int {
		got := map[string]int{}
		for _, l := range rt.Links() {
			if l.State == "live" {
				got[l.Instance] = l.Weight
			}
		}
		return got
	}
	are := func(w1, w2 int) func() bool {
		return func() bool { got := weights(); return len(got) == 2 && got["work-1"] == w1 && got["work-2"] == w2 }
	}
	testutil.Eventually(t, "two links, one of no weight", are(0, 100))
	ask := func() string {
		t.Helper()
		c := newCall("/")
		defer c.Release()
		if err := rt.Client("work").Do(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		return string(c.Response.Body)
	}
	for range 50 {
		if got := ask(); got != "work-2" {
			t.Fatalf("%s answered, and has no weight", got)
		}
	}
	for _, w := range []int{-1, 1001} {
		if err := one.rt.SetWeight(w); err == nil {
			t.Errorf("weight %d is accepted", w)
		}
	}
	if err := one.rt.SetWeight(1000); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "the new weight arrives", are(1000, 100))
	testutil.Eventually(t, "it is asked", func() bool { return ask() == "work-1" })
	if err := two.rt.SetWeight(0); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "the other is out", are(1000, 0))
}

// curious is a Discovery that asks the process it announces, and changes what
// it announces, while it does so.
type curious struct {
	handlers.Discovery
	rt      *handlers.Runtime
	updates chan registry.Weight
}

func (c *curious) Register(ctx context.Context, in registry.Instance) (registry.Registration, error) {
	_ = c.rt.Ready()
	if err := c.rt.SetWeight(200); err != nil {
		return nil, err
	}
	reg, err := c.Discovery.Register(ctx, in)
	return curiousRegistration{reg, c}, err
}

type curiousRegistration struct {
	registry.Registration
	c *curious
}

func (r curiousRegistration) Update(in registry.Instance) error {
	_ = r.c.rt.Ready()
	r.c.updates <- in.Weight
	if in.Weight == 200 {
		if err := r.c.rt.SetWeight(300); err != nil {
			return err
		}
	}
	return r.Registration.Update(in)
}

// Nothing is locked while discovery is called, and what changes meanwhile is
// announced in its order.
func TestRuntime_SetWeightWhileAnnouncing(t *testing.T) {
	c := &curious{Discovery: handlertest.NewDiscovery(), updates: make(chan registry.Weight, 10)}
	rt, err := handlers.New(handlers.Options{Service: "work", Instance: "work-1", Discovery: c})
	if err != nil {
		t.Fatal(err)
	}
	c.rt = rt
	testutil.Start(t, "work", func(ctx context.Context) error { return rt.Run(ctx, named("work-1")) })
	for _, want := range []registry.Weight{200, 300} {
		select {
		case w := <-c.updates:
			if w != want {
				t.Fatalf("announced %d, want %d", int(w), int(want))
			}
		case <-time.After(testutil.Patience):
			t.Fatalf("%d was not announced", int(want))
		}
	}
	testutil.Eventually(t, "ready", func() bool { return rt.Ready() == nil })
}

// What was set before Run is what is announced.
func TestRuntime_SetWeightBeforeRun(t *testing.T) {
	d := handlertest.NewDiscovery()
	rt, err := handlers.New(handlers.Options{Service: "work", Instance: "work-1", Discovery: d, Weight: 500})
	if err != nil {
		t.Fatal(err)
	}
	if err := rt.SetWeight(0); err != nil {
		t.Fatal(err)
	}
	testutil.Start(t, "work", func(ctx context.Context) error { return rt.Run(ctx, named("work-1")) })
	seen := make(chan registry.Weight, 10)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		_ = d.Watch(ctx, func(s registry.Snapshot) {
			for _, in := range s.Instances {
				seen <- in.Weight
			}
		})
	}()
	select {
	case w := <-seen:
		if w != registry.NoWeight {
			t.Errorf("announced with %d", int(w))
		}
	case <-time.After(10 * time.Second):
		t.Error("not announced within 10 s")
	}
}

func TestOptions_Weight(t *testing.T) {
	for _, w := range []registry.Weight{-2, 1001} {
		if rt, err := handlers.New(handlers.Options{Service: "work", Discovery: handlertest.NewDiscovery(), Weight: w}); err == nil {
			t.Errorf("weight %d is accepted", int(w))
			_ = rt.Close()
		}
	}
}

// Calls of one key go to one instance, by themselves and among others.
func TestClient_Key(t *testing.T) {
	d := handlertest.NewDiscovery()
	rt, _ := caller(t, d, nil)
	for i := range 3 {
		name := fmt.Sprintf("work-%d", i)
		serve(t, handlers.Options{Discovery: d, Instance: name}, named(name))
	}
	testutil.Eventually(t, "three links", func() bool {
		n := 0
		for _, l := range rt.Links() {
			if l.State == "live" {
				n++
			}
		}
		return n == 3
	})
	client := rt.Client("work")
	used := map[string]bool{}
	for key := uint64(1); key <= 30; key++ {
		first := ""
		for i := range 3 {
			c := newCall("/")
			c.Key = key
			if err := client.Do(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			got := string(c.Response.Body)
			c.Release()
			if i == 0 {
				first = got
				used[got] = true
			} else if got != first {
				t.Errorf("key %d: %s, then %s", key, first, got)
			}
		}
	}
	if len(used) != 3 {
		t.Errorf("30 keys are all at %v", used)
	}
	c := newCall("/")
	if c.Key != 0 {
		t.Error("an acquired call has a key")
	}
	c.Release()
}
