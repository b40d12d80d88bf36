package scenario

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"nanofront/bench/drivers"
	"nanofront/bench/load"
	"nanofront/bench/result"
	"nanofront/bench/system"
	"nanofront/internal/process"
)

var anyPort = regexp.MustCompile(`127\.0\.0\.1:\d+`)

// load puts the loads of the scenario on the subject.
func (t *turn) load(ctx context.Context) error {
	for _, step := range t.s.Steps {
		measure := t.step
		if step.Idle {
			measure = t.idle
		}
		run, err := measure(ctx, step)
		if run != nil {
			if err == nil {
				err = t.countCalls(ctx, step, run)
			}
			t.keep(run, step)
		}
		if err != nil {
			return err
		}
	}
	switch {
	case t.s.Overload != nil:
		return t.overload(ctx)
	case t.s.Curve != nil:
		_, err := t.curve(ctx, result.ScenarioCurve)
		return err
	}
	return nil
}

// keep puts a run into the report.
func (t *turn) keep(run *result.Run, step Step) {
	run.Scenario, run.Subject, run.Round = t.s.Name, t.subject, t.round
	run.Step, run.OfferedRate = step.name, step.Rate
	t.rep.Runs = append(t.rep.Runs, *run)
}

// step warms up, loads, and returns what was found. An interrupted run is returned if it has
// anything in it.
func (t *turn) step(ctx context.Context, step Step) (*result.Run, error) {
	t.say("round %d of %d  %-12s %-14s %s", t.round, t.s.Rounds, t.s.Name, t.subject, step.words())
	driver, err := t.driver(step)
	if err != nil {
		return nil, err
	}
	warm := step
	warm.Duration, warm.after = t.s.Warmup, 0
	if t.s.Warmup > 0 {
		run, err := t.generate(ctx, driver, warm, t.Live)
		if err != nil {
			return nil, err
		}
		if step.Closed > 0 {
			t.rates[t.rateKey()] = run.Rate
		}
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	t.sys.ResetPeaks()
	before := t.sys.Sample(ctx)
	var during *disturbance
	if t.s.Disturb != nil && t.front != nil {
		during = disturb(ctx, t.front, t.s.Disturb, step.Duration)
	}
	// What goes on after the step isn't to be in what is said of it.
	var after *system.Sample
	live := t.Live
	if step.after > 0 {
		live = func(s load.Snapshot) {
			if after == nil && !s.Warmup && s.Elapsed >= step.Duration {
				after = t.sys.Sample(context.WithoutCancel(ctx))
			}
			if t.Live != nil {
				t.Live(s)
			}
		}
	}
	run, err := t.generate(ctx, driver, step, live)
	var events []result.Event
	if during != nil {
		var derr error
		events, derr = during.end()
		err = errors.Join(err, derr)
	}
	if run == nil {
		return nil, err
	}
	if after == nil {
		after = t.sys.Sample(context.WithoutCancel(ctx))
	}
	processes, stages, counters := after.Since(before)
	run.Processes = append(processes, run.Processes...)
	if t.sys.Group != nil && len(t.rep.Environment.Limits) == 0 { // else there are processes that aren't known, or CPUs that aren't ours
		run.CPUOthers = after.Others(before, run.Processes)
	}
	run.Stages, run.Counters, run.Events = stages, counters, events
	if run.Duration <= 0 { // interrupted at once
		return nil, err
	}
	return run, err
}

func (t *turn) rateKey() string { return t.s.Name + " " + t.key }

func (s Step) words() string {
	if s.Idle {
		return fmt.Sprintf("idle, %v", s.Duration)
	}
	if s.Closed > 0 {
		return fmt.Sprintf("closed loop, %d connections, %v", s.Closed, s.Duration)
	}
	return fmt.Sprintf("%.0f requests a second, %v", s.Rate, s.Duration)
}

// driver chooses who makes the load; nil is the benchmark itself.
func (t *turn) driver(step Step) (*drivers.Driver, error) {
	if step.Rate > 0 || step.Idle || t.s.Driver == DriverBench {
		return nil, nil //nolint:nilnil // nil is a driver
	}
	if t.s.Driver != "" {
		d := drivers.Find(t.s.Driver)
		if err := d.Available(); err != nil {
			return nil, err
		}
		if err := d.Can(t.driverLoad(step)); err != nil {
			return nil, fmt.Errorf("%w: %w", errSkip, err)
		}
		return d, nil
	}
	d := drivers.Find("wrk")
	if err := d.Available(); err != nil {
		t.note("closed loops are made by bench itself: %v", err)
		return nil, nil //nolint:nilnil // as above
	}
	return d, nil
}

func (t *turn) driverLoad(step Step) *drivers.Load {
	return &drivers.Load{
		URL: t.sys.URL, Mix: &load.Mix{Requests: t.s.Requests}, Connections: step.Closed, Churn: t.s.Churn,
		Duration: step.Duration, Rate: t.rates[t.rateKey()], Dir: t.dir,
	}
}

// generate makes one load. live is told each second of it.
func (t *turn) generate(ctx context.Context, d *drivers.Driver, step Step, live func(load.Snapshot)) (*result.Run, error) {
	if d != nil {
		return d.Run(ctx, t.driverLoad(step))
	}
	o := load.Options{
		URL: t.sys.URL + "/", Mix: &load.Mix{Requests: t.s.Requests}, Rate: step.Rate, Arrivals: t.s.Arrivals,
		Duration: step.Duration, Timeout: t.s.Timeout, Connections: step.Closed, Churn: t.s.Churn,
		Seed: uint64(time.Duration(t.round)),
	}
	if step.Rate > 0 {
		o.Connections = t.s.Connections
	}
	if step.after > 0 {
		o.Rate, o.Patience = 0, t.s.Timeout
		o.Stages = []load.Stage{
			{From: step.Rate, To: step.Rate, Duration: step.Duration}, {From: step.afterRate, To: step.afterRate, Duration: step.after},
		}
	}
	before := process.OwnUsage()
	r, err := load.Run(ctx, o, live)
	if err != nil {
		return nil, err
	}
	run := RunOf(r)
	own := system.Used(DriverBench, result.RoleLoad, process.OwnUsage().Since(before))
	own.CPUSeconds = r.CPU // without what comes before and after what is counted
	run.Processes = []result.Process{own}
	if parts := RunsOf(r); len(parts) > 1 {
		parts[0].Processes, parts[0].After = run.Processes, parts[1].Series
		run = &parts[0]
	}
	return run, nil
}
