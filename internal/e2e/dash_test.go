package e2e

import (
	"encoding/json"
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

// someRoutes are those that the system of these tests begins with.
const someRoutes = "version: 1\nroutes:\n  - {name: hello, match: {path: /hello}, service: echo}\n  - {name: echo, match: {prefix: /echo}, service: echo}\n" +
	"  - {name: web, match: {prefix: /}, service: web}\n"

// startWatched is nanofront up, with its page, and so many requests at once at its front.
func startWatched(t *testing.T, limit string) *system {
	t.Helper()
	data := t.TempDir()
	s := &system{http: freeAddr(t), admin: freeAddr(t), dash: freeAddr(t), etcd: "http://" + freeAddr(t), data: data}
	writeFile(t, s.routes(), someRoutes)
	s.process = startIn(t, programs, []string{"NANOFRONT_MAX_IN_FLIGHT=" + limit, "NANOFRONT_MIN_IN_FLIGHT=" + limit}, "nanofront", "up", "--http", s.http,
		"--admin", s.admin, "--dash", s.dash, "--etcd-url", s.etcd, "--data", filepath.Join(data, "data"), "--seed", "100", "--durability", "nosync",
		"--statsd", "", "--access-log=0", "--web", "1", "--echo", "2", "--routes", s.routes())
	s.says(t, "nanofront is up.")
	return s
}

// routes is the file of the routes of startWatched.
func (s *system) routes() string { return filepath.Join(s.data, "routes.yaml") }

func (s *system) applyRoutes(t *testing.T, doc string) {
	t.Helper()
	writeFile(t, s.routes(), doc)
	if f := s.nanofront(t, "routes", "apply", s.routes()); f.code != 0 {
		t.Errorf("routes apply: %s", f.out)
	}
}

// signals sends a signal to a child.
func (s *system) signals(t *testing.T, name string, with syscall.Signal) (undo func()) {
	t.Helper()
	pid := s.child(t, name)
	if err := syscall.Kill(pid, with); err != nil {
		t.Fatal(err)
	}
	return func() { _ = syscall.Kill(pid, syscall.SIGCONT) }
}

// fault is something that goes wrong, and what the page says of it.
type fault struct {
	name    string
	make    func() (undo func())
	key     string // begins the problem's
	culprit string
	says    string // in the problem's text or cause
	level   view.Level
}

// in reports whether the page says so: in the sentence at the top if users are hurt.
func (f *fault) in(v *view.View) bool {
	for _, p := range v.Problems {
		if strings.HasPrefix(p.Key, f.key) && (f.culprit == "" || p.Process == f.culprit) &&
			strings.Contains(p.Text+" "+p.Cause, f.says) && (f.level == "" || p.Level == f.level) {
			return f.level != view.Red || strings.Contains(v.Sentence, f.says)
		}
	}
	return false
}

// over reports whether the page says so no more, and nobody is hurt.
func (f *fault) over(v *view.View) bool {
	for _, p := range v.Problems {
		mine := f.culprit != "" && p.Process == f.culprit || f.culprit == "" && strings.HasPrefix(p.Key, f.key)
		if p.Level == view.Red || mine && p.Level != view.Intended {
			return false
		}
	}
	return len(v.Problems) > 0 || v.Seq > 0
}

// faults are five kinds. The front is saturated by what saturate puts on it.
func (s *system) faults(t *testing.T, saturate func() (undo func())) []fault {
	return []fault{
		{"a handler is killed", func() func() { return s.signals(t, "echo-2", syscall.SIGKILL) }, "echo", "echo/echo-2", "echo-2", ""},
		{"one stands still", func() func() { return s.signals(t, "echo-1", syscall.SIGSTOP) }, "echo", "echo/echo-1", "echo-1", ""},
		{"one is slow", func() func() {
			l, address := languages["python"](t), "tcp://"+freeAddr(t)
			args := append([]string{"register", "echo", address, "--instance", "echo-py", "--etcd", s.etcd, "--statsd=", "--", l.program}, l.args...)
			p := startIn(t, programs, l.env, "nanofront", append(args, address, "echo", "echo-py")...)
			p.says(t, `"registered"`)
			return func() { p.end(t) }
		}, "echo", "echo/echo-py", "echo-py takes", view.Amber},
		{"etcd is gone", func() func() { return s.signals(t, "etcd", syscall.SIGSTOP) }, "etcd", "", "etcd doesn't answer", view.Amber},
		{"a route leads to nobody", func() func() {
			s.applyRoutes(t, someRoutes+"  - {name: orders-api, match: {path: /orders}, service: orders}\n")
			stop := keepAsking(s.http, "/orders", 1, 50*time.Millisecond)
			return func() { stop(); s.applyRoutes(t, someRoutes) }
		}, "orders", "", "route orders-api (/orders) leads to nobody", view.Red},
		// By its limit; on a busy machine by its loops.
		{"the front is saturated", saturate, "front saturated", "terminator/terminator-1", "is saturated", view.Red},
	}
}

// helloSlowly takes 300 ms of the Python handler, and of others nothing.
const helloSlowly = "/hello?wait=300"

// TestDash_FiveFaults: of each fault the page names the culprit, and says whether users are hurt.
func TestDash_FiveFaults(t *testing.T) {
	t.Parallel()
	s := startWatched(t, "16")
	for _, stop := range []func(){keepAsking(s.http, helloSlowly, 2, 10*time.Millisecond), keepAsking(s.http, "/profile/42", 1, 20*time.Millisecond)} {
		t.Cleanup(stop)
	}
	testutil.Eventually(t, "the page shows the traffic of a system in which all is heard", func() bool {
		v := lookAt(t, s.dash)
		return v.Known >= 5 && v.Heard == v.Known && v.Total.Rate > 10 && len(v.Services) == 3 && v.Total.P99.Known()
	})
	testutil.Eventually(t, "it shows where the slowest spent their time", func() bool { return lookAt(t, s.dash).Slow.Count > 0 })
	for _, f := range s.faults(t, func() func() { return keepAsking(s.http, "/echo/sleep?ms=300", 60, time.Millisecond) }) {
		since := time.Now()
		undo := f.make()
		var got view.View
		testutil.Eventually(t, f.name+": the page says so", func() bool { got = lookAt(t, s.dash); return f.in(&got) })
		t.Logf("%s: after %.1f s, %s: %s", f.name, time.Since(since).Seconds(), got.Level, got.Sentence)
		undo()
		testutil.Eventually(t, f.name+": it is over", func() bool { got = lookAt(t, s.dash); return f.over(&got) })
	}
	found := map[string]bool{}
	for _, e := range lookAt(t, s.dash).Events {
		found[e.Kind] = true
	}
	for _, kind := range []string{"restart", "etcd", "routes"} {
		if !found[kind] {
			t.Errorf("no event of kind %s: %v", kind, lookAt(t, s.dash).Events)
		}
	}
}
