package scenario

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"nanofront/bench/peers"
	"nanofront/bench/report"
	"nanofront/bench/result"
	"nanofront/bench/system"
)

// noiseTime is how long the machine's noise is measured for, before anything runs.
const noiseTime = time.Second

// errSkip is wrapped by errors that end a subject, not the benchmark.
var errSkip = errors.New("skipped")

// runner runs one plan.
type runner struct {
	Options
	rep *result.Report
	// store is the profile's, made when it is first needed.
	store string
	// turn numbers the folders of subjects.
	turn int
	// gone are subjects that are not measured any more, by key.
	gone map[string]bool
	// rates are the last closed-loop rates, by subject and scenario: what a driver is told that
	// must know.
	rates map[string]float64
}

// Run runs a plan. When ctx is done it returns what was measured so far, with a note; its error is
// then nil unless that is nothing. A peer that isn't installed, or fails, is left out with a note;
// nanofront's failure is an error, beside which the report has what was measured before.
func Run(ctx context.Context, p *Plan, o Options) (*result.Report, error) {
	plan := *p
	if err := o.apply(&plan); err != nil {
		return nil, err
	}
	if o.Say == nil {
		o.Say = func(string) {}
	}
	r := &runner{Options: o, gone: make(map[string]bool), rates: make(map[string]float64)}
	r.rep = &result.Report{Format: result.Format, Name: p.Name, Started: time.Now(), Environment: result.ReadEnvironment()}
	r.rep.Environment.Noise = result.MeasureNoise(noiseTime)
	err := r.runAll(ctx, &plan)
	r.rep.Elapsed = time.Since(r.rep.Started)
	if ctx.Err() != nil {
		r.note("interrupted: this is what there was by then")
		if len(r.rep.Runs) > 0 {
			err = nil
		}
	}
	if len(r.rep.Runs) > 0 {
		r.rep.Headline = report.Claim(r.rep, plan.Goal)
	}
	return r.rep, err
}

func (r *runner) say(format string, args ...any) { r.Say(fmt.Sprintf(format, args...)) }

// note keeps a sentence for the reader, once.
func (r *runner) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(r.rep.Notes, text) {
		r.rep.Notes = append(r.rep.Notes, text)
		r.Say(text)
	}
}

func (r *runner) runAll(ctx context.Context, p *Plan) error {
	for _, block := range blocks(p.Scenarios) {
		for round := 1; round <= block[0].Rounds; round++ {
			for _, s := range block {
				for _, subject := range s.Subjects {
					if ctx.Err() != nil {
						return context.Cause(ctx)
					}
					if r.gone[subject] {
						continue
					}
					err := r.takeTurn(ctx, s, subject, round)
					switch {
					case ctx.Err() != nil:
						return context.Cause(ctx)
					case errors.Is(err, peers.ErrMissing), err != nil && subject != SubjectNanofront:
						r.gone[subject] = true
						r.note("%s is left out: %v", subject, strings.TrimPrefix(err.Error(), "peers: "))
					case errors.Is(err, errSkip):
						r.note("%s: %v", s.Name, err)
					case err != nil:
						return fmt.Errorf("%s: %w", s.Name, err)
					}
				}
			}
		}
	}
	return nil
}

// blocks are scenarios that are taken together: neighbours with as many rounds.
func blocks(all []*Scenario) [][]*Scenario {
	var list [][]*Scenario
	for _, s := range all {
		if n := len(list); n > 0 && list[n-1][0].Rounds == s.Rounds {
			list[n-1] = append(list[n-1], s)
			continue
		}
		list = append(list, []*Scenario{s})
	}
	return list
}

// turn is one subject in one round of a scenario, while it runs.
type turn struct {
	*runner
	s       *Scenario
	key     string // of the subject
	subject string // its name in reports
	round   int
	dir     string
	sys     *system.System
	front   *system.Nanofront // nil if it is another, or wasn't started here
}

// takeTurn starts a subject, puts the scenario's loads on it, and ends it.
func (r *runner) takeTurn(ctx context.Context, s *Scenario, key string, round int) error {
	r.turn++
	t := &turn{runner: r, s: s, key: key, round: round, dir: filepath.Join(r.Dir, fmt.Sprintf("turn-%d", r.turn))}
	if err := os.MkdirAll(t.dir, 0o755); err != nil {
		return fmt.Errorf("scenario: %w", err)
	}
	defer func() { _ = os.RemoveAll(t.dir) }() // what remains goes with Dir
	if err := t.start(ctx); err != nil {
		return err
	}
	if t.sys.Group != nil {
		defer t.sys.Stop()
		r.keepFlags(t.sys)
	}
	return t.load(ctx)
}

// start starts the subject.
func (t *turn) start(ctx context.Context) error {
	if p := peers.Find(t.key); p != nil {
		t.subject = p.Name
		if err := p.Available(); err != nil {
			return err
		}
		sys, err := p.Start(ctx, filepath.Join(t.Bin, "bench"), t.dir, t.s.System.Echo*t.s.System.Workers)
		t.sys = sys
		return err
	}
	t.subject = result.Nanofront
	if t.Target != "" {
		t.sys = &system.System{URL: strings.TrimSuffix(t.Target, "/"), Admins: make(map[string]system.Admin)}
		for i, addr := range t.Admins {
			role := system.RoleOf(ctx, addr)
			t.sys.Admins[fmt.Sprintf("%s-%d", role, i+1)] = system.Admin{Addr: addr, Role: role}
		}
		return nil
	}
	o := system.NanofrontOptions{
		Bin: t.Bin, Dir: t.dir, Echo: t.s.System.Echo, EchoWorkers: t.s.System.Workers, Web: t.s.System.Web, Profile: t.s.System.Profile,
		TerminatorFlags: t.TerminatorFlags, HandlerFlags: t.HandlerFlags,
	}
	if o.Profile > 0 {
		if err := t.needStore(ctx); err != nil {
			return err
		}
		o.Data = t.store
	}
	n, err := system.StartNanofront(ctx, o)
	if err != nil {
		return err
	}
	t.sys, t.front = &n.System, n
	return nil
}

// needStore makes the store if there is none. It is the same through all turns: changes don't make
// it larger for long.
func (r *runner) needStore(ctx context.Context) error {
	if r.store != "" {
		return nil
	}
	store, err := system.Store(ctx, r.Bin, r.Cache, r.Dir, system.DefaultMembers)
	r.store = store
	return err
}

// keepFlags notes what was started, once for each command but for its ports.
func (r *runner) keepFlags(s *system.System) {
	env := &r.rep.Environment
	for _, p := range s.Processes() {
		words := strings.Fields(p.Command())
		for i, w := range words {
			words[i] = strings.ReplaceAll(w, r.Dir, "DIR")
			if turn, rest, ok := strings.Cut(words[i], "DIR/turn-"); ok {
				_, file, _ := strings.Cut(rest, "/")
				words[i] = turn + "DIR/" + file
			}
			words[i] = anyPort.ReplaceAllString(words[i], "127.0.0.1:PORT")
		}
		if command := strings.Join(words, " "); !slices.Contains(env.Flags, command) {
			env.Flags = append(env.Flags, command)
		}
	}
}
