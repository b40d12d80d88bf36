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

// reference installs and starts the reference server with the configuration that is shipped, but
// for its ports, its flush, and that it prints what it passes on.
func reference(t *testing.T, flush time.Duration) (addr string, out *output) {
	if os.Getenv(enableVariable) != "1" {
		testutil.Skip(t, "set %s=1, with node and npm installed, to test against the reference server (it installs %s from npm)", enableVariable, referenceNPM)
	}
	for _, tool := range []string{"node", "npm"} {
		testutil.Command(t, tool, map[string]string{"node": "nodejs", "npm": "npm"}[tool])
	}
	dir := t.TempDir()
	install(t, dir)
	return startReference(t, dir, flush)
}

// The reference server must understand all that is sent.
func TestReporter_ReferenceServer(t *testing.T) {
	addr, out := reference(t, 500*time.Millisecond)
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
		"'nanofront.terminator.ref-1.stage.total.sampled': [",
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

const childVariable = "NANOFRONT_TEST_REPORT_TO"

// TestReporter_Child is the process that the next test kills; by itself it is none.
func TestReporter_Child(t *testing.T) {
	addr := os.Getenv(childVariable)
	if addr == "" {
		return // not asked for
	}
	s := New(Terminator, "doomed")
	s.AddProcess()
	g := s.Goals("web", "main", []time.Duration{25 * ms}, nil)
	go func() {
		for range time.Tick(10 * ms) {
			s.Counter(HTTPRequests).Inc()
			s.Timer(StageTotal).Observe(5 * ms)
			g.Answered(5 * ms)
		}
	}()
	newReporter(t, s, StatsdOptions{Addr: addr, Interval: 200 * ms, Flush: time.Second}).Run(t.Context())
}

// Of a killed process no number is left two flushes later: neither a last value nor a 0.
func TestReporter_KilledProcessLeavesNothing(t *testing.T) {
	addr, out := reference(t, time.Second)
	child := exec.Command(os.Args[0], "-test.run=^TestReporter_Child$")
	child.Env = append(os.Environ(), childVariable+"="+addr)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = child.Process.Kill() }) // it is dead already, if all is well
	const name = ".doomed."
	flushes := func() []string {
		all := strings.Split(out.String(), "Flushing stats at")
		return all[:len(all)-1] // the last may not be whole
	}
	for _, what := range []string{".stage.total.p99': ", ".within.25ms': ", ".failed': 0", ".process.goroutines': "} {
		testutil.Eventually(t, "the server passes on "+what, func() bool { return strings.Contains(out.String(), what) })
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // killed, so it tells nothing
	before := len(flushes())
	testutil.Eventually(t, "five flushes more", func() bool { return len(flushes()) >= before+6 })
	for i, f := range flushes()[before+3:] { // what has begun, and two
		if at := strings.Index(f, name); at >= 0 {
			t.Errorf("flush %d after the end has %q", i+2, f[max(0, at-40):min(len(f), at+60)])
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
func startReference(t *testing.T, dir string, flush time.Duration) (string, *output) {
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
	shipped, err := os.ReadFile(filepath.Join(root, "deploy", "statsd", "config.js"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(shipped)
	for from, to := range map[string]string{
		"  port: 8125": "  port: " + ports[1], "mgmt_port: 8126": "mgmt_port: " + ports[0], "./backends/graphite": "./backends/console",
		"flushInterval: 10000": fmt.Sprintf("flushInterval: %d", flush.Milliseconds()),
	} {
		if strings.Count(text, from) != 1 {
			t.Fatalf("deploy/statsd/config.js has %q %d times, want once", from, strings.Count(text, from))
		}
		text = strings.Replace(text, from, to, 1)
	}
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
