package metrics

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestCells_DifferencesAddUp: what lies between reports of several timers, put together, has the
// quantiles of all durations in between.
func TestCells_DifferencesAddUp(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	all := NewMerged()
	var raw []float64
	for range 3 {
		s := New(Handler, "x")
		timer := s.Timer(HandlerServiceTime)
		observe := func(n int) (list []float64) {
			for range n {
				d := time.Duration(rng.ExpFloat64() * 5e6)
				timer.Observe(d)
				list = append(list, float64(d)/1e6)
			}
			return list
		}
		cells := func() (c Cells) {
			for _, b := range s.ReportBuckets().Timers["service_time"].Buckets {
				c = c.Add(b)
			}
			return c
		}
		observe(1000)
		before := cells()
		raw = append(raw, observe(5000)...)
		after := cells()
		diff := after.Since(before, nil)
		if n := diff.Count(); n != 5000 {
			t.Fatalf("the difference has %d durations, want 5000", n)
		}
		if again := after.Since(after, nil); len(again) != 0 {
			t.Errorf("the difference to itself is %v", again)
		}
		all.Add(diff)
	}
	slices.Sort(raw)
	qs := []float64{0.5, 0.99, 0.999}
	out := make([]float64, len(qs))
	all.Quantiles(qs, out)
	for i, q := range qs {
		want := raw[int(q*float64(len(raw)))-1]
		if out[i] < want*0.99 || out[i] > want*1.01 {
			t.Errorf("p%v = %v, of the raw durations %v", q*100, out[i], want)
		}
	}
	var some Cells
	some = some.Add(Bucket{1, 7}).Add(Bucket{2, 1})
	all.Add(some)
	n := all.Count()
	all.Remove(some)
	if all.Count() != n-8 {
		t.Errorf("%d of %d are left after 8 were taken away", all.Count(), n)
	}
}

func TestCells_OddBuckets(t *testing.T) {
	var c Cells
	for _, b := range []Bucket{{-1, 1}, {1, 0}, {1, -3}, {1e300, 2}} {
		c = c.Add(b)
	}
	if len(c) != 1 || c[0].N != 2 || c[0].MS() < 590_000 {
		t.Errorf("cells = %v", c)
	}
}
