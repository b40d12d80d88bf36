package prometheus

import (
	"encoding/hex"
	"math"
	"slices"
	"sync"
	"time"

	prom "github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"nanofront/internal/buildinfo"
	"nanofront/metrics"
)

// nominal are the durations that histograms are cut at, each at the bound of a timer's buckets that
// is next above it. What else is a goal in the routes document is added.
var nominal = []time.Duration{
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 10 * time.Second,
}

// maxBounds is at how many durations a histogram is cut at most, whatever goals there are.
const maxBounds = 24

// schema is that of native histograms: each bucket is 2^(1/8) times, 9 %, as wide as the one below.
const schema = 3

// collector shows a set. It is asked by one scrape at a time.
type collector struct {
	set     *metrics.Set
	started *timestamppb.Timestamp
	info    prom.Metric

	mu    sync.Mutex
	descs map[*metrics.Desc]*prom.Desc
	hist  *metrics.Histogram
}

func newCollector(set *metrics.Set) *collector {
	build := buildinfo.Get()
	return &collector{
		set: set, started: timestamppb.New(set.Started()),
		info: prom.MustNewConstMetric(prom.NewDesc("nanofront_process_info",
			"1; what the process is, and an id of its start", nil,
			prom.Labels{"program": set.Program(), "name": set.Instance(), "start_id": set.StartID(), "build": build.Version}), prom.GaugeValue, 1),
		descs: make(map[*metrics.Desc]*prom.Desc), hist: metrics.NewHistogram(),
	}
}

// Describe implements prometheus.Collector. Which series there are isn't known beforehand.
func (c *collector) Describe(chan<- *prom.Desc) {}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prom.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out <- c.info
	samples := c.set.Samples()
	bounds := boundsOf(samples)
	counts := make([]uint64, len(bounds))
	for _, s := range samples {
		desc := c.desc(s.Desc)
		if desc == nil {
			continue
		}
		m := &metric{desc: desc, of: &dto.Metric{Label: c.labels(s)}}
		switch s.Desc.Kind {
		case metrics.KindCounter:
			m.of.Counter = &dto.Counter{Value: proto.Float64(s.Value), CreatedTimestamp: c.started}
		case metrics.KindGauge:
			m.of.Gauge = &dto.Gauge{Value: proto.Float64(s.Value * s.Desc.PrometheusScale())}
		case metrics.KindTimer:
			c.hist.Read(s.Timer)
			c.hist.Cumulative(bounds, counts)
			m.of.Histogram = c.histogram(bounds, counts)
			addExemplars(m.of.Histogram, s.Timer.Exemplars())
		}
		out <- m
	}
}

// desc is a metric's description; nil if it isn't shown.
func (c *collector) desc(d *metrics.Desc) *prom.Desc {
	desc, ok := c.descs[d]
	if !ok {
		if name, labels := d.Prometheus(); name != "" {
			desc = prom.NewDesc(name, d.Help, labels, nil)
		}
		c.descs[d] = desc
	}
	return desc
}

// labels are a sample's, sorted by their names as the format wants them.
func (c *collector) labels(s metrics.Sample) []*dto.LabelPair {
	_, names := s.Desc.Prometheus()
	pairs := make([]*dto.LabelPair, len(names))
	for i, n := range names {
		pairs[i] = &dto.LabelPair{Name: proto.String(n), Value: proto.String(s.Details[i])}
	}
	slices.SortFunc(pairs, func(a, b *dto.LabelPair) int { return compare(a.GetName(), b.GetName()) })
	return pairs
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// boundsOf are where histograms are cut, while these goals are known.
func boundsOf(samples []metrics.Sample) []time.Duration {
	bounds := make([]time.Duration, 0, maxBounds)
	add := func(d time.Duration) {
		b := metrics.UpperBound(d)
		if at, found := slices.BinarySearch(bounds, b); !found && len(bounds) < maxBounds {
			bounds = slices.Insert(bounds, at, b)
		}
	}
	for _, d := range nominal {
		add(d)
	}
	for _, s := range samples {
		if s.Desc != metrics.UpstreamWithin && s.Desc != metrics.RouteWithin {
			continue
		}
		if d, err := time.ParseDuration(s.Details[1]); err == nil {
			add(d)
		}
	}
	return bounds
}

// histogram is what c.hist holds: classic buckets, for those who read text, and a native histogram.
func (c *collector) histogram(bounds []time.Duration, counts []uint64) *dto.Histogram {
	h := &dto.Histogram{
		SampleCount: proto.Uint64(c.hist.Count()), SampleSum: proto.Float64(c.hist.Sum()), CreatedTimestamp: c.started,
		Bucket: make([]*dto.Bucket, len(bounds)),
		Schema: proto.Int32(schema), ZeroThreshold: proto.Float64(0), ZeroCount: proto.Uint64(0),
	}
	for i, b := range bounds {
		h.Bucket[i] = &dto.Bucket{UpperBound: proto.Float64(b.Seconds()), CumulativeCount: proto.Uint64(counts[i])}
	}
	addNative(h, c.hist)
	return h
}

// addNative adds the native histogram's buckets: spans of them that follow each other, and the
// difference of each to the one before.
func addNative(h *dto.Histogram, of *metrics.Histogram) {
	var span *dto.BucketSpan
	at, count, before := int32(math.MinInt32), int64(0), int64(0)
	flush := func() {
		if span != nil {
			h.PositiveDelta = append(h.PositiveDelta, count-before)
			before = count
		}
	}
	of.All(func(seconds float64, n uint64) {
		bucket := int32(math.Ceil(math.Log2(seconds) * (1 << schema))) // the one whose upper bound is 2^(bucket/8)
		if span != nil && bucket == at {
			count += int64(n)
			return
		}
		flush()
		switch {
		case span == nil:
			span = &dto.BucketSpan{Offset: proto.Int32(bucket), Length: proto.Uint32(0)}
			h.PositiveSpan = append(h.PositiveSpan, span)
		case bucket > at+1:
			span = &dto.BucketSpan{Offset: proto.Int32(bucket - at - 1), Length: proto.Uint32(0)}
			h.PositiveSpan = append(h.PositiveSpan, span)
		}
		*span.Length++
		at, count = bucket, int64(n)
	})
	flush()
	if span == nil {
		// A histogram without any bucket is told from a classic one by an empty span.
		h.PositiveSpan = []*dto.BucketSpan{{Offset: proto.Int32(0), Length: proto.Uint32(0)}}
	}
}

// addExemplars gives each bucket the newest exemplar that lies in it.
func addExemplars(h *dto.Histogram, list []metrics.Exemplar) {
	for _, e := range list {
		for _, b := range h.Bucket {
			if e.Took.Seconds() > b.GetUpperBound() {
				continue
			}
			if at := timestamppb.New(e.At); b.Exemplar == nil || b.Exemplar.GetTimestamp().AsTime().Before(e.At) {
				b.Exemplar = &dto.Exemplar{
					Label: []*dto.LabelPair{{Name: proto.String("trace_id"), Value: proto.String(hex.EncodeToString(e.Trace[:]))}},
					Value: proto.Float64(e.Took.Seconds()), Timestamp: at,
				}
			}
			break
		}
	}
}

// metric is one series as it is now.
type metric struct {
	desc *prom.Desc
	of   *dto.Metric
}

// Desc implements prometheus.Metric.
func (m *metric) Desc() *prom.Desc { return m.desc }

// Write implements prometheus.Metric.
func (m *metric) Write(into *dto.Metric) error {
	into.Label, into.Counter, into.Gauge, into.Histogram = m.of.Label, m.of.Counter, m.of.Gauge, m.of.Histogram
	return nil
}
