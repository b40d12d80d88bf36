package etcd

import (
	"errors"
	"strings"
	"testing"

	"nanofront/metrics"
	"nanofront/registry"
)

func TestClient_RoutesCompareAndSwap(t *testing.T) {
	c := openOn(t, startServer(t))
	ctx := t.Context()
	doc, raw, rev, err := c.Routes(ctx)
	if doc != nil || raw != nil || rev != 0 || err != nil {
		t.Fatalf("Routes of nothing = %v, %q, %d, %v", doc, raw, rev, err)
	}
	if _, err := c.ApplyRoutes(ctx, routesTo("a"), 7); !errors.Is(err, ErrConflict) || !strings.Contains(err.Error(), "there are none") {
		t.Errorf("apply at 7 to nothing: %v", err)
	}
	if written, err := c.SeedRoutes(ctx, registry.DefaultRoutes()); !written || err != nil {
		t.Fatalf("SeedRoutes = %v, %v", written, err)
	}
	if written, err := c.SeedRoutes(ctx, routesTo("x")); written || err != nil {
		t.Errorf("second SeedRoutes = %v, %v", written, err)
	}
	doc, raw, rev, err = c.Routes(ctx)
	if err != nil || rev == 0 || len(doc.Routes) != 3 || !strings.Contains(string(raw), `"/hello"`) {
		t.Fatalf("Routes = %v, %q, %d, %v", doc, raw, rev, err)
	}
	rev2, err := c.ApplyRoutes(ctx, routesTo("b"), rev)
	if err != nil || rev2 <= rev {
		t.Fatalf("ApplyRoutes = %d, %v", rev2, err)
	}
	var conflict *ConflictError
	if _, err = c.ApplyRoutes(ctx, routesTo("c"), rev); !errors.As(err, &conflict) || conflict.Current != rev2 || conflict.Expected != rev {
		t.Errorf("stale apply: %v, want a conflict with %d", err, rev2)
	}
	if _, err = c.ApplyRoutes(ctx, routesTo("c"), 0); !errors.Is(err, ErrConflict) || !strings.Contains(err.Error(), "exist already") {
		t.Errorf("create over: %v", err)
	}
	if _, err = c.ApplyRoutes(ctx, routesTo("NO"), rev2); !errors.Is(err, registry.ErrInvalidRoutes) {
		t.Errorf("invalid: %v", err)
	}
	if _, err = c.ApplyRoutes(ctx, nil, rev2); !errors.Is(err, registry.ErrInvalidRoutes) {
		t.Errorf("nil: %v", err)
	}
	if _, err = c.ApplyRoutes(ctx, routesTo("c"), -1); err == nil {
		t.Error("revision -1 is accepted")
	}
	if doc, _, got, err := c.Routes(ctx); err != nil || got != rev2 || doc.Routes[0].Service != "b" {
		t.Errorf("Routes = %v, %d, %v, want b at %d", doc, got, err, rev2)
	}
}

func TestClient_BadRoutesKeepThePrevious(t *testing.T) {
	c := openOn(t, startServer(t))
	w := watch(t, c)
	rev, err := c.ApplyRoutes(t.Context(), routesTo("a"), 0)
	if err != nil {
		t.Fatal(err)
	}
	w.service(t, "a")
	if got := c.set.Gauge(metrics.EtcdRoutesRevision).Value(); got != float64(rev) {
		t.Errorf("etcd.routes.revision = %v, want %d", got, rev)
	}
	if _, err := c.session.Load().Put(t.Context(), testKeys.routes(), `{"version":1,"routes":[{"match":{"path":"x"},"service":"bad"}]}`); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the rejection is counted", func() bool { return c.count(metrics.EtcdRoutesRejected) == 1 })
	_, raw, badRev, err := c.Routes(t.Context())
	if !errors.Is(err, registry.ErrInvalidRoutes) || len(raw) == 0 || badRev <= rev {
		t.Errorf("Routes of a bad document: %q, %d, %v", raw, badRev, err)
	}
	// Another change comes with the previous routes; a re-read doesn't log
	// the bad document again.
	ready(t, register(t, c, inst("i")))
	w.ids(t, "i")
	w.service(t, "a")
	c.announce()
	eventually(t, "everything is read again", func() bool { return c.count(metrics.EtcdWatchResyncs) >= 1 })
	if n := strings.Count(c.log.String(), "routes document rejected"); n != 1 {
		t.Errorf("logged %d times, want once", n)
	}
	if !strings.Contains(c.log.String(), `routes[0]: match.path`) {
		t.Errorf("the log doesn't say why:\n%s", c.log)
	}

	if _, err := c.session.Load().Delete(t.Context(), testKeys.routes()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the deletion is logged", func() bool { return contains(c.log, "routes document is gone") })
	w.service(t, "a")
	if _, err := c.SeedRoutes(t.Context(), routesTo("b")); err != nil {
		t.Fatal(err)
	}
	w.service(t, "b")
}
