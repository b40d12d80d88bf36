package merged

import (
	"math"
	"time"

	"nanofront/internal/dash/collect"
	"nanofront/metrics"
)

// service is the window of one.
type service struct {
	at    int64 // the part that is being filled
	parts []part

	times    *metrics.Merged // of all parts
	measured float64
	within   map[string]float64 // by goal

	heard, known int
	age          time.Duration
	covered      bool
}

// part is a second of a window, or some.
type part struct {
	at       int64
	cells    metrics.Cells
	measured float64
	within   map[string]float64
}

func newService(parts int64) *service {
	return &service{parts: make([]part, parts), times: metrics.NewMerged(), within: make(map[string]float64)}
}

func (s *service) take(at int64, in *collect.Merged) {
	s.at = at
	oldest := at - int64(len(s.parts)) + 1
	for i := range s.parts {
		if p := &s.parts[i]; p.at < oldest || p.at > at { // the clock may have been set back
			s.times.Remove(p.cells)
			s.measured -= p.measured
			for g, n := range p.within {
				s.within[g] -= n
			}
			*p = part{cells: p.cells[:0]}
		}
	}
	p := &s.parts[at%int64(len(s.parts))]
	p.at = at
	p.cells = append(p.cells, in.Cells...)
	s.times.Add(in.Cells)
	p.measured += in.Measured
	s.measured += in.Measured
	for _, w := range in.Within {
		if _, has := s.within[w.Goal]; !has || w.N == 0 {
			continue
		}
		if p.within == nil {
			p.within = make(map[string]float64)
		}
		p.within[w.Goal] += w.N
		s.within[w.Goal] += w.N
	}
	s.heard, s.known, s.age = in.Heard, in.Known, in.Age
}

func (s *service) quantile(share float64) float64 {
	if s.times.Count() == 0 {
		return math.NaN()
	}
	var q [1]float64
	s.times.Quantiles([]float64{share}, q[:])
	return q[0]
}

func (s *service) share(goal string) float64 {
	n, has := s.within[goal]
	if !has || s.measured <= 0 {
		return math.NaN()
	}
	return min(1, n/s.measured)
}
