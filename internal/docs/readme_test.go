package docs

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// commands says how each command of README.md is run, and what it must print.
// A make target is only looked up, since building and testing is what goes on
// already.
var commands = map[string]struct {
	needs string   // a program that is not ours
	want  []string // in the output
	bad   []string // not in the output
}{
	"make run":   {needs: "make", want: []string{"go build", "bin/nanofront up"}},
	"make test":  {needs: "make", want: []string{"go test", "./..."}},
	"make bench": {needs: "make", want: []string{"go build", "bin/bench run"}},

	"curl -i localhost:8080/profile/42":                     {needs: "curl", want: []string{"HTTP/1.1 200 OK", `"id":42`, `Etag: "`}},
	"curl -H 'Accept: text/html' localhost:8080/profile/42": {needs: "curl", want: []string{"<!doctype html>"}},
	"curl 'localhost:8080/members?city=Utrecht&limit=2'":    {needs: "curl", want: []string{`"city":"Utrecht","count":`}},
	"curl 'localhost:8080/echo/hi?x=1'":                     {needs: "curl", want: []string{`"path":"/echo/hi","query":"x=1"`}},
	"curl -s localhost:8081/metrics.json":                   {needs: "curl", want: []string{`"stage.total"`}},
	"bin/nanofront status":                                  {want: []string{"terminator-1", "profile-1", "web-2"}},
	"bin/nanofront bus call web /profile/42":                {want: []string{"200 OK", `"id":42`, "handler queue", "bus back"}},
	"bin/nanofront routes get":                              {want: []string{"/hello", "revision"}},
	"bin/handler echo --instance echo-2":                    {want: []string{"serving"}},
	"wrk -t2 -c256 -d30s --latency http://localhost:8080/profile/42": {
		needs: "wrk", want: []string{"Requests/sec"}, bad: []string{"Non-2xx", "Socket errors"},
	},
	"curl --etag-save tag localhost:8080/profile/42": {needs: "curl", want: []string{`"id":42`}},
	`curl -X PUT -H "If-Match: $(cat tag)" -d '{"nickname":"Jo"}' localhost:8080/profile/42`: {
		needs: "curl", want: []string{`"version":`, `"nickname":"Jo"`},
	},
}

// readmeCommands are the commands in the README's sh blocks, in their order,
// without comments.
func readmeCommands(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, b := range blocks(read(t, "README.md")) {
		if b.info != "sh" {
			continue
		}
		for line := range strings.Lines(b.text) {
			line, _, _ = strings.Cut(line, " # ")
			if line = strings.TrimSpace(line); line != "" {
				all = append(all, line)
			}
		}
	}
	return all
}

func TestReadme_CommandsWork(t *testing.T) {
	listed := readmeCommands(t)
	for c := range commands {
		if !slices.Contains(listed, c) {
			t.Errorf("README.md doesn't have the command %q any more", c)
		}
	}
	s := startSystem(t)
	// Twice: a tour that can't be repeated is no tour. What takes long or stays
	// is done once.
	tour := slices.DeleteFunc(slices.Clone(listed), func(c string) bool { return !strings.HasPrefix(c, "curl ") })
	for _, c := range append(tour, listed...) {
		how, ok := commands[c]
		if !ok {
			t.Errorf("README.md has the command %q: say in this test how it is run", c)
			continue
		}
		t.Run(c, func(t *testing.T) {
			if how.needs != "" {
				testutil.Command(t, how.needs, how.needs)
			}
			out := s.run(t, c)
			for _, w := range how.want {
				if !strings.Contains(out, w) {
					t.Errorf("no %q in the output\n%s", w, out)
				}
			}
			for _, b := range how.bad {
				if strings.Contains(out, b) {
					t.Errorf("%q in the output\n%s", b, out)
				}
			}
		})
	}
}

// system is a whole nanofront on free ports.
type system struct {
	dir               string // with bin/ in it
	http, admin, etcd string
	bin               string
}

// startSystem runs nanofront up until the test ends.
func startSystem(t *testing.T) *system {
	t.Helper()
	s := &system{dir: t.TempDir(), bin: programs(t)}
	s.http, s.admin, s.etcd = freeAddr(t), freeAddr(t), freeAddr(t)
	if err := os.Symlink(s.bin, filepath.Join(s.dir, "bin")); err != nil {
		t.Fatal(err)
	}
	p := start(t, s.dir, nil, filepath.Join(s.bin, "nanofront"), "up",
		"--http", s.http, "--admin", s.admin, "--etcd-url", "http://"+s.etcd,
		"--data", filepath.Join(s.dir, "data"), "--seed", "2000", "--durability", "nosync", "--statsd", "")
	p.waitFor(t, "nanofront is up.")
	return s
}

// run runs a command of the README against the system.
func (s *system) run(t *testing.T, command string) string {
	t.Helper()
	switch {
	case strings.HasPrefix(command, "make "):
		out, err := output(t, root, nil, "make", append([]string{"-n"}, strings.Fields(command)[1:]...)...)
		if err != nil {
			t.Fatalf("make -n: %v\n%s", err, out)
		}
		return out
	case strings.HasPrefix(command, "bin/handler "):
		words := strings.Fields(command)
		p := start(t, s.dir, s.env(), filepath.Join(s.dir, words[0]), words[1:]...)
		p.waitFor(t, "serving")
		return p.text()
	}
	command = strings.NewReplacer("localhost:8080", s.http, "localhost:8081", s.admin, "-d30s", "-d1s").Replace(command)
	out, err := output(t, s.dir, s.env(), "sh", "-c", command)
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return out
}

// env stands for the default addresses.
func (s *system) env() []string {
	return []string{"NANOFRONT_ETCD=http://" + s.etcd, "NANOFRONT_TERMINATORS=" + s.admin, "NANOFRONT_STATSD="}
}

// process is a program that runs until the test ends.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}

	mu  sync.Mutex
	out bytes.Buffer
}

// Write implements io.Writer.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// start starts a program; it is told to end, and waited for, with the test.
func start(t *testing.T, dir string, env []string, path string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(path, args...), done: make(chan struct{})}
	p.cmd.Dir = dir
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var failed error
	go func() {
		failed = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.done:
			if failed != nil {
				t.Errorf("%s ended with %v\n%s", filepath.Base(path), failed, p.text())
			}
		case <-time.After(time.Minute):
			_ = p.cmd.Process.Kill()
			<-p.done
			t.Errorf("%s didn't end within a minute of SIGTERM", filepath.Base(path))
		}
	})
	return p
}

// waitFor waits until the program has printed something.
func (p *process) waitFor(t *testing.T, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(p.text(), text) {
		select {
		case <-tick.C:
		case <-p.done:
			t.Fatalf("%s ended before it printed %q\n%s", p.cmd, text, p.text())
		case <-ctx.Done():
			t.Fatalf("%s didn't print %q\n%s", p.cmd, text, p.text())
		}
	}
}

var freeAddr = testutil.FreeAddr
