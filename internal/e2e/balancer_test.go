package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// haproxyConfig shares requests among two terminators and looks at /readyz of each every 200 ms. It
// tries nothing twice, so a connection that is refused is a failed request.
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

// TestTerminator_DrainDelay: a balancer sees that a terminator is going before it has gone, so not
// one request fails; the client is HAProxy.
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

// deployed is a configuration in deploy/ with its addresses replaced by those of a test.
func deployed(t *testing.T, name string, replace ...string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(string(raw), replace[i]) {
			t.Errorf("deploy/%s has no %q", name, replace[i])
		}
	}
	file := filepath.Join(t.TempDir(), filepath.Base(name))
	writeFile(t, file, strings.NewReplacer(replace...).Replace(string(raw)))
	return file
}

// TestHAProxy_Restarts: behind HAProxy as deploy/ has it, each of two terminators is restarted in
// turn under load, and no request fails, POST included. With all handlers gone, and so all
// terminators unready, they still answer.
func TestHAProxy_Restarts(t *testing.T) {
	t.Parallel()
	haproxy := found(t, "haproxy", "haproxy", "-v", "-v")
	etcd := startEtcd(t)
	applyRoutes(t, "echo", "--etcd", etcd)
	handler := start(t, "handler", "echo", "--instance", "one", "--statsd", "", "--etcd", etcd)
	type front struct {
		*process
		name, http, admin string
	}
	launch := func(f *front) {
		f.process = start(t, "terminator", "--instance", f.name, "--http", f.http, "--admin", f.admin, "--etcd", etcd, "--statsd", "", "--access-log=0", "--drain-delay", "6s")
		linked(t, f.admin, "echo", 1)
	}
	fronts := []*front{{name: "front-1"}, {name: "front-2"}}
	for _, f := range fronts {
		f.http, f.admin = freeAddr(t), freeAddr(t)
		launch(f)
	}
	port := func(addr string) string { _, p, _ := net.SplitHostPort(addr); return p }
	in := freeAddr(t)
	config := deployed(t, "haproxy/haproxy.cfg", ":80\n", in+"\n",
		"10.0.0.1:8080", fronts[0].http, "addr 10.0.0.1 port 8081", "addr 127.0.0.1 port "+port(fronts[0].admin),
		"10.0.0.2:8080", fronts[1].http, "addr 10.0.0.2 port 8081", "addr 127.0.0.1 port "+port(fronts[1].admin))
	balancer := startIn(t, filepath.Dir(haproxy), nil, "haproxy", "-db", "-f", config)
	testutil.Eventually(t, "HAProxy serves", func() bool {
		if balancer.ended() {
			t.Fatalf("HAProxy has ended:\n%s", balancer.out.tail())
		}
		status, _, err := adminGet(in, "/hello")
		return err == nil && status == 200
	})
	requests := func(f *front) uint64 { return figures(t, f.admin).Counters["http.requests"].Value }
	load := startLoad(t, in, 16, func(n int) worker {
		if n%2 == 0 {
			return hello(n)
		}
		return each(func() request { return request{method: "POST", target: "/echo", body: "once only"} })
	})
	load.more(t, 200)
	for _, f := range fronts {
		f.signal(t, syscall.SIGTERM)
		if code := f.wait(t, testutil.Patience); code != 0 {
			t.Errorf("%s: exit code %d:\n%s", f.name, code, f.out.tail())
		}
		launch(f)
		testutil.Eventually(t, "HAProxy sends requests to "+f.name+" again", func() bool { return requests(f) > 50 })
	}
	load.stop().allOK(t)
	t.Logf("%d requests through two restarts, none failed", load.ok())

	handler.signal(t, syscall.SIGKILL)
	for _, f := range fronts {
		testutil.Eventually(t, f.name+" answers for itself", func() bool {
			code, _, err := adminGet(f.admin, "/readyz/own")
			return err == nil && code == 200
		})
	}
	for range 20 {
		if r := ask(t, in, get("/hello")); r.status != 503 || !strings.Contains(r.body, `{"error":`) {
			t.Fatalf("without any handler: %d %.200q, want the front's own 503", r.status, r.body)
		}
	}
}

// TestNginx_Deployed: nginx takes the configuration of deploy/, and serves.
func TestNginx_Deployed(t *testing.T) {
	t.Parallel()
	nginx := found(t, "nginx", "nginx-light", "-v", "-v")
	f := startFront(t, frontOptions{})
	in, dir := freeAddr(t), t.TempDir()
	config := deployed(t, "nginx/nginx.conf", "listen 80;", "listen "+in+";", "10.0.0.1:8080", f.http, "10.0.0.2:8080", freeAddr(t), "events {}", "events {}\npid "+dir+"/pid;\nerror_log stderr;",
		"http {\n", "http {\n  access_log off;\n  client_body_temp_path "+dir+"/a;\n  proxy_temp_path "+dir+"/b;\n  fastcgi_temp_path "+dir+"/c;\n  uwsgi_temp_path "+dir+"/d;\n  scgi_temp_path "+dir+"/e;\n")
	balancer := startIn(t, filepath.Dir(nginx), nil, "nginx", "-c", config, "-g", "daemon off;")
	testutil.Eventually(t, "nginx serves", func() bool {
		if balancer.ended() {
			t.Fatalf("nginx has ended:\n%s", balancer.out.tail())
		}
		status, _, err := adminGet(in, "/hello")
		return err == nil && status == 200
	})
	for range 20 {
		ask(t, in, get("/hello", "Connection: close")).wants(t, 200, "GET /hello, one of two terminators being away")
	}
}
