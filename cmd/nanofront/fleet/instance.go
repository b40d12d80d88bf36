package fleet

import (
	"context"
	"time"

	"nanofront/internal/admin"
	"nanofront/metrics"
	"nanofront/registry"
)

func lookAtInstance(ctx context.Context, in registry.Instance) Instance {
	s := Instance{Instance: in, Uptime: -1}
	if !in.Started.IsZero() { // as in a static table
		s.Uptime = time.Since(in.Started).Seconds()
	}
	if in.Admin == "" {
		s.asked = knock(ctx, in.Address)
		return s
	}
	var r metrics.Report
	if s.asked = admin.GetJSON(ctx, in.Admin, "/metrics.json", &r); s.asked != nil {
		return s // shown as dashes
	}
	_ = admin.GetJSON(ctx, in.Admin, "/links.json", &s.links) // without, there are none
	work := r.Timers["service_time"].Last
	inFlight, rate, failed := r.Gauges["in_flight"], r.Counters["requests"].Rate, r.Counters["errors"].Rate
	s.PID, s.InFlight, s.Rate, s.P50, s.P99, s.Failed = r.PID, &inFlight, &rate, &work.P50, &work.P99, &failed
	return s
}
