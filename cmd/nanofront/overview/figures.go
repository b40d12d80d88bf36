package overview

import (
	"nanofront/internal/fleet"
	"nanofront/metrics"
)

// figures are those of a service or a route at one front, or at several.
type figures struct {
	rate, failed, shed, inFlight, limit float64
	p50, p99, answered                  float64
	load                                int
}

// add adds another front's: see the package's doc for percentiles.
func (f *figures) add(o figures) {
	f.rate, f.failed, f.shed = f.rate+o.rate, f.failed+o.failed, f.shed+o.shed
	f.inFlight, f.limit = f.inFlight+o.inFlight, f.limit+o.limit
	if all := f.answered + o.answered; all > 0 {
		f.p50 = (f.p50*f.answered + o.p50*o.answered) / all
		f.answered = all
	}
	f.p99, f.load = max(f.p99, o.p99), max(f.load, o.load)
}

func serviceFigures(r *fleet.Report, service string) figures {
	latency := r.Timers[metrics.UpstreamLatency.SeriesName(service)]
	return figures{
		rate:     r.Counters[metrics.UpstreamRequests.SeriesName(service)].Rate,
		failed:   r.Counters[metrics.UpstreamFailed.SeriesName(service)].Rate,
		shed:     r.Counters[metrics.UpstreamShed.SeriesName(service)].Rate,
		inFlight: r.Gauges[metrics.UpstreamInFlight.SeriesName(service)],
		limit:    r.Gauges[metrics.UpstreamLimit.SeriesName(service)],
		load:     int(r.Gauges[metrics.UpstreamLoad.SeriesName(service)]),
		p50:      latency.P50, p99: latency.P99, answered: latency.Rate,
	}
}

func routeFigures(r *fleet.Report, route string) figures {
	latency := r.Timers[metrics.RouteLatency.SeriesName(route)]
	return figures{
		rate:   r.Counters[metrics.RouteRequests.SeriesName(route)].Rate,
		failed: r.Counters[metrics.RouteFailed.SeriesName(route)].Rate,
		p50:    latency.P50, p99: latency.P99, answered: latency.Rate,
	}
}
