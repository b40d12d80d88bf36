package merged

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"nanofront/internal/dash/collect"
	"nanofront/metrics"
)

func cellsOf(raw []float64) (c metrics.Cells) {
	for _, ms := range slices.Sorted(slices.Values(raw)) {
		c = c.Add(metrics.Bucket{ms, 1})
	}
	return c
}

// Percentiles and shares are those of all raw durations of the window, and there are none where too
// few were heard, nothing happened, or nobody has looked.
func TestMerger_OfAllRawDurations(t *testing.T) {
	m := New(Options{System: "shop", Window: 16 * time.Second, Least: 0.9})
	clock := time.Unix(1_700_000_000, 0)
	m.now = func() time.Time { return clock }
	value := func(f func(*service) float64) float64 { return m.of("web", f)() }
	rng := rand.New(rand.NewPCG(3, 4))
	var seconds [][]float64
	second := func(n, heard int) {
		var raw []float64
		within := 0.0
		for range n {
			d := max(rng.ExpFloat64()*3, 0.001)
			raw = append(raw, d)
			if d <= 5 {
				within++
			}
		}
		seconds = append(seconds, raw)
		in := collect.Merged{
			Service: "web", Cells: cellsOf(raw), Measured: float64(n), Within: []collect.Within{{Goal: "5ms", N: within}}, Heard: heard, Known: 10, Age: 400 * time.Millisecond,
		}
		m.Take(clock, []collect.Merged{in})
		clock = clock.Add(time.Second)
	}
	p99 := func(s *service) float64 { return s.quantile(0.99) }
	share := func(s *service) float64 { return s.share("5ms") }
	for range 60 {
		second(500, 10)
	}
	all := slices.Concat(seconds[len(seconds)-17:]...) // the window, and the second that is being filled
	slices.Sort(all)
	within := 0.0
	for _, d := range all {
		if d <= 5 {
			within++
		}
	}
	want, got := all[len(all)*99/100-1], value(p99)
	t.Logf("p99 %.4f, of %d raw durations %.4f (%+.2f %%); share %.4f", got, len(all), want, 100*(got/want-1), value(share))
	if got < want*0.99 || got > want*1.01 {
		t.Errorf("p99 %v, of the raw durations %v", got, want)
	}
	if got, want := value(share), within/float64(len(all)); math.Abs(got-want) > 1e-9 {
		t.Errorf("share %v, of the raw durations %v", got, want)
	}
	second(500, 8)
	if v := value(p99); !math.IsNaN(v) {
		t.Errorf("with 8 of 10 heard: p99 %v", v)
	}
	if v := m.current("web", func(s *service) float64 { return float64(s.heard) })(); v != 8 {
		t.Errorf("heard %v", v)
	}
	second(500, 9)
	if v := value(p99); math.IsNaN(v) {
		t.Error("with 9 of 10 heard: no p99")
	}
	for range 17 {
		second(0, 10)
	}
	if p, s := value(p99), value(share); !math.IsNaN(p) || !math.IsNaN(s) {
		t.Errorf("idle: p99 %v, share %v", p, s)
	}
	second(10, 10)
	clock = clock.Add(2500 * time.Millisecond) // 3.5 s after the last
	if v := value(p99); !math.IsNaN(v) {
		t.Errorf("nothing for 3.5 s: p99 %v", v)
	}
	second(10, 10)
	m.Take(clock, nil)
	if v := value(p99); !math.IsNaN(v) || len(m.services) != 0 {
		t.Errorf("the service has gone: p99 %v", v)
	}
}

// A window of ten minutes has no more parts than one of two.
func TestMerger_IsBounded(t *testing.T) {
	for _, w := range []time.Duration{time.Second, 14 * time.Second, 2 * time.Minute, 10*time.Minute + 20*time.Second} {
		m := New(Options{Window: w})
		if n := m.parts(); n > maxParts+1 || time.Duration(n-1)*m.step < w {
			t.Errorf("window %s: %d parts of %s", w, n, m.step)
		}
	}
}
