package e2e

import (
	"encoding/base64"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"nanofront/internal/testutil"
)

// TestEtcd_RegisteredByScript: a handler that knows nothing of etcd is registered
// in a stock server of it by the script of examples/, and found.
func TestEtcd_RegisteredByScript(t *testing.T) {
	t.Parallel()
	server := found(t, "etcd", "etcd-server", "--version", "--name=x")
	found(t, "curl", "curl", "--version", "-s")
	l := languages["python"](t)
	etcd, peer, address := "http://"+freeAddr(t), "http://"+freeAddr(t), "tcp://"+freeAddr(t)
	startIn(t, filepath.Dir(server), nil, filepath.Base(server), "--data-dir", filepath.Join(t.TempDir(), "etcd"),
		"--listen-client-urls", etcd, "--advertise-client-urls", etcd, "--listen-peer-urls", peer,
		"--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer)
	testutil.Eventually(t, "etcd answers", func() bool {
		status, _, err := adminGet(strings.TrimPrefix(etcd, "http://"), "/version")
		return err == nil && status == 200
	})
	routes := filepath.Join(t.TempDir(), "routes.yaml")
	writeFile(t, routes, "version: 1\nroutes:\n  - {match: {prefix: /}, service: greeter}\n")
	if f := finish(t, "nanofront", "routes", "apply", routes, "--etcd", etcd); f.code != 0 {
		t.Fatalf("routes apply: exit code %d: %s", f.code, f.out)
	}
	l.start(t, address)
	http, admin := freeAddr(t), freeAddr(t)
	start(t, "terminator", "--http", http, "--admin", admin, "--etcd", etcd, "--statsd", "", "--access-log=0")
	script := startIn(t, examples(t, "etcd"), nil, "register.sh", etcd, "greeter", "greeter-python", address)
	script.says(t, "registered greeter/greeter-python")
	linked(t, admin, "greeter", 1)
	ask(t, http, get("/")).wants(t, 200, "GET / of what the script has registered")
	script.signal(t, syscall.SIGTERM)
	if code := script.wait(t, testutil.Patience); code != 0 {
		t.Errorf("exit code %d:\n%s", code, script.out.tail())
	}
	key := base64.StdEncoding.EncodeToString([]byte("/nanofront/v1/instances/greeter/greeter-python"))
	r := ask(t, strings.TrimPrefix(etcd, "http://"), request{method: "POST", target: "/v3/kv/range", body: `{"key":"` + key + `"}`})
	if r.wants(t, 200, "range"); strings.Contains(r.body, "kvs") || !strings.Contains(r.body, "header") {
		t.Errorf("what the script has left: %s", r.body)
	}
}
