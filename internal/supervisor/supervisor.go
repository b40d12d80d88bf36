package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"nanofront/internal/process"
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
	stopped chan struct{} // closed at the end of Stop
	group   *process.Group

	mu       sync.Mutex
	children []*child
	stopping bool
}

type child struct {
	Child
	s       *Supervisor
	out     *lineWriter
	process *process.Process // guarded by Supervisor.mu; nil if it could never be started
	done    chan struct{}
	stop    chan struct{}
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
		stopped: make(chan struct{}),
		group:   process.NewGroup(os.Environ),
	}
	s.say = func(format string, args ...any) { s.out.line("nanofront", own, fmt.Sprintf(format, args...)) }
	sp.notice = func(n uint64) []byte {
		return s.out.format("nanofront", own, fmt.Sprintf("%d lines of output are lost: nobody took them in time", n))
	}
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
	ch := &child{Child: c, s: s, out: &lineWriter{out: s.out, name: c.Name}, done: make(chan struct{}), stop: make(chan struct{})}
	s.mu.Lock()
	if s.stopping {
		s.mu.Unlock()
		return errStopping
	}
	ch.out.color = len(s.children)
	s.children = append(s.children, ch)
	s.mu.Unlock()
	s.out.widen(c.Name)
	if err := ch.start(); err != nil {
		close(ch.done)
		return err
	}
	go ch.run()
	return nil
}

// start starts the process. It holds the lock meanwhile, so that Stop either
// finds the process and ends it, or keeps it from being started.
func (c *child) start() (err error) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if c.s.stopping {
		return errStopping
	}
	if c.process != nil {
		return c.process.Launch()
	}
	c.process, err = c.s.group.Start(process.Spec{
		Name: c.Name, Path: c.Path, Args: c.Args, Env: c.Env, Out: c.out, Grace: c.Grace, Told: true,
	})
	return err
}

// run waits for the process and starts it again, until stop.
func (c *child) run() {
	defer close(c.done)
	backoff := minBackoff
	up, deaths := false, 0
	for {
		began := time.Now()
		<-c.process.Done()
		c.out.end()
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
			case c.s.failed <- fmt.Errorf("%s %w: %s after %v; see its log lines above", c.Name, ErrGivenUp, c.process.Ending(), lived.Round(time.Millisecond)):
			default: // nobody listens, and enough others wait to be heard
			}
			return
		}
		c.s.say("%s ended (%s); starting it again in %v", c.Name, c.process.Ending(), backoff)
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
			c.s.say("%v; trying again in %v", err, backoff)
		}
	}
}

// PID returns the process id of a running child, 0 if it doesn't run.
func (s *Supervisor) PID(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.children {
		if c.Name == name && c.process != nil && !c.process.Ended() {
			return c.process.PID()
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
	s.group.Stop()
	s.Flush()
	close(s.stopped)
}

// end ends one child.
func (c *child) end(ctx context.Context) {
	c.s.mu.Lock()
	p := c.process
	c.s.mu.Unlock()
	if p != nil && !p.Tell(ctx) {
		c.s.say("%s did not end in time; killing it", c.Name)
		p.Kill()
	}
	<-c.done
}
