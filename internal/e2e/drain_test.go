package e2e

import (
	"strings"
	"testing"

	"nanofront/internal/testutil"
)

// TestDrain: an operator takes an instance out under load, and no request fails; status says who
// has done it, and that it is meant. A terminator that is drained serves on, and isn't ready.
func TestDrain(t *testing.T) {
	t.Parallel()
	etcd := startEtcd(t)
	applyRoutes(t, "echo", "--etcd", etcd)
	start(t, "handler", "echo", "--instance", "one", "--statsd", "", "--etcd", etcd)
	_, http, admin := startTerminator(t, etcd, "--instance", "front-1")
	linked(t, admin, "echo", 1)
	run := func(code int, want string, args ...string) string {
		t.Helper()
		f := finish(t, "nanofront", append(args, "--etcd", etcd)...)
		if f.code != code || !strings.Contains(f.out, want) {
			t.Errorf("%q: exit code %d, want %d and %q:\n%s", args, f.code, code, want, f.out)
		}
		return f.out
	}
	run(1, "one is the only instance of echo", "drain", "one")
	run(2, "there are echo/one, front-1", "drain", "nobody")
	run(2, "is a terminator, which has no weight", "weight", "front-1", "5")
	start(t, "handler", "echo", "--instance", "two", "--statsd", "", "--etcd", etcd)
	linked(t, admin, "echo", 2)

	// replies counts what an instance has answered, as the front's links say.
	replies := func(name string) (n uint64) {
		var list []struct {
			Instance string
			Replies  uint64
		}
		_, body, err := adminGet(admin, "/links.json")
		if err != nil {
			t.Fatal(err)
		}
		decode(t, body, &list)
		for _, l := range list {
			if l.Instance == name {
				n = l.Replies
			}
		}
		return n
	}
	weight := func(name string) (w, share int) {
		var list []struct {
			Instance      string
			Weight, Share int
		}
		_, body, _ := adminGet(admin, "/links.json")
		decode(t, body, &list)
		for _, l := range list {
			if l.Instance == name {
				return l.Weight, l.Share
			}
		}
		return -1, 0
	}
	load := startLoad(t, http, 8, hello)
	run(0, "echo/one gets no new requests; back with: nanofront undrain echo/one", "drain", "one")
	testutil.Eventually(t, "the front knows", func() bool { w, _ := weight("one"); return w == 0 })
	testutil.Eventually(t, "what was in flight is answered", func() bool {
		before, other := replies("one"), replies("two")
		testutil.Eventually(t, "the other goes on", func() bool { return replies("two") > other+100 })
		return replies("one") == before
	})
	out := run(0, "echo/one: weight 0 by ", "status")
	if !strings.Contains(lineWith(out, " one "), " drained ") || strings.Contains(out, "! ") {
		t.Errorf("status of a drained instance:\n%s", out)
	}
	run(0, "has weight 50 (before: 0)", "weight", "echo/one", "50")
	testutil.Eventually(t, "the front knows", func() bool { w, _ := weight("one"); return w == 50 })
	run(0, "is as it says itself again", "undrain", "one")
	run(0, "nothing to undo", "undrain", "one")
	testutil.Eventually(t, "the front knows", func() bool { w, _ := weight("one"); return w == 100 })
	before := replies("one")
	testutil.Eventually(t, "it gets requests again", func() bool { return replies("one") > before })
	load.stop().allOK(t)

	run(0, "front-1 is not ready, and serves on", "drain", "front-1")
	testutil.Eventually(t, "it isn't ready", func() bool {
		code, body, err := adminGet(admin, "/readyz")
		return err == nil && code == 503 && strings.Contains(body, "drained by ")
	})
	ask(t, http, get("/hello")).wants(t, 200, "GET /hello of a front that is drained")
	out = run(0, "front-1: drained by ", "status")
	if !strings.Contains(lineWith(out, "front-1 "), " drained ") {
		t.Errorf("status of a drained terminator:\n%s", out)
	}
	run(0, "is as it says itself again", "undrain", "front-1")
	testutil.Eventually(t, "it is ready", func() bool { code, _, err := adminGet(admin, "/readyz"); return err == nil && code == 200 })
}
