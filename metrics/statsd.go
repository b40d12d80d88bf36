package metrics

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"time"

	"github.com/cactus/go-statsd-client/v5/statsd"
	"github.com/rs/zerolog"

	"nanofront/internal/chores"
)

// Defaults and bounds of [StatsdOptions].
const (
	DefaultStatsdAddr     = "127.0.0.1:8125"
	DefaultStatsdInterval = time.Second
	DefaultStatsdSample   = 0.01

	MinStatsdInterval = 100 * time.Millisecond
	MaxStatsdInterval = time.Minute
)

// maxSamples is how many raw timings an interval sends at most, of all
// timers together: some 100 kB in a second, which a server's default socket
// buffer (208 KiB on Linux) takes even if it isn't read meanwhile.
const maxSamples = 2000

// ErrStatsdOptions tells that a [Reporter] can't be made of its options.
var ErrStatsdOptions = errors.New("metrics: invalid StatsD options")

// StatsdOptions says where and how a [Reporter] reports.
type StatsdOptions struct {
	// Addr is the server's UDP address, "host:port". Empty: report nothing.
	Addr string
	// Interval is how often, MinStatsdInterval to MaxStatsdInterval; 0 is
	// DefaultStatsdInterval.
	Interval time.Duration
	// Sample is the share of durations, 0 to 1, that is sent one by one besides
	// the percentiles; 0 sends none.
	Sample float64
	// Optional says that nobody has asked for a server: that there is none is said once, as
	// information.
	Optional bool
	// Logger is told, at most once a minute, that lines are lost.
	Logger zerolog.Logger
}

// Reporter sends what a [Set] counts to a StatsD server, under names
//
//	nanofront.<program>.<instance|->.<noun>[.<detail>]
//
// in each interval:
//
//   - counters that grew: what was added, "|c";
//   - gauges: the value, "|g". A server reads a negative value as a change, so
//     a 0 goes before it;
//   - timers, of the durations in the interval: their number as a counter,
//     name.count; p50, p90, p99, p999 and max as gauges in ms, name.p50 and so
//     on, 0 from the first interval on that has none, in each, so that no lost
//     packet leaves an old value at the server; and a sample of them, name,
//     "|ms|@rate". A sampled duration is exact to 1 %, as all that a Timer
//     knows. If Sample would give more than 2,000 in an interval, fewer are sent,
//     and the rate that is sent with them says so.
//
// All is done by one goroutine (Run), so a slow resolver or socket delays
// nobody else.
type Reporter struct {
	set      *Set
	interval time.Duration
	sample   float64
	client   *statsd.Client
	sender   *statsdSender // nil if there is no address
	seen     map[*series]*reported
	scratch  *histogram
	delta    *histogram
}

// reported is what was sent of a series up to now.
type reported struct {
	count uint64     // a counter's value
	hist  *histogram // a timer's counts
	begun bool       // a timer has had durations: its percentiles are sent
}

// NewReporter makes a Reporter for set. It starts nothing and looks up no name;
// its error wraps [ErrStatsdOptions].
func NewReporter(set *Set, o StatsdOptions) (*Reporter, error) {
	if o.Interval == 0 {
		o.Interval = DefaultStatsdInterval
	}
	if o.Interval < MinStatsdInterval || o.Interval > MaxStatsdInterval {
		return nil, fmt.Errorf("%w: --statsd-interval: %s: want %s to %s", ErrStatsdOptions, o.Interval, MinStatsdInterval, MaxStatsdInterval)
	}
	if !(o.Sample >= 0 && o.Sample <= 1) { // NaN too
		return nil, fmt.Errorf("%w: --statsd-sample: %v: want 0 to 1", ErrStatsdOptions, o.Sample)
	}
	r := &Reporter{
		set:      set,
		interval: o.Interval,
		sample:   o.Sample,
		seen:     make(map[*series]*reported),
		scratch:  newHistogram(),
		delta:    newHistogram(),
	}
	if o.Addr == "" {
		return r, nil
	}
	if err := CheckStatsdAddr(o.Addr); err != nil {
		return nil, fmt.Errorf("%w: --statsd: %w", ErrStatsdOptions, err)
	}
	r.sender = newStatsdSender(set, o)
	prefix := "nanofront." + clean(set.program) + "." + clean(set.instance)
	c, err := statsd.NewClientWithSender(r.sender, prefix, statsd.SuffixOctothorpe)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStatsdOptions, err)
	}
	client, ok := c.(*statsd.Client)
	if !ok { // the interface lacks fractional gauges and the sampler
		return nil, fmt.Errorf("%w: the StatsD client is a %T", ErrStatsdOptions, c)
	}
	client.SetSamplerFunc(func(float32) bool { return true }) // what is sent with a rate is a sample already
	r.client = client
	return r, nil
}

// CheckStatsdAddr says what is wrong with a server's address, if anything.
func CheckStatsdAddr(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err == nil && host != "" {
		if n, perr := strconv.ParseUint(port, 10, 16); perr == nil && n > 0 {
			return nil
		}
	}
	return fmt.Errorf("%q is not host:port with a port from 1 to 65535 (empty turns StatsD off)", addr)
}

// Run reports until ctx is done, and then once more, so that what a drain did is
// seen. Without an address it returns at once.
func (r *Reporter) Run(ctx context.Context) {
	if r.sender == nil {
		return
	}
	defer r.sender.close()
	timer := time.NewTimer(chores.Next(r.interval))
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
			timer.Reset(chores.Next(r.interval))
		}
	}
}

// report sends one interval. Lines that can't be sent are lost and counted: kept,
// they would come back as a peak that never was.
func (r *Reporter) report(ctx context.Context) {
	r.sender.begin(ctx)
	defer r.sender.end()
	var timers []*series
	for _, sr := range r.set.all() {
		switch {
		case sr.desc.local:
		case sr.counter != nil:
			r.counter(sr)
		case sr.gauge != nil:
			r.gauge(sr.name, sr.gauge.Value())
		case sr.timer != nil:
			timers = append(timers, sr)
		}
	}
	r.timers(timers)
}

func (r *Reporter) state(sr *series) *reported {
	st := r.seen[sr]
	if st == nil {
		st = new(reported)
		if sr.timer != nil {
			st.hist = newHistogram()
		}
		r.seen[sr] = st
	}
	return st
}

// The errors of r.client are those of its sender, which counts them itself.

func (r *Reporter) counter(sr *series) {
	st := r.state(sr)
	v := sr.counter.Value()
	if v != st.count {
		_ = r.client.Inc(sr.name, int64(v-st.count), 1)
		st.count = v
	}
}

func (r *Reporter) gauge(name string, v float64) {
	if v < 0 {
		r.sender.together()
		_ = r.client.GaugeFloat(name, 0, 1)
		_ = r.client.GaugeFloatDelta(name, v, 1)
		return
	}
	_ = r.client.GaugeFloat(name, v+0, 1) // + 0 makes 0 of -0, which would be a change
}

func (r *Reporter) timers(list []*series) {
	// The samples are shared out evenly; what a timer leaves of its share
	// goes to those after it.
	left, share := maxSamples, len(list)
	for _, sr := range list {
		st := r.state(sr)
		r.delta.reset()
		sr.timer.load(r.scratch)
		for i := r.scratch.first; i <= r.scratch.last; i++ {
			if n := r.scratch.counts[i] - st.hist.counts[i]; n != 0 {
				r.delta.add(i, n)
				st.hist.add(i, n)
			}
		}
		if st.begun = st.begun || r.delta.total > 0; st.begun {
			r.distribution(sr.name)
		}
		left -= r.samples(sr.name, left/share)
		share--
	}
}

// distribution sends the percentiles of r.delta.
func (r *Reporter) distribution(name string) {
	if r.delta.total > 0 {
		_ = r.client.Inc(name+".count", int64(r.delta.total), 1)
	}
	d := distribution(r.delta, 0)
	r.gauge(name+".p50", d.P50)
	r.gauge(name+".p90", d.P90)
	r.gauge(name+".p99", d.P99)
	r.gauge(name+".p999", d.P999)
	r.gauge(name+".max", d.Max)
}

// samples sends a sample of r.delta, at most limit durations, and returns how
// many.
func (r *Reporter) samples(name string, limit int) int {
	total := r.delta.total
	rate := r.sample
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
			_ = r.client.TimingDuration(name, time.Duration(bucketMiddle(i)), float32(rate))
			sent++
		}
	}
	return int(sent)
}
