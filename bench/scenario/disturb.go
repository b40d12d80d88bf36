package scenario

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"time"

	"nanofront/bench/result"
	"nanofront/bench/system"
)

// disturbance is what is done to nanofront while a step runs, and what was done.
type disturbance struct {
	n     *system.Nanofront
	began time.Time

	mu     sync.Mutex
	events []result.Event
	err    error

	stop func()
	over chan struct{}
}

// maxEvents bounds what a run tells of.
const maxEvents = 500

// disturb begins a disturbance of a step of that length. end must be called.
func disturb(ctx context.Context, n *system.Nanofront, d *Disturb, length time.Duration) *disturbance {
	ctx, cancel := context.WithCancel(ctx)
	t := &disturbance{n: n, began: time.Now(), stop: cancel, over: make(chan struct{})}
	go func() { // ends with end
		defer close(t.over)
		switch {
		case d.Slow != nil:
			t.fail(t.slow(ctx, d.Slow, length))
		case d.Restart != nil:
			t.fail(t.restart(ctx, d.Restart))
		}
	}()
	return t
}

// end ends it, and returns what was done.
func (t *disturbance) end() ([]result.Event, error) {
	t.stop()
	<-t.over
	return t.events, t.err
}

func (t *disturbance) fail(err error) {
	if err != nil {
		t.tell("%v", err)
		t.err = err
	}
}

func (t *disturbance) tell(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.events) < maxEvents {
		t.events = append(t.events, result.Event{At: time.Since(t.began).Seconds(), Text: fmt.Sprintf(format, args...)})
	}
}

// sleep reports whether ctx is still there after so long.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// slow stops and continues a process: it gets the CPU for a part of each period only.
func (t *disturbance) slow(ctx context.Context, s *Slow, length time.Duration) error {
	p := t.n.Process(s.Process)
	if p == nil {
		return fmt.Errorf("disturb: slow: there is no process %q", s.Process)
	}
	if !sleep(ctx, length/4) {
		return nil
	}
	t.tell("%s gets %g times slower", s.Process, s.Factor)
	run := time.Duration(float64(s.Period) / s.Factor)
	for until := time.Now().Add(length / 2); time.Now().Before(until) && ctx.Err() == nil; {
		if err := p.Signal(syscall.SIGSTOP); err != nil {
			return err
		}
		sleep(ctx, s.Period-run)
		if err := p.Signal(syscall.SIGCONT); err != nil {
			return err
		}
		sleep(ctx, run)
	}
	t.tell("%s is well again", s.Process)
	return nil
}

// restart restarts processes in turn.
func (t *disturbance) restart(ctx context.Context, r *Restart) error {
	var names []string
	for _, role := range r.Roles {
		for _, p := range t.n.Processes() {
			if p.Role == role && !slices.Contains(names, p.Name) {
				names = append(names, p.Name)
			}
		}
	}
	if len(names) == 0 {
		return fmt.Errorf("disturb: restart: there is no process of the roles %v", r.Roles)
	}
	for {
		for _, name := range names {
			if !sleep(ctx, r.Pause) {
				return nil
			}
			t.tell("%s is restarted", name)
			// Once begun it is ended: a system that is half started would not end as it should.
			if err := t.n.Restart(context.WithoutCancel(ctx), name); err != nil {
				return err
			}
			t.tell("%s is back", name)
		}
	}
}
