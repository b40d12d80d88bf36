package metrics

// Meter is where a part of a process gets what it counts with: the bus, a handler's runtime, etcd's
// client and the static table take one in their Options. [Set] is the one to use, which reports as
// JSON and to StatsD.
//
// Another one can feed any other system: it returns a zero Counter, Gauge or Timer, the same for
// the same Desc and details, and reads [Counter.Value], [Gauge.Value] and [Timer.Distribution]
// under the name that [Desc.SeriesName] gives. All methods are called from any goroutine, and at
// any time.
type Meter interface {
	Counter(d *Desc, details ...string) *Counter
	Gauge(d *Desc, details ...string) *Gauge
	// GaugeFunc makes value that of the gauge: [Gauge.SetFunc].
	GaugeFunc(d *Desc, value func() float64, details ...string)
	Timer(d *Desc, details ...string) *Timer
}

var _ Meter = (*Set)(nil)

// OrNone returns m, or a Meter that counts for nobody if m is nil, so that an Options.Metrics may
// be left out.
func OrNone(m Meter) Meter {
	if m == nil {
		return (*Set)(nil)
	}
	return m
}
