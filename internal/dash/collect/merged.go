package collect

import (
	"cmp"
	"slices"
	"time"

	"nanofront/metrics"
)

// Merged is what was added to a service in a second, by all processes that know of it: terminators,
// or its own instances where it has no routes.
type Merged struct {
	Service      string
	Cells        metrics.Cells // the times of requests; valid during the call alone
	Measured     float64       // requests that count for goals
	Within       []Within
	Heard, Known int           // of the processes, how many were heard lately
	Age          time.Duration // of what the oldest of them said
}

// Within is how many requests were within a goal.
type Within struct {
	Goal string
	N    float64
}

func (c *Collector) merged(now time.Time, second int64, fronts []*process, instances map[string][]*process) []Merged {
	list := make([]Merged, 0, len(c.services))
	for name, s := range c.services {
		from := instances[name]
		if s.routed {
			from = fronts
		}
		m := Merged{Service: name, Cells: s.times.parts[second%window]}
		for _, p := range from {
			if p.fresh(now) {
				m.Heard++
				m.Age = max(m.Age, p.Age(now))
			}
			if p.leftAt.IsZero() || p.fresh(now) {
				m.Known++
			}
		}
		if s.routed && c.routes != nil {
			at := "upstream." + name + "."
			for _, p := range fronts {
				if p.delta.ok {
					m.Measured += p.counter(at + "measured")
				}
			}
			for _, g := range c.routes.GoalsOf(name) {
				w := Within{Goal: metrics.GoalName(g.Std())}
				for _, p := range fronts {
					if p.delta.ok {
						w.N += p.counter(at + "within." + w.Goal)
					}
				}
				m.Within = append(m.Within, w)
			}
		}
		if m.Known > 0 {
			list = append(list, m)
		}
	}
	slices.SortFunc(list, func(a, b Merged) int { return cmp.Compare(a.Service, b.Service) })
	return list
}
