package metrics

import (
	"runtime"
	"runtime/debug"
	rtmetrics "runtime/metrics"
	"time"
)

// AddProcess makes the metrics of the process itself part of the set:
// goroutines, heap, garbage collection, CPU time.
func (s *Set) AddProcess() {
	s.GaugeFunc(ProcessGoroutines, func() float64 { return float64(runtime.NumGoroutine()) })
	s.GaugeFunc(ProcessHeapBytes, heapBytes)
	s.GaugeFunc(ProcessGCPause, func() float64 { return recentPause(time.Now()) })
	if _, ok := cpuSeconds(); ok {
		s.GaugeFunc(ProcessCPUSeconds, func() float64 {
			v, _ := cpuSeconds()
			return v
		})
	}
}

// heapBytes reads runtime/metrics because runtime.ReadMemStats would stop the
// world each second.
func heapBytes() float64 {
	sample := []rtmetrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	rtmetrics.Read(sample)
	if sample[0].Value.Kind() != rtmetrics.KindUint64 {
		return 0
	}
	return float64(sample[0].Value.Uint64())
}

// recentPause is the longest pause, in ms, that ended in the last 10 s.
func recentPause(now time.Time) float64 {
	var gc debug.GCStats
	debug.ReadGCStats(&gc)
	return longestPause(now, &gc)
}

// longestPause goes by the wall clock, as the runtime does. What ended after now did so before that
// clock was set back.
func longestPause(now time.Time, gc *debug.GCStats) float64 {
	var longest time.Duration
	for i, end := range gc.PauseEnd { // most recent first
		if age := now.Sub(end); age < 0 || age > windowMarks*markEvery {
			break
		}
		longest = max(longest, gc.Pause[i])
	}
	return float64(longest) / 1e6
}
