package e2e

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// logPipe is standard output and error of a program as what collects logs has them.
type logPipe struct{ r, w *os.File }

func newLogPipe(t *testing.T) *logPipe {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	return &logPipe{r, w}
}

// start starts a program that has the pipe's other end alone.
func (l *logPipe) start(t *testing.T, name string, args ...string) *process {
	t.Helper()
	p := startOnto(t, l.w, name, args...)
	_ = l.w.Close()
	return p
}

// readUntil reads until a line has the text.
func (l *logPipe) readUntil(t *testing.T, text string) {
	t.Helper()
	for lines := bufio.NewScanner(l.r); lines.Scan(); {
		if strings.Contains(lines.Text(), text) {
			return
		}
	}
	t.Fatalf("the output ended without %q", text)
}

func endsWith(t *testing.T, p *process, code int) {
	t.Helper()
	p.signal(t, syscall.SIGTERM)
	if got := p.wait(t, testutil.Patience); got != code {
		t.Errorf("%s: exit code %d after SIGTERM, want %d", p, got, code)
	}
}

// counts waits until the program has counted lost log lines.
func countsLostLines(t *testing.T, admin string) {
	t.Helper()
	testutil.Eventually(t, "lost lines are counted at "+admin, func() bool {
		return figures(t, admin).Counters["log.dropped"].Value > 0
	})
}

// What collects the logs goes away, as at its restart: what serves goes on.
func TestPrograms_OutliveTheirLogsReader(t *testing.T) {
	t.Parallel()
	f := startFront(t, frontOptions{echo: 2})
	endsWith(t, f.echo[1].process, 0)
	logs := newLogPipe(t)
	f.echo[1].process = logs.start(t, "handler", "echo", "--instance", "echo-2", "--bus", f.echo[1].bus, "--admin", f.echo[1].admin,
		"--static", f.table, "--statsd", "")
	logs.readUntil(t, "") // its first line
	_ = logs.r.Close()
	linked(t, f.admin, "echo", 2)

	front, frontAdmin := freeAddr(t), freeAddr(t)
	logs = newLogPipe(t)
	_ = logs.r.Close() // from the first line on
	terminator := logs.start(t, "terminator", "--http", front, "--admin", frontAdmin, "--static", f.table, "--statsd", "", "--access-log", "100000")
	testutil.Eventually(t, "it serves", func() bool {
		status, _, err := adminGet(frontAdmin, "/readyz")
		return err == nil && status == 200
	})
	for range 20 {
		ask(t, front, get("/hello")).wants(t, 200, "GET /hello")
		if terminator.ended() {
			t.Fatalf("the terminator has ended with exit code %d", terminator.code())
		}
	}
	countsLostLines(t, frontAdmin)
	for _, s := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGUSR2} {
		terminator.signal(t, s)
	}
	ask(t, front, get("/hello")).wants(t, 200, "GET /hello after SIGUSR1")
	endsWith(t, terminator, 0)
	endsWith(t, f.echo[1].process, 0) // it says that it drains

	client, admin := "http://"+freeAddr(t), freeAddr(t)
	logs = newLogPipe(t)
	_ = logs.r.Close()
	etcd := logs.start(t, "nanofront", "etcd", "--data", filepath.Join(t.TempDir(), "etcd"), "--client-url", client, "--admin", admin, "--statsd", "")
	testutil.Eventually(t, "etcd answers", func() bool {
		status, _, err := adminGet(strings.TrimPrefix(client, "http://"), "/version")
		return err == nil && status == 200
	})
	countsLostLines(t, admin)
	endsWith(t, etcd, 0)
}

// upOnto starts nanofront up with its output into the pipe, and reads until it is up.
func upOnto(t *testing.T, logs *logPipe, args ...string) *system {
	t.Helper()
	s := &system{http: freeAddr(t), admin: freeAddr(t), etcd: "http://" + freeAddr(t), data: t.TempDir()}
	s.process = logs.start(t, "nanofront", append([]string{
		"up", "--http", s.http, "--admin", s.admin, "--dash", "", "--etcd-url", s.etcd, "--data", s.data,
		"--seed", "10", "--web", "1", "--durability", "nosync", "--statsd", "",
	}, args...)...)
	logs.readUntil(t, "nanofront is up.")
	return s
}

// up goes on, too, with all that it runs, and still looks after it.
func TestUp_OutlivesItsOutputsReader(t *testing.T) {
	t.Parallel()
	logs := newLogPipe(t)
	s := upOnto(t, logs)
	_ = logs.r.Close()
	s.kill(t, "web-1", syscall.SIGKILL)
	linked(t, s.admin, "web", 1)
	ask(t, s.http, get("/profile/7")).wants(t, 200, "GET /profile/7")
	endsWith(t, s.process, 0)
}

// Nor does one who stops reading hold it up, as a terminal after ctrl-S.
func TestUp_NobodyReads(t *testing.T) {
	t.Parallel()
	logs := newLogPipe(t)
	s := upOnto(t, logs, "--access-log", "100000")
	const pipeSize = 64 << 10
	for n := 0; n < 2*pipeSize; n += 100 { // a line is longer than that
		ask(t, s.http, get("/hello")).wants(t, 200, "GET /hello")
	}
	s.kill(t, "web-1", syscall.SIGKILL)
	linked(t, s.admin, "web", 1)
	endsWith(t, s.process, 0)
}

// SIGHUP drains, but where it was ignored when the program was started.
func TestPrograms_Hangup(t *testing.T) {
	t.Parallel()
	f := startFront(t, frontOptions{})
	nohup := found(t, "nohup", "coreutils", "true", "--")
	http, admin := freeAddr(t), freeAddr(t)
	kept := startIn(t, filepath.Dir(nohup), nil, "nohup", filepath.Join(programs, "terminator"),
		"--http", http, "--admin", admin, "--static", f.table, "--statsd", "", "--access-log=0")
	linked(t, admin, "echo", 1)
	kept.signal(t, syscall.SIGHUP)
	under := slept(f.http, "POST", 2*time.Second)
	inFlight(t, f.admin, 1)
	for _, p := range []*process{f.terminator, f.echo[0].process} {
		p.signal(t, syscall.SIGHUP)
		p.says(t, `"draining"`)
		p.signal(t, syscall.SIGHUP)
	}
	if r := <-under; r.failed != nil || r.status != 200 {
		t.Errorf("a request that was at work: status %d, %v", r.status, r.failed)
	}
	for _, p := range []*process{f.terminator, f.echo[0].process} {
		if code := p.wait(t, testutil.Patience); code != 0 {
			t.Errorf("%s: exit code %d after SIGHUP, want 0", p, code)
		}
	}
	if kept.out.has(`"message":"draining"`) || kept.ended() {
		t.Errorf("started by nohup, it took SIGHUP:\n%s", kept.out.tail())
	}
	ask(t, http, get("/hello")).wants(t, 503, "GET /hello of the one that stays")
	endsWith(t, kept, 0)
}

// The handlers of examples/ go on, too.
func TestLanguages_OutliveTheirLogsReader(t *testing.T) {
	t.Parallel()
	eachLanguage(t, func(t *testing.T, l language) {
		address := "tcp://" + freeAddr(t)
		logs := newLogPipe(t)
		h := startAs(t, nil, logs.w, filepath.Dir(l.program), l.env, filepath.Base(l.program),
			append(append([]string{}, l.args...), address, "greeter", "greeter-"+l.name)...)
		_ = logs.w.Close()
		f := startFrontOf(t, address)
		f.ready(t, 200)
		_ = logs.r.Close()
		for range 3 {
			ask(t, f.http, get("/fail")).wants(t, 500, "GET /fail") // it has something to say of that
		}
		ask(t, f.http, get("/")).wants(t, 200, "GET /")
		endsWith(t, h, 0)
	})
}
