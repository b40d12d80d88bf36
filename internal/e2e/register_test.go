package e2e

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
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
	front, admin := freeAddr(t), freeAddr(t)
	start(t, "terminator", "--http", front, "--admin", admin, "--etcd", etcd, "--statsd", "", "--access-log=0")
	script := startIn(t, examples(t, "etcd"), nil, "register.sh", etcd, "greeter", "greeter-python", address)
	script.says(t, "registered greeter/greeter-python")
	linked(t, admin, "greeter", 1)
	ask(t, front, get("/")).wants(t, 200, "GET / of what the script has registered")
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

// TestRegister_JoinsUp: a handler in another language joins what nanofront up runs, whose etcd has no gateway
// for the script; etcdctl is the way, and where there is none the script says so and ends.
func TestRegister_JoinsUp(t *testing.T) {
	t.Parallel()
	etcdctl := found(t, "etcdctl", "etcd-client", "version", "--endpoints=http://127.0.0.1:1")
	found(t, "curl", "curl", "--version", "-s")
	l := languages["python"](t)
	s := startUp(t, "--web", "1")
	routes := filepath.Join(t.TempDir(), "routes.yaml")
	writeFile(t, routes, "version: 1\nroutes:\n  - {match: {prefix: /greet}, service: greeter}\n  - {match: {prefix: /}, service: web}\n")
	if f := s.nanofront(t, "routes", "apply", routes); f.code != 0 {
		t.Fatalf("routes apply: exit code %d: %s", f.code, f.out)
	}
	address := "tcp://" + freeAddr(t)
	l.start(t, address)

	tools := t.TempDir() // all that the script needs but etcdctl
	for _, name := range []string{"sh", "curl", "sed", "date", "base64", "tr", "sleep"} {
		path, err := exec.LookPath(name)
		if err == nil {
			err = os.Symlink(path, filepath.Join(tools, name))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	without := finishIn(t, examples(t, "etcd"), []string{"PATH=" + tools}, "register.sh", s.etcd, "greeter", "greeter-python", address)
	if without.code != 1 || !strings.Contains(without.out, "no JSON gateway") || !strings.Contains(without.out, "etcd-client") {
		t.Errorf("without etcdctl: exit code %d: %s", without.code, without.out)
	}

	script := startIn(t, examples(t, "etcd"), []string{"PATH=" + tools + ":" + filepath.Dir(etcdctl)}, "register.sh", s.etcd, "greeter", "greeter-python", address)
	script.says(t, "registered greeter/greeter-python")
	linked(t, s.admin, "greeter", 1)
	ask(t, s.http, get("/greet")).wants(t, 200, "GET /greet of what the script has registered")
	script.signal(t, syscall.SIGTERM)
	if code := script.wait(t, testutil.Patience); code != 0 {
		t.Errorf("exit code %d:\n%s", code, script.out.tail())
	}
	testutil.Eventually(t, "its record is gone", func() bool {
		for _, in := range status(t, s.etcd, s.admin).Instances {
			if in.Service == "greeter" {
				return false
			}
		}
		return true
	})
}

// TestRegister_SaysWhatIsWrong: what won't get better by itself ends the script, what may is tried on, with the reason.
func TestRegister_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	found(t, "curl", "curl", "--version", "-s")
	nobody := "http://" + freeAddr(t)
	script := startIn(t, examples(t, "etcd"), nil, "register.sh", nobody, "greeter", "g", "tcp://127.0.0.1:1")
	script.says(t, "can't register at "+nobody+", trying on: curl: (7)")
	script.signal(t, syscall.SIGTERM)
	if code := script.wait(t, testutil.Patience); code != 0 {
		t.Errorf("exit code %d:\n%s", code, script.out.tail())
	}
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"error":"etcdserver: user name is empty"}`, http.StatusBadRequest)
	}))
	defer refuses.Close()
	f := finishIn(t, examples(t, "etcd"), nil, "register.sh", refuses.URL, "greeter", "g", "tcp://127.0.0.1:1")
	if f.code != 1 || !strings.Contains(f.out, "400") || !strings.Contains(f.out, "user name is empty") {
		t.Errorf("refused: exit code %d: %s", f.code, f.out)
	}
}
