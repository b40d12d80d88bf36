package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"nanofront/internal/testutil"
)

// manager is the side of a service manager that sd_notify(3) talks to.
type manager struct {
	path string
	mu   sync.Mutex
	said []string
}

func startManager(t *testing.T) *manager {
	t.Helper()
	m := &manager{path: filepath.Join(t.TempDir(), "notify")}
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			n, err := l.Read(buf)
			if err != nil {
				return
			}
			m.mu.Lock()
			m.said = append(m.said, strings.Split(string(buf[:n]), "\n")...)
			m.mu.Unlock()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return m
}

func (m *manager) count(what string) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.said {
		if s == what {
			n++
		}
	}
	return n
}

func (m *manager) hears(t *testing.T, what string, times int) {
	t.Helper()
	testutil.Eventually(t, fmt.Sprintf("%s, %d times", what, times), func() bool { return m.count(what) >= times })
}

// TestSystemd_Notify: a terminator and a handler say when they are ready; the terminator feeds the
// watchdog while its loops turn, and stops when the whole process is stopped; a successor says that
// it is the main process.
func TestSystemd_Notify(t *testing.T) {
	t.Parallel()
	etcd := startEtcd(t)
	applyRoutes(t, "echo", "--etcd", etcd)
	m, h := startManager(t), startManager(t)
	startIn(t, programs, []string{"NOTIFY_SOCKET=" + h.path}, "handler", "echo", "--statsd", "", "--etcd", etcd)
	h.hears(t, "READY=1", 1)
	http, admin := freeAddr(t), freeAddr(t)
	args := []string{"--http", http, "--admin", admin, "--etcd", etcd, "--statsd", "", "--access-log=0", "--handover", filepath.Join(t.TempDir(), "h")}
	env := []string{"NOTIFY_SOCKET=" + m.path, "WATCHDOG_USEC=300000"}
	first := startIn(t, programs, env, "terminator", args...)
	m.hears(t, "READY=1", 1)
	ask(t, http, get("/hello")).wants(t, 200, "GET /hello of a terminator that is ready")
	m.hears(t, "WATCHDOG=1", 3)

	second := startIn(t, programs, env, "terminator", args...)
	m.hears(t, fmt.Sprintf("MAINPID=%d", second.pid()), 1)
	if code := first.wait(t, testutil.Patience); code != 0 {
		t.Errorf("exit code %d of the predecessor", code)
	}
	if n := m.count("STOPPING=1"); n != 0 {
		t.Error("the predecessor says that the service stops")
	}
	m.hears(t, "READY=1", 2)
	second.signal(t, syscall.SIGTERM)
	m.hears(t, "STOPPING=1", 1)
	if code := second.wait(t, testutil.Patience); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestSystemd_Activation: the terminator serves on the socket that the manager has passed.
func TestSystemd_Activation(t *testing.T) {
	t.Parallel()
	f := startFront(t, frontOptions{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	defer func() { _ = file.Close() }()
	// $$ is the shell's, which the terminator takes the place of: the descriptors are meant for it.
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, filepath.Join(programs, "terminator"),
		"--http", freeAddr(t), "--admin", "", "--static", f.table, "--statsd", "", "--access-log=0")
	cmd.Env = environment("LISTEN_FDS=1", "LISTEN_FDNAMES=http")
	cmd.ExtraFiles = []*os.File{file}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	testutil.Eventually(t, "it answers on the socket that was passed", func() bool {
		status, _, err := adminGet(addr, "/hello")
		return err == nil && status == 200
	})
}

// TestSystemd_Units: systemd takes the units of deploy/.
func TestSystemd_Units(t *testing.T) {
	t.Parallel()
	analyze := testutil.Command(t, "systemd-analyze", "systemd")
	// Where the programs and the user are, is for the package to see to.
	dir := t.TempDir()
	var units []string
	files, err := filepath.Glob("../../deploy/systemd/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no units: %v", err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, filepath.Base(file))
		writeFile(t, name, strings.ReplaceAll(string(raw), "/usr/bin/", programs+"/"))
		if !strings.Contains(name, "@") {
			units = append(units, name)
		} else {
			instance := strings.Replace(name, "@", "@web", 1)
			writeFile(t, instance, strings.ReplaceAll(string(raw), "/usr/bin/", programs+"/"))
			units = append(units, instance)
		}
	}
	out, err := exec.CommandContext(t.Context(), analyze, append([]string{"verify", "--man=no"}, units...)...).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, dir) || strings.Contains(line, "nanofront") {
			t.Errorf("%s", line)
		}
	}
	if err != nil {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}
