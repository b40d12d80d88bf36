package metrics

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"
)

// shardedCounter is what Counter isn't, to measure against.
type shardedCounter [8]struct {
	n atomic.Uint64
	_ [120]byte
}

func (c *shardedCounter) Inc() { c[rand.Uint32()%8].n.Add(1) }

func BenchmarkCounter(b *testing.B) {
	type incrementer interface{ Inc() }
	for _, bc := range []struct {
		name string
		c    incrementer
	}{
		{"one atomic", New(Terminator, "").Counter(HTTPRequests)},
		{"8 shards", new(shardedCounter)},
	} {
		b.Run("kind="+bc.name+"/one goroutine", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				bc.c.Inc()
			}
		})
		b.Run("kind="+bc.name+"/parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					bc.c.Inc()
				}
			})
		})
	}
}

func BenchmarkTimer(b *testing.B) {
	// Durations as they come: some hundred buckets around a millisecond.
	spread := func(i int) time.Duration { return time.Duration(200_000 + (i*7919)%2_000_000) }
	b.Run("observe", func(b *testing.B) {
		t := New(Terminator, "").Timer(StageTotal)
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			t.Observe(spread(i))
			i++
		}
	})
	b.Run("observe/parallel", func(b *testing.B) {
		t := New(Terminator, "").Timer(StageTotal)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			i := 0
			for pb.Next() {
				t.Observe(spread(i))
				i++
			}
		})
	})
}

func BenchmarkReport(b *testing.B) {
	s := New(Terminator, "")
	for _, d := range Catalogue() {
		details := make([]string, d.Details())
		switch d.Kind {
		case KindCounter:
			s.Counter(d, details...).Inc()
		case KindGauge:
			s.Gauge(d, details...).Set(1)
		case KindTimer:
			t := s.Timer(d, details...)
			for i := range 1000 {
				t.Observe(time.Duration(i) * 10 * time.Microsecond)
			}
		}
	}
	b.Run("mark", func(b *testing.B) {
		for b.Loop() {
			s.mark(time.Now())
		}
	})
	b.Run("report", func(b *testing.B) {
		for b.Loop() {
			s.Report()
		}
	})
}
