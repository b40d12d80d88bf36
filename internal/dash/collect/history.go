package collect

import (
	"math"

	"nanofront/internal/dash/view"
)

// History is what was, over time: a row for each moment, beginning with it in s since 1970.
type History struct {
	Boot     string                  `json:"boot"`
	Step     int                     `json:"step_s"`
	Fields   []string                `json:"fields"`
	Rows     [][]view.Num            `json:"rows"`
	HeatFrom float64                 `json:"heat_from_ms"`
	Heat     [][]view.Num            `json:"heat"` // the moment, then pairs of a row and a count
	Services map[string][][]view.Num `json:"services"`
}

// TotalFields name what is in a row of the total, behind the moment.
var TotalFields = append([]string{"rate", "failed", "shed", "p50", "p99", "p999", "max", "mean", "in_flight", "limit", "client_errors"}, prefixed("stage.", view.Stages)...)

// ServiceFields are those of a service.
var ServiceFields = append([]string{"rate", "failed", "shed", "p50", "p99", "p999", "max", "mean", "in_flight", "limit"}, prefixed("part.", view.Parts)...)

func prefixed(with string, names []string) (out []string) {
	for _, n := range names {
		out = append(out, with+n)
	}
	return out
}

// sparkFields of a service are in a history, for small pictures.
var sparkFields = []int{sRate, sFailed, sP99}

func row(at int64, from []float32) []view.Num {
	out := make([]view.Num, 1, 1+len(from))
	out[0] = view.Num(at)
	for _, v := range from {
		out = append(out, view.Num(v))
	}
	return out
}

// Since is the history of the seconds after a moment, and, of these services, some figures.
func (c *Collector) Since(after int64, services []string) History {
	c.mu.RLock()
	defer c.mu.RUnlock()
	v := c.last.Load()
	if v == nil {
		return c.history(0, 1, 1, 0, services)
	}
	after = max(after, v.Seq-Seconds)
	return c.history(after+1, v.Seq, 1, totalFields, services)
}

// Day is the history of the last day, by the minute.
func (c *Collector) Day() History {
	c.mu.RLock()
	defer c.mu.RUnlock()
	v := c.last.Load()
	if v == nil {
		return c.history(0, 1, 60, 0, nil)
	}
	return c.history(v.Seq/60-Minutes+1, v.Seq/60, 60, totalFields, nil)
}

func (c *Collector) history(from, to int64, step, fields int, services []string) History {
	h := History{Boot: c.o.Boot, Step: step, Fields: TotalFields, Rows: [][]view.Num{}, HeatFrom: HeatFrom, Heat: [][]view.Num{}, Services: map[string][][]view.Num{}}
	if fields == 0 {
		return h
	}
	pick := func(s *series) *ring {
		if step == 60 {
			return &s.min
		}
		return &s.sec
	}
	for t := from; t <= to; t++ {
		r := pick(c.total.series).get(t, totalFields)
		if r == nil {
			continue
		}
		h.Rows = append(h.Rows, row(t*int64(step), r))
		hr := []view.Num{view.Num(t * int64(step))}
		for i, n := range pick(c.total.heat).get(t, HeatRows) {
			if n > 0 && !math.IsNaN(float64(n)) {
				hr = append(hr, view.Num(i), view.Num(n))
			}
		}
		h.Heat = append(h.Heat, hr)
	}
	for _, name := range services {
		s := c.services[name]
		if s == nil {
			continue
		}
		rows := [][]view.Num{}
		for t := from; t <= to; t++ {
			if r := pick(s.series).get(t, serviceFields); r != nil {
				one := []view.Num{view.Num(t * int64(step))}
				for _, f := range sparkFields {
					one = append(one, view.Num(r[f]))
				}
				rows = append(rows, one)
			}
		}
		h.Services[name] = rows
	}
	return h
}

// Moment is what was known of all services at one second of the last ten minutes, or in a minute of
// the last day.
type Moment struct {
	At       int64                 `json:"at"`
	Step     int                   `json:"step_s"`
	Fields   []string              `json:"fields"`
	Services map[string][]view.Num `json:"services"`
}

// At looks a moment up.
func (c *Collector) At(second int64) Moment {
	c.mu.RLock()
	defer c.mu.RUnlock()
	m := Moment{At: second, Step: 1, Fields: ServiceFields, Services: map[string][]view.Num{}}
	for name, s := range c.services {
		if r := s.series.sec.get(second, serviceFields); r != nil {
			m.Services[name] = row(second, r)[1:]
		}
	}
	if len(m.Services) > 0 {
		return m
	}
	m.Step = 60
	for name, s := range c.services {
		if r := s.series.min.get(second/60, serviceFields); r != nil {
			m.Services[name] = row(second, r)[1:]
		}
	}
	return m
}
