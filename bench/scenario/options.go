package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"nanofront/bench/drivers"
	"nanofront/bench/load"
)

// ErrOptions is wrapped by errors about [Options].
var ErrOptions = errors.New("scenario: options")

// Options of [Run]. Zero values are what the scenarios say.
type Options struct {
	// Bin is the folder of the built programs, bench among them.
	Bin string
	// Dir is a folder for tables, stores and configurations; Cache keeps a store for the next time.
	Dir, Cache string
	// Target is the URL of a system that runs already, measured in place of one that is started.
	// Admins are addresses of its admin ports, the terminator's first; they may be left out.
	Target string
	Admins []string
	// TerminatorFlags and HandlerFlags are further ones for what is started of nanofront.
	TerminatorFlags, HandlerFlags []string
	// Driver of closed loops.
	Driver string
	// Subjects restricts what is measured.
	Subjects []string
	Rounds   int
	// Duration of each step.
	Duration time.Duration
	// Connections of closed loops.
	Connections int
	// Knee, in requests per second, if it is known.
	Knee float64
	// Quick makes all so short that it shows only whether it works.
	Quick bool
	// Say is told what goes on, a line at a time; Live each second of a load. Both may be nil.
	Say  func(line string)
	Live func(load.Snapshot)
}

// Quick durations.
const (
	quickStep   = time.Second
	quickWarmup = 200 * time.Millisecond
)

// apply changes a plan as the options say.
func (o *Options) apply(p *Plan) error {
	for _, name := range o.Subjects {
		if !slices.Contains(SubjectNames(), name) {
			return fmt.Errorf("%w: subject %q is not one of %s", ErrOptions, name, strings.Join(SubjectNames(), ", "))
		}
	}
	if d := drivers.Find(o.Driver); d != nil {
		if err := d.Available(); err != nil {
			return fmt.Errorf("%w: %w", ErrOptions, err)
		}
	}
	if o.Target != "" {
		o.Subjects = []string{SubjectNanofront}
	}
	kept := p.Scenarios[:0:0]
	for _, s := range p.Scenarios {
		c := *s
		c.Steps = slices.Clone(s.Steps)
		if len(o.Subjects) > 0 {
			c.Subjects = slices.DeleteFunc(slices.Clone(s.Subjects), func(name string) bool { return !slices.Contains(o.Subjects, name) })
		}
		if o.Target != "" && c.Disturb != nil {
			return fmt.Errorf("%w: %s disturbs processes, and those of --target are not ours", ErrOptions, c.Name)
		}
		if len(c.Subjects) == 0 {
			continue
		}
		if err := o.applyTo(&c); err != nil {
			return err
		}
		if err := c.check(); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrOptions, c.Name, err)
		}
		kept = append(kept, &c)
	}
	if len(kept) == 0 {
		return fmt.Errorf("%w: nothing of %s is about %s", ErrOptions, p.Name, strings.Join(o.Subjects, ", "))
	}
	p.Scenarios = kept
	return nil
}

func (o *Options) applyTo(s *Scenario) error {
	if o.Driver != "" {
		s.Driver = o.Driver
	}
	if o.Rounds > 0 {
		s.Rounds = o.Rounds
	}
	duration := o.Duration
	if o.Quick {
		s.Warmup, s.Calls = quickWarmup, min(s.Calls, quickStep)
		if o.Rounds == 0 {
			s.Rounds = min(s.Rounds, 1)
		}
		if duration == 0 && s.Disturb == nil {
			duration = quickStep
		}
	}
	for i := range s.Steps {
		if duration > 0 {
			s.Steps[i].Duration = duration
		}
		if o.Quick && s.Disturb != nil {
			s.Steps[i].Duration = min(s.Steps[i].Duration, 6*quickStep)
		}
		if o.Connections > 0 && s.Steps[i].Closed > 0 {
			s.Steps[i].Closed = o.Connections
		}
	}
	if s.Curve != nil {
		c := *s.Curve
		if duration > 0 {
			c.Duration = duration
		}
		if o.Quick {
			c.Refine = 0
			c.By = max(c.By, c.From*2)
		}
		s.Curve = &c
	}
	if s.Overload != nil {
		v := *s.Overload
		if duration > 0 {
			v.Duration = duration
		}
		if o.Quick {
			v.After = min(v.After, 2*quickStep)
		}
		s.Overload = &v
	}
	return nil
}

// Estimate is about how long a plan takes with these options; 0 if they don't fit together.
func Estimate(plan *Plan, o Options) time.Duration {
	p := *plan
	if o.apply(&p) != nil {
		return 0
	}
	const (
		start      = 1500 * time.Millisecond
		curveSteps = 9 // nobody knows how many
	)
	var total time.Duration
	for _, s := range p.Scenarios {
		each := start
		for _, t := range s.Steps {
			each += t.Duration + s.Warmup + s.Calls
		}
		if c := s.Curve; c != nil {
			each += curveSteps * (c.Duration + s.Warmup)
		}
		if v := s.Overload; v != nil {
			each += time.Duration(len(v.Times)) * (v.Duration + s.Warmup + v.After)
		}
		total += each * time.Duration(len(s.Subjects)*s.Rounds)
	}
	return total
}
