package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"
)

const (
	// A child that dies is started again after minBackoff, and after twice as
	// long each further time, up to maxBackoff; one that has lived for
	// steadyAfter begins anew.
	minBackoff  = 200 * time.Millisecond
	maxBackoff  = 5 * time.Second
	steadyAfter = 10 * time.Second

	// firstTries is how often a child that has never stayed up for upAfter may
	// die before it is given up: it will not get better by itself. One that has
	// is started again for ever.
	firstTries = 3
	upAfter    = time.Second
)

// ErrGivenUp is wrapped by the error of Start and Failed for a child that died
// at once, again and again.
var ErrGivenUp = errors.New("does not stay up")

// errStopping keeps a child from being started while all are ended.
var errStopping = errors.New("supervisor: stopping")

// Child says what to run.
type Child struct {
	// Name is its prefix in the output.
	Name string
	Path string
	Args []string
	// Env is what it gets beside this process' environment.
	Env []string
	// Stage orders the end: children of the highest stage are told to end
	// first, and those of the next when they have.
	Stage int
	// Grace is how long it may take to end after SIGTERM, before SIGKILL.
	Grace time.Duration
}

// Supervisor runs children. Make it with New; end it with Stop.
type Supervisor struct {
	out     *prefixWriter
	spool   *spool
	say     func(format string, args ...any)
	failed  chan error
	starts  chan func()
	stopped chan struct{} // closed at the end of Stop

	mu       sync.Mutex
	children []*child
	stopping bool
}

type child struct {
	Child
	s     *Supervisor
	cmd   *exec.Cmd // guarded by Supervisor.mu; written by start alone
	pid   int       // guarded by Supervisor.mu; 0 when it doesn't run
	done  chan struct{}
	stop  chan struct{}
	color int
}

// New makes a supervisor whose children's output goes to out, a line at a
// time, with colours if color. Nothing waits for out: what it doesn't take, or
// not in time, is dropped, and a line says how much that was when it does again.
func New(out io.Writer, color bool) *Supervisor {
	sp := &spool{out: out}
	s := &Supervisor{
		out:     &prefixWriter{out: sp, color: color, width: len("terminator")},
		spool:   sp,
		failed:  make(chan error, 16),
		starts:  make(chan func()),
		stopped: make(chan struct{}),
	}
	s.say = func(format string, args ...any) { s.out.line("nanofront", own, fmt.Sprintf(format, args...)) }
	sp.notice = func(n uint64) []byte {
		return s.out.format("nanofront", own, fmt.Sprintf("%d lines of output are lost: nobody took them in time", n))
	}
	// Children are told to end when the thread that started them does
	// (PR_SET_PDEATHSIG), so all are started from one that lives as long as
	// the supervisor.
	go func() {
		runtime.LockOSThread()
		for f := range s.starts {
			f()
		}
	}()
	return s
}

// Render has f make what is shown of the children's lines. Call it before Start.
func (s *Supervisor) Render(f Render) { s.out.render = f }

// Say prints a line of the supervisor's own.
func (s *Supervisor) Say(format string, args ...any) { s.say(format, args...) }

// Flush waits until all output is written, for some time at most. Stop does so, too.
func (s *Supervisor) Flush() { s.spool.flush(flushTimeout) }

// Failed delivers the error of a child that is given up.
func (s *Supervisor) Failed() <-chan error { return s.failed }

// Start starts a child, and again whenever it dies, until Stop. The error is
// that of the first start.
func (s *Supervisor) Start(c Child) error {
	ch := &child{Child: c, s: s, done: make(chan struct{}), stop: make(chan struct{})}
	s.mu.Lock()
	if s.stopping {
		s.mu.Unlock()
		return errStopping
	}
	ch.color = len(s.children)
	s.children = append(s.children, ch)
	s.mu.Unlock()
	s.out.widen(c.Name)
	if err := ch.start(); err != nil {
		close(ch.done)
		return fmt.Errorf("starting %s: %w", c.Name, err)
	}
	go ch.run()
	return nil
}

// start starts the process. It holds the lock meanwhile, so that Stop either
// finds the process and ends it, or keeps it from being started.
func (c *child) start() error {
	cmd := exec.Command(c.Path, c.Args...)
	cmd.SysProcAttr = ChildAttr()
	cmd.Env = append(os.Environ(), c.Env...)
	cmd.Stdout = &lineWriter{out: c.s.out, name: c.Name, color: c.color}
	cmd.Stderr = cmd.Stdout
	// Its pipes may be held open by a process that it started itself.
	cmd.WaitDelay = time.Second
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if c.s.stopping {
		return errStopping
	}
	started := make(chan error, 1)
	c.s.starts <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return err
	}
	c.cmd, c.pid = cmd, cmd.Process.Pid
	return nil
}

// run waits for the process and starts it again, until stop.
func (c *child) run() {
	defer close(c.done)
	backoff := minBackoff
	up, deaths := false, 0
	for {
		began := time.Now()
		err := c.cmd.Wait()
		c.s.mu.Lock()
		c.pid = 0
		c.s.mu.Unlock()
		c.cmd.Stdout.(*lineWriter).end() //nolint:forcetypeassert // as set by start
		select {
		case <-c.stop:
			return
		default:
		}
		lived := time.Since(began)
		up = up || lived >= upAfter
		deaths++
		if lived > steadyAfter {
			backoff = minBackoff
		}
		if !up && deaths >= firstTries {
			select {
			case c.s.failed <- fmt.Errorf("%s %w: %s after %v; see its lines above", c.Name, ErrGivenUp, ending(err), lived.Round(time.Millisecond)):
			default: // nobody listens, and enough others wait to be heard
			}
			return
		}
		c.s.say("%s ended (%s); starting it again in %v", c.Name, ending(err), backoff)
		for {
			select {
			case <-c.stop:
				return
			case <-time.After(backoff):
			}
			backoff = min(2*backoff, maxBackoff)
			err := c.start()
			if err == nil {
				break
			}
			if errors.Is(err, errStopping) {
				return
			}
			c.s.say("%s can't be started: %v; trying again in %v", c.Name, err, backoff)
		}
	}
}

// ending says how a process ended.
func ending(err error) string {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return "exit code 0"
	}
	if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return fmt.Sprintf("signal %d, %v", int(ws.Signal()), ws.Signal())
	}
	return fmt.Sprintf("exit code %d", exit.ExitCode())
}

// PID returns the process id of a running child, 0 if it doesn't run.
func (s *Supervisor) PID(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.children {
		if c.Name == name {
			return c.pid
		}
	}
	return 0
}

// Stop ends the children, the highest stage first, and waits for them. ctx
// bounds the whole: what is left at its end is killed. It may be called more
// than once, and waits each time; the ctx of the first call is the one that
// counts.
func (s *Supervisor) Stop(ctx context.Context) {
	s.mu.Lock()
	if s.stopping {
		s.mu.Unlock()
		<-s.stopped
		return
	}
	s.stopping = true
	children := s.children
	s.mu.Unlock()
	var stages []int
	for _, c := range children {
		close(c.stop)
		stages = append(stages, c.Stage)
	}
	slices.Sort(stages)
	for _, stage := range slices.Backward(slices.Compact(stages)) {
		var wg sync.WaitGroup
		for _, c := range children {
			if c.Stage == stage {
				wg.Go(func() { c.end(ctx) })
			}
		}
		wg.Wait()
	}
	close(s.starts)
	s.Flush()
	close(s.stopped)
}

// end ends one child.
func (c *child) end(ctx context.Context) {
	if c.signal(syscall.SIGTERM) {
		grace := time.NewTimer(c.Grace)
		defer grace.Stop()
		select {
		case <-c.done:
			return
		case <-grace.C:
		case <-ctx.Done():
		}
		c.s.say("%s did not end in time; killing it", c.Name)
		c.kill()
	}
	<-c.done
}

// signal reports whether there was a process to send it to.
func (c *child) signal(sig syscall.Signal) bool {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if c.pid == 0 {
		return false
	}
	// The process is waited for only by run, which clears pid first thing
	// after: the id can't be another process' yet, and os.Process makes sure.
	return !errors.Is(c.cmd.Process.Signal(sig), os.ErrProcessDone)
}

// kill ends the process, and with it what it has started itself: that is in
// its process group.
func (c *child) kill() {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if c.pid != 0 && c.cmd.Process.Signal(syscall.Signal(0)) == nil {
		_ = syscall.Kill(-c.pid, syscall.SIGKILL) // gone by itself, at worst
	}
}
