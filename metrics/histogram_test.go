package metrics

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

func TestBuckets_CoverTheRangeInOrder(t *testing.T) {
	if got := bucketOf(MaxDuration); got != bucketCount-1 {
		t.Fatalf("bucketOf(%s) = %d, want the last, %d", MaxDuration, got, bucketCount-1)
	}
	prev := -1
	for v := float64(MinDuration); v <= float64(MaxDuration); v *= 1.0005 {
		d := time.Duration(v)
		i := bucketOf(d)
		if i < prev || i >= bucketCount {
			t.Fatalf("bucketOf(%d ns) = %d after %d, of %d", d, i, prev, bucketCount)
		}
		prev = i
		if diff := math.Abs(bucketMiddle(i)-float64(d)) / float64(d); diff > 0.008 {
			t.Fatalf("%d ns is %v ns in bucket %d: off by %.2f %%", d, bucketMiddle(i), i, 100*diff)
		}
		if back := bucketOf(time.Duration(bucketMiddle(i))); back != i && i > bucketOf(MinDuration) {
			t.Fatalf("the middle of bucket %d, %v ns, is in bucket %d", i, bucketMiddle(i), back)
		}
	}
}

func TestTimer_Clamps(t *testing.T) {
	tm := New(Terminator, "").Timer(StageTotal)
	for _, d := range []time.Duration{math.MinInt64, -1, 0, 1, MinDuration} {
		tm.Observe(d)
	}
	if n := tm.buckets[bucketOf(MinDuration)].Load(); n != 5 {
		t.Errorf("%d durations in the lowest bucket, want 5", n)
	}
	if n := tm.Clamped(); n != 0 {
		t.Errorf("Clamped = %d before a long one", n)
	}
	for _, d := range []time.Duration{MaxDuration, MaxDuration + 1, time.Hour, math.MaxInt64} {
		tm.Observe(d)
	}
	if n := tm.buckets[bucketCount-1].Load(); n != 4 {
		t.Errorf("%d durations in the highest bucket, want 4", n)
	}
	if n := tm.Clamped(); n != 3 {
		t.Errorf("Clamped = %d, want 3", n)
	}
}

// What the Timer says is held against the reference implementation, on data of several
// shapes.
func TestTimer_AgreesWithHdrHistogram(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	shapes := map[string]func() float64{
		"exponential 5 ms": func() float64 { return rng.ExpFloat64() * 5e6 },
		"log-normal":       func() float64 { return math.Exp(rng.NormFloat64()*2 + 13) },
		"uniform 0–1 µs":   func() float64 { return rng.Float64() * 1000 },
		"two humps": func() float64 {
			if rng.Float64() < 0.985 {
				return 2e6 + rng.NormFloat64()*1e5
			}
			return 9e8 + rng.NormFloat64()*1e8
		},
		"the whole range": func() float64 { return math.Exp(rng.Float64()*math.Log(6e9)) * 100 },
		"constant":        func() float64 { return 123_456_789 },
	}
	qs := []float64{0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 1}
	for name, draw := range shapes {
		t.Run(name, func(t *testing.T) {
			tm := New(Terminator, "").Timer(StageTotal)
			ref := hdrhistogram.New(1, int64(MaxDuration), 4)
			const n = 50_000
			for range n {
				d := time.Duration(min(max(draw(), float64(MinDuration)), float64(MaxDuration)))
				tm.Observe(d)
				if err := ref.RecordValue(int64(d)); err != nil {
					t.Fatal(err)
				}
			}
			h := newHistogram()
			tm.load(h)
			if h.total != n {
				t.Fatalf("total = %d, want %d", h.total, n)
			}
			got := make([]float64, len(qs))
			h.quantiles(qs, got)
			for i, q := range qs {
				want := float64(ref.ValueAtQuantile(100 * q))
				if math.Abs(got[i]-want) > want*0.01 {
					t.Errorf("quantile %v = %.0f ns, want %.0f within 1 %%", q, got[i], want)
				}
			}
			if got, want := h.mean(), ref.Mean(); math.Abs(got-want) > want*0.01 {
				t.Errorf("mean = %.0f ns, want %.0f within 1 %%", got, want)
			}
		})
	}
}

func TestHistogram_QuantilesOfFew(t *testing.T) {
	h := newHistogram()
	out := make([]float64, 3)
	h.quantiles([]float64{0, 0.5, 1}, out)
	if out[0] != 0 || out[1] != 0 || out[2] != 0 || h.mean() != 0 {
		t.Errorf("an empty histogram has quantiles %v, mean %v", out, h.mean())
	}
	for v := 1; v <= 10; v++ {
		h.add(v, 1)
	}
	h.quantiles([]float64{0, 0.9, 1}, out)
	if want := []float64{bucketMiddle(1), bucketMiddle(9), bucketMiddle(10)}; out[0] != want[0] || out[1] != want[1] || out[2] != want[2] {
		t.Errorf("quantiles 0, 0.9, 1 of buckets 1 … 10 = %v, want %v", out, want)
	}
	h.reset()
	if h.total != 0 || h.counts != [bucketCount]uint64{} {
		t.Error("reset leaves counts")
	}
}

func TestHandles_AllocateNothing(t *testing.T) {
	s := New(Terminator, "")
	c, g, tm := s.Counter(HTTPRequests), s.Gauge(HTTPInFlight), s.Timer(StageTotal)
	for name, f := range map[string]func(){
		"Counter.Add":   func() { c.Add(2) },
		"Gauge.Add":     func() { g.Add(-1) },
		"Timer.Observe": func() { tm.Observe(time.Millisecond) },
	} {
		if n := testing.AllocsPerRun(1000, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}
