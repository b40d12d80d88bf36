package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// DefaultGrace is how long a process may take to end after SIGTERM.
const DefaultGrace = 5 * time.Second

// ErrEnded is wrapped by errors about a process that has ended when it should run.
var ErrEnded = errors.New("a process has ended")

// Spec says what to run.
type Spec struct {
	// Name is unique in its group; Role is what reports add processes up by.
	Name, Role string
	Path       string
	Args       []string
	// Env is what it gets beside the environment of its group.
	Env []string
	// Dir is where it runs. Empty means here.
	Dir string
	// Out is where its output goes; one goroutine writes to it. Nil keeps the end of it, see
	// [Process.Output].
	Out io.Writer
	// Grace is how long it may take to end after SIGTERM. 0 means [DefaultGrace].
	Grace time.Duration
	// Told: if this process dies it is told to end, and not killed: it has workers of its own, or
	// work to finish.
	Told bool
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
	tail *tail
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

// Output is the end of what it has printed, if its Spec names no other place for that.
func (p *Process) Output() string { return p.current().tail.String() }

// Done is closed when the process has ended; one that is launched again has another.
func (p *Process) Done() <-chan struct{} { return p.current().done }

// Ending says how the process ended: "exit code 1", "signal 9, killed".
func (p *Process) Ending() string {
	state := p.current().cmd.ProcessState
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return fmt.Sprintf("signal %d, %v", int(ws.Signal()), ws.Signal())
	}
	return fmt.Sprintf("exit code %d", state.ExitCode())
}

func (i *incarnation) ended() bool {
	select {
	case <-i.done:
		return true
	default:
		return false
	}
}

// Launch starts the process again. What the one before has used stays counted.
func (p *Process) Launch() error {
	cmd := exec.Command(p.Path, p.Args...)
	cmd.SysProcAttr = Attr(p.Told)
	cmd.Env = slices.Concat(p.group.environment(), p.Env)
	cmd.Dir = p.Dir
	run := &incarnation{cmd: cmd, tail: &tail{}, done: make(chan struct{})}
	cmd.Stdout = p.Out
	if p.Out == nil {
		cmd.Stdout = run.tail
	}
	cmd.Stderr = cmd.Stdout
	cmd.WaitDelay = time.Second // its pipes may be held open by a process that it started itself
	if err := p.group.start(cmd); err != nil {
		return fmt.Errorf("starting %s: %w", p.Name, err)
	}
	run.pid = cmd.Process.Pid
	p.mu.Lock()
	p.run = run
	p.mu.Unlock()
	go func() { // ends with the process
		_ = cmd.Wait() // what there is to know is in ProcessState
		killGroup(run.pid)
		p.mu.Lock()
		p.past = p.past.plus(finalUsage(cmd.ProcessState))
		p.mu.Unlock()
		close(run.done)
	}()
	return nil
}

// killGroup kills a process and all that it has started, or what of that is left.
func killGroup(pgid int) {
	_ = syscall.Kill(-pgid, syscall.SIGKILL) // mostly there is nothing left of it
}

// Signal sends a signal; to a process that has ended it does nothing.
func (p *Process) Signal(sig syscall.Signal) error {
	run := p.current()
	if run.ended() {
		return nil
	}
	if err := run.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("%s: %w", p.Name, err)
	}
	return nil
}

// End ends the process: SIGTERM, then, when its grace is over, SIGKILL to it and all that it has
// started.
func (p *Process) End() { p.current().end(context.Background(), p.grace()) }

// Kill kills the process and all that it has started.
func (p *Process) Kill() {
	if run := p.current(); !run.ended() {
		killGroup(run.pid)
	}
}

// Tell has the process end by SIGTERM, and reports whether it did within its grace, and before ctx
// was done.
func (p *Process) Tell(ctx context.Context) bool { return p.current().tell(ctx, p.grace()) }

func (p *Process) grace() time.Duration { return cmp.Or(p.Grace, DefaultGrace) }

func (i *incarnation) tell(ctx context.Context, grace time.Duration) bool {
	if i.ended() {
		return true
	}
	_ = i.cmd.Process.Signal(syscall.SIGCONT) // it may be stopped, and would not hear the next
	_ = i.cmd.Process.Signal(syscall.SIGTERM) // it may end at this moment
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-i.done:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

func (i *incarnation) end(ctx context.Context, grace time.Duration) {
	if !i.tell(ctx, grace) {
		killGroup(i.pid)
	}
	<-i.done
}

// Wait waits for the process to end by itself, until ctx is done.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.current().done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s has not ended: %w", p.Name, context.Cause(ctx))
	}
}

// Restart ends the process as an operator would, and starts it again.
func (p *Process) Restart() error {
	p.End()
	return p.Launch()
}

// Succeed starts the process once more beside the one that runs, which ends by itself or with the
// group: for programs that take over from a predecessor.
func (p *Process) Succeed(ctx context.Context) error {
	before := p.current()
	if err := p.Launch(); err != nil {
		return err
	}
	select {
	case <-before.done:
		return nil
	case <-p.current().done:
		before.end(ctx, p.grace())
		return fmt.Errorf("%w: %s did not take over: %s", ErrEnded, p.Name, p.Output())
	case <-ctx.Done():
		before.end(ctx, p.grace())
		return fmt.Errorf("%s did not hand over: %w", p.Name, context.Cause(ctx))
	}
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
