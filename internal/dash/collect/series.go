package collect

import (
	"math"
	"slices"

	"nanofront/internal/dash/view"
)

// How much is kept.
const (
	Seconds = 600
	Minutes = 1440
)

// series are figures over time: the last ten minutes by the second, and, with minutes, the last day
// by the minute. What isn't known is not a number.
type series struct {
	fields int
	sec    ring
	min    ring

	minute int64 // which one sums are of
	sums   []float64
	counts []int
}

// ring holds a row of figures for each of the last n moments.
type ring struct {
	n    int64
	at   []int64 // which moment is in a place
	rows []float32
}

func newSeries(fields int, minutes bool) *series {
	s := &series{fields: fields, sec: newRing(Seconds, fields)}
	if minutes {
		s.min = newRing(Minutes, fields)
		s.sums, s.counts = make([]float64, fields), make([]int, fields)
	}
	return s
}

func newRing(n, fields int) ring {
	return ring{n: int64(n), at: make([]int64, n), rows: make([]float32, n*fields)}
}

func (r *ring) put(at int64, fields int) []float32 {
	k := at % r.n
	r.at[k] = at
	return r.rows[int(k)*fields : (int(k)+1)*fields]
}

// get is the row of a moment, nil if it isn't kept.
func (r *ring) get(at int64, fields int) []float32 {
	if r.n == 0 || at <= 0 {
		return nil
	}
	k := at % r.n
	if r.at[k] != at {
		return nil
	}
	return r.rows[int(k)*fields : (int(k)+1)*fields]
}

// put keeps the figures of a second. whole, if set, gives those of a minute that has ended, given
// the means.
func (s *series) put(second int64, row []view.Num, whole func(means []float32)) {
	if s.min.n > 0 {
		if m := second / 60; m != s.minute {
			s.endMinute(whole)
			s.minute = m
		}
		for i, v := range row {
			if v.Known() {
				s.sums[i] += float64(v)
				s.counts[i]++
			}
		}
	}
	to := s.sec.put(second, s.fields)
	for i, v := range row {
		to[i] = float32(v)
	}
}

func (s *series) endMinute(whole func(means []float32)) {
	if s.minute != 0 {
		to := s.min.put(s.minute, s.fields)
		for i := range to {
			to[i] = float32(math.NaN())
			if s.counts[i] > 0 {
				to[i] = float32(s.sums[i] / float64(s.counts[i]))
			}
		}
		if whole != nil {
			whole(to)
		}
	}
	clear(s.sums)
	clear(s.counts)
}

// usual are the known values of a field before a moment: those of the last hour's minutes, or,
// where there are few, of the seconds that are more than half a minute old.
func (s *series) usual(now int64, field int, to []float64) []float64 {
	to = to[:0]
	add := func(row []float32) {
		if row != nil && !math.IsNaN(float64(row[field])) {
			to = append(to, float64(row[field]))
		}
	}
	for m := now/60 - 1; m >= now/60-60; m-- {
		add(s.min.get(m, s.fields))
	}
	if len(to) >= 10 {
		return to
	}
	to = to[:0]
	for t := now - 30; t > now-Seconds; t -= 2 {
		add(s.sec.get(t, s.fields))
	}
	return to
}

// leastUsual is how many values make something usual.
const leastUsual = 10

// middle is the median, and what a tenth lies below and above.
func middle(values []float64) (low, median, high view.Num) {
	if len(values) < leastUsual {
		return view.Unknown, view.Unknown, view.Unknown
	}
	slices.Sort(values)
	n := len(values)
	return view.Num(values[n/10]), view.Num(values[n/2]), view.Num(values[n-1-n/10])
}
