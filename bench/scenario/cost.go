package scenario

import (
	"context"
	"fmt"
	"time"

	"nanofront/bench/result"
	"nanofront/bench/system"
)

// idle lets the subject be for as long as the step takes, and returns what its processes used.
func (t *turn) idle(ctx context.Context, step Step) (*result.Run, error) {
	t.say("round %d of %d  %-12s %-14s %s", t.round, t.s.Rounds, t.s.Name, t.subject, step.words())
	if t.sys.Group == nil {
		return nil, fmt.Errorf("%w: what a target uses isn't known, where its processes weren't started here", errSkip)
	}
	if !sleep(ctx, t.s.Warmup) {
		return nil, context.Cause(ctx)
	}
	// Not the admin ports: to be asked costs an idle process more than to wait.
	processes := &system.System{Group: t.sys.Group}
	before, began := processes.Sample(ctx), time.Now()
	whole := sleep(ctx, step.Duration)
	after := processes.Sample(ctx)
	run := &result.Run{Driver: DriverBench, Loop: result.Idle, Duration: time.Since(began)}
	run.Processes, _, _ = after.Since(before)
	if len(t.rep.Environment.Limits) == 0 {
		run.CPUOthers = after.Others(before, run.Processes)
	}
	if !whole {
		return run, context.Cause(ctx)
	}
	return run, nil
}

// countCalls counts the system calls of a load that is as the step's; how many there were is put
// into its run. It is a load of its own, since counting slows down what is counted.
func (t *turn) countCalls(ctx context.Context, step Step, run *result.Run) error {
	if t.s.Calls == 0 || t.sys.Group == nil {
		return nil
	}
	counter, err := t.sys.CountCalls()
	if err != nil {
		t.note("system calls are left out: %v", err)
		return nil
	}
	if step.Idle {
		whole := sleep(ctx, t.s.Calls)
		if run.Calls = counter.Stop(); !whole {
			return context.Cause(ctx)
		}
		return nil
	}
	step.Duration, step.after = t.s.Calls, 0
	driver, err := t.driver(step)
	if err != nil {
		counter.Stop()
		return err
	}
	again, err := t.generate(ctx, driver, step, t.Live)
	calls := counter.Stop()
	if err != nil || again == nil {
		return err
	}
	calls.Answered = float64(again.Completed)
	run.Calls = calls
	return nil
}
