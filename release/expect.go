package release

import (
	"context"
	"time"

	"nanofront/metrics"
)

// clears is about how many requests of the new version it takes to be sure of an equal one, and
// clearSeconds how long at the least, as blocks last a second: estimates, which no simulation has
// measured.
const (
	clears       = 5000
	clearSeconds = 50
)

// Expect says how long the first step is likely to take until the guard is sure of a version that
// is as good as the old one, and at which rate of the service's requests, that of the last seconds.
func Expect(ctx context.Context, store Store, r *Release) (wait time.Duration, rate float64) {
	look := Looker{Processes: store.Processes}
	for _, report := range look.Look(ctx).now {
		rate += report.Counters[metrics.UpstreamRequests.SeriesName(r.Service)].Rate
	}
	if rate == 0 {
		return 0, 0
	}
	seconds := max(clears/(rate*r.Ramp[0]/100), clearSeconds, time.Duration(r.Every).Seconds())
	return time.Duration(seconds * float64(time.Second)), rate
}
