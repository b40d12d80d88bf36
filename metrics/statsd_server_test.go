package metrics

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nanofront/internal/freeport"
	"nanofront/internal/testutil"
)

const (
	enableVariable = "NANOFRONT_TEST_STATSD"
	referenceNPM   = "statsd@0.9.0"
)

// The reference server, with its console backend, must understand all that is sent.
func TestReporter_ReferenceServer(t *testing.T) {
	if os.Getenv(enableVariable) != "1" {
		testutil.Skip(t, "set %s=1, with node and npm installed, to test against the reference server (it installs %s from npm)", enableVariable, referenceNPM)
	}
	for _, tool := range []string{"node", "npm"} {
		testutil.Command(t, tool, map[string]string{"node": "nodejs", "npm": "npm"}[tool])
	}
	dir := t.TempDir()
	install(t, dir)
	addr, out := startReference(t, dir)

	s := New(Terminator, "ref-1")
	s.Counter(HTTPRequests).Add(42)
	s.Gauge(HTTPInFlight).Set(-7)
	for range 1000 {
		s.Timer(StageTotal).Observe(5 * time.Millisecond)
	}
	r := newReporter(t, s, StatsdOptions{Addr: addr, Sample: 0.01})
	r.report(t.Context())
	for _, want := range []string{
		"'nanofront.terminator.ref-1.http.requests': 42",
		"'nanofront.terminator.ref-1.http.in_flight': -7",
		"'nanofront.terminator.ref-1.stage.total.count': 1000",
		"'nanofront.terminator.ref-1.stage.total.p99': ",
		"'nanofront.terminator.ref-1.stage.total': [", // the samples
		"'statsd.bad_lines_seen': 0",
	} {
		testutil.Eventually(t, "the server prints "+want, func() bool { return strings.Contains(out.String(), want) })
	}
	for line := range strings.Lines(out.String()) {
		if strings.Contains(line, "bad_lines_seen") && !strings.Contains(line, ": 0") {
			t.Errorf("the server has seen bad lines: %s", line)
		}
	}
}

func install(t *testing.T, dir string) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "install", "--no-audit", "--no-fund", "--no-optional", "--ignore-scripts", referenceNPM)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "npm_config_cache="+filepath.Join(dir, "cache"), "npm_config_update_notifier=false")
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm install %s: %v\n%s", referenceNPM, err, b)
	}
}

// startReference starts the server and returns its address and what it prints.
func startReference(t *testing.T, dir string) (string, *output) {
	var ports [2]string // of 0 it would make its usual one, which may be taken
	var addr string
	for i := range ports {
		var err error
		if addr, err = freeport.Addr(); err == nil {
			_, ports[i], err = net.SplitHostPort(addr)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	config := filepath.Join(dir, "config.js")
	text := fmt.Sprintf(`{address: "127.0.0.1", port: %s, mgmt_address: "127.0.0.1", mgmt_port: %s, flushInterval: 500, backends: ["./backends/console"]}`, ports[1], ports[0])
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out := new(output)
	cmd := exec.Command("node", filepath.Join(dir, "node_modules", "statsd", "stats.js"), config)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed, so it tells nothing
		if t.Failed() {
			t.Logf("the reference server printed:\n%s", out)
		}
	})
	// It says "server is up" before its socket is bound, and what is sent in
	// between is lost. So it is asked until it has counted something.
	conn, err := net.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	testutil.Eventually(t, "the reference server counts what it is sent", func() bool {
		_, _ = conn.Write([]byte("up:1|c")) // refused as long as nobody listens
		return strings.Contains(out.String(), "\n    up: ")
	})
	return addr, out
}

// output is what a process prints, while it does.
type output = testutil.Buffer
