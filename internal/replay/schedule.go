package replay

import "time"

// schedule gives recorded times their places in a replay. Its times never go back: what was
// recorded out of order is due at once.
type schedule struct {
	speed float64 // 2: twice as fast; 0: everything is due at once
	gap   int64   // between two requests at least, in ns

	begun bool
	first int64 // recorded, of this round
	base  int64 // due, of this round
	due   int64 // of the last request
	count int64 // of this round
	loose int64 // due, of the last request of this round, without the gap

	// moved is how many requests the gap has put off, and most by how much at most, in ns.
	moved uint64
	most  int64
}

func newSchedule(speed, rateLimit float64) *schedule {
	s := &schedule{speed: speed}
	if rateLimit > 0 {
		s.gap = int64(float64(time.Second) / rateLimit)
	}
	return s
}

// place is when a request is due that was recorded at a time.
func (s *schedule) place(at int64) int64 {
	if !s.begun {
		s.begun, s.first = true, at
	}
	due := s.base
	if s.speed > 0 {
		due = max(s.base+int64(float64(at-s.first)/s.speed), s.loose)
	}
	s.loose = due
	if s.gap > 0 && (s.count > 0 || s.base > 0) && due < s.due+s.gap {
		s.moved++
		s.most = max(s.most, s.due+s.gap-due)
		due = s.due + s.gap
	}
	s.count++
	s.due = due
	return due
}

// again begins a further round. Its first request comes behind the last one at the mean distance of
// this round.
func (s *schedule) again() {
	distance := s.gap
	if s.count > 1 {
		distance = max(distance, (s.loose-s.base)/(s.count-1))
	}
	s.base = s.loose + distance
	s.loose = s.base
	s.begun, s.count = false, 0
}
