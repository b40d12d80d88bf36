package system

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// DefaultGrace is how long a process may take to end after SIGTERM.
const DefaultGrace = 5 * time.Second

// ErrEnded is wrapped by errors about a process that has ended when it should run.
var ErrEnded = errors.New("system: a process has ended")

// Spec says what to run.
type Spec struct {
	// Name is unique in its group; Role is what reports add processes up by.
	Name, Role string
	Path       string
	Args       []string
	// Env is what it gets beside this process' environment, whose NANOFRONT_ variables it doesn't get:
	// they are for the benchmark.
	Env []string
	// Dir is where it runs. Empty means here.
	Dir string
	// Grace is how long it may take to end after SIGTERM. 0 means [DefaultGrace].
	Grace time.Duration
	// Workers: it has processes of its own, which it ends itself if it is told to; it is never killed first.
	Workers bool
}

// Command is the command line, shortened for people.
func (s *Spec) Command() string {
	return strings.TrimSpace(filepath.Base(s.Path) + " " + strings.Join(s.Args, " "))
}

// Process is a program that was started, maybe several times one after the other.
type Process struct {
	Spec
	group *Group

	mu  sync.Mutex
	run *incarnation
	// past is what the ones before used.
	past Usage
}

// incarnation is one process.
type incarnation struct {
	cmd  *exec.Cmd
	pid  int
	out  *tail
	done chan struct{} // closed when it has ended
}

func (p *Process) current() *incarnation {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.run
}

// PID is the id of the process, also after its end.
func (p *Process) PID() int { return p.current().pid }

// Ended reports whether the process has ended.
func (p *Process) Ended() bool { return p.current().ended() }

// Output is the end of what it has printed.
func (p *Process) Output() string { return p.current().out.String() }

func (i *incarnation) ended() bool {
	select {
	case <-i.done:
		return true
	default:
		return false
	}
}

// launch starts the process. What one before has used stays counted.
func (p *Process) launch() error {
	cmd := exec.Command(p.Path, p.Args...)
	cmd.SysProcAttr = childAttr(p.Workers)
	cmd.Env = append(environment(), p.Env...)
	cmd.Dir = p.Dir
	out := &tail{}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = time.Second // its pipes may be held open by a process that it started itself
	if err := p.group.start(cmd); err != nil {
		return fmt.Errorf("system: starting %s: %w", p.Name, err)
	}
	run := &incarnation{cmd: cmd, pid: cmd.Process.Pid, out: out, done: make(chan struct{})}
	p.mu.Lock()
	p.run = run
	p.mu.Unlock()
	go func() { // ends with the process
		_ = cmd.Wait() // what there is to know is in ProcessState
		p.mu.Lock()
		p.past = p.past.plus(finalUsage(cmd.ProcessState))
		p.mu.Unlock()
		close(run.done)
	}()
	return nil
}

// Signal sends a signal; to a process that has ended it does nothing.
func (p *Process) Signal(sig syscall.Signal) error {
	run := p.current()
	if run.ended() {
		return nil
	}
	if err := run.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("system: %s: %w", p.Name, err)
	}
	return nil
}

// End ends the process: SIGTERM, then, when its grace is over, SIGKILL to it and all that it has started.
func (p *Process) End() { p.end(p.current()) }

func (p *Process) end(run *incarnation) {
	if !run.ended() {
		_ = run.cmd.Process.Signal(syscall.SIGCONT) // it may be stopped, and would not hear the next
		_ = run.cmd.Process.Signal(syscall.SIGTERM) // it may end at this moment
		grace := p.Grace
		if grace == 0 {
			grace = DefaultGrace
		}
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-run.done:
		case <-timer.C:
		}
	}
	killGroup(run.pid) // what it left behind, or all of it
	<-run.done
}

// Wait waits for the process to end by itself, until ctx is done.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.current().done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("system: %s has not ended: %w", p.Name, context.Cause(ctx))
	}
}

// Restart ends the process as an operator would, and starts it again.
func (p *Process) Restart() error {
	p.End()
	return p.launch()
}

// Succeed starts the process once more beside the one that runs, which ends by itself or with the group: for
// programs that take over from a predecessor.
func (p *Process) Succeed(ctx context.Context) error {
	before := p.current()
	if err := p.launch(); err != nil {
		return err
	}
	select {
	case <-before.done:
		return nil
	case <-p.current().done:
		p.end(before)
		return fmt.Errorf("%w: %s did not take over: %s", ErrEnded, p.Name, p.Output())
	case <-ctx.Done():
		p.end(before)
		return fmt.Errorf("system: %s did not hand over: %w", p.Name, context.Cause(ctx))
	}
}

// environment is this process' without what would change the programs' flags.
func environment() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "NANOFRONT_") {
			env = append(env, v)
		}
	}
	return env
}

// maxTail is how much of a program's output is kept.
const maxTail = 8 << 10

// tail keeps the end of what is written.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

// Write implements io.Writer.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b[max(0, len(b)-maxTail):]...)
	if over := len(t.buf) - maxTail; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(b), nil
}

// String is what is kept, without blanks around it.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.buf))
}
