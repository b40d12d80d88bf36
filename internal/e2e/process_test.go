package e2e

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// process is a program that runs.
type process struct {
	name string
	cmd  *exec.Cmd
	out  *output
	done chan struct{} // closed when it has ended

	person *os.File // where keys are typed for it; nil: not on a terminal
}

// start starts a program, which ends with the test at the latest.
func start(t *testing.T, name string, args ...string) *process {
	t.Helper()
	return startIn(t, programs, nil, name, args...)
}

// startWith is start with a standard input.
func startWith(t *testing.T, in *os.File, name string, args ...string) *process {
	t.Helper()
	return startFrom(t, in, programs, nil, name, args...)
}

// startIn is start with the directory of the program and more environment.
func startIn(t *testing.T, dir string, env []string, name string, args ...string) *process {
	t.Helper()
	return startFrom(t, nil, dir, env, name, args...)
}

// startOnto is start with standard output and error of the caller's.
func startOnto(t *testing.T, out *os.File, name string, args ...string) *process {
	t.Helper()
	return startAs(t, nil, out, programs, nil, name, args...)
}

func startFrom(t *testing.T, in *os.File, dir string, env []string, name string, args ...string) *process {
	t.Helper()
	return startAs(t, in, nil, dir, env, name, args...)
}

func startAs(t *testing.T, in, out *os.File, dir string, env []string, name string, args ...string) *process {
	t.Helper()
	p := &process{name: name, cmd: exec.Command(filepath.Join(dir, name), args...), out: &output{}, done: make(chan struct{})}
	p.cmd.Env = environment(env...)
	p.cmd.Dir = t.TempDir() // for what is relative: nothing lands in the source tree
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if out != nil {
		p.cmd.Stdout, p.cmd.Stderr = out, out
	}
	if in != nil { // a nil *os.File in an interface is not nil
		p.cmd.Stdin = in
	}
	p.cmd.SysProcAttr = attr()
	p.cmd.WaitDelay = 2 * time.Second
	if err := launch(p.cmd); err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the process
		_ = p.cmd.Wait() // what there is to know is in ProcessState
		close(p.done)
	}()
	t.Cleanup(func() { p.end(t) })
	return p
}

// end ends it as an operator would and fails the test if that does not do.
func (p *process) end(t *testing.T) {
	t.Helper()
	if !p.ended() {
		p.signal(t, syscall.SIGTERM)
		select {
		case <-p.done:
		case <-time.After(testutil.Patience):
			t.Errorf("%s: still there %v after SIGTERM; killing it", p, testutil.Patience)
			_ = p.cmd.Process.Kill() // it may end at this moment
			<-p.done
		}
	}
	if t.Failed() {
		t.Logf("%s: exit code %d; the end of its output:\n%s", p, p.code(), p.out.tail())
	}
}

func (p *process) String() string {
	args := p.cmd.Args[1:]
	return p.name + " " + strings.Join(args[:min(len(args), 3)], " ")
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// code is the exit code as a shell has it: 128+n after signal n.
func (p *process) code() int {
	ws, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("%s: %v: %v", p, s, err)
	}
}

// wait waits for its end, for so long at most, and returns the exit code.
func (p *process) wait(t *testing.T, atMost time.Duration) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(atMost):
		t.Fatalf("%s: still there after %v; the end of its output:\n%s", p, atMost, p.out.tail())
	}
	return p.code()
}

// says waits until its output has the text.
func (p *process) says(t *testing.T, text string) {
	t.Helper()
	testutil.Eventually(t, p.String()+" says "+strconv.Quote(text), func() bool {
		if p.ended() && !p.out.has(text) {
			t.Fatalf("%s: ended with exit code %d and never said %q:\n%s", p, p.code(), text, p.out.tail())
		}
		return p.out.has(text)
	})
}

// maxOutput is how much of a program's output is kept.
const maxOutput = 8 << 20

// output is what a program has written up to now.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.buf.Len() < maxOutput {
		o.buf.Write(b)
	}
	return len(b), nil
}

func (o *output) has(text string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return bytes.Contains(o.buf.Bytes(), []byte(text))
}

// count is how often it has the text.
func (o *output) count(text string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return bytes.Count(o.buf.Bytes(), []byte(text))
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// tail is its last 60 lines.
func (o *output) tail() string {
	lines := strings.Split(strings.TrimRight(o.String(), "\n"), "\n")
	return strings.Join(lines[max(len(lines)-60, 0):], "\n")
}

// finished is a program that has ended.
type finished struct {
	code int
	out  string // standard output and error
	took time.Duration
}

// finish runs a program to its end.
func finish(t *testing.T, name string, args ...string) finished {
	t.Helper()
	return finishIn(t, programs, nil, name, args...)
}

func finishIn(t *testing.T, dir string, env []string, name string, args ...string) finished {
	t.Helper()
	began := time.Now()
	p := startIn(t, dir, env, name, args...)
	code := p.wait(t, testutil.Patience)
	return finished{code: code, out: p.out.String(), took: time.Since(began)}
}

// alive reports whether there is a process of that id.
func alive(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

// descendants are the child processes, whatever they run.
func descendants(t *testing.T, parent int) []int {
	t.Helper()
	entries, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(entries) == 0 {
		testutil.Skip(t, "finding child processes needs /proc: %v", err)
	}
	var found []int
	for _, name := range entries {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue // gone meanwhile
		}
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name))); err == nil && len(fields) > 1 && fields[0] != "Z" && fields[1] == strconv.Itoa(parent) {
			found = append(found, pid)
		}
	}
	return found
}

// children are the child processes of nanofront up, by name: the instance, or etcd.
func children(t *testing.T, parent int) map[string]int {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil || len(entries) == 0 {
		testutil.Skip(t, "finding child processes needs /proc: %v", err)
	}
	found := map[string]int{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(filepath.Join("/proc", e.Name(), "stat"))
		if err != nil {
			continue // gone meanwhile
		}
		// pid (name) state ppid …: the name may have anything in it.
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if len(fields) < 2 || fields[0] == "Z" || fields[1] != strconv.Itoa(parent) {
			continue
		}
		cmdline, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err != nil {
			continue
		}
		args := strings.Split(string(cmdline), "\x00")
		for i, a := range args {
			switch {
			case a == "--instance" && i+1 < len(args):
				found[args[i+1]] = pid
			case a == "etcd" && i == 1:
				found["etcd"] = pid
			}
		}
	}
	return found
}
