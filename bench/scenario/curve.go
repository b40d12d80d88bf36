package scenario

import (
	"context"
	"fmt"
	"slices"

	"nanofront/bench/result"
)

const (
	// curveTries is how often a rate is tried before it counts as not followed.
	curveTries = 2
	// curveMisses is how many rates are tried at the end, the first that isn't followed and those
	// above it: so that the curve shows what becomes of latency there.
	curveMisses = 2
	// curveDown bounds looking for a rate below the first, each half of the one before.
	curveDown = 4
)

// curve raises the rate until it isn't followed, and returns the knee, 0 if no rate was followed.
// The runs are kept under the name of a scenario.
func (t *turn) curve(ctx context.Context, name string) (float64, error) {
	c := t.s.Curve
	kept := *t
	scenario := *t.s
	scenario.Name = name
	kept.s = &scenario
	t = &kept
	good, bad, misses := 0.0, 0.0, 0
	for rate := c.From; rate <= c.To && misses < curveMisses; rate += c.By {
		ok, err := t.offer(ctx, rate)
		switch {
		case err != nil:
			return 0, err
		case !ok && misses == 0:
			bad = rate
			misses++
		case !ok || misses > 0: // above what isn't followed it is no knee any more
			misses++
		default:
			good = rate
		}
	}
	try := func(rate float64) error {
		ok, err := t.offer(ctx, rate)
		if ok {
			good = rate
		} else {
			bad = rate
		}
		return err
	}
	for down := 0; good == 0 && bad > 0 && down < curveDown; down++ {
		if err := try(bad / 2); err != nil {
			return 0, err
		}
	}
	for i := 0; i < c.Refine && good > 0 && bad > good; i++ {
		if err := try(float64(int((good+bad)/2/100)) * 100); err != nil {
			return 0, err
		}
	}
	knee := t.knee(name, c.limits())
	if knee == 0 {
		t.note("%s, %s: no rate that was tried was followed, %.0f/s neither", name, t.subject, bad)
		return 0, nil
	}
	t.note("%s, %s: the knee is at %.0f requests a second: the highest rate of which %.0f %% succeeded with a p99 of %g ms at most", name, t.subject, knee, c.Kept*100, c.P99)
	return knee, nil
}

// offer tries a rate, and reports whether it is followed. Of two tries the better is kept.
func (t *turn) offer(ctx context.Context, rate float64) (bool, error) {
	step := Step{Rate: rate, Duration: t.s.Curve.Duration, name: rateName(rate)}
	var best *result.Run
	for range curveTries {
		run, err := t.step(ctx, step)
		if err != nil && run == nil {
			return false, err
		}
		if best == nil || better(run, best) {
			best = run
		}
		if t.followed(best, step) || ctx.Err() != nil {
			break
		}
	}
	t.keep(best, step)
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	return t.followed(best, step), nil
}

func better(a, b *result.Run) bool {
	if a == nil {
		return false
	}
	pa, oka := a.Latency.Percentile(99)
	pb, okb := b.Latency.Percentile(99)
	const same = 0.99
	switch {
	case a.Rate < b.Rate*same:
		return false
	case b.Rate < a.Rate*same:
		return true
	}
	return oka && (!okb || pa < pb)
}

// followed asks what the report will be asked about the same run.
func (t *turn) followed(run *result.Run, step Step) bool {
	r := *run
	r.Loop, r.OfferedRate = result.Open, step.Rate
	return result.Knee(result.Summarize([]result.Run{r}), t.s.Curve.limits()) != nil
}

// knee is that of the subject's runs of a scenario, 0 if there is none.
func (t *turn) knee(scenario string, limits result.KneeLimits) float64 {
	var runs []result.Run
	for i := range t.rep.Runs {
		if r := &t.rep.Runs[i]; r.Scenario == scenario && r.Subject == t.subject {
			runs = append(runs, *r)
		}
	}
	if knee := result.Knee(result.Summarize(runs), limits); knee != nil {
		return knee.Offered
	}
	return 0
}

// overload offers multiples of what the system can do.
func (t *turn) overload(ctx context.Context) error {
	o := t.s.Overload
	capacity, unit, err := t.capacity(ctx)
	if err != nil {
		return err
	}
	for _, times := range o.Times {
		step := Step{Rate: capacity * times, Duration: o.Duration, name: fmt.Sprintf("%gx %s", times, unit)}
		if times > 1 {
			step.after, step.afterRate = o.After, capacity*slices.Min(o.Times)
		}
		run, err := t.step(ctx, step)
		if run != nil {
			t.keep(run, step)
			if run.NotSent > run.Planned/100 {
				t.note("%s of %s at %gx: of %d planned requests the load generator could not send %d: all of its %d connections were busy", t.s.Name, t.subject, times, run.Planned, run.NotSent, run.Connections)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// capacity is what the system can do, in requests per second, and what that is called.
func (t *turn) capacity(ctx context.Context) (float64, string, error) {
	const unit = "knee"
	if c := t.s.Overload.Capacity; c > 0 {
		return c, "capacity", nil
	}
	if t.Knee > 0 {
		return t.Knee, unit, nil
	}
	if knee := t.knee(result.ScenarioCurve, t.s.Curve.limits()); knee > 0 {
		return knee, unit, nil
	}
	knee, err := t.curve(ctx, result.ScenarioCurve)
	if err == nil && knee == 0 {
		err = fmt.Errorf("%w: there is no knee to offer multiples of", errSkip)
	}
	return knee, unit, err
}
