package e2e

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// TestUp_WebKilled kills one of two instances of web without a word: nobody
// who only reads notices.
func TestUp_WebKilled(t *testing.T) {
	s := startUp(t)
	l := startLoad(t, s.http, 16, reading)
	l.more(t, 300)
	s.kill(t, "web-1", syscall.SIGKILL)
	s.says(t, "web-1 ended (signal 9, killed); starting it again in ")
	linked(t, s.admin, "web", 2)
	l.more(t, 300)
	l.stop().allOK(t)
}

// TestUp_OnlyWebKilled: while nobody is there, clients are told so at once, and
// are served again as soon as somebody is.
func TestUp_OnlyWebKilled(t *testing.T) {
	s := startUp(t, "--web", "1")
	l := startLoad(t, s.http, 8, reading)
	l.more(t, 200)
	s.kill(t, "web-1", syscall.SIGKILL)
	// The process is there. From its start it has 2 s, if the machine is its own.
	back := time.Now()
	testutil.Eventually(t, "requests are refused", func() bool { return l.count(503) > 0 })
	l.more(t, 200)
	l.stop()

	l.onlyStatus(t, 200, 503)
	l.onlyFailures(t)
	refused := l.of(503)
	var took []time.Duration
	for _, a := range refused {
		took = append(took, a.took)
		if a.retry == "" {
			t.Fatal("a 503 without Retry-After")
		}
	}
	slices.Sort(took)
	// One in a hundred may have waited for the machine.
	if p99, most := took[(len(took)-1)*99/100], within(100*time.Millisecond, 4*time.Second); p99 > most {
		t.Errorf("of %d 503s, the 99th percentile took %v, want %v at most", len(took), p99, most)
	}
	last := refused[len(refused)-1].at
	t.Logf("%d times 503, the slowest after %v; the last %v after web was back", len(refused), took[len(took)-1], last.Sub(back))
	if most := within(2*time.Second, 30*time.Second); last.Sub(back) > most {
		t.Errorf("the last 503 came %v after web had been started again, want %v at most", last.Sub(back), most)
	}
}

// TestUp_ProfileKilled kills the only instance of profile, under load and twice:
// web waits until it is back, so that nobody who only reads notices.
func TestUp_ProfileKilled(t *testing.T) {
	s := startUp(t)
	l := startLoad(t, s.http, 64, reading)
	l.more(t, 300)
	for range 2 {
		s.kill(t, "profile-1", syscall.SIGKILL)
		linked(t, s.admin, "web", 2)
		l.more(t, 1000)
	}
	l.stop().allOK(t)
}

// TestUp_WebReplaced ends the instances of web one after the other as a
// deployment does: neither reads nor writes notice.
func TestUp_WebReplaced(t *testing.T) {
	s := startUp(t)
	l := startLoad(t, s.http, 16, mixed)
	l.more(t, 300)
	for _, name := range []string{"web-1", "web-2"} {
		s.kill(t, name, syscall.SIGTERM)
		linked(t, s.admin, "web", 2)
		l.more(t, 300)
	}
	l.stop().allOK(t)
	if !s.out.has("web-1 ended (exit code 0)") || !s.out.has("web-2 ended (exit code 0)") {
		t.Errorf("an instance didn't end in order:\n%s", s.out.tail())
	}
}

// TestUp_EtcdKilled: without etcd everything goes on; when it is back, who has
// come since is found.
func TestUp_EtcdKilled(t *testing.T) {
	t.Parallel()
	s := startUp(t)
	l := startLoad(t, s.http, 16, mixed)
	l.more(t, 300)
	s.kill(t, "etcd", syscall.SIGKILL)
	late := startLate(t, s.etcd)
	late.found(t, s.etcd, s.admin, s.http)
	l.more(t, 300)
	// Longer than a lease: who was there before must be registered again.
	l.during(t, 6*time.Second)
	l.stop().allOK(t)
	testutil.Eventually(t, "all five instances are registered after etcd's restart", func() bool {
		return len(status(t, s.etcd, s.admin).Instances) == 5
	})
}

// lateHandler is an echo handler that is started while something is broken.
type lateHandler struct {
	*process
	admin string
}

func startLate(t *testing.T, etcd string) *lateHandler {
	t.Helper()
	h := &lateHandler{admin: freeAddr(t)}
	h.process = start(t, "handler", "echo", "--instance", "echo-late", "--service-version", "2.0-late", "--window", "77",
		"--etcd", etcd, "--admin", h.admin, "--statsd", "")
	return h
}

// found waits until status shows it, and it gets a part of the traffic.
func (h *lateHandler) found(t *testing.T, etcd, admin, http string) {
	t.Helper()
	testutil.Eventually(t, "a link to the late handler", func() bool { return slices.Contains(links(t, admin, "echo"), "echo-late") })
	testutil.Eventually(t, "the late handler gets requests", func() bool {
		ask(t, http, get("/hello")).wants(t, 200, "GET /hello")
		return counter(t, h.admin, "requests") > 0
	})
	for _, in := range status(t, etcd, admin).Instances {
		if in.ID == "echo-late" {
			if in.Version != "2.0-late" || in.Window != 77 || in.State != "serving" || in.Service != "echo" {
				t.Errorf("status shows the late handler as %+v", in)
			}
			return
		}
	}
	t.Error("status doesn't show the late handler")
}

// TestUp_FromEnvironment starts it by nothing but environment variables, which
// its children inherit but must not take for theirs.
func TestUp_FromEnvironment(t *testing.T) {
	http, admin, etcd := freeAddr(t), freeAddr(t), "http://"+freeAddr(t)
	p := startIn(t, programs, []string{
		"NANOFRONT_HTTP=" + http, "NANOFRONT_ADMIN=" + admin, "NANOFRONT_ETCD_URL=" + etcd, "NANOFRONT_DATA=" + t.TempDir(),
		"NANOFRONT_SEED=50", "NANOFRONT_STATSD=", "NANOFRONT_STATIC=/nonexistent", "NANOFRONT_NAME=other", "NANOFRONT_BUS=tcp://" + taken(t),
		"NANOFRONT_WEB=1", "NANOFRONT_DASH=" + freeAddr(t), "NANOFRONT_LISTEN=" + taken(t), "NANOFRONT_TOKEN_FILE=/nonexistent", "NANOFRONT_LOG_LEVEL=warn",
	}, "nanofront", "up")
	p.says(t, "nanofront is up.")
	ask(t, http, get("/profile/50")).wants(t, 200, "GET /profile/50")
	ask(t, http, get("/profile/51")).wants(t, 404, "GET /profile/51")
	if strings.Contains(p.out.String(), `"level":"info"`) {
		t.Error("NANOFRONT_LOG_LEVEL=warn, and there are lines of level info")
	}
	p.signal(t, syscall.SIGINT)
	if code := p.wait(t, testutil.Patience); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// TestUp_Killed: without its parent no child stays.
func TestUp_Killed(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		testutil.Skip(t, "only Linux tells children that their parent has died")
	}
	s := startUp(t)
	pids := children(t, s.pid())
	s.signal(t, syscall.SIGKILL)
	s.wait(t, testutil.Patience)
	for name, pid := range pids {
		testutil.Eventually(t, name+" ends", func() bool { return !alive(pid) })
	}
}

// TestUp_SecondInterrupt ends at once, and leaves nothing behind either.
func TestUp_SecondInterrupt(t *testing.T) {
	t.Parallel()
	s := startUp(t)
	pids := children(t, s.pid())
	done := slept(s.http, "GET", 4500*time.Millisecond) // less than the route's timeout
	inFlight(t, s.admin, 1)
	s.signal(t, syscall.SIGINT)
	s.says(t, "stopping")
	began := time.Now()
	s.signal(t, syscall.SIGINT)
	if code := s.wait(t, testutil.Patience); code != 130 {
		t.Errorf("exit code %d after the second ctrl-C, want 130", code)
	}
	t.Logf("ended %v after the second", time.Since(began))
	for name, pid := range pids {
		testutil.Eventually(t, name+" ends", func() bool { return !alive(pid) })
	}
	<-done // whatever it got
}
