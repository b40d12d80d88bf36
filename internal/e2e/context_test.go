package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestContext_Precedence: a command takes what addresses a system from its flags, else from the
// environment, else from the context; and whoever names another etcd means that, with nothing of
// the context.
func TestContext_Precedence(t *testing.T) {
	t.Parallel()
	etcd := startEtcd(t)
	dir := t.TempDir()
	run := func(env []string, args ...string) finished {
		t.Helper()
		return finishIn(t, programs, append([]string{"XDG_CONFIG_HOME=" + dir}, env...), "nanofront", args...)
	}
	file := filepath.Join(dir, "nanofront", "contexts.json")
	wants := func(f finished, code int, want string) {
		t.Helper()
		if f.code != code || !strings.Contains(f.out, want) {
			t.Errorf("exit code %d, want %d and %q:\n%s", f.code, code, want, f.out)
		}
	}
	status := func(want string, env []string, args ...string) {
		t.Helper()
		if f := run(env, append([]string{"status"}, args...)...); !strings.Contains(f.out, want) {
			t.Errorf("status %q with %q: no %q in\n%s", args, env, want, f.out)
		}
	}

	wants(run(nil, "context", "list"), 0, "there are no contexts")
	wants(run([]string{"NANOFRONT_ETCD_USER=somebody", "NANOFRONT_ETCD_PASSWORD=x"}, "context", "add", "one", "--etcd", etcd, "--etcd-prefix", "/one", "--bus-secret-file", "a-file"), 0, "context one added: commands use it from now on")
	wants(run(nil, "context", "add", "two", "--etcd", etcd, "--etcd-prefix", "/two"), 0, "nanofront context use two")
	info, err := os.Stat(file)
	raw, _ := os.ReadFile(file)
	if err != nil || info.Mode().Perm() != 0o600 || strings.Contains(string(raw), "somebody") || !strings.Contains(string(raw), "/a-file\"") {
		t.Errorf("%v %v:\n%s", err, info.Mode(), raw)
	}
	status("prefix /one", nil)
	status("prefix /two", nil, "--context", "two")
	status("prefix /two", []string{"NANOFRONT_CONTEXT=two"})
	status("prefix /one", []string{"NANOFRONT_CONTEXT=two"}, "--context=one")
	status("prefix /three", []string{"NANOFRONT_ETCD_PREFIX=/three"})
	status("prefix /four", []string{"NANOFRONT_ETCD_PREFIX=/three"}, "--etcd-prefix", "/four")
	status("prefix /nanofront/v1/", nil, "--etcd", etcd)
	status("prefix /nanofront/v1/", []string{"NANOFRONT_ETCD=" + etcd})
	status("http://127.0.0.1:2379", nil, "--context=")
	wants(run(nil, "status", "--context", "nobody"), 2, `nanofront: there is no context "nobody": there are one, two`)
	wants(run(nil, "context", "use", "two"), 0, "commands use two from now on: etcd "+etcd+", prefix /two")
	status("prefix /two", nil)
	wants(run(nil, "context", "list"), 0, "two      yes      etcd "+etcd+", prefix /two")
	wants(run(nil, "context", "remove", "two"), 0, "none is current now")
	status("http://127.0.0.1:2379", nil)

	for want, args := range map[string][]string{
		"is not a context's name":       {"add", "A/B", "--etcd", etcd},
		"it needs --etcd or --static":   {"add", "x", "--etcd-prefix", "/x"},
		"give one of them":              {"add", "x", "--etcd", etcd, "--static", "t.yaml"},
		`there is no context "two"`:     {"use", "two"},
		"--etcd-cert and --etcd-key be": {"add", "x", "--etcd", "https://127.0.0.1:1", "--etcd-cert", "c.pem"},
	} {
		wants(run(nil, append([]string{"context"}, args...)...), 2, want)
	}
	writeFile(t, file, "{")
	wants(run(nil, "status"), 2, "mend it, or remove it")
}
