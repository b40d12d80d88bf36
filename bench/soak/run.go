package soak

import (
	"context"
	"errors"
	"fmt"
	"time"

	"nanofront/bench/load"
	"nanofront/bench/system"
)

// Options say what Run does. All are required.
type Options struct {
	// Bin is the folder of the built programs, Dir one for what they write.
	Bin, Dir string
	// Rate is in requests per second.
	Rate     float64
	Duration time.Duration
	// Say is told how it goes on; nil: nobody is.
	Say func(line string)
}

const (
	tenths  = 10
	echoes  = 2
	clients = 500
	// timeout of a request.
	timeout = 5 * time.Second
)

// warmUp comes before what is counted: pools fill, and heaps find their size.
func (o *Options) warmUp() time.Duration { return min(max(o.Duration/20, time.Second), time.Minute) }

// Run starts the system and has it loaded. The outcome is there, as far as it goes, also with an
// error.
func Run(ctx context.Context, o Options) (*Outcome, error) {
	out := &Outcome{Started: time.Now(), Rate: o.Rate, Duration: o.Duration}
	s, err := system.StartNanofront(ctx, system.NanofrontOptions{Bin: o.Bin, Dir: o.Dir, Echo: echoes})
	if err != nil {
		return out, err
	}
	defer s.Stop()
	loaded := make(chan error, 1)
	loading, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // ends with the load
		var err error
		out.Load, err = load.Run(loading, o.load(s.URL), nil)
		loaded <- err
	}()
	err = o.watch(ctx, s, out, loaded)
	if err != nil {
		cancel()
		<-loaded //nolint:errcheck // err says why
	}
	return out, err
}

// load is even, and told apart by tenths.
func (o *Options) load(url string) load.Options {
	l := load.Options{
		URL: url + "/hello", Arrivals: load.Poisson, Seed: 1, Warmup: o.warmUp(),
		Timeout: timeout, Connections: clients,
	}
	for range tenths {
		l.Stages = append(l.Stages, load.Stage{From: o.Rate, To: o.Rate, Duration: o.Duration / tenths})
	}
	return l
}

// watch looks at the processes at the end of each tenth, until the load has ended.
func (o *Options) watch(ctx context.Context, s *system.Nanofront, out *Outcome, loaded <-chan error) error {
	next := time.Now().Add(o.warmUp())
	for i := range tenths + 1 {
		timer := time.NewTimer(time.Until(next))
		select {
		case <-timer.C:
		case err := <-loaded: // the last tenth ends with it
			timer.Stop()
			if i < tenths {
				return errors.Join(errors.New("soak: the load has ended early"), err)
			}
			return errors.Join(out.look(ctx, s, i-1), err)
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		next = next.Add(o.Duration / tenths)
		if i > 0 {
			if err := out.look(ctx, s, i-1); err != nil {
				return err
			}
			if o.Say != nil {
				o.Say(fmt.Sprintf("%d of %d", i, tenths))
			}
		}
		s.ResetPeaks()
	}
	return <-loaded
}
