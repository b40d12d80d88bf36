package result

import (
	"cmp"
	"maps"
	"math"
	"slices"
)

// Key is what the rounds of one measurement have in common.
type Key struct {
	Scenario, Subject, Driver, Loop, Step string
}

// Key returns what the run has in common with its other rounds.
func (r *Run) Key() Key {
	return Key{Scenario: r.Scenario, Subject: r.Subject, Driver: r.Driver, Loop: r.Loop, Step: r.Step}
}

// Summary is one measurement over all its rounds.
type Summary struct {
	Key
	// Offered is planned requests per second, 0 in a closed loop.
	Offered float64
	// Rate is requests that succeeded per second.
	Rate Stat
	// Ratio is Rate in that of [Plain], round by round. Known in closed loops only: an open
	// loop's rate is what was offered.
	Ratio Stat
	// P50, P99 and P999 are latencies in milliseconds.
	P50, P99, P999 Stat
	// CPU is the subject's microseconds of CPU per request; CPURatio is that in [Plain]'s, round by
	// round.
	CPU, CPURatio Stat
	// Roles are microseconds of CPU per request by role, greatest first, the load generator last.
	Roles []RoleCPU
	// Answered is how many latencies are known.
	Answered uint64

	// Sums over the rounds, see [Run].
	Planned, Sent, SentLate, NotSent, Completed uint64
	Refused, Broken                             uint64
	Failed                                      map[string]uint64

	// Typical is the run whose rate (in an open loop, p99) is nearest to the median: the one
	// to show where only one can be shown.
	Typical *Run
	// Runs are all of them, in their order.
	Runs []*Run
}

// RoleCPU is microseconds of CPU per request of the processes of a role.
type RoleCPU struct {
	Role       string
	PerRequest Stat
}

// Percentile is the median of the rounds' latencies at a percentile, as P99 is
// at 99. Unknown, its N is 0.
func (s *Summary) Percentile(p float64) Stat {
	values := make([]float64, len(s.Runs))
	for i, r := range s.Runs {
		values[i] = known(r.Latency.Percentile(p))
	}
	return NewStat(values)
}

// RefusedShare is refused requests in all that were planned, 0 to 1.
func (s *Summary) RefusedShare() float64 { return share(s.Refused, s.Planned) }

// BrokenShare is requests that failed without being refused, or were never sent, in all that were
// planned, 0 to 1.
func (s *Summary) BrokenShare() float64 { return share(s.Broken, s.Planned) }

func share(part, of uint64) float64 {
	if of == 0 {
		return 0
	}
	return min(float64(part)/float64(of), 1)
}

// Summarize makes one Summary for each [Key], in the order in which they ran first. The Summaries
// refer to the runs.
func Summarize(runs []Run) []*Summary {
	plain := indexPlain(runs)
	byKey := make(map[Key]*Summary)
	var all []*Summary
	for i := range runs {
		r := &runs[i]
		s := byKey[r.Key()]
		if s == nil {
			s = &Summary{Key: r.Key()}
			byKey[s.Key] = s
			all = append(all, s)
		}
		s.Runs = append(s.Runs, r)
	}
	for _, s := range all {
		s.derive(plain)
	}
	return all
}

func (s *Summary) derive(plain plainIndex) {
	perRun := func(f func(*Run) float64) Stat {
		values := make([]float64, len(s.Runs))
		for i, r := range s.Runs {
			values[i] = f(r)
		}
		return NewStat(values)
	}
	s.Offered = perRun(func(r *Run) float64 { return r.OfferedRate }).Median
	s.Rate = perRun(func(r *Run) float64 { return r.Rate })
	s.P50, s.P99, s.P999 = s.Percentile(50), s.Percentile(99), s.Percentile(99.9)
	s.CPU = perRun(func(r *Run) float64 { return positive(r.CPUPerRequest()) })
	s.Ratio = perRun(plain.rateRatio)
	s.CPURatio = perRun(plain.cpuRatio)
	s.Roles = rolesOf(s.Runs)

	s.Failed = make(map[string]uint64)
	for _, r := range s.Runs {
		s.Answered += r.Latency.digest.Count
		s.Planned += r.Planned
		s.Sent += r.Sent
		s.SentLate += r.SentLate
		s.NotSent += r.NotSent
		s.Completed += r.Completed
		s.Refused += r.Refused()
		s.Broken += r.Broken()
		for why, n := range r.Failed {
			s.Failed[why] += n
		}
	}
	s.Typical = slices.MinFunc(s.Runs, func(a, b *Run) int { return cmp.Compare(s.distance(a), s.distance(b)) })
}

// distance is how far a run is from the median.
func (s *Summary) distance(r *Run) float64 {
	if s.Loop == Open && s.P99.N > 0 {
		p99, ok := r.Latency.Percentile(99)
		if !ok {
			return math.Inf(1)
		}
		return math.Abs(p99 - s.P99.Median)
	}
	return math.Abs(r.Rate - s.Rate.Median)
}

func rolesOf(runs []*Run) []RoleCPU {
	values := make(map[string][]float64)
	for _, r := range runs {
		for role, v := range r.CPUPerRequestByRole() {
			values[role] = append(values[role], v)
		}
	}
	roles := make([]RoleCPU, 0, len(values))
	for _, role := range slices.Sorted(maps.Keys(values)) {
		roles = append(roles, RoleCPU{Role: role, PerRequest: NewStat(values[role])})
	}
	slices.SortStableFunc(roles, func(a, b RoleCPU) int {
		if (a.Role == RoleLoad) != (b.Role == RoleLoad) {
			if a.Role == RoleLoad {
				return 1
			}
			return -1
		}
		return cmp.Compare(b.PerRequest.Median, a.PerRequest.Median)
	})
	return roles
}

// plainIndex finds the run of [Plain] that a run is held against.
type plainIndex struct {
	// same has the same scenario, driver, loop and step, in the same round.
	same map[plainKey]*Run
	// only is the only one with the same driver, closed loop and round, nil if there are several.
	only map[plainKey]*Run
}

type plainKey struct {
	round                        int
	scenario, driver, loop, step string
}

func indexPlain(runs []Run) plainIndex {
	x := plainIndex{same: make(map[plainKey]*Run), only: make(map[plainKey]*Run)}
	for i := range runs {
		r := &runs[i]
		if r.Subject != Plain {
			continue
		}
		x.same[plainKey{r.Round, r.Scenario, r.Driver, r.Loop, r.Step}] = r
		if r.Loop != Closed {
			continue
		}
		k := plainKey{round: r.Round, driver: r.Driver, loop: r.Loop}
		if _, several := x.only[k]; several {
			r = nil
		}
		x.only[k] = r
	}
	return x
}

// of returns the run of Plain to hold r against, or nil. A server that answers by itself has one
// hop and no more, so where Plain ran in one scenario only, it is what other scenarios are held
// against too.
func (x plainIndex) of(r *Run) *Run {
	if p := x.same[plainKey{r.Round, r.Scenario, r.Driver, r.Loop, r.Step}]; p != nil {
		return p
	}
	return x.only[plainKey{round: r.Round, driver: r.Driver, loop: r.Loop}]
}

// rateRatio is NaN where there is nothing to hold the run against.
func (x plainIndex) rateRatio(r *Run) float64 {
	p := x.of(r)
	if p == nil || r.Loop != Closed {
		return math.NaN()
	}
	return r.Rate / positive(p.Rate)
}

func (x plainIndex) cpuRatio(r *Run) float64 {
	p := x.of(r)
	if p == nil {
		return math.NaN()
	}
	return positive(r.CPUPerRequest()) / positive(p.CPUPerRequest())
}

// RateRatios returns, for each of the runs, its rate in that of [Plain] in the same round; NaN
// where there is none, and in open loops.
func RateRatios(runs []Run) []float64 { return ratios(runs, plainIndex.rateRatio) }

// CPURatios is the same for CPU per request, in open loops too.
func CPURatios(runs []Run) []float64 { return ratios(runs, plainIndex.cpuRatio) }

func ratios(runs []Run, of func(plainIndex, *Run) float64) []float64 {
	x := indexPlain(runs)
	out := make([]float64, len(runs))
	for i := range runs {
		out[i] = of(x, &runs[i])
	}
	return out
}

// positive turns what says "not known" by not being positive into NaN.
func positive(v float64) float64 {
	if v > 0 {
		return v
	}
	return math.NaN()
}

func known(v float64, ok bool) float64 {
	if ok {
		return v
	}
	return math.NaN()
}
