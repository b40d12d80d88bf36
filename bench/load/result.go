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

// CPU is time used, in seconds.
type CPU struct {
	// User and System are of the whole process: runtime, collector, and whatever runs in it besides.
	User, System float64
}

// Total is User and System.
func (c CPU) Total() float64 { return c.User + c.System }

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
	// Sent is how many of them left, or at least had a connection opened for them.
	Sent uint64
	// Unsent is how many did not within Duration, because all connections were busy, or
	// were given up after Options.Patience.
	// They have no latency; a result with any says less about high percentiles than it seems.
	Unsent uint64
	// Late is how many left more than Options.LateAfter after their planned time.
	Late uint64

	// OK is how many were answered as expected.
	OK uint64
	// Answered is how many responses as expected came within Duration, those to uncounted requests included:
	// what Throughput is made of.
	Answered uint64
	// Errors is how many were not, by cause.
	Errors Errors
	// Examples has the text of the first error of each cause that happened.
	Examples map[Cause]string
	// Statuses counts complete responses by status.
	Statuses map[int]uint64

	// Latency from the planned time to the whole response, of OK ones. In a closed loop it is the same as Service.
	Latency *hdrhistogram.Histogram
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

	// CPU is what this process used within Duration.
	CPU CPU

	// Series is second by second.
	Series []Second
	// Steps are the stages of the plan, if it has several, up to 64.
	Steps []Step
	// Entries is by entry of the mix, in its order.
	Entries []Entry
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
	return time.Duration(r.CPU.Total() / float64(r.Sent) * 1e9)
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
	Name    string
	Sent    uint64
	OK      uint64
	Errors  Errors
	Latency *hdrhistogram.Histogram // of OK ones, in µs
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
