package collect

import (
	"time"

	"nanofront/internal/dash/view"
	"nanofront/internal/fleet"
	"nanofront/metrics"
)

const (
	// Silence is for how long a process may be missed before its figures count for nothing.
	Silence = 3 * time.Second
	// keepGone is for how long one that has gone is shown.
	keepGone = time.Minute
	// window is over how many seconds percentiles are taken.
	window = 10
)

// process is one, and what became of what it said.
type process struct {
	*fleet.Subject
	name string

	began     bool      // what it said was taken in once
	leftAt    time.Time // since when it isn't listed any more
	goneAt    time.Time
	restartAt time.Time
	restarts  int
	drained   bool // it was draining when it was last heard of

	delta  delta
	recent [window]counts // by the second
	times  rolling        // service_time, or stage.total of a front
	queued rolling        // queue
	lag    rolling
	rate   float64 // as last known
	failed float64
	cpu    view.Num
	series *series
	calls  callers
}

// delta is what a process did between two looks.
type delta struct {
	ok       bool
	span     float64 // s
	counters map[string]float64
	timers   map[string]metrics.Cells
}

// counts are those of a second.
type counts struct{ requests, failures, sheds float64 }

// callers is what those say who have links to it.
type callers struct {
	live, draining, down, stalled int
	share, weight                 int
	rate, failed, inFlight        float64
	outrun                        float64
	p50, measured, p99            float64
}

// rolling is a distribution over the last seconds.
type rolling struct {
	all   *metrics.Merged
	parts [window]metrics.Cells
}

// put ends the part that is window seconds old, and adds one.
func (r *rolling) put(second int64, c metrics.Cells) {
	k := second % window
	if len(r.parts[k]) == 0 && len(c) == 0 {
		return
	}
	if r.all == nil {
		r.all = metrics.NewMerged()
	}
	r.all.Remove(r.parts[k])
	r.parts[k] = append(r.parts[k][:0], c...)
	r.all.Add(c)
}

// more adds to the part of this second.
func (r *rolling) more(second int64, c metrics.Cells) {
	if len(c) == 0 {
		return
	}
	if r.all == nil {
		r.all = metrics.NewMerged()
	}
	k := second % window
	r.parts[k] = append(r.parts[k], c...)
	r.all.Add(c)
}

var shares = []float64{0.5, 0.99, 0.999, 1}

// figures sets those of times; what there was none of isn't known.
func (r *rolling) figures(f *view.Figures) {
	if r.all == nil || r.all.Count() == 0 {
		f.P50, f.P99, f.P999, f.Max, f.Mean = view.Unknown, view.Unknown, view.Unknown, view.Unknown, view.Unknown
		return
	}
	var q [4]float64
	r.all.Quantiles(shares, q[:])
	f.P50, f.P99, f.P999, f.Max, f.Mean = view.Num(q[0]), view.Num(q[1]), view.Num(q[2]), view.Num(q[3]), view.Num(r.all.Mean())
}

func (r *rolling) mean() view.Num {
	if r.all == nil || r.all.Count() == 0 {
		return view.Unknown
	}
	return view.Num(r.all.Mean())
}

// recent is the mean of the last 3 s.
func (r *rolling) recent(second int64) view.Num {
	n, sum := uint64(0), 0.0
	for t := second; t > second-3; t-- {
		c := r.parts[t%window]
		n += c.Count()
		sum += c.Sum()
	}
	if n == 0 {
		return view.Unknown
	}
	return view.Num(sum / float64(n))
}

func newProcess(t fleet.Target) *process {
	return &process{
		Subject: fleet.NewSubject(t), name: t.Name(), cpu: view.Unknown,
		delta:  delta{counters: make(map[string]float64), timers: make(map[string]metrics.Cells)},
		series: newSeries(processFields, false),
	}
}

// The fields of a process's series.
const (
	pRate = iota
	pFailed
	pP99
	pMean
	processFields
)

// integrate makes a delta of the look that has just been taken into cur. lived is for how long the
// collector has been at work: a younger process, met for the first time, is counted from its start.
func (p *process) integrate(now time.Time, lived time.Duration) (restarted bool) {
	d, cur, prev := &p.delta, p.Report, p.Before
	d.ok = true
	clear(d.counters)
	for name, c := range d.timers {
		d.timers[name] = c[:0]
	}
	same := p.began && prev.StartID == cur.StartID && cur.Uptime >= prev.Uptime
	restarted = p.began && !same
	whole := restarted || !p.began && cur.Uptime < lived.Seconds()
	switch {
	case same:
		d.span = cur.Uptime - prev.Uptime
	case whole:
		d.span = cur.Uptime
	default:
		d.span = 0 // it did that before we looked
	}
	if d.span > 0 {
		for name, c := range cur.Counters {
			before := 0.0
			if same {
				before = prev.Counters[name].Value
			}
			if c.Value > before {
				d.counters[name] = c.Value - before
			}
		}
		for name, t := range cur.Timers {
			var before metrics.Cells
			if same {
				before = prev.Timers[name].Cells
			}
			d.timers[name] = t.Cells.Since(before, d.timers[name])
		}
		if cpu, ok := cur.Gauges["process.cpu_seconds"]; ok {
			if same {
				cpu -= prev.Gauges["process.cpu_seconds"]
			}
			p.cpu = view.Num(max(0, cpu/d.span))
		}
	}
	if restarted {
		p.restarts++
		p.restartAt = now
	}
	p.began, p.goneAt = true, time.Time{}
	return restarted
}

// counter is how much a counter grew between the last two looks.
func (p *process) counter(name string) float64 { return p.delta.counters[name] }

// perSecond is the same a second.
func (p *process) perSecond(name string) float64 {
	if p.delta.span <= 0 {
		return 0
	}
	return p.delta.counters[name] / p.delta.span
}

// fresh reports whether what it said is as good as current.
func (p *process) fresh(now time.Time) bool { return p.began && now.Sub(p.HeardAt) < Silence }

// stateOf is its state, in a word.
func (p *process) stateOf(now time.Time) string {
	switch {
	case !p.leftAt.IsZero() && !p.fresh(now), p.Admin != "" && p.Refused() && p.calls.live == 0, p.Admin != "" && p.Refused() && p.began && now.Sub(p.HeardAt) >= Silence:
		return view.Gone
	case p.calls.draining > 0 && p.calls.live == 0:
		return view.Draining
	case p.Admin == "" && p.calls.live == 0:
		return view.NoAdmin
	case p.Admin != "" && !p.fresh(now):
		return view.Silent
	case p.Kind == view.Front && p.State.Known && !p.State.Ready:
		return view.NotReady
	case p.Kind == view.Handler && p.Weight == 0:
		return view.TakenOut
	case p.Kind != view.Handler || p.calls.live > 0:
		return view.Serving
	default:
		return view.Registered
	}
}
