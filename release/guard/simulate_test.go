package guard

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
)

// A release in the simulation: shares, at least so long each, at most so long each.
var rampShares = []float64{0.05, 0.25, 0.5}

const (
	rampEvery = 60
	rampLimit = 1800
)

type outcome struct {
	back, limit bool
	step        int
	seconds     int64
	requests    uint64 // of the new version, until it went back or to the first next step
	why         string
}

// kinds are the releases that are simulated.
var kinds = []struct {
	name       string
	more, slow float64
}{
	{"equal", 0, 1},
	{"worse, but tolerated", 0.001, 1.05},
	{"p99 worse by 60 %", 0, 1.6},
	{"errors worse by 1 point", 0.01, 1},
	{"inside the lines", 0.0035, 1.2},
}

func simulate(seed uint64, more, slow float64) (o outcome) {
	rate := []float64{200, 500, 1000}[seed%3]
	w := newWorld(seed, rate)
	g := New(Default(), Options{Sticky: w.sticky})
	for range 30 { // before it begins
		g.Observe(w.second())
	}
	w.more, w.slow, w.from = more, slow, w.now
	for step, share := range rampShares {
		o.step, w.share = step, share
		g.Step(share)
		for k := int64(1); ; k++ {
			sec := w.second()
			for _, r := range sec.Routes {
				for _, b := range r.New {
					o.requests += b.Ended
				}
			}
			g.Observe(sec)
			o.seconds++
			d := g.Decide()
			if d.Verdict == Back {
				o.back, o.why = true, d.Why
				return o
			}
			if k >= rampEvery && d.Verdict == Go {
				break
			}
			if k == rampLimit {
				o.limit, o.why = true, d.Why
				return o
			}
			if k == 40 { // the leader changes
				raw, err := json.Marshal(g)
				if err != nil {
					panic(err)
				}
				g = new(Guard)
				if err := json.Unmarshal(raw, g); err != nil {
					panic(err)
				}
			}
		}
	}
	return o
}

// releases simulates n of a kind.
func releases(n int, seed uint64, more, slow float64) []outcome {
	out := make([]outcome, n)
	var wg sync.WaitGroup
	tokens := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i := range out {
		tokens <- struct{}{}
		wg.Go(func() {
			out[i] = simulate(seed+uint64(i), more, slow)
			<-tokens
		})
	}
	wg.Wait()
	return out
}

// interval is Wilson's, of 95 %.
func interval(k, n int) string {
	const z = 1.96
	p, m := float64(k)/float64(n), float64(n)
	mid := (p + z*z/(2*m)) / (1 + z*z/m)
	half := z / (1 + z*z/m) * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	return fmt.Sprintf("%5.2f %% (%.2f to %.2f)", 100*p, 100*max(0, mid-half), 100*min(1, mid+half))
}

func report(t testing.TB, name string, list []outcome) (back, limit int) {
	var seconds []int64
	var requests []uint64
	for _, o := range list {
		switch {
		case o.back:
			back++
			seconds, requests = append(seconds, o.seconds), append(requests, o.requests)
		case o.limit:
			limit++
		}
	}
	t.Logf("%-24s %d releases: back %s, undecided at the limit %s", name, len(list), interval(back, len(list)), interval(limit, len(list)))
	if len(seconds) > 10 {
		slices.Sort(seconds)
		slices.Sort(requests)
		q := func(p float64) int { return int(p * float64(len(seconds)-1)) }
		t.Logf("%-24s back after (median, p90, p99) %d, %d, %d s and %d, %d, %d requests to the new version", "", seconds[q(.5)], seconds[q(.9)], seconds[q(.99)], requests[q(.5)], requests[q(.9)], requests[q(.99)])
	}
	return back, limit
}

// TestGuard_Releases simulates releases of each kind: 2,000 with NANOFRONT_BENCH_FULL, else a few.
func TestGuard_Releases(t *testing.T) {
	n := 5
	if os.Getenv("NANOFRONT_BENCH_FULL") != "" {
		n = 2000
	}
	for _, k := range kinds {
		list := releases(n, 1000, k.more, k.slow)
		back, limit := report(t, k.name, list)
		good := k.more <= 0.001 && k.slow <= 1.05
		bad := k.more >= 0.01 || k.slow >= 1.6
		for i, o := range list {
			if good && o.back {
				t.Logf("  seed %d, step %d, after %d s: %s", 1000+i, o.step, o.seconds, o.why)
			}
		}
		switch {
		// What is undecided at the limit goes back, too.
		case bad && 100*(back+limit) < 99*n:
			t.Errorf("%s: %d of %d went back, want 99 %%", k.name, back, n)
		case k.more == 0 && k.slow == 1 && 100*(back+limit) > n, good && 100*back > n:
			t.Errorf("%s: %d of %d went back, want 1 %% at most", k.name, back, n)
		}
	}
}
