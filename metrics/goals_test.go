package metrics

import (
	"fmt"
	"testing"
	"time"
)

const ms = time.Millisecond

func values(s *Set) map[string]uint64 {
	all := make(map[string]uint64)
	for name, c := range s.Report().Counters {
		all[name] = c.Value
	}
	return all
}

func wantValues(t *testing.T, s *Set, want map[string]uint64) {
	t.Helper()
	got := values(s)
	for name, n := range want {
		if v, there := got[name]; !there || v != n {
			t.Errorf("%s = %d (there: %v), want %d", name, v, there, n)
		}
	}
}

// What is counted for routes adds up to their services, each by its own goals.
func TestGoals_AddUp(t *testing.T) {
	s := New(Terminator, "")
	ofWeb := []time.Duration{25 * ms, 100 * ms}
	a := s.Goals("web", "a", ofWeb, []time.Duration{10 * ms, 100 * ms})
	b := s.Goals("web", "b.c", ofWeb, ofWeb)
	wantValues(t, s, map[string]uint64{ // from the start
		"upstream.web.measured": 0, "upstream.web.failed": 0, "upstream.web.within.25ms": 0, "upstream.web.within.100ms": 0,
		"route.a.measured": 0, "route.a.failed": 0, "route.a.within.10ms": 0, "route.a.within.100ms": 0, "route.b_c.within.25ms": 0,
	})
	if _, there := values(s)["route.a.within.25ms"]; there {
		t.Error("a route has its service's goal, and it has its own")
	}
	a.Answered(10 * ms)
	a.Answered(10*ms + 1)
	a.Answered(25 * ms)
	a.Answered(99 * ms)
	a.Answered(time.Hour)
	a.Failed()
	b.Answered(-1)
	b.Answered(25*ms + 1)
	b.Failed()
	want := map[string]uint64{
		"upstream.web.measured": 9, "upstream.web.failed": 2, "upstream.web.within.25ms": 4, "upstream.web.within.100ms": 6,
		"route.a.measured": 6, "route.a.failed": 1, "route.a.within.10ms": 1, "route.a.within.100ms": 4,
		"route.b_c.measured": 3, "route.b_c.within.25ms": 1, "route.b_c.within.100ms": 2,
	}
	wantValues(t, s, want)

	// The same again is the same; and with other goals nothing that was counted is lost.
	if s.Goals("web", "a", ofWeb, []time.Duration{10 * ms, 100 * ms}) != a {
		t.Error("the same route has another handle")
	}
	wantValues(t, s, want)
	c := s.Goals("web", "a", []time.Duration{50 * ms}, []time.Duration{50 * ms})
	c.Answered(ms)
	wantValues(t, s, map[string]uint64{
		"upstream.web.measured": 10, "upstream.web.within.25ms": 4, "upstream.web.within.50ms": 1,
		"route.a.measured": 7, "route.a.within.10ms": 1, "route.a.within.50ms": 1,
	})
	if got := c.Largest(); got != 50*ms {
		t.Errorf("Largest = %v", got)
	}
}

func TestGoals_AllocateNothing(t *testing.T) {
	g := New(Terminator, "").Goals("web", "a", []time.Duration{25 * ms, 100 * ms}, nil)
	if n := testing.AllocsPerRun(1000, func() { g.Answered(50 * ms); g.Failed() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A thousand routes have series of their own for each goal; names that go on changing do not.
func TestGoals_Bounded(t *testing.T) {
	s := New(Terminator, "")
	goals := []time.Duration{ms, 2 * ms, 3 * ms}
	for i := range 3 * MaxSeries {
		s.Goals("web", fmt.Sprint("r", i), goals, goals).Answered(2 * ms)
	}
	wantValues(t, s, map[string]uint64{
		"route.r999.within.2ms": 1, "route.r999.measured": 1, "route.r999.within.1ms": 0, "upstream.web.within.2ms": 2 * MaxSeries,
		"route.other.measured": 2 * MaxSeries,
	})
	if len(s.goals) > 2*MaxSeries+1 {
		t.Errorf("%d handles", len(s.goals))
	}
	var none *Set
	none.Goals("web", "a", goals, goals).Answered(ms)
}

func TestGoalName(t *testing.T) {
	for d, want := range map[time.Duration]string{
		25 * ms: "25ms", 1500 * ms: "1500ms", 2 * time.Second: "2s", 90 * time.Second: "90s", 250 * time.Microsecond: "250us", 1500 * time.Microsecond: "1500us",
	} {
		if got := GoalName(d); got != want || clean(got) != got {
			t.Errorf("GoalName(%v) = %q, want %q", d, got, want)
		}
	}
}

func BenchmarkGoals(b *testing.B) {
	g := New(Terminator, "").Goals("web", "a", []time.Duration{25 * ms, 100 * ms}, nil)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			g.Answered(30 * ms)
		}
	})
}
