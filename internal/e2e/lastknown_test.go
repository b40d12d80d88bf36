package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// TestLastKnown_EtcdIsAwayAtTheStart: a terminator that starts while etcd is
// away serves by what was last known, says how old that is, and goes over to
// etcd's word when that answers.
func TestLastKnown_EtcdIsAwayAtTheStart(t *testing.T) {
	t.Parallel()
	url, data := "http://"+freeAddr(t), filepath.Join(t.TempDir(), "etcd")
	etcd := func() *process {
		p := start(t, "nanofront", "etcd", "--client-url", url, "--data", data, "--statsd", "", "--admin", "")
		p.says(t, "etcd serving")
		return p
	}
	known := filepath.Join(t.TempDir(), "known")
	server := etcd()
	applyRoutes(t, "echo", "--etcd", url)
	start(t, "handler", "echo", "--etcd", url, "--admin", "", "--statsd", "")
	first, _, admin := startTerminator(t, url, "--last-known", known)
	linked(t, admin, "echo", 1)
	testutil.Eventually(t, "the state is written down", func() bool {
		b, err := os.ReadFile(known)
		return err == nil && strings.Contains(string(b), `"service":"echo"`)
	})
	first.signal(t, syscall.SIGTERM)
	first.wait(t, testutil.Patience)
	server.signal(t, syscall.SIGKILL)
	server.wait(t, testutil.Patience)

	without, _, blind := startTerminator(t, url)
	_, http, admin := startTerminator(t, url, "--last-known", known)
	readyz := func(admin string) string {
		code, body, err := adminGet(admin, "/readyz")
		if err != nil || code != 200 {
			return ""
		}
		return body
	}
	testutil.Eventually(t, "ready, and it says by what", func() bool {
		return strings.Contains(readyz(admin), "degraded: etcd has not answered since the start")
	})
	ask(t, http, get("/hello")).wants(t, 200, "GET /hello while etcd is away")
	testutil.Eventually(t, "and why", func() bool {
		return strings.Contains(readyz(admin), "degraded: instances and routes stay as they are: since ") &&
			strings.Contains(readyz(admin), "no answer from "+url)
	})
	testutil.Eventually(t, "the age is shown", func() bool {
		age := figures(t, admin).Gauges["etcd.last_known.age"]
		return age > 0 && age < (10*time.Minute).Seconds()
	})
	if code, body, _ := adminGet(blind, "/readyz"); code != 503 || !strings.Contains(body, "no routes known") {
		t.Errorf("one without the file: /readyz %d %q", code, body)
	}
	without.signal(t, syscall.SIGTERM)

	etcd()
	testutil.Eventually(t, "etcd's word holds", func() bool { return readyz(admin) == "ok\n" })
	ask(t, http, get("/hello")).wants(t, 200, "GET /hello when etcd is back")

	for _, args := range [][]string{
		{"--last-known", filepath.Join(t.TempDir(), "none", "known")},
		{"--last-known", known, "--etcd-prefix", "/other"},
	} {
		f := finish(t, "terminator", append(args, "--http", freeAddr(t), "--admin", "", "--statsd", "", "--etcd", url)...)
		if f.code != 2 || !strings.Contains(f.out, "--last-known") {
			t.Errorf("%s: exit code %d, want 2 and what is wrong:\n%s", args, f.code, f.out)
		}
	}
}
