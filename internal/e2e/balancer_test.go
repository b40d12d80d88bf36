package e2e

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// haproxyConfig shares requests among two terminators and looks at /readyz of each every 200 ms. It tries nothing
// twice, so a connection that is refused is a failed request.
const haproxyConfig = `
defaults
  mode http
  retries 0
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend in
  bind %s
  default_backend out
backend out
  balance roundrobin
  option httpchk GET /readyz
  default-server check inter 200ms fall 2 rise 1
  server a %s port %s
  server b %s port %s
`

// TestTerminator_DrainDelay: a balancer sees that a terminator is going before it has gone, so not one request
// fails; the client is HAProxy.
func TestTerminator_DrainDelay(t *testing.T) {
	t.Parallel()
	haproxy := found(t, "haproxy", "haproxy", "-v", "-v")
	const delay = 3 * time.Second
	f := startFront(t, frontOptions{terminator: []string{"--drain-delay", delay.String()}})
	second, secondAdmin := freeAddr(t), freeAddr(t)
	start(t, "terminator", "--http", second, "--admin", secondAdmin, "--static", f.table, "--statsd", "", "--access-log=0")
	linked(t, secondAdmin, "echo", 1)
	port := func(addr string) string { _, p, _ := net.SplitHostPort(addr); return p }
	front, config := freeAddr(t), filepath.Join(t.TempDir(), "haproxy.cfg")
	writeFile(t, config, fmt.Sprintf(haproxyConfig, front, f.http, port(f.admin), second, port(secondAdmin)))
	balancer := startIn(t, filepath.Dir(haproxy), nil, "haproxy", "-db", "-f", config)
	testutil.Eventually(t, "HAProxy serves", func() bool {
		if balancer.ended() {
			t.Fatalf("HAProxy has ended:\n%s", balancer.out.tail())
		}
		status, _, err := adminGet(front, "/hello")
		return err == nil && status == 200
	})

	sent := func(admin string) uint64 { return figures(t, admin).Counters["http.requests"].Value }
	asked := 0
	again := func() {
		t.Helper()
		ask(t, front, get("/hello", "Connection: close")).wants(t, 200, "GET /hello by way of HAProxy")
		asked++
	}
	before := sent(f.admin)
	for range 10 {
		again()
	}
	if sent(f.admin) == before {
		t.Fatal("HAProxy sends nothing to the first terminator")
	}
	f.terminator.signal(t, syscall.SIGTERM)
	told := time.Now()
	if text := f.ready(t, 503); !strings.Contains(text, "draining") {
		t.Errorf("/readyz says %q", text)
	}
	// While it isn't ready it serves as before, and says that it closes.
	if r := ask(t, f.http, get("/hello")); r.status != 200 || !r.close {
		t.Errorf("in the delay: %d, Connection: close %v", r.status, r.close)
	}
	for !f.terminator.ended() {
		again()
		time.Sleep(time.Millisecond) // it goes on for seconds
	}
	if took := time.Since(told); took < delay {
		t.Errorf("it has ended after %v", took)
	}
	if code := f.terminator.code(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for range 10 {
		again()
	}
	t.Logf("%d requests, none failed", asked)
}
