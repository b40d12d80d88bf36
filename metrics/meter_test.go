package metrics

import (
	"bytes"
	"context"
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

// A variable *Set that nobody has filled is a Meter all the same, and so is the zero Set.
func TestSet_NilAndZeroCountNowhere(t *testing.T) {
	for name, s := range map[string]*Set{"nil": nil, "zero": {}} {
		var m Meter = s
		m.Counter(HTTPStatus, "5xx").Inc()
		m.Gauge(HTTPLimit).Set(1)
		m.GaugeFunc(HTTPLimit, func() float64 { return 1 })
		m.Timer(StageTotal).Observe(time.Second)
		s.AddProcess()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		s.Run(ctx)
		r := s.Report()
		if len(r.Counters)+len(r.Gauges)+len(r.Timers) != 0 || s.Program() != "" || s.Instance() != "" {
			t.Errorf("%s: %q %q %+v", name, s.Program(), s.Instance(), r)
		}
		var b bytes.Buffer
		if err := s.WriteJSON(&b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := s.WriteBuckets(&b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
