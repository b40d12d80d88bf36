package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"nanofront/internal/testutil"
)

// TestVersions_SharesWhileTheyGrow runs two versions behind terminators that are started anew for
// each step of a ramp: shares are exact without a key, who is on the new version stays there with
// one, and nobody but those who may gets a version that he asks for.
func TestVersions_SharesWhileTheyGrow(t *testing.T) {
	table := filepath.Join(t.TempDir(), "table.yaml")
	versions := []string{"41", "42", "43"}
	var instances strings.Builder
	buses := make([]string, len(versions))
	for i, v := range versions {
		buses[i] = "tcp://" + freeAddr(t)
		fmt.Fprintf(&instances, "  - {service: echo, id: echo-%s, address: %q, version: %q}\n", v, buses[i], v)
	}
	write := func(share int, sticky string) {
		writeFile(t, table, fmt.Sprintf("version: 2\ninstances:\n%sservices:\n  echo: {versions: {\"41\": %d, \"42\": %d}%s}\nroutes:\n%s",
			instances.String(), 100-share, share, sticky, echoRoutes))
	}
	write(5, "")
	for i, v := range versions {
		start(t, "handler", "echo", "--instance", "echo-"+v, "--service-version", v, "--bus", buses[i], "--static", table, "--statsd", "", "--admin", freeAddr(t))
	}
	terminator := func() *front {
		f := &front{http: freeAddr(t), admin: freeAddr(t)}
		f.terminator = start(t, "terminator", "--http", f.http, "--admin", f.admin, "--static", table, "--statsd", "", "--access-log=0")
		f.ready(t, 200)
		linked(t, f.admin, "echo", len(versions))
		return f
	}
	served := func(f *front, version string) uint64 {
		return counter(t, f.admin, "version.echo."+version+".served")
	}
	send := func(c *client, n int, fields ...string) {
		for range n {
			r, fault := c.do(get("/hello", fields...))
			if fault != nil || r.status != 200 {
				t.Fatalf("%d, %v", r.status, fault)
			}
		}
	}

	f := terminator()
	c := client{addr: f.http}
	const requests = 20_000
	send(&c, requests-100)
	send(&c, 100, "X-Version: 43") // which nobody may ask for
	testutil.Eventually(t, "all are counted", func() bool { return served(f, "41")+served(f, "42") == requests })
	if got := served(f, "42"); got != requests*5/100 {
		t.Errorf("%d of %d requests went to 42, want 5 %%", got, requests)
	}
	c.close()
	f.terminator.signal(t, syscall.SIGKILL)

	const clients = 150
	var on [clients]bool // 42
	for _, share := range []int{5, 25, 60} {
		write(share, `, sticky: "cookie:session"`)
		for range 2 { // two terminators, or one that was started anew
			f := terminator()
			c := client{addr: f.http}
			before, n := served(f, "42"), 0
			for i := range on {
				send(&c, 1, fmt.Sprintf("Cookie: session=client-%d", i))
				testutil.Eventually(t, "it is counted", func() bool { return served(f, "41")+served(f, "42") == uint64(i+1) })
				now := served(f, "42")
				if on[i] && now == before {
					t.Fatalf("at %d %%: client %d has left 42", share, i)
				}
				on[i] = now > before
				if before = now; on[i] {
					n++
				}
			}
			if want := clients * share / 100; n < want-20 || n > want+20 {
				t.Errorf("at %d %%: %d of %d clients are on 42", share, n, clients)
			}
			c.close()
			f.terminator.signal(t, syscall.SIGKILL)
		}
	}
}
