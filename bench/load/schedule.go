package load

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// Arrivals says how planned times are spread.
type Arrivals string

// The kinds of arrivals.
const (
	// Constant is one request each 1/rate seconds. The zero value means it too.
	Constant Arrivals = "constant"
	// Poisson is what many users who don't know of each other make: gaps are exponentially
	// distributed.
	Poisson Arrivals = "poisson"
)

// MaxRate is the highest rate that can be planned, in requests per second.
const MaxRate = 10e6

// maxStages bounds a plan.
const maxStages = 1000

// Stage is a part of a plan: the rate goes from From to To, in requests per
// second, linearly over Duration.
type Stage struct {
	From, To float64
	Duration time.Duration
}

// ParseStages reads a plan as it is typed:
//
//	50000                    a constant rate
//	10000,20000,40000        steps
//	1000..50000              a linear ramp
//	1000..50000@20s,50000@1m the same, with their own durations
//
// Parts without a duration share what those with one leave of total equally.
func ParseStages(text string, total time.Duration) ([]Stage, error) {
	parts := strings.Split(text, ",")
	if len(parts) > maxStages {
		return nil, fmt.Errorf("%d stages: at most %d are allowed", len(parts), maxStages)
	}
	stages := make([]Stage, 0, len(parts))
	left, open := total, 0
	for _, part := range parts {
		rate, length, timed := strings.Cut(strings.TrimSpace(part), "@")
		from, to, ramp := strings.Cut(rate, "..")
		if !ramp {
			to = from
		}
		var s Stage
		var err1, err2 error
		s.From, err1 = strconv.ParseFloat(from, 64)
		s.To, err2 = strconv.ParseFloat(to, 64)
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("%q is not a rate: give requests per second such as 50000, steps such as 1000,2000, a ramp such as 1000..50000, each with a duration if you like, such as 1000@10s", part)
		}
		if timed {
			d, err := time.ParseDuration(length)
			if err != nil || d <= 0 {
				return nil, fmt.Errorf("%q: %q is not a duration (such as 500ms, 10s or 1m)", part, length)
			}
			s.Duration = d
			left -= d
		} else {
			open++
		}
		stages = append(stages, s)
	}
	if open > 0 {
		share := left / time.Duration(open)
		if share <= 0 {
			return nil, fmt.Errorf("%q leaves nothing of the duration of %v for the stages without one", text, total)
		}
		for i := range stages {
			if stages[i].Duration == 0 {
				stages[i].Duration = share
			}
		}
	}
	return stages, checkStages(stages)
}

func checkStages(stages []Stage) error {
	area := 0.0
	for _, s := range stages {
		for _, r := range []float64{s.From, s.To} {
			if !(r >= 0 && r <= MaxRate) { // NaN is neither
				return fmt.Errorf("a rate of %v requests per second: it must be from 0 to %v", r, float64(MaxRate))
			}
		}
		if s.Duration <= 0 {
			return fmt.Errorf("a stage that lasts %v: it must be more than 0", s.Duration)
		}
		area += (s.From + s.To) / 2 * s.Duration.Seconds()
	}
	if area < 1 {
		return fmt.Errorf("the plan has not even one request: raise the rate or the duration")
	}
	return nil
}

// profile is a plan's rate over time. Its integral, the number of requests that
// should have left by a time, is turned round to get planned times:
//
//	requests
//	  n ┤· · · · · ·╱        arrival n is planned for when the
//	    │         ╱ ·        integral reaches n; for Poisson arrivals
//	    │     __╱   ·        n goes up by exponentially distributed
//	    │__╱        ·        steps instead of by one
//	    └───────────┴── time
type profile struct {
	segments []segment
}

type segment struct {
	start  float64 // ns
	length float64 // ns
	from   float64 // requests per ns
	slope  float64 // requests per ns²
	before float64 // requests planned before it
	area   float64 // requests planned in it
}

// newProfile makes the profile of a warm-up at the first rate, from -warmup to
// 0, and the stages after it.
func newProfile(stages []Stage, warmup time.Duration) *profile {
	p := &profile{}
	at, before := -float64(warmup), 0.0
	add := func(from, to float64, d time.Duration) {
		s := segment{start: at, length: float64(d), from: from / 1e9, before: before}
		if s.length <= 0 {
			return
		}
		s.slope = (to - from) / 1e9 / s.length
		s.area = (from + to) / 2 / 1e9 * s.length
		at += s.length
		before += s.area
		if s.area > 0 {
			p.segments = append(p.segments, s)
		}
	}
	add(stages[0].From, stages[0].From, warmup)
	for _, s := range stages {
		add(s.From, s.To, s.Duration)
	}
	return p
}

// never is the planned time after the last.
const never = math.MaxInt64

// planner goes through one worker's share of a plan.
type planner struct {
	// next is the planned time of the next request, in ns from the start of what
	// is counted, negative in the warm-up; never when there is none.
	next int64

	profile *profile
	segment int
	at      float64 // requests planned so far, by all workers
	step    float64 // to this worker's next one
	rng     *rand.Rand
}

// newPlanner returns the planner of worker i of n. Two made with the same
// arguments plan the same.
func newPlanner(p *profile, arrivals Arrivals, seed uint64, i, n int) *planner {
	l := &planner{profile: p, at: float64(i), step: float64(n)}
	if arrivals == Poisson {
		l.rng = rand.New(rand.NewPCG(seed, uint64(i)))
		l.at = l.rng.ExpFloat64() * l.step
	}
	l.place()
	return l
}

// advance goes to the next request.
func (l *planner) advance() {
	if l.rng != nil {
		l.at += l.rng.ExpFloat64() * l.step
	} else {
		l.at += l.step
	}
	l.place()
}

// place works out the planned time of the request that is at.
func (l *planner) place() {
	for ; l.segment < len(l.profile.segments); l.segment++ {
		s := &l.profile.segments[l.segment]
		y := l.at - s.before
		if y >= s.area-1e-6 { // what is due at the very end is the next segment's, whatever rounding says
			continue
		}
		// The root of from·t + slope/2·t² = y, in the form that holds for slope 0.
		t := 0.0
		if y > 0 {
			t = 2 * y / (s.from + math.Sqrt(max(0, s.from*s.from+2*s.slope*y)))
		}
		l.next = int64(s.start + min(t, s.length))
		return
	}
	l.next = never
}
