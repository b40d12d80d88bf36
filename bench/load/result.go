package load

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Range and precision of histograms: microseconds to 60 s, three digits.
const (
	HistogramLowest  = 1          // µs
	HistogramHighest = 60_000_000 // µs
	HistogramDigits  = 3
)

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(HistogramLowest, HistogramHighest, HistogramDigits)
}

// record records a time in ns, in µs, and reports whether it fits.
func record(h *hdrhistogram.Histogram, ns int64) bool {
	us := max(HistogramLowest, (ns+500)/1000)
	if us <= HistogramHighest {
		return h.RecordValue(us) == nil
	}
	_ = h.RecordValue(HistogramHighest) // in range
	return false
}

// Result is what a run has found. A request is counted if its planned time, in
// a closed loop the time when it was sent, is in the counted time: after the
// warm-up, and before the end. Then
//
//	Planned = Sent + Unsent
//	Sent    = OK + Errors.Total()
//
// Histograms are in µs, from HistogramLowest to HistogramHighest.
type Result struct {
	// URL and Mode ("open" or "closed") of the run.
	URL, Mode string
	// Started is when the counted time began.
	Started time.Time
	// Duration is the counted time: as asked for, or shorter if the run was interrupted.
	Duration    time.Duration
	Interrupted bool
	// Workers and Connections that were used, and the seed.
	Workers, Connections int
	Seed                 uint64

	// Planned requests; in a closed loop those that were sent.
	Planned uint64
	// Counts of all that were planned.
	Counts
	// Answered is how many responses as expected came within Duration, those to uncounted requests
	// included: what Throughput is made of.
	Answered uint64
	// Examples has the text of the first error of each cause that happened.
	Examples map[Cause]string
	// Service is from sending (or from connecting, if a connection was opened for it), of OK ones.
	Service *hdrhistogram.Histogram
	// Delay is from the planned time to sending, of all sent. Empty in a closed loop.
	Delay *hdrhistogram.Histogram
	// Failed is latency of those that failed, until the failure.
	Failed *hdrhistogram.Histogram
	// Refused is from sending, of those that failed because they were turned away with 503 or 429.
	Refused *hdrhistogram.Histogram
	// Clipped is how many values were over HistogramHighest, and recorded as that.
	Clipped uint64

	// BytesOut and BytesIn went over the connections within Duration.
	BytesOut, BytesIn uint64
	// Opened is connections opened within Duration; Reopened how many of them because the
	// server had closed an idle one.
	Opened, Reopened uint64
	// Stray is how often a server sent what nobody had asked for; the connection was closed.
	Stray uint64

	// CPU is the seconds that this process used within Duration: runtime, collector, and whatever
	// runs in it besides.
	CPU float64

	// Series is second by second.
	Series []Second
	// Steps are the stages of the plan, if it has several, up to 64.
	Steps []Step
	// Entries is by entry of the mix, in its order.
	Entries []Entry
}

// Counts is what is counted of requests: of all, of a step, of an entry of the mix, or of a second.
type Counts struct {
	// Sent is how many left, or at least had a connection opened for them.
	Sent uint64
	// Unsent is how many did not within Duration, because all connections were busy, or
	// were given up after Options.Patience.
	// They have no latency; a result with any says less about high percentiles than it seems.
	Unsent uint64
	// Late is how many left more than Options.LateAfter after their planned time.
	Late uint64
	// OK is how many were answered as expected, and Errors how many were not, by cause.
	OK     uint64
	Errors Errors
	// Statuses counts complete responses by status.
	Statuses [maxStatus + 1]uint64
	// Latency from the planned time to the whole response, of OK ones. In a closed loop it is the
	// same as Result.Service.
	Latency *hdrhistogram.Histogram
}

const maxStatus = 599

func newCounts() Counts { return Counts{Latency: newHistogram()} }

func (c *Counts) add(o *Counts) {
	c.Sent += o.Sent
	c.Unsent += o.Unsent
	c.Late += o.Late
	c.OK += o.OK
	c.Errors.add(&o.Errors)
	for status, n := range o.Statuses {
		c.Statuses[status] += n
	}
	c.Latency.Merge(o.Latency)
}

// newResult makes an empty result of a plan.
func newResult(p *plan) *Result {
	r := &Result{
		URL: p.URL, Mode: "closed", Duration: p.Duration, Workers: p.Workers, Connections: p.Connections, Seed: p.Seed,
		Counts: newCounts(), Examples: make(map[Cause]string), Service: newHistogram(), Delay: newHistogram(), Failed: newHistogram(), Refused: newHistogram(),
	}
	if p.open() {
		r.Mode, r.Steps = "open", newSteps(p.Stages)
	}
	for _, e := range p.mix.entries {
		r.Entries = append(r.Entries, Entry{Name: e.name, Counts: newCounts()})
	}
	return r
}

// add adds what another worker counted of the same plan.
func (r *Result) add(o *Result) {
	r.Counts.add(&o.Counts)
	r.Answered += o.Answered
	r.Clipped += o.Clipped
	for c, text := range o.Examples {
		if _, ok := r.Examples[c]; !ok {
			r.Examples[c] = text
		}
	}
	r.BytesIn += o.BytesIn
	r.BytesOut += o.BytesOut
	r.Opened += o.Opened
	r.Reopened += o.Reopened
	r.Stray += o.Stray
	r.Service.Merge(o.Service)
	r.Delay.Merge(o.Delay)
	r.Failed.Merge(o.Failed)
	r.Refused.Merge(o.Refused)
	for i := range r.Steps {
		r.Steps[i].add(&o.Steps[i])
	}
	for i := range r.Entries {
		r.Entries[i].Counts.add(&o.Entries[i].Counts)
	}
}

// Throughput is good responses per second.
func (r *Result) Throughput() float64 { return perSecond(r.Answered, r.Duration) }

// SentRate is requests sent per second.
func (r *Result) SentRate() float64 { return perSecond(r.Sent, r.Duration) }

// CPUPerRequest is the CPU time for each request sent.
func (r *Result) CPUPerRequest() time.Duration {
	if r.Sent == 0 {
		return 0
	}
	return time.Duration(r.CPU / float64(r.Sent) * 1e9)
}

func perSecond(n uint64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

// Second is a second of a run, or the rest of one. What is counted here happened in it,
// whether or not the request was planned or sent before.
type Second struct {
	// Start is from the beginning of the counted time. After Duration come
	// the answers to what was sent before its end.
	Start, Length time.Duration
	// Offered is requests whose planned time came; in a closed loop, those sent.
	Offered uint64
	Sent    uint64
	OK      uint64
	Errors  Errors
	// Backlog is requests that waited for a connection at the end of it.
	Backlog uint64
	// P50, P99 and Max are of the latency of OK ones, in µs; 0 if there were none.
	P50, P99, Max int64
}

// Entry is what a run has found about an entry of the mix.
type Entry struct {
	Name string
	Counts
}

// Snapshot is how a run is doing, each second.
type Snapshot struct {
	// Warmup: this is not counted.
	Warmup bool
	// Elapsed of Total; both without the warm-up. Elapsed is negative in it.
	Elapsed, Total time.Duration
	// Second that has just ended. Start is negative in the warm-up.
	Second Second
}
