package collect

import (
	"cmp"
	"math"
	"time"

	"nanofront/internal/dash/view"
	"nanofront/metrics"
	"nanofront/registry"
)

// The fields of a service's series; those of the parts of its time come last.
const (
	sRate = iota
	sFailed
	sShed
	sP50
	sP99
	sP999
	sMax
	sMean
	sInFlight
	sLimit
	sPart0
	serviceFields = sPart0 + 3
)

// service is one with what its callers and instances say of it.
type service struct {
	name   string
	names  upstream
	routed bool
	routes []string
	paths  []*path
	goal   view.Num // the longest that is stated
	seen   int64    // the second in which something was last known of it

	times  rolling // as its callers see it, or its instances
	work   rolling // service_time of its instances
	queued rolling
	recent [window]counts
	minute *metrics.Merged
	series *series

	usualAt    int64
	usualP99   view.Num
	usualMean  view.Num
	usualParts [3]view.Num
}

func newService(name string) *service {
	return &service{
		name: name, names: upstreamOf(name), series: newSeries(serviceFields, true), minute: metrics.NewMerged(), goal: view.Unknown,
		usualP99: view.Unknown, usualMean: view.Unknown, usualParts: [3]view.Num{view.Unknown, view.Unknown, view.Unknown},
	}
}

// begin makes room for a second.
func (s *service) begin(second int64) {
	k := second % window
	s.recent[k] = counts{}
	for _, p := range s.paths {
		p.recent[k] = counts{}
	}
	s.times.put(second, nil)
	s.work.put(second, nil)
	s.queued.put(second, nil)
}

// sums are what there was in the last seconds, up to and with this one.
func sums(recent *[window]counts, second int64, seconds int64) (c counts) {
	for t := second; t > second-seconds; t-- {
		r := recent[t%window]
		c.requests += r.requests
		c.failures += r.failures
		c.sheds += r.sheds
	}
	return c
}

// fromFront adds what a front did for the service since the look before.
func (s *service) fromFront(second int64, p *process) {
	name := &s.names
	r := &s.recent[second%window]
	shed := p.counter(name.shed)
	r.requests += p.counter(name.requests) + shed
	// What was answered with 5xx is counted as failed, whoever answered; of what came in pieces
	// only errors are.
	r.failures += max(p.counter(name.failed), p.counter(name.errors)+shed)
	r.sheds += shed
	c := p.delta.timers[name.latency]
	s.times.more(second, c)
	s.minute.Add(c)
	for _, route := range s.paths {
		r := &route.recent[second%window]
		r.requests += p.counter(route.measured)
		r.failures += p.counter(route.failed)
	}
}

// path is a route to the service.
type path struct {
	name, measured, failed string // the latter as fronts count them
	recent                 [window]counts
}

func newPath(r *registry.Route) *path {
	name := cmp.Or(r.Name, r.Match.String())
	b := []byte(name[:min(len(name), 64)])
	for i, c := range b { // as package metrics has it
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			b[i] = '_'
		}
	}
	at := "route." + string(b) + "."
	return &path{name: name, measured: at + "measured", failed: at + "failed"}
}

// fromInstance adds what one of its instances did since the look before.
func (s *service) fromInstance(second int64, p *process) {
	s.work.more(second, p.delta.timers["service_time"])
	s.queued.more(second, p.delta.timers["queue"])
	if s.routed {
		return // its callers know better what became of requests
	}
	r := &s.recent[second%window]
	r.requests += p.counter("requests")
	r.failures += p.counter("responses.5xx") + p.counter("expired")
	c := p.delta.timers["service_time"]
	s.times.more(second, c)
	s.minute.Add(c)
}

// upstream are the names of what a front counts of a service.
type upstream struct{ requests, errors, failed, shed, inFlight, limit, instances, latency string }

func upstreamOf(service string) upstream {
	at := "upstream." + service + "."
	return upstream{at + "requests", at + "errors", at + "failed", at + "shed", at + "in_flight", at + "limit", at + "instances", at + "latency"}
}

// parts divide the mean time of a request: what is spent in its instances' queue and work, and the
// rest.
func (s *service) parts() [3]view.Num {
	mean, queue, work := s.times.mean(), s.queued.mean(), s.work.mean()
	bus := view.Unknown
	if s.routed && mean.Known() && work.Known() {
		bus = view.Num(max(0, float64(mean)-queue.Or(0)-float64(work)))
	}
	return [3]view.Num{bus, queue, work}
}

// usual takes what was usual before this second, now and then.
func (s *service) usual(second int64, scratch []float64) []float64 {
	if s.usualAt != 0 && second-s.usualAt < 5 {
		return scratch
	}
	s.usualAt = second
	scratch = s.series.usual(second, sP99, scratch)
	_, s.usualP99, _ = middle(scratch)
	scratch = s.series.usual(second, sMean, scratch)
	_, s.usualMean, _ = middle(scratch)
	for i := range s.usualParts {
		scratch = s.series.usual(second, sPart0+i, scratch)
		_, s.usualParts[i], _ = middle(scratch)
	}
	return scratch
}

// view is the service as it is now, and its row of the series. fronts and instances are the
// processes that know of it and were heard.
func (s *service) view(now time.Time, second int64, fronts, instances []*process) (v view.Service, row [serviceFields]view.Num) {
	v = view.Service{Name: s.name, Routed: s.routed, Routes: s.routes, Level: view.Normal, Reached: view.Unknown, Goal: s.goal}
	if v.Routes == nil {
		v.Routes = []string{}
	}
	c3, c10 := sums(&s.recent, second, 3), sums(&s.recent, second, window)
	v.Requests, v.Failures, v.Sheds = c3.requests, c3.failures, c3.sheds
	v.LongRequests, v.LongFailures = c10.requests, c10.failures
	s.times.figures(&v.Figures)
	known, rate, failed, shed, inFlight, limit := 0, 0.0, 0.0, 0.0, 0.0, 0.0
	name := &s.names
	for _, p := range fronts {
		if !s.routed || !p.fresh(now) {
			continue
		}
		g := p.Report.Gauges
		if _, has := p.Report.Counters[name.requests]; !has {
			continue
		}
		known++
		rate += p.perSecond(name.requests) + p.perSecond(name.shed)
		shed += p.perSecond(name.shed)
		failed += max(p.perSecond(name.failed), p.perSecond(name.errors)+p.perSecond(name.shed))
		inFlight += g[name.inFlight]
		limit += g[name.limit]
		live := view.Num(g[name.instances])
		if !v.Reached.Known() || live < v.Reached {
			v.Reached = live
		}
	}
	for _, p := range instances {
		if p.leftAt.IsZero() {
			v.Listed++
		}
		live := p.calls.live > 0
		if !s.routed && p.Admin != "" {
			live = live || p.fresh(now)
		}
		if live {
			v.Live++
		}
		if s.routed {
			continue
		}
		if p.fresh(now) {
			known++
			rate += p.rate
			failed += p.failed
			inFlight += p.Report.Gauges["in_flight"]
		} else if p.Admin == "" && p.calls.live > 0 {
			known++
			rate += p.calls.rate
			failed += p.calls.failed
			inFlight += p.calls.inFlight
		}
	}
	v.Limit = view.Unknown
	if known == 0 {
		v.Stale = true
		v.Rate, v.Failed, v.Shed, v.InFlight, v.Errors = view.Unknown, view.Unknown, view.Unknown, view.Unknown, view.Unknown
	} else {
		v.Rate, v.Failed, v.Shed, v.InFlight = view.Num(rate), view.Num(failed), view.Num(shed), view.Num(inFlight)
		if limit > 0 {
			v.Limit = view.Num(limit)
		}
		v.Errors = 0
		if c3.requests > 0 {
			v.Errors = view.Num(min(1, c3.failures/c3.requests))
		}
	}
	v.Paths = []view.Path{}
	for _, p := range s.paths {
		c := sums(&p.recent, second, 3)
		v.Paths = append(v.Paths, view.Path{Name: p.name, Rate: view.Num(c.requests / 3), Failed: view.Num(c.failures / 3)})
	}
	parts := s.parts()
	v.Parts = parts[:]
	v.UsualP99, v.TimesUsual, v.GrewTimes = s.usualP99, view.Unknown, view.Unknown
	if s.usualP99.Known() && v.P99.Known() && s.usualP99 > 0 {
		v.TimesUsual = v.P99 / s.usualP99
	}
	// Which part grew: the one that is responsible for most of what the mean has gained.
	most := 0.0
	for i, part := range parts {
		usual := s.usualParts[i]
		if !part.Known() || !usual.Known() {
			continue
		}
		if gained := float64(part - usual); gained > most && float64(part) > 1.5*float64(usual) && gained > 0.2 {
			most, v.Grew, v.GrewTimes = gained, view.Parts[i], part/max(usual, 0.001)
		}
	}
	row = [serviceFields]view.Num{v.Rate, v.Failed, v.Shed, v.P50, v.P99, v.P999, v.Max, v.Mean, v.InFlight, v.Limit, parts[0], parts[1], parts[2]}
	return v, row
}

// minuteEnded replaces the means of percentiles by the percentiles of the whole minute.
func (s *service) minuteEnded(row []float32) {
	if s.minute.Count() > 0 {
		var q [4]float64
		s.minute.Quantiles(shares, q[:])
		row[sP50], row[sP99], row[sP999], row[sMax] = float32(q[0]), float32(q[1]), float32(q[2]), float32(q[3])
		row[sMean] = float32(s.minute.Mean())
	}
	s.minute.Reset()
}

// total is what all fronts serve together.
type total struct {
	times  rolling
	stages [7]rolling
	recent [window]counts
	heat   *series
	series *series
	minute *metrics.Merged

	usualAt int64
	usual   view.Usual
}

// The fields of the total's series; those of the stages come last.
const (
	tRate = iota
	tFailed
	tShed
	tP50
	tP99
	tP999
	tMax
	tMean
	tInFlight
	tLimit
	tClient
	tStage0
	totalFields = tStage0 + 7
)

// HeatRows is how many rows the heat map has: two an octave from HeatFrom ms.
const (
	HeatRows = 36
	HeatFrom = 0.0625
)

func heatRow(ms float64) int {
	return min(max(int(math.Floor(2*math.Log2(ms/HeatFrom))), 0), HeatRows-1)
}

func newTotal() *total {
	unknown := make([]view.Num, 7)
	for i := range unknown {
		unknown[i] = view.Unknown
	}
	u := view.Unknown
	return &total{
		series: newSeries(totalFields, true), heat: newSeries(HeatRows, true), minute: metrics.NewMerged(),
		usual: view.Usual{Rate: u, P99: u, RateLow: u, RateHigh: u, P99Low: u, P99High: u, InFlightLow: u, InFlightHigh: u, Mean: u, PerStageMeans: unknown},
	}
}

func (t *total) begin(second int64) {
	t.recent[second%window] = counts{}
	t.times.put(second, nil)
	for i := range t.stages {
		t.stages[i].put(second, nil)
	}
}

var stageNames = func() (names [7]string) {
	for i, s := range view.Stages {
		names[i] = "stage." + s
	}
	return names
}()

func (t *total) fromFront(second int64, p *process, heat *[HeatRows]view.Num) {
	r := &t.recent[second%window]
	r.requests += p.counter("http.requests")
	r.failures += p.counter("http.status.5xx")
	r.sheds += p.counter("http.shed") + p.counter("http.turned_away")
	c := p.delta.timers["stage.total"]
	t.times.more(second, c)
	t.minute.Add(c)
	for _, cell := range c {
		heat[heatRow(cell.MS())] += view.Num(cell.N)
	}
	for i, name := range stageNames {
		t.stages[i].more(second, p.delta.timers[name])
	}
}

// takeUsual takes what was usual before this second, now and then.
func (t *total) takeUsual(second int64, scratch []float64) []float64 {
	if t.usualAt != 0 && second-t.usualAt < 5 {
		return scratch
	}
	t.usualAt = second
	u := &t.usual
	scratch = t.series.usual(second, tRate, scratch)
	u.RateLow, u.Rate, u.RateHigh = middle(scratch)
	scratch = t.series.usual(second, tP99, scratch)
	u.P99Low, u.P99, u.P99High = middle(scratch)
	scratch = t.series.usual(second, tInFlight, scratch)
	u.InFlightLow, _, u.InFlightHigh = middle(scratch)
	scratch = t.series.usual(second, tMean, scratch)
	_, u.Mean, _ = middle(scratch)
	u.PerStageMeans = make([]view.Num, 7) // what was handed out stays as it is
	for i := range u.PerStageMeans {
		scratch = t.series.usual(second, tStage0+i, scratch)
		_, u.PerStageMeans[i], _ = middle(scratch)
	}
	return scratch
}

func (t *total) view(now time.Time, second int64, fronts []*process) (v view.Total, row [totalFields]view.Num) {
	t.times.figures(&v.Figures)
	rate, failed, shed, inFlight, limit, client, turned := 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
	for _, p := range fronts {
		if !p.fresh(now) {
			continue
		}
		v.Fronts++
		rate += p.rate
		failed += p.failed
		shed += p.perSecond("http.shed") + p.perSecond("http.turned_away")
		turned += p.perSecond("http.turned_away")
		client += p.perSecond("http.status.4xx")
		inFlight += p.Report.Gauges["http.in_flight"]
		limit += p.Report.Gauges["http.limit"]
	}
	c := sums(&t.recent, second, 3)
	if v.Fronts == 0 {
		u := view.Unknown
		v.Rate, v.Failed, v.Errors, v.Shed, v.InFlight, v.Limit, v.Client, v.TurnedAway = u, u, u, u, u, u, u, u
	} else {
		v.Rate, v.Failed, v.Shed, v.Client, v.InFlight, v.TurnedAway = view.Num(rate), view.Num(failed), view.Num(shed), view.Num(client), view.Num(inFlight), view.Num(turned)
		v.Limit = view.Unknown
		if limit > 0 {
			v.Limit = view.Num(limit)
		}
		if c.requests > 0 {
			v.Errors = view.Num(min(1, c.failures/c.requests))
		}
	}
	// Of all requests, so that they add up: a stage that some have skipped is shorter in the mean.
	v.Stages = make([]view.Num, 7)
	all := 0.0
	if t.times.all != nil {
		all = float64(t.times.all.Count())
	}
	for i := range v.Stages {
		v.Stages[i] = view.Unknown
		if r := &t.stages[i]; all > 0 {
			v.Stages[i] = 0
			if r.all != nil && r.all.Count() > 0 {
				v.Stages[i] = view.Num(r.all.Mean() * min(1, float64(r.all.Count())/all))
			}
		}
	}
	v.Usual = t.usual
	row = [totalFields]view.Num{v.Rate, v.Failed, v.Shed, v.P50, v.P99, v.P999, v.Max, v.Mean, v.InFlight, v.Limit, v.Client}
	copy(row[tStage0:], v.Stages)
	return v, row
}

func (t *total) minuteEnded(row []float32) {
	if t.minute.Count() > 0 {
		var q [4]float64
		t.minute.Quantiles(shares, q[:])
		row[tP50], row[tP99], row[tP999], row[tMax] = float32(q[0]), float32(q[1]), float32(q[2]), float32(q[3])
		row[tMean] = float32(t.minute.Mean())
	}
	t.minute.Reset()
}
