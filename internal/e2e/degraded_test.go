package e2e

import (
	"path/filepath"
	"strings"
	"testing"

	"nanofront/internal/testutil"
)

// TestReadiness_OneServiceIsMissing: a route to a service that isn't running
// takes no front out, and is remarked on wherever one looks.
func TestReadiness_OneServiceIsMissing(t *testing.T) {
	t.Parallel()
	etcd := startEtcd(t)
	applyRoutes(t, "echo", "--etcd", etcd)
	start(t, "handler", "echo", "--admin", "", "--statsd", "", "--etcd", etcd)
	_, http, admin := startTerminator(t, etcd)
	linked(t, admin, "echo", 1)
	testutil.Eventually(t, "ready", func() bool {
		code, body, err := adminGet(admin, "/readyz")
		return err == nil && code == 200 && body == "ok\n"
	})

	routes := filepath.Join(t.TempDir(), "routes.yaml")
	writeFile(t, routes, "version: 1\nroutes:\n  - {match: {prefix: /}, service: echo}\n  - {match: {prefix: /new}, service: new-one}\n")
	const warning = `warning: no instance of "new-one" is registered`
	for _, args := range [][]string{{"--dry-run"}, nil} {
		f := finish(t, "nanofront", append([]string{"routes", "apply", routes, "--etcd", etcd}, args...)...)
		if f.code != 0 || !strings.Contains(f.out, warning) || strings.Contains(f.out, `"echo"`) {
			t.Errorf("routes apply %s: exit code %d, want 0 and %q:\n%s", args, f.code, warning, f.out)
		}
	}
	if f := finish(t, "nanofront", "routes", "apply", routes, "--dry-run", "--etcd", "http://"+freeAddr(t)); f.code != 0 || !strings.Contains(f.out, "is valid") || !strings.Contains(f.out, "can't tell whether") {
		t.Errorf("routes apply --dry-run without etcd: exit code %d:\n%s", f.code, f.out)
	}

	testutil.Eventually(t, "/readyz names the service", func() bool {
		code, body, err := adminGet(admin, "/readyz")
		if code == 503 {
			t.Fatalf("/readyz: 503 %q", body)
		}
		return err == nil && code == 200 && body == "ok\ndegraded: service \"new-one\": no instance is known\n"
	})
	ask(t, http, get("/hello")).wants(t, 200, "GET /hello")
	ask(t, http, get("/new")).wants(t, 503, "GET /new")
	testutil.Eventually(t, "the gauge says 1", func() bool { return figures(t, admin).Gauges["upstream.degraded"] == 1 })
	if f := finish(t, "nanofront", "status", "--etcd", etcd); f.code != 1 || !strings.Contains(f.out, "! service new-one: no instance is known") {
		t.Errorf("status: exit code %d:\n%s", f.code, f.out)
	}
	start(t, "handler", "echo", "--admin", "", "--statsd", "", "--etcd", etcd, "--instance", "another")
	linked(t, admin, "echo", 2)
}

// TestUp_RouteToAnUnknownService: such a route doesn't keep the system from
// coming up.
func TestUp_RouteToAnUnknownService(t *testing.T) {
	t.Parallel()
	routes := filepath.Join(t.TempDir(), "routes.yaml")
	writeFile(t, routes, "version: 1\nroutes:\n  - {match: {prefix: /}, service: echo}\n  - {match: {prefix: /new}, service: new-one}\n")
	s := startUp(t, "--routes", routes)
	ask(t, s.http, get("/hello")).wants(t, 200, "GET /hello")
	if code, body, err := adminGet(s.admin, "/readyz"); code != 200 || !strings.Contains(body, "new-one") {
		t.Errorf("/readyz: %d %q %v", code, body, err)
	}
}

// TestReadiness_TwoTerminatorsOfOneName: both serve and are ready; the one that
// status doesn't show any more says so.
func TestReadiness_TwoTerminatorsOfOneName(t *testing.T) {
	t.Parallel()
	etcd := startEtcd(t)
	applyRoutes(t, "echo", "--etcd", etcd)
	start(t, "handler", "echo", "--admin", "", "--statsd", "", "--etcd", etcd)
	_, http, first := startTerminator(t, etcd, "--instance", "front")
	linked(t, first, "echo", 1)
	testutil.Eventually(t, "the first is shown", func() bool { return len(statusOf(t, "--etcd", etcd).Terminators) == 1 })
	_, _, second := startTerminator(t, etcd, "--instance", "front")
	linked(t, second, "echo", 1)
	testutil.Eventually(t, "the first says that its name was taken", func() bool {
		code, body, err := adminGet(first, "/readyz")
		return err == nil && code == 200 && strings.Contains(body, "degraded: nanofront status doesn't show this terminator: superseded: a process at ")
	})
	ask(t, http, get("/hello")).wants(t, 200, "GET /hello of the first")
	if code, body, err := adminGet(second, "/readyz"); err != nil || code != 200 || body != "ok\n" {
		t.Errorf("/readyz of the second: %d %q %v", code, body, err)
	}
}
