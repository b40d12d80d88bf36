package e2e

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"nanofront/internal/testutil"
)

// TestExampleGo: the module in examples/go, built as it stands, joins a static table and etcd,
// answers through a terminator, and drains at SIGTERM.
func TestExampleGo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	// What its go.mod and go.sum lack is an error: "go mod tidy" in examples/go mends it.
	command{"go", "-C", examples(t, "go"), "build", "-mod=readonly", "-o", filepath.Join(dir, "greeter"), "."}.run(t, "")

	asked := func(t *testing.T, f *front) {
		t.Helper()
		r := ask(t, f.http, get("/greet?name=Ada"))
		r.wants(t, 200, "a name")
		if r.body != "Hello Ada!\n" {
			t.Errorf("body %q", r.body)
		}
		r = ask(t, f.http, get("/greet"))
		r.wants(t, 400, "no name")
		r.isError(t, "no name")
	}
	ended := func(t *testing.T, p *process) {
		t.Helper()
		p.signal(t, syscall.SIGTERM)
		if code := p.wait(t, testutil.Patience); code != 0 || !strings.Contains(p.out.String(), "draining") {
			t.Errorf("exit code %d:\n%s", code, p.out.tail())
		}
	}
	t.Run("static", func(t *testing.T) {
		address := "tcp://" + freeAddr(t)
		f := startFrontOf(t, address)
		p := startIn(t, dir, nil, "greeter", "--static", f.table, "--bus", address, "--instance", "only", "--admin=", "--statsd=")
		p.says(t, address) // it logs where it serves
		f.ready(t, 200)
		asked(t, f)
		ended(t, p)
	})
	t.Run("etcd", func(t *testing.T) {
		etcd := startEtcd(t)
		applyRoutes(t, "greeter", "--etcd", etcd)
		p := startIn(t, dir, []string{"NANOFRONT_ETCD=" + etcd}, "greeter", "--admin=127.0.0.1:0", "--statsd=")
		p.says(t, "serving")
		f := &front{}
		f.terminator, f.http, f.admin = startTerminator(t, etcd)
		f.ready(t, 200)
		asked(t, f)
		ended(t, p)
	})
}
