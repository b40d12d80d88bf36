package metrics

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// MaxGoals is how many goals [Set.Goals] takes for a service or a route.
const MaxGoals = 8

// Goals counts requests of one route by the goals that they are within. It is made by [Set.Goals];
// the zero Goals has none.
//
// A request is counted once, in the cell of the first goal that it is within, which costs a few
// comparisons and one addition. What is reported of the route, and of its service, are sums of
// cells:
//
//	up to     25ms   100ms   beyond   failed
//	cell        0      1       2        3
//	within.25ms  = 0
//	within.100ms = 0 + 1
//	failed       = 3
//	measured     = 0 + 1 + 2 + 3
type Goals struct {
	bounds []time.Duration // rising

	_      [64]byte // others' lines lie before
	cells  [2*MaxGoals + 1]atomic.Uint64
	failed atomic.Uint64
	_      [64]byte
}

// Answered counts a request that was answered in that time.
func (g *Goals) Answered(d time.Duration) {
	for i, b := range g.bounds {
		if d <= b {
			g.cells[i].Add(1)
			return
		}
	}
	g.cells[len(g.bounds)].Add(1)
}

// Failed counts a request that failed, however soon.
func (g *Goals) Failed() { g.failed.Add(1) }

// Largest is the largest goal, 0 if there is none.
func (g *Goals) Largest() time.Duration {
	if len(g.bounds) == 0 {
		return 0
	}
	return g.bounds[len(g.bounds)-1]
}

// GoalName is a goal as it stands in the names of metrics: "25ms", "1500ms", "2s", "250us".
func GoalName(d time.Duration) string {
	switch {
	case d%time.Second == 0:
		return fmt.Sprintf("%ds", d/time.Second)
	case d%time.Millisecond == 0:
		return fmt.Sprintf("%dms", d/time.Millisecond)
	default:
		return fmt.Sprintf("%dus", d/time.Microsecond)
	}
}

// Goals returns what counts the requests of a route to a service, by the service's goals and the
// route's own, of which there are at most MaxGoals each. The same arguments give the same handle.
// All series that the goals come to exist from then on, at 0, and keep what they have when the
// routes change.
func (s *Set) Goals(service, route string, ofService, ofRoute []time.Duration) *Goals {
	ofService, ofRoute = ofService[:min(len(ofService), MaxGoals)], ofRoute[:min(len(ofRoute), MaxGoals)]
	bounds := slices.Concat(ofService, ofRoute)
	slices.Sort(bounds)
	bounds = slices.Compact(bounds)
	if s.nowhere() {
		return &Goals{bounds: bounds}
	}
	s.goalsMu.Lock()
	defer s.goalsMu.Unlock()
	key := fmt.Sprint(cleanKey([]string{service, route}), bounds)
	g := s.goals[key]
	if g == nil {
		if len(s.goals) >= 2*MaxSeries { // routes come and go under ever new names
			s.overflow.Inc()
			service, route, bounds, key = otherDetail, otherDetail, nil, ""
			g = s.goals[key]
		}
		if g == nil {
			g = &Goals{bounds: bounds}
			s.goals[key] = g
		}
	}
	// Also for one that was there: a goal may have been the route's only, and be the service's now.
	s.sums(g, ofService, service, UpstreamMeasured, UpstreamFailed, UpstreamWithin)
	s.sums(g, ofRoute, route, RouteMeasured, RouteFailed, RouteWithin)
	return g
}

// sums makes g's cells a part of the counters of its service or route.
func (s *Set) sums(g *Goals, goals []time.Duration, detail string, measured, failed, within *Desc) {
	all := len(g.bounds) + 1
	s.Counter(measured, detail).sumOf(append(cellsOf(g.cells[:all]), &g.failed))
	s.Counter(failed, detail).sumOf([]*atomic.Uint64{&g.failed})
	for _, goal := range goals {
		n, _ := slices.BinarySearch(g.bounds, goal) // is found, but in the one for all others
		s.Counter(within, detail, GoalName(goal)).sumOf(cellsOf(g.cells[:min(n+1, len(g.bounds))]))
	}
}

func cellsOf(cells []atomic.Uint64) []*atomic.Uint64 {
	list := make([]*atomic.Uint64, 0, len(cells)+1)
	for i := range cells {
		list = append(list, &cells[i])
	}
	return list
}

// counterSum is what is counted elsewhere, and is a part of a counter's value.
type counterSum struct {
	mu    sync.Mutex
	cells []*atomic.Uint64
	known map[*atomic.Uint64]struct{}
}

func (s *counterSum) value() (n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.cells {
		n += c.Load()
	}
	return n
}

// sumOf adds cells to those whose sum is a part of the counter's value, each once.
func (c *Counter) sumOf(cells []*atomic.Uint64) {
	c.sum.CompareAndSwap(nil, &counterSum{known: make(map[*atomic.Uint64]struct{})})
	sum := c.sum.Load()
	sum.mu.Lock()
	defer sum.mu.Unlock()
	for _, cell := range cells {
		if _, there := sum.known[cell]; !there {
			sum.known[cell] = struct{}{}
			sum.cells = append(sum.cells, cell)
		}
	}
}

// mostSeries is how many series the metric has at most: one that tells goals apart has them for
// as many services or routes as others have series.
func (d *Desc) mostSeries() int {
	if strings.HasSuffix(d.Name, "<goal>") {
		return MaxSeries * MaxGoals
	}
	return MaxSeries
}
