package collect

import (
	"math"
	"time"

	"nanofront/internal/dash/view"
)

// heard takes in what a process said, or that it said nothing.
func (c *Collector) heard(p *process, now time.Time, second int64, lived time.Duration) {
	p.delta.ok = false
	p.recent[second%window] = counts{}
	p.times.put(second, nil)
	p.queued.put(second, nil)
	p.lag.put(second, nil)
	if p.Admin != "" && p.Err == nil {
		if p.integrate(now, lived) {
			c.event(now, "restart", p.name, p.name+" was restarted", view.Amber)
		}
		r := &p.recent[second%window]
		if p.Kind == view.Front {
			p.rate, p.failed = p.perSecond("http.requests"), p.perSecond("http.status.5xx")
			r.requests, r.failures = p.counter("http.requests"), p.counter("http.status.5xx")
			p.times.more(second, p.delta.timers["stage.total"])
			p.lag.more(second, p.delta.timers["http.loop_lag"])
		} else {
			p.rate, p.failed = p.perSecond("requests"), p.perSecond("responses.5xx")+p.perSecond("expired")
			r.requests, r.failures = p.counter("requests"), p.counter("responses.5xx")+p.counter("expired")
			p.times.more(second, p.delta.timers["service_time"])
			p.queued.more(second, p.delta.timers["queue"])
		}
	}
	if p.goneAt.IsZero() && p.began && p.Refused() {
		p.goneAt = now
		text, level := p.name+" has gone: nobody listens at its admin address", view.Amber
		if p.drained {
			text, level = p.name+" has ended, after draining", view.Intended
		}
		c.event(now, "gone", p.name, text, level)
	}
}

func (c *Collector) processView(p *process, now time.Time, v *view.View) view.Process {
	out := view.Process{
		Key: p.name, Kind: p.Kind, Service: p.Service, ID: p.ID, Admin: p.Admin, Version: p.Version, Host: p.Host, Level: view.Normal,
		State: p.stateOf(now), AgeS: view.Unknown, Uptime: view.Unknown, Weight: p.Weight, Share: p.calls.share, Stalled: p.calls.stalled > 0, Links: p.calls.live, Outrun: p.calls.outrun,
		Now: view.Unknown, Queue: view.Unknown, CPU: view.Unknown, Memory: view.Unknown, LoopLag: view.Unknown, Restarts: p.restarts, Error: p.Reason(),
	}
	u := view.Unknown
	out.Figures = view.Figures{Rate: u, Failed: u, Errors: u, Shed: u, P50: u, P99: u, P999: u, Max: u, Mean: u, InFlight: u, Limit: u}
	if p.Admin != "" && p.leftAt.IsZero() {
		v.Known++
		if p.fresh(now) {
			v.Heard++
		} else {
			v.Unheard = append(v.Unheard, p.name)
		}
	}
	if !p.goneAt.IsZero() {
		out.GoneAt = p.goneAt.UnixMilli()
	} else if !p.leftAt.IsZero() {
		out.GoneAt = p.leftAt.UnixMilli()
	}
	if !p.restartAt.IsZero() {
		out.RestartedAt = p.restartAt.UnixMilli()
	}
	if p.began {
		out.AgeS = view.Num(math.Round(now.Sub(p.HeardAt).Seconds()*10) / 10)
	}
	row := [processFields]view.Num{u, u, u, u}
	second := now.Unix()
	switch {
	case p.fresh(now):
		l := p.Report
		p.times.figures(&out.Figures)
		out.Now = p.times.recent(second)
		out.Rate, out.Failed = view.Num(p.rate), view.Num(p.failed)
		if c := sums(&p.recent, second, 3); c.requests > 0 {
			out.Errors = view.Num(min(1, c.failures/c.requests))
		} else {
			out.Errors = 0
		}
		out.Uptime = view.Num(l.Uptime)
		if p.Kind == view.Front {
			out.InFlight, out.Limit = view.Num(l.Gauges["http.in_flight"]), view.Num(l.Gauges["http.limit"])
			if p.lag.all != nil && p.lag.all.Count() > 0 {
				var q [1]float64
				p.lag.all.Quantiles([]float64{0.99}, q[:])
				out.LoopLag = view.Num(q[0])
			}
		} else {
			out.InFlight = view.Num(l.Gauges["in_flight"])
			out.Queue = p.queued.mean()
		}
		out.CPU = p.cpu
		if m, ok := l.Gauges["process.heap_bytes"]; ok {
			out.Memory = view.Num(m)
		}
		if up, ok := l.Gauges["etcd.connected"]; ok && up == 0 && c.o.Etcd {
			out.EtcdAway = true
		}
		row = [processFields]view.Num{out.Rate, out.Failed, out.P99, out.Mean}
	case p.Admin == "" && p.calls.live+p.calls.draining > 0:
		out.Callers = true
		out.Rate, out.Failed, out.InFlight, out.P99 = view.Num(p.calls.rate), view.Num(p.calls.failed), view.Num(p.calls.inFlight), view.Num(p.calls.p99)
		if p.calls.measured > 0 {
			out.P50 = view.Num(p.calls.p50 / p.calls.measured)
			out.Mean, out.Now = out.P50, out.P50
		}
		if p.calls.rate > 0 {
			out.Errors = view.Num(min(1, p.calls.failed/p.calls.rate))
		}
		row = [processFields]view.Num{out.Rate, out.Failed, out.P99, out.Mean}
	}
	p.series.put(second, row[:], nil)
	return out
}
