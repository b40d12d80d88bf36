package nanobus_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"nanofront/nanobus"
)

// disturbance is what befalls a handler.
type disturbance int

const (
	kill     disturbance = iota // SIGKILL, and another is started
	stop                        // SIGSTOP, SIGCONT after a while
	stopKill                    // SIGSTOP, and SIGKILL after a while
	drain                       // SIGTERM, and another is started
	disturbances
)

var disturbanceNames = [disturbances]string{"kills", "stops", "kills while stopped", "drains"}

// step is one disturbance of a handler's schedule.
type step struct {
	after time.Duration // the step before it
	what  disturbance
	still time.Duration // for how long a stop lasts
	down  time.Duration // for how long nobody is there after an end
}

// schedule is what befalls one handler, drawn from a seed: the same for the
// same seed, however fast the machine is.
type schedule struct{ r *rand.Rand }

func newSchedule(seed uint64, handler int) *schedule {
	return &schedule{rand.New(rand.NewPCG(seed, uint64(handler)))}
}

func (s *schedule) next() step {
	between := func(from, to time.Duration) time.Duration { return from + rand2(s.r, to-from) }
	st := step{
		after: min(time.Duration(s.r.ExpFloat64()*float64(300*time.Millisecond)), 2*time.Second),
		still: between(10*time.Millisecond, 600*time.Millisecond),
		down:  between(0, 300*time.Millisecond),
		what:  [...]disturbance{kill, kill, kill, stop, stop, stop, stop, stopKill, drain, drain}[s.r.IntN(10)],
	}
	if s.r.IntN(40) == 0 {
		st.still = 7 * time.Second // beyond what a link lives without a sign of life
	}
	return st
}

func rand2(r *rand.Rand, below time.Duration) time.Duration {
	return time.Duration(r.Int64N(int64(below)))
}

// crew is the handlers and who disturbs them.
type crew struct {
	dir    string
	seed   uint64
	listen []string // where each handler listens
	buses  []*nanobus.Bus
	count  [disturbances]atomic.Int64

	mu      sync.Mutex // guards what follows
	current []*incarnation
	all     []*incarnation
}

// start starts handler i anew and tells the callers where it is.
func (c *crew) start(i int) error {
	c.mu.Lock()
	name := fmt.Sprintf("h%d.%d", i, len(c.all))
	c.mu.Unlock()
	in, err := startIncarnation(c.dir, name, c.listen[i])
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current[i] = in
	c.all = append(c.all, in)
	var list []nanobus.Instance
	for k, in := range c.current {
		if in != nil {
			list = append(list, nanobus.Instance{Service: chaosService, ID: fmt.Sprintf("h%d", k), Address: in.addr})
		}
	}
	for _, b := range c.buses {
		if err := b.SetInstances(list); err != nil {
			return err
		}
	}
	return nil
}

// disturb has each handler go through its schedule until ctx ends, and leaves
// all of them running.
func (c *crew) disturb(ctx context.Context) error {
	errs := make([]error, len(c.listen))
	var wg sync.WaitGroup
	for i := range c.listen {
		wg.Go(func() {
			s := newSchedule(c.seed, i)
			st := s.next()
			// Something happens at once, and to each handler another thing,
			// so that a short run has its share too.
			st.after, st.what = time.Duration(i+1)*20*time.Millisecond, [...]disturbance{kill, stop, drain}[i%3]
			for pause(ctx, st.after) && errs[i] == nil {
				errs[i] = c.apply(ctx, i, st)
				st = s.next()
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// apply disturbs handler i. At the end it runs.
func (c *crew) apply(ctx context.Context, i int, st step) error {
	c.mu.Lock()
	in := c.current[i]
	c.mu.Unlock()
	c.count[st.what].Add(1)
	if st.what == stop || st.what == stopKill {
		if err := in.stop(); err != nil {
			return err
		}
		began := time.Now()
		pause(ctx, st.still)
		in.longest = max(in.longest, time.Since(began))
	}
	var err error
	switch st.what {
	case stop:
		return in.resume()
	case drain:
		err = in.drain()
	default:
		err = in.kill()
	}
	if err != nil {
		return err
	}
	pause(ctx, st.down)
	return c.start(i)
}

// pause waits, and reports whether it could to the end.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// String says what has befallen the handlers.
func (c *crew) String() string {
	text := ""
	for d := range disturbances {
		text += fmt.Sprintf("%d %s, ", c.count[d].Load(), disturbanceNames[d])
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("%s%d processes", text, len(c.all))
}
