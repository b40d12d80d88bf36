package result

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gonum.org/v1/gonum/stat"
)

const (
	spinPiece = 100 * time.Microsecond // aimed at for one piece of work
	spinLeast = 10 * time.Millisecond
	spinMost  = time.Minute
	spinBest  = 0.05 // the share of the quickest pieces that count as undisturbed
)

// MeasureNoise keeps all cores busy for d, 10 ms to a minute, with equal pieces of work of about
// 100 µs, and tells how unequal they were in time: what other programs, virtual machines and the
// clock of the CPU take. Nothing else of the benchmark should run meanwhile.
func MeasureNoise(d time.Duration) Noise {
	d = min(max(d, spinLeast), spinMost)
	turns := calibrate()
	var (
		mu  sync.Mutex
		all []float64
		wg  sync.WaitGroup
	)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			// Not to share a thread, whose switches would be the runtime's, not the machine's.
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			most := 2*int(d/spinPiece) + 1
			took := make([]float64, 0, most)
			for start := time.Now(); time.Since(start) < d && len(took) < most; {
				took = append(took, spin(turns))
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
		})
	}
	wg.Wait()
	return noiseOf(all)
}

// noiseOf sums pieces of work up, each in microseconds. It sorts them.
func noiseOf(took []float64) Noise {
	if len(took) == 0 {
		return Noise{}
	}
	slices.Sort(took)
	undisturbed := stat.Quantile(spinBest, stat.Empirical, took, nil)
	var total, lost float64
	for _, t := range took {
		total += t
		lost += max(t-undisturbed, 0)
	}
	return Noise{
		SpinP50:     stat.Quantile(0.5, stat.Empirical, took, nil),
		SpinP99:     stat.Quantile(0.99, stat.Empirical, took, nil),
		SpinMax:     took[len(took)-1],
		LostPercent: lost / total * 100,
	}
}

// calibrate finds how many turns of the loop make a piece, by the best of several.
func calibrate() int {
	turns := 1000
	for range 20 {
		best := spin(turns)
		for range 4 {
			best = min(best, spin(turns))
		}
		if best >= float64(spinPiece.Microseconds())/2 {
			return max(1, int(float64(turns)*float64(spinPiece.Microseconds())/best))
		}
		turns *= 2
	}
	return turns
}

// spinSink keeps the compiler from dropping the work.
var spinSink atomic.Uint64

// spin does a piece of work (xorshift64, Marsaglia 2003) and returns the microseconds that it took.
func spin(turns int) float64 {
	const seed = 88172645463325252
	start := time.Now()
	x := uint64(seed)
	for range turns {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	took := time.Since(start)
	if x == 0 { // never
		spinSink.Add(1)
	}
	return float64(took.Nanoseconds()) / 1e3
}
