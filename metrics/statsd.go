package metrics

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/cactus/go-statsd-client/v5/statsd"

	"nanofront/internal/chores"
)

// maxSamples is how many raw timings a report sends at most, of all
// timers together: some 100 kB, which a server's default socket
// buffer (208 KiB on Linux) takes even if it isn't read meanwhile.
const maxSamples = 2000

// Reporter sends what a [Set] counts to a StatsD server, under names
//
//	<prefix>.<program>.<instance|->.<noun>[.<detail>]
//
// or, with tags, under <prefix>.<noun>, and the rest as tags. In each report:
//
//   - counters: what was added, "|c". A 0 is sent too, often enough that it is in each flush, so
//     that shares can be computed of what didn't happen; but not for a service or route that
//     has had no requests in the time of a flush;
//   - gauges: the value, "|g". A server reads a negative value as a change, so
//     a 0 goes before it. Nothing is sent of one whose function says NaN;
//   - timers: the number of durations as a counter, name.count; p50, p90, p99, p999 and max as
//     gauges in ms, name.p50 and so on, of the time of a flush and two reports (statsdWindow).
//     Nothing is sent where there was none. If Sample asks for it, a sample of the
//     durations, name.sampled, "|ms|@rate". A sampled duration is exact to 1 %, as all that a Timer
//     knows. If Sample would give more than 2,000 in a report, fewer are sent,
//     and the rate that is sent with them says so.
//
// All is done by one goroutine (Run), so a slow resolver or socket delays
// nobody else.
type Reporter struct {
	set      *Set
	o        StatsdOptions
	client   *statsd.Client // nil until the name is known
	instance string
	sender   *statsdSender // nil if there is no address
	seen     map[*series]*reported
	reports  int64
	active   map[string]int64 // by service or route: the last report with requests
	deltas   []uint64         // of counters, in a report
	scratch  *histogram
	delta    *histogram
}

// reported is what was sent of a series up to now.
type reported struct {
	name   string // as it is sent
	tags   []statsd.Tag
	group  string        // the service or route that it is about
	count  uint64        // a counter's value
	window *statsdWindow // a timer's durations
	begun  bool          // a timer has had durations: its count is sent
}

// NewReporter makes a Reporter for set. It starts nothing and looks up no name;
// its error wraps [ErrStatsdOptions].
func NewReporter(set *Set, o StatsdOptions) (*Reporter, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	r := &Reporter{
		set:     set,
		o:       o,
		seen:    make(map[*series]*reported),
		active:  make(map[string]int64),
		scratch: newHistogram(),
		delta:   newHistogram(),
	}
	if o.Addr == "" {
		return r, nil
	}
	if err := CheckStatsdAddr(o.Addr); err != nil {
		return nil, fmt.Errorf("%w: --statsd: %w", ErrStatsdOptions, err)
	}
	r.sender = newStatsdSender(set, o)
	if o.Name == nil {
		return r, r.named(set.instance)
	}
	return r, nil
}

// named makes the client, which needs the process' name.
func (r *Reporter) named(instance string) error {
	prefix := r.o.Prefix
	if !r.o.tagged() {
		prefix += "." + clean(r.set.program) + "." + clean(instance)
	}
	c, err := statsd.NewClientWithSender(r.sender, prefix, r.o.format())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStatsdOptions, err)
	}
	client, ok := c.(*statsd.Client)
	if !ok { // the interface lacks fractional gauges and the sampler
		return fmt.Errorf("%w: the StatsD client is a %T", ErrStatsdOptions, c)
	}
	client.SetSamplerFunc(func(float32) bool { return true }) // what is sent with a rate is a sample already
	r.client = client
	r.instance = clean(instance)
	return nil
}

// Run reports until ctx is done, and then once more, so that what a drain did is
// seen. Without an address it returns at once.
func (r *Reporter) Run(ctx context.Context) {
	if r.sender == nil {
		return
	}
	defer r.sender.close()
	timer := time.NewTimer(chores.Next(r.o.Interval))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			r.sender.ending = true
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 500*time.Millisecond)
			r.report(last)
			cancel()
			return
		case <-timer.C:
			r.report(ctx)
			timer.Reset(chores.Next(r.o.Interval))
		}
	}
}

// report sends one report. Lines that can't be sent are lost and counted: kept,
// they would come back as a peak that never was.
func (r *Reporter) report(ctx context.Context) {
	if r.client == nil {
		if name := r.o.Name(); name == "" || r.named(name) != nil {
			return // what was counted meanwhile is in the first report
		}
	}
	if r.o.May != nil && !r.o.May() {
		return
	}
	r.sender.begin(ctx)
	defer r.sender.end()
	r.reports++
	list := r.set.all()
	r.count(list)
	var timers []*series
	for i, sr := range list {
		if sr.desc.local {
			continue
		}
		switch st := r.state(sr); {
		case sr.counter != nil:
			r.added(st, "", r.deltas[i])
		case sr.gauge != nil:
			if v, ok := sr.gauge.known(); ok {
				r.gauge(st, "", v)
			}
		case sr.timer != nil:
			timers = append(timers, sr)
		}
	}
	r.timers(timers)
}

// count finds what was added to counters, and which services and routes have had requests.
func (r *Reporter) count(list []*series) {
	r.deltas = slices.Grow(r.deltas[:0], len(list))[:len(list)]
	for i, sr := range list {
		if sr.counter == nil {
			continue
		}
		st := r.state(sr)
		v := sr.counter.Value()
		r.deltas[i] = v - st.count
		st.count = v
		if r.deltas[i] > 0 && st.group != "" {
			r.active[st.group] = r.reports
		}
	}
}

func (r *Reporter) state(sr *series) *reported {
	st := r.seen[sr]
	if st == nil {
		st = &reported{name: sr.name, group: sr.group()}
		if r.o.tagged() {
			st.name = sr.desc.bareName()
			st.tags = []statsd.Tag{{"program", clean(r.set.program)}, {"instance", r.instance}}
			for i, p := range sr.desc.Placeholders() {
				st.tags = append(st.tags, statsd.Tag{p, sr.details[i]})
			}
		}
		if sr.timer != nil {
			st.window = newStatsdWindow(r.o.window())
		}
		r.seen[sr] = st
	}
	return st
}

// The errors of r.client are those of its sender, which counts them itself.

// added sends what was added to a counter. That it was nothing is said in every flush.
func (r *Reporter) added(st *reported, suffix string, n uint64) {
	if n == 0 {
		if often := max(1, int64(r.o.Flush/r.o.Interval)/2); r.reports%often != 0 {
			return
		}
		if last, ok := r.active[st.group]; st.group != "" && (!ok || r.reports-last > int64(r.o.window())) {
			return
		}
	}
	_ = r.client.Inc(st.name+suffix, int64(n), 1, st.tags...)
}

func (r *Reporter) gauge(st *reported, suffix string, v float64) {
	if v < 0 && r.o.Tags != StatsdDogStatsD {
		r.sender.together()
		_ = r.client.GaugeFloat(st.name+suffix, 0, 1, st.tags...)
		_ = r.client.GaugeFloatDelta(st.name+suffix, v, 1, st.tags...)
		return
	}
	_ = r.client.GaugeFloat(st.name+suffix, v+0, 1, st.tags...) // + 0 makes 0 of -0, which would be a change
}

func (r *Reporter) timers(list []*series) {
	// The samples are shared out evenly; what a timer leaves of its share
	// goes to those after it.
	left, share := maxSamples, len(list)
	for _, sr := range list {
		st := r.state(sr)
		st.window.move(sr.timer, r.delta, r.scratch)
		if st.begun = st.begun || r.delta.total > 0; st.begun {
			r.added(st, ".count", r.delta.total)
		}
		if st.window.total > 0 {
			st.window.sum(r.scratch)
			r.distribution(st, distribution(r.scratch, 0))
		}
		if r.o.Sample > 0 {
			left -= r.samples(st, left/share)
		}
		share--
	}
}

// distribution sends percentiles.
func (r *Reporter) distribution(st *reported, d Distribution) {
	r.gauge(st, ".p50", d.P50)
	r.gauge(st, ".p90", d.P90)
	r.gauge(st, ".p99", d.P99)
	r.gauge(st, ".p999", d.P999)
	r.gauge(st, ".max", d.Max)
}

// samples sends a sample of r.delta, at most limit durations, and returns how
// many.
func (r *Reporter) samples(st *reported, limit int) int {
	total := r.delta.total
	rate := r.o.Sample
	// Rounded at random, so that a timer with few durations is sampled at the
	// rate too, if seldom.
	n := uint64(float64(total)*rate + rand.Float64())
	if most := uint64(limit); n > most {
		n = most
		rate = float64(n) / float64(total)
	}
	n = min(n, total)
	if n == 0 {
		return 0
	}
	// One of each n-th part of the durations in their order: as random as needed, no duration
	// twice, and one walk over the buckets.
	step := float64(total) / float64(n)
	offset := rand.Float64()
	var sent, seen uint64
	for i := r.delta.first; i <= r.delta.last && sent < n; i++ {
		seen += r.delta.counts[i]
		for sent < n && (float64(sent)+offset)*step < float64(seen) {
			_ = r.client.TimingDuration(st.name+".sampled", time.Duration(bucketMiddle(i)), float32(rate), st.tags...)
			sent++
		}
	}
	return int(sent)
}
