package requests_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nanofront/etcd"
	"nanofront/etcd/embedded"
	"nanofront/handlers"
	"nanofront/handlers/handlertest"
	"nanofront/httpmsg"
	"nanofront/internal/testutil"
	"nanofront/registry"
	"nanofront/registry/toggled"
	"nanofront/toggles"
	"nanofront/toggles/requests"
)

// server is an etcd that can end and come back.
type server struct {
	*embedded.Server
	opts embedded.ServerOptions
}

func startServer(tb testing.TB) *server {
	tb.Helper()
	s := &server{opts: embedded.ServerOptions{
		DataDir: tb.TempDir(), ClientURL: "http://" + testutil.FreeAddr(tb), UnsafeNoFsync: true, BcryptCost: 4,
		Heartbeat: 20 * time.Millisecond, Election: 200 * time.Millisecond, StartTimeout: testutil.Patience,
	}}
	s.start(tb)
	tb.Cleanup(func() { s.Close() })
	return s
}

func (s *server) start(tb testing.TB) {
	tb.Helper()
	var err error
	if s.Server, err = embedded.StartServer(context.Background(), s.opts); err != nil { // outlives the test's context
		tb.Fatal(err)
	}
}

func (s *server) client(tb testing.TB) *etcd.Client {
	tb.Helper()
	c, err := etcd.Open(tb.Context(), etcd.Options{Endpoints: []string{s.opts.ClientURL}})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() }) // nothing is lost with it
	return c
}

// both is a discovery in memory with etcd's toggles.
type both struct {
	handlers.Discovery
	*etcd.Client
}

func (b both) Register(ctx context.Context, in registry.Instance) (registry.Registration, error) {
	return b.Discovery.Register(ctx, in)
}

func (b both) Watch(ctx context.Context, fn func(registry.Snapshot)) error {
	return b.Discovery.Watch(ctx, fn)
}

// open opens toggles that are loaded.
func open(tb testing.TB, o handlers.Options) *requests.Toggles {
	tb.Helper()
	t, err := requests.Open(o, "cookie:session")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(t.Close)
	if !t.Load(tb.Context()) {
		tb.Fatal("toggles are not loaded")
	}
	return t
}

func boolean(name string, on bool) etcd.ToggleWrite {
	return etcd.ToggleWrite{Name: name, Definition: toggles.NewBoolean(on), Expect: etcd.AnyRevision}
}

func commit(tb testing.TB, c *etcd.Client, writes ...etcd.ToggleWrite) int64 {
	tb.Helper()
	rev, err := c.Commit(tb.Context(), etcd.Change{Toggles: writes})
	if err != nil {
		tb.Fatal(err)
	}
	return rev
}

// Two toggles that are flipped together under load are never seen apart by a request.
func TestHandler_TogglesFlippedTogether(t *testing.T) {
	s := startServer(t)
	client := s.client(t)
	commit(t, client, boolean("a", false), boolean("b", true))
	o := handlers.Options{Service: "flags", Instance: "one", Discovery: both{handlertest.NewDiscovery(), client}}
	flags := open(t, o)
	var asked, mixed atomic.Int64
	testutil.Start(t, "flags", func(ctx context.Context) error {
		return handlers.Run(ctx, o, flags.Handler(handlers.HandlerFunc(func(ctx context.Context, _ *handlers.Request, resp *handlers.Response) error {
			v := toggles.From(ctx)
			a := v.Bool("a", false)
			testutil.Work(ctx, time.Duration(asked.Add(1)%3)*time.Millisecond) // for changes to come between
			if b := v.Bool("b", a); a == b {
				mixed.Add(1)
			}
			resp.Status = 204
			return nil
		})))
	})
	caller := handlertest.NewCaller(t, o.Discovery, "flags")
	load, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for load.Err() == nil {
				if _, err := caller.Do(load, "flags", "GET", "/", nil); err != nil && load.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for flip := range 100 {
		before := asked.Load()
		rev := commit(t, client, boolean("a", flip%2 == 0), boolean("b", flip%2 == 1))
		testutil.Eventually(t, "the change is in force, and requests go on", func() bool {
			return flags.Status().Seen >= rev && asked.Load() > before+3
		})
	}
	stop()
	wg.Wait()
	if n := mixed.Load(); n > 0 {
		t.Errorf("%d of %d requests saw a mix", n, asked.Load())
	}
	t.Logf("%d requests, 100 flips", asked.Load())
}

// A request that is decided on at the front sees one revision of toggles in all handlers that it
// comes to, also where one of them hears of a change before the other, or before the front.
func TestHandler_OneRevisionThroughBothHops(t *testing.T) {
	s := startServer(t)
	client := s.client(t)
	commit(t, client, boolean("a", false), boolean("b", false))
	d := handlertest.NewDiscovery()
	answer := func(ctx context.Context, resp *handlers.Response) {
		v := toggles.From(ctx)
		fmt.Fprintf(resp, "%d,%v,%v;", v.Revision(), v.Bool("a", false), v.Bool("b", true))
	}
	inner := handlers.Options{Service: "inner", Instance: "one", Discovery: both{d, s.client(t)}}
	innerFlags := open(t, inner)
	testutil.Start(t, "inner", func(ctx context.Context) error {
		return handlers.Run(ctx, inner, innerFlags.Handler(handlers.HandlerFunc(func(ctx context.Context, _ *handlers.Request, resp *handlers.Response) error {
			answer(ctx, resp)
			return nil
		})))
	})
	outer := handlers.Options{Service: "outer", Instance: "one", Discovery: both{d, s.client(t)}, Calls: []string{"inner"}}
	outerFlags := open(t, outer)
	rt, err := handlers.New(outer)
	if err != nil {
		t.Fatal(err)
	}
	testutil.Start(t, "outer", func(ctx context.Context) error {
		return rt.Run(ctx, outerFlags.Handler(handlers.HandlerFunc(func(ctx context.Context, _ *handlers.Request, resp *handlers.Response) error {
			answer(ctx, resp)
			testutil.Work(ctx, 2*time.Millisecond) // for changes to come between
			c := handlers.AcquireCall()
			defer c.Release()
			c.Request.Method, c.Request.Path = []byte("GET"), []byte("/")
			if err := rt.Client("inner").Do(ctx, c); err != nil {
				return err
			}
			_, err := resp.Write(c.Response.Body)
			return err
		})))
	})
	// A front, as far as revisions go.
	var revision atomic.Int64
	front := s.client(t)
	testutil.Start(t, "front", func(ctx context.Context) error {
		return front.Watch(ctx, func(s registry.Snapshot) {
			if s.Stamp {
				revision.Store(s.Revision)
			}
		})
	})
	caller := handlertest.NewCaller(t, d, "outer")
	testutil.Eventually(t, "outer is ready, and the front has a revision", func() bool { return rt.Ready() == nil && revision.Load() > 0 })
	load, stop := context.WithCancel(t.Context())
	var asked atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for load.Err() == nil {
				c := handlers.AcquireCall()
				c.Request.Method, c.Request.Path = []byte("GET"), []byte("/")
				meant := revision.Load()
				c.Request.Decision = httpmsg.NewDecision(nil, meant).AppendVersions(0).AppendVariants(0)
				err := caller.Client("outer").Do(load, c)
				body := string(c.Response.Body)
				c.Release()
				if load.Err() != nil {
					return
				}
				hops := strings.Split(body, ";")
				if err != nil || len(hops) != 3 || hops[0] != hops[1] || !strings.HasPrefix(body, fmt.Sprint(meant, ",")) {
					t.Errorf("meant for revision %d, decided as %s, %v", meant, body, err)
					return
				}
				asked.Add(1)
			}
		})
	}
	for flip := range 100 {
		before := asked.Load()
		rev := commit(t, client, boolean("a", flip%2 == 0), boolean("b", flip%2 == 0))
		testutil.Eventually(t, "requests are on the new revision", func() bool { return revision.Load() >= rev && (asked.Load() > before+3 || t.Failed()) })
	}
	stop()
	wg.Wait()
	t.Logf("%d requests through two hops, 100 flips", asked.Load())
}

// etcd goes under load and comes back: no value changes, evaluations say that they are stale, and a
// process that starts meanwhile has the same values from its file.
func TestHandler_EtcdGone(t *testing.T) {
	s := startServer(t)
	client := s.client(t)
	file := filepath.Join(t.TempDir(), "known")
	commit(t, client, boolean("on", true), boolean("off", false))
	o := handlers.Options{Service: "flags", LastKnown: file, Discovery: both{handlertest.NewDiscovery(), client}}
	flags := open(t, o)
	testutil.Eventually(t, "the file is written", func() bool {
		b, err := os.ReadFile(file)
		return err == nil && strings.Contains(string(b), `"off"`)
	})
	load, stop := context.WithCancel(t.Context())
	defer stop()
	var asked, wrong, stale atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for load.Err() == nil {
				v := flags.Now(&handlers.Request{})
				r := v.Evaluate("on", toggles.Boolean)
				if r.Value != true || v.Bool("off", true) {
					wrong.Add(1)
				}
				if r.Reason == toggles.Stale {
					stale.Add(1)
				}
				asked.Add(1)
				testutil.Work(load, 50*time.Microsecond) // leaves the machine to others
			}
		})
	}
	s.Close()
	testutil.Eventually(t, "evaluations say that they are stale", func() bool { return stale.Load() > 100 })

	late := open(t, handlers.Options{Service: "flags", LastKnown: file, Discovery: both{handlertest.NewDiscovery(), s.client(t)}})
	if v := late.Now(&handlers.Request{}); !v.Bool("on", false) || v.Bool("off", true) || v.Evaluate("on", "").Reason != toggles.Stale {
		t.Errorf("a process that starts without etcd: on %v, off %v", v.Bool("on", false), v.Bool("off", true))
	}
	s.start(t)
	testutil.Eventually(t, "nothing is stale", func() bool { return !flags.Stale() && !late.Stale() })
	stop()
	wg.Wait()
	if n := wrong.Load(); n > 0 {
		t.Errorf("%d of %d evaluations gave another value", n, asked.Load())
	}
	rev := commit(t, client, boolean("on", false))
	testutil.Eventually(t, "changes come again", func() bool { return flags.Status().Seen >= rev && late.Status().Seen >= rev })
	if late.Now(&handlers.Request{}).Bool("on", true) {
		t.Error("a change after the outage isn't in force")
	}
}

// Rules see the request.
func TestFor_WhatRulesCanAskAbout(t *testing.T) {
	s := startServer(t)
	client := s.client(t)
	commit(t, client, etcd.ToggleWrite{Name: "x", Definition: []byte(`{"variants": {"on": true}, "defaultVariant": "on"}`)})
	o := handlers.Options{Service: "flags", Instance: "one", Discovery: both{handlertest.NewDiscovery(), client}}
	flags := open(t, o)
	testutil.Start(t, "flags", func(ctx context.Context) error {
		return handlers.Run(ctx, o, flags.Handler(handlers.HandlerFunc(func(ctx context.Context, _ *handlers.Request, resp *handlers.Response) error {
			return json.NewEncoder(resp).Encode(toggles.From(ctx).Context().Attributes())
		})))
	})
	caller := handlertest.NewCaller(t, o.Discovery, "flags")
	resp := caller.Must(t, "flags", "GET", "/p?q=1", "", "Cookie: a=1; session=s-1", `cookie: b="2"; a=3;;x`, "User-Agent: curl", "user-agent: other")
	var got map[string]any
	if err := json.Unmarshal(resp.Body, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"targetingKey": "s-1", "client": "192.0.2.1", "method": "GET", "scheme": "http", "host": "test.example", "path": "/p", "query": "q=1",
		"header": map[string]any{"cookie": "a=1; session=s-1", "user-agent": "curl"},
		"cookie": map[string]any{"a": "1", "session": "s-1", "b": "2"}, "service": "flags", "version": "", "experiment": map[string]any{},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	for _, by := range []string{"cookie:", "header:X", "path", "cookie"} {
		if _, err := requests.Open(o, by); err == nil || !strings.Contains(err.Error(), "want cookie:NAME") {
			t.Errorf("key %q: %v", by, err)
		}
	}
	if _, err := requests.Open(handlers.Options{Discovery: handlertest.NewDiscovery()}, ""); err == nil {
		t.Error("a discovery without toggles is taken")
	}
}

// BenchmarkChange is the time from the begin of a write to the change's being in force in five
// processes' worth of Stores, with 10,000 toggles in each.
func BenchmarkChange(b *testing.B) {
	s := startServer(b)
	client := s.client(b)
	var list []etcd.ToggleWrite
	for i := range 10_000 {
		list = append(list, etcd.ToggleWrite{Name: fmt.Sprint("t", i), Expect: etcd.AnyRevision, Definition: fmt.Appendf(nil,
			`{"state":"ENABLED","variants":{"on":true,"off":false},"defaultVariant":"off","targeting":{"if":[{"==":[{"var":"cookie.plan"},"p%d"]},"on"]}}`, i)})
	}
	if _, _, err := client.ApplyToggles(b.Context(), "", list); err != nil {
		b.Fatal(err)
	}
	all := make([]*requests.Toggles, 5)
	for i := range all {
		all[i] = open(b, handlers.Options{Discovery: both{handlertest.NewDiscovery(), s.client(b)}})
	}
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		rev := commit(b, client, boolean("flip", len(took)%2 == 0))
		for _, t := range all {
			for t.Status().Seen < rev {
				testutil.Work(b.Context(), 100*time.Microsecond)
			}
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "max-ms")
	if n := all[0].Status().Toggles; n != len(list)+1 || n > toggled.MaxToggles {
		b.Fatalf("%d toggles", n)
	}
}
