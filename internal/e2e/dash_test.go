package e2e

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"nanofront/internal/dash/view"
	"nanofront/internal/testutil"
)

// lookAt is what the page shows at present.
func lookAt(t *testing.T, dash string) (v view.View) {
	t.Helper()
	code, body, err := adminGet(dash, "/view.json")
	if err != nil || code != 200 {
		return v // it is just starting
	}
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("/view.json: %v: %.300q", err, body)
	}
	return v
}

// keepAsking sends GETs, so many at a time with a pause after each, until stop is called.
func keepAsking(addr, target string, clients int, pause time.Duration) (stop func()) {
	var over atomic.Bool
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			c := client{addr: addr}
			defer c.close()
			for !over.Load() {
				_, _ = c.do(get(target)) // what became of it is for the page to say
				time.Sleep(pause)        // the rate of the load
			}
		})
	}
	return sync.OnceFunc(func() { over.Store(true); wg.Wait() })
}

// TestDash_FiveFaults: of each fault the page names the culprit, and says whether users are hurt.
func TestDash_FiveFaults(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	routes := filepath.Join(data, "routes.yaml")
	const some = "version: 1\nroutes:\n  - {name: hello, match: {path: /hello}, service: echo}\n  - {name: echo, match: {prefix: /echo}, service: echo}\n" +
		"  - {name: web, match: {prefix: /}, service: web}\n"
	writeFile(t, routes, some)
	s := &system{http: freeAddr(t), admin: freeAddr(t), dash: freeAddr(t), etcd: "http://" + freeAddr(t), data: data}
	s.process = startIn(t, programs, []string{"NANOFRONT_MAX_IN_FLIGHT=16", "NANOFRONT_MIN_IN_FLIGHT=16"}, "nanofront", "up", "--http", s.http, "--admin", s.admin, "--dash", s.dash,
		"--etcd-url", s.etcd, "--data", filepath.Join(data, "data"), "--seed", "100", "--durability", "nosync", "--statsd", "", "--access-log=0",
		"--web", "1", "--echo", "2", "--routes", routes)
	s.says(t, "nanofront is up.")
	for _, stop := range []func(){keepAsking(s.http, "/hello", 2, 10*time.Millisecond), keepAsking(s.http, "/profile/42", 1, 20*time.Millisecond)} {
		t.Cleanup(stop)
	}
	testutil.Eventually(t, "the page shows the traffic of a system in which all is heard", func() bool {
		v := lookAt(t, s.dash)
		return v.Known >= 5 && v.Heard == v.Known && v.Total.Rate > 10 && len(v.Services) == 3 && v.Total.P99.Known()
	})
	testutil.Eventually(t, "it shows where the slowest spent their time", func() bool { return lookAt(t, s.dash).Slow.Count > 0 })

	for _, fault := range []struct {
		name    string
		make    func() (undo func())
		key     string // begins the problem's
		culprit string
		says    string // in the problem's text or cause
		level   view.Level
	}{
		{"a handler is killed", func() func() {
			pid := s.child(t, "echo-2")
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			return func() {}
		}, "echo", "echo/echo-2", "echo-2", ""},
		{"one stands still", func() func() {
			pid := s.child(t, "echo-1")
			if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			return func() { _ = syscall.Kill(pid, syscall.SIGCONT) }
		}, "echo", "echo/echo-1", "echo-1", ""},
		{"etcd is gone", func() func() {
			pid := s.child(t, "etcd")
			if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			return func() { _ = syscall.Kill(pid, syscall.SIGCONT) }
		}, "etcd", "", "etcd doesn't answer", view.Amber},
		{"a route leads to nobody", func() func() {
			writeFile(t, routes, some+"  - {name: orders-api, match: {path: /orders}, service: orders}\n")
			if f := s.nanofront(t, "routes", "apply", routes); f.code != 0 {
				t.Fatalf("routes apply: %s", f.out)
			}
			stop := keepAsking(s.http, "/orders", 1, 50*time.Millisecond)
			return func() {
				stop()
				writeFile(t, routes, some)
				if f := s.nanofront(t, "routes", "apply", routes); f.code != 0 {
					t.Errorf("routes apply: %s", f.out)
				}
			}
		}, "orders", "", "route orders-api (/orders) leads to nobody", view.Red},
		{
			"the front is saturated", func() func() { return keepAsking(s.http, "/echo/sleep?ms=300", 60, time.Millisecond) },
			"front saturated", "terminator/terminator-1", "is saturated", view.Red, // by its limit; on a busy machine by its loops
		},
	} {
		since := time.Now()
		undo := fault.make()
		var got view.View
		testutil.Eventually(t, fault.name+": the page says so", func() bool {
			got = lookAt(t, s.dash)
			for _, p := range got.Problems {
				if strings.HasPrefix(p.Key, fault.key) && (fault.culprit == "" || p.Process == fault.culprit) &&
					strings.Contains(p.Text+" "+p.Cause, fault.says) && (fault.level == "" || p.Level == fault.level) {
					return fault.level != view.Red || strings.Contains(got.Sentence, fault.says)
				}
			}
			return false
		})
		t.Logf("%s: after %.1f s, %s: %s", fault.name, time.Since(since).Seconds(), got.Level, got.Sentence)
		undo()
		testutil.Eventually(t, fault.name+": it is over", func() bool {
			got = lookAt(t, s.dash)
			for _, p := range got.Problems {
				if p.Level == view.Red || fault.culprit != "" && p.Process == fault.culprit || fault.culprit == "" && strings.HasPrefix(p.Key, fault.key) {
					return false
				}
			}
			return true
		})
	}
	found := map[string]bool{}
	for _, e := range lookAt(t, s.dash).Events {
		found[e.Kind] = true
	}
	for _, kind := range []string{"restart", "etcd", "routes"} {
		if !found[kind] {
			t.Errorf("no event of kind %s: %v", kind, fmt.Sprint(lookAt(t, s.dash).Events))
		}
	}
}
