package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"nanofront/internal/testutil"
)

// openTerminal makes a pseudo-terminal: what a program sees, and what the person
// before it sees.
func openTerminal(t *testing.T, columns uint16) (program, person *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		testutil.Skip(t, "no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { _ = person.Close() })
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(person.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 50, Col: columns})
	}
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return program, person
}

// startOn starts a program on a terminal.
func startOn(t *testing.T, columns uint16, env []string, name string, args ...string) *process {
	t.Helper()
	program, person := openTerminal(t, columns)
	p := &process{name: name, cmd: exec.Command(filepath.Join(programs, name), args...), out: &output{}, done: make(chan struct{})}
	p.cmd.Env = environment(env...)
	p.cmd.Dir = t.TempDir()
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = program, program, program
	p.person = person
	p.cmd.SysProcAttr = attr()
	if err := launch(p.cmd); err != nil {
		t.Fatal(err)
	}
	_ = program.Close() // the child has it
	read := make(chan struct{})
	go func() { // ends when nobody has the terminal any more
		defer close(read)
		buf := make([]byte, 4096)
		for {
			n, err := person.Read(buf)
			if n > 0 {
				_, _ = p.out.Write(buf[:n])
			}
			if err != nil {
				return
			}
		}
	}()
	go func() { // ends with the process
		_ = p.cmd.Wait()
		<-read
		close(p.done)
	}()
	t.Cleanup(func() { p.end(t) })
	return p
}

// TestUp_OnATerminal: nothing that comes by itself pushes the greeting out of sight; what
// is shown fits the width and is in columns.
func TestUp_OnATerminal(t *testing.T) {
	t.Parallel()
	for _, columns := range []uint16{80, 120} {
		t.Run(fmt.Sprint(columns), func(t *testing.T) {
			http, admin, etcd := freeAddr(t), freeAddr(t), freeAddr(t)
			s := startOn(t, columns, []string{"NO_COLOR=1"}, "nanofront", "up", "--http", http, "--admin", admin, "--dash", "", "--etcd-url", "http://"+etcd,
				"--data", t.TempDir(), "--seed", "100", "--durability", "nosync", "--web", "1")
			s.says(t, "ctrl-C")
			ask(t, http, get("/profile/42")).wants(t, 200, "GET /profile/42")
			ask(t, http, get("/nothing/"+strings.Repeat("x", 200))).wants(t, 404, "a long path")
			// Longer than the interval of StatsD, which nobody has asked for.
			s.says(t, "/nothing/")
			<-slept(http, "GET", 1500*time.Millisecond)
			s.says(t, "/echo/sleep")
			s.signal(t, syscall.SIGINT)
			if code := s.wait(t, testutil.Patience); code != 0 {
				t.Errorf("exit code %d", code)
			}
			_, after, _ := strings.Cut(strings.ReplaceAll(s.out.String(), "\r\n", "\n"), "nanofront is up.")
			after, _, _ = strings.Cut(after, "stopping:")
			lines := strings.Split(strings.TrimSpace(after), "\n")
			want := `^terminator │ \d\d:\d\d:\d\d GET    (/\S+) +(200|404) +[\d.]+ (?:B|kB) +[\d.]+ m?s  (?:web|echo)-1$`
			access := regexp.MustCompile(want)
			columnOf, requests := -1, 0
			for _, l := range lines {
				if n := utf8.RuneCountInString(l); n > int(columns) && !strings.Contains(l, "wrk") {
					t.Errorf("%d columns of %d: %s", n, columns, l)
				}
				m := access.FindStringSubmatchIndex(l)
				switch {
				case m != nil:
					requests++
					at := utf8.RuneCountInString(l[:m[4]])
					if columnOf < 0 {
						columnOf = at
					}
					if at != columnOf {
						t.Errorf("the status is in column %d, that above in %d: %s", at, columnOf, l)
					}
				case !strings.HasPrefix(l, "nanofront "):
					t.Errorf("a line besides the greeting and the access log: %s", l)
				}
			}
			if requests != 3 {
				t.Errorf("%d lines of the access log, want 3 like %s:\n%s", requests, want, s.out.tail())
			}
			if strings.Contains(s.out.String(), "StatsD") || strings.Contains(s.out.String(), "\x1b") {
				t.Errorf("StatsD or colours, which nobody has asked for:\n%q", s.out.tail())
			}
		})
	}
}

// TestPrograms_StatsdIsOptional: where nobody has asked for StatsD, that there is none is said
// once; who has asked is warned.
func TestPrograms_StatsdIsOptional(t *testing.T) {
	t.Parallel()
	table := filepath.Join(t.TempDir(), "table.yaml")
	writeFile(t, table, "version: 1\ninstances: []\nroutes:\n"+echoRoutes)
	run := func(env []string, args ...string) string {
		p := startIn(t, programs, env, "handler", append([]string{"echo", "--static", table, "--admin=", "--statsd-interval", "100ms"}, args...)...)
		p.says(t, "StatsD")
		p.signal(t, syscall.SIGTERM)
		p.wait(t, testutil.Patience)
		return p.out.String()
	}
	nobody := freeAddr(t)
	if out := run(nil, "--statsd", nobody); !strings.Contains(out, `"level":"warn"`) || !strings.Contains(out, "StatsD lines are lost") {
		t.Errorf("asked for by a flag:\n%s", out)
	}
	if out := run([]string{"NANOFRONT_STATSD=" + nobody}); !strings.Contains(out, "StatsD lines are lost") {
		t.Errorf("asked for by the environment:\n%s", out)
	}
	conn, err := net.ListenPacket("udp", "127.0.0.1:8125")
	if err != nil {
		testutil.Skip(t, "somebody listens on StatsD's default port here: %v", err)
	}
	_ = conn.Close()
	out := run(nil)
	if line := lineWith(out, "StatsD"); !strings.Contains(line, `"level":"info"`) || strings.Count(out, "no StatsD server answers") != 1 || strings.Contains(out, "lines are lost") {
		t.Errorf("nobody has asked for it:\n%s", out)
	}
}

// TestStatus_Watch: on a terminal each look takes the place of the one before, and ctrl-C gives the
// terminal back; into a pipe they come one after the other, as lines of JSON if that is asked for.
func TestStatus_Watch(t *testing.T) {
	t.Parallel()
	etcd := startEtcd(t)
	applyRoutes(t, "echo", "--etcd", etcd)
	start(t, "handler", "echo", "--instance", "one", "--statsd", "", "--etcd", etcd)
	_, http, admin := startTerminator(t, etcd)
	linked(t, admin, "echo", 1)
	for range 20 {
		ask(t, http, get("/echo")).wants(t, 200, "GET")
	}
	args := []string{"status", "--watch", "--interval", "200ms", "--etcd", etcd}
	s := startOn(t, 80, []string{"NO_COLOR=1", "TERM=xterm"}, "nanofront", args...)
	testutil.Eventually(t, "three looks", func() bool { return strings.Count(s.out.String(), "\x1b[H") >= 3 })
	s.signal(t, syscall.SIGINT)
	if code := s.wait(t, testutil.Patience); code != 0 {
		t.Errorf("exit code %d", code)
	}
	out := s.out.String()
	if !strings.HasPrefix(out, "\x1b[?1049h") || strings.Count(out, "\x1b[?1049l") != 1 || strings.Contains(out, "more lines") {
		t.Errorf("the terminal is taken and given back once:\n%q", out)
	}
	_, last, _ := strings.Cut(out, "\x1b[?1049l")
	for _, want := range []string{"echo", "serving", "1 of 1", "p99"} {
		if !strings.Contains(last, want) {
			t.Errorf("no %q in what is left on the terminal:\n%s", want, last)
		}
	}
	j := start(t, "nanofront", append(args, "--json")...)
	testutil.Eventually(t, "two lines of JSON", func() bool { return strings.Count(j.out.String(), "\n") >= 2 })
	var o struct {
		Healthy bool
		Routes  []struct {
			Service string
			Rate    float64 `json:"requests_per_s"`
			P99     float64 `json:"p99_ms"`
		}
		Services []struct{ Serving int }
	}
	line, _, _ := strings.Cut(j.out.String(), "\n")
	decode(t, line, &o)
	if !o.Healthy || len(o.Routes) == 0 || o.Routes[0].Rate == 0 || o.Routes[0].P99 == 0 || len(o.Services) != 1 || o.Services[0].Serving != 1 {
		t.Errorf("%s", line)
	}
	j.signal(t, syscall.SIGTERM)
	if code := j.wait(t, testutil.Patience); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestTop: keys choose the table, sort and filter it, and q gives the terminal back.
func TestTop(t *testing.T) {
	t.Parallel()
	etcd := startEtcd(t)
	applyRoutes(t, "echo", "--etcd", etcd)
	start(t, "handler", "echo", "--instance", "one", "--statsd", "", "--etcd", etcd)
	_, http, admin := startTerminator(t, etcd, "--instance", "front-1")
	linked(t, admin, "echo", 1)
	for range 20 {
		ask(t, http, get("/echo")).wants(t, 200, "GET")
	}
	if f := finish(t, "nanofront", "top", "--etcd", etcd); f.code != 2 || !strings.Contains(f.out, "nanofront status --watch") {
		t.Errorf("into a pipe: exit code %d: %s", f.code, f.out)
	}
	s := startOn(t, 80, []string{"NO_COLOR=1", "TERM=xterm-256color"}, "nanofront", "top", "--interval", "200ms", "--etcd", etcd)
	says := func(what string, key string) {
		t.Helper()
		before := len(s.out.String())
		_, _ = s.person.WriteString(key)
		testutil.Eventually(t, what, func() bool { return strings.Contains(s.out.String()[before:], what) })
	}
	says("front-1", "")
	says("[services]", "2")
	says("[routes]", "\t")
	says("none", "/no")
	says("echo", "\x1b")
	says("[processes]", "1")
	_, _ = s.person.WriteString("q")
	if code := s.wait(t, testutil.Patience); code != 0 {
		t.Errorf("exit code %d:\n%s", code, s.out.tail())
	}
	if out := s.out.String(); !strings.Contains(out, "\x1b[?1049h") || !strings.Contains(out, "\x1b[?1049l") {
		t.Errorf("the terminal is taken and given back: %q", s.out.tail())
	}
}
