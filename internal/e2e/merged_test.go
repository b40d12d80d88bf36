package e2e

import (
	"net"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// statsd is a server that keeps what it got of all processes together.
type statsd struct {
	conn net.PacketConn

	mu    sync.Mutex
	lines []string
	last  time.Time
}

func listenStatsd(t *testing.T) *statsd {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &statsd{conn: conn}
	var reads sync.WaitGroup
	reads.Go(func() { // ends with the socket
		buf := make([]byte, 1<<16)
		for {
			n, _, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			s.mu.Lock()
			for line := range strings.SplitSeq(string(buf[:n]), "\n") {
				if strings.HasPrefix(line, "nanofront.system.") {
					s.lines, s.last = append(s.lines, line), time.Now()
				}
			}
			s.mu.Unlock()
		}
	})
	t.Cleanup(func() { _ = conn.Close(); reads.Wait() })
	return s
}

func (s *statsd) addr() string { return s.conn.LocalAddr().String() }

// count is how many lines of a series there were, and when the last one of any came.
func (s *statsd) count(series string) (n int, last time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lines {
		if strings.Contains(l, series) {
			n++
		}
	}
	return n, s.last
}

// TestDash_MergedIntoStatsd: of two pages one sends; the other takes over when the first is stopped,
// the first sends nothing when it goes on, and takes over again when the second is killed.
func TestDash_MergedIntoStatsd(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	etcd, http := "http://"+freeAddr(t), freeAddr(t)
	writeFile(t, filepath.Join(data, "routes.yaml"), someRoutes)
	up := start(t, "nanofront", "up", "--http", http, "--admin", freeAddr(t), "--dash", "", "--etcd-url", etcd, "--data", filepath.Join(data, "data"),
		"--seed", "100", "--durability", "nosync", "--access-log=0", "--web", "1", "--echo", "2", "--routes", filepath.Join(data, "routes.yaml"))
	up.says(t, "nanofront is up.")
	defer keepAsking(http, "/hello", 2, 5*time.Millisecond)()
	one, two := listenStatsd(t), listenStatsd(t)
	dash := func(to *statsd) *process {
		return start(t, "nanofront", "dash", "--listen", freeAddr(t), "--admin", "127.0.0.1:0", "--etcd", etcd,
			"--statsd", to.addr(), "--statsd-merged", "--statsd-interval", "200ms", "--statsd-flush", "1s")
	}
	const p99 = "nanofront.system.nanofront.service.echo.latency.p99:"
	sends := func(what string, s *statsd) {
		t.Helper()
		before, _ := s.count(p99)
		testutil.Eventually(t, what, func() bool { n, _ := s.count(p99); return n >= before+3 })
	}
	first := dash(one)
	sends("the first page sends", one)
	for _, want := range []string{"latency.p50:", "latency.max:", "within.25ms:1|g", "heard:1|g", "known:1|g", "age:"} {
		if n, _ := one.count("service.echo." + want); n == 0 {
			t.Errorf("no line %s in %q", want, one.lines)
		}
	}
	second := dash(two)
	second.says(t, "the page is at")
	sends("the first page goes on", one)
	if n, _ := two.count(""); n != 0 {
		t.Errorf("both send: %q", two.lines)
	}
	first.signal(t, syscall.SIGSTOP)
	sends("the second page takes over", two)
	_, stopped := one.count("")
	before, _ := two.count("")
	first.signal(t, syscall.SIGCONT)
	sends("the second page goes on", two)
	sends("the second page goes on", two)
	if _, last := one.count(""); last != stopped {
		t.Errorf("the first page has sent after it was stopped: %s later", last.Sub(stopped))
	}
	if n, _ := two.count(""); n <= before {
		t.Error("the second page doesn't send")
	}
	second.signal(t, syscall.SIGKILL)
	sends("the first page takes over again", one)
}
