package process

import (
	"errors"
	"os/exec"
	"runtime"
	"slices"
	"sync"
)

// errStopped keeps processes from being started when the others are ended.
var errStopped = errors.New("the group of processes is stopped")

// Group owns processes: whatever it has started ends with Stop. Make it with NewGroup. Its methods
// may be called by several goroutines.
type Group struct {
	environment func() []string
	launches    chan func()

	mu        sync.Mutex
	processes []*Process
	stopped   bool
	over      chan struct{} // closed at the end of Stop
}

// NewGroup makes an empty group. Each process gets the environment that there is when it starts, as
// [os.Environ] tells.
func NewGroup(environment func() []string) *Group {
	g := &Group{environment: environment, launches: make(chan func()), over: make(chan struct{})}
	// The kernel ends children when the thread that started them ends
	// (PR_SET_PDEATHSIG), so all are started from one that lives as long as the group.
	go func() { // ends with Stop
		runtime.LockOSThread()
		for f := range g.launches {
			f()
		}
	}()
	return g
}

// start starts a command, unless the group is stopped. The lock is held meanwhile, so that Stop
// either finds the process or keeps it from being started.
func (g *Group) start(cmd *exec.Cmd) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped {
		return errStopped
	}
	started := make(chan error, 1)
	g.launches <- func() { started <- cmd.Start() }
	return <-started
}

// Start starts a process.
func (g *Group) Start(s Spec) (*Process, error) {
	p := &Process{Spec: s, group: g}
	if err := p.Launch(); err != nil {
		return nil, err
	}
	g.mu.Lock()
	stopped := g.stopped
	g.processes = append(g.processes, p)
	g.mu.Unlock()
	if stopped { // meanwhile
		p.End()
		return nil, errStopped
	}
	return p, nil
}

// Processes are those that were started, in that order.
func (g *Group) Processes() []*Process {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.processes)
}

// Process returns the process of that name, nil if there is none.
func (g *Group) Process(name string) *Process {
	for _, p := range g.Processes() {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// Stop ends all processes, the last one first, and waits for them. It may be called more than once.
func (g *Group) Stop() {
	g.mu.Lock()
	if g.stopped {
		g.mu.Unlock()
		<-g.over
		return
	}
	g.stopped = true
	processes := slices.Clone(g.processes)
	g.mu.Unlock()
	for _, p := range slices.Backward(processes) {
		p.End()
	}
	close(g.launches)
	close(g.over)
}
