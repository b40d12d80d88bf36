package metrics

import (
	"testing"
	"time"
)

// What another Meter is made of: zero instruments, and their names.
func TestInstruments_ZeroIsUsable(t *testing.T) {
	var c Counter
	c.Add(2)
	var g Gauge
	g.Set(3)
	if c.Value() != 2 || g.Value() != 3 {
		t.Errorf("counter %d, gauge %v", c.Value(), g.Value())
	}
	g.SetFunc(func() float64 { return 4 })
	if g.Value() != 4 {
		t.Errorf("gauge %v of a function", g.Value())
	}
	var tm Timer
	for range 3 {
		tm.Observe(10 * time.Millisecond)
	}
	if d := tm.Distribution(); d.Count != 3 || d.P50 < 9.9 || d.P50 > 10.1 || d.Max != d.P50 {
		t.Errorf("timer %+v", d)
	}
}

func TestDesc_SeriesNameIsTheSets(t *testing.T) {
	s := New(Terminator, "")
	s.Counter(HTTPStatus, "5xx")
	s.Timer(UpstreamLatency, "a.b")
	r := s.Report()
	if name := HTTPStatus.SeriesName("5xx"); name != "http.status.5xx" {
		t.Errorf("name %q", name)
	}
	if _, ok := r.Timers[UpstreamLatency.SeriesName("a.b")]; !ok {
		t.Errorf("no %q in %v", UpstreamLatency.SeriesName("a.b"), r.Timers)
	}
	if HTTPRequests.SeriesName() != "http.requests" {
		t.Error("a name without placeholders")
	}
}
