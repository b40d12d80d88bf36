package metrics

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"
)

// Report is the state of a [Set] at one moment, as it stands in /metrics.json.
// Keys are the names of the metrics, with their placeholders filled.
type Report struct {
	Program  string `json:"program"`
	Instance string `json:"instance"`
	PID      int    `json:"pid"`
	// StartID is another one after each start: all that counts up does so from 0 then.
	StartID string `json:"start_id"`
	// Now is the wall clock, UTC. Differences of two reports of one start are better taken of
	// UptimeNS, which no correction of the clock moves.
	Now      time.Time                `json:"now"`
	UptimeNS int64                    `json:"uptime_ns"`
	Uptime   float64                  `json:"uptime_s"`
	Counters map[string]CounterReport `json:"counters"`
	Gauges   map[string]float64       `json:"gauges"`
	Timers   map[string]TimerReport   `json:"timers"`
}

// CounterReport is what a report says of a counter.
type CounterReport struct {
	Value uint64 `json:"value"`
	// Rate is how much was added a second, in the last 10 s.
	Rate float64 `json:"rate_10s"`
}

// TimerReport is what a report says of a timer: of all the time since the
// start, and of the last 10 s.
type TimerReport struct {
	Distribution
	Last Distribution `json:"last_10s"`
	// Clamped is how many of all were longer than MaxDuration, and counted as
	// that.
	Clamped uint64 `json:"clamped,omitempty"`
	// Buckets are those that are not empty, since the start, by rising duration; only in what
	// [Set.ReportBuckets] returns.
	Buckets []Bucket `json:"buckets,omitempty"`
}

// Bucket is a duration in ms that stands for about equal ones, and how many there were: what lies
// between two reports is the difference of their buckets.
type Bucket [2]float64

// Distribution is that of some durations, in ms, to 1 %. All is 0 if there were
// none.
type Distribution struct {
	Count uint64 `json:"count"`
	// Rate is how many there were a second, in the last 10 s.
	Rate float64 `json:"rate_10s"`
	Mean float64 `json:"mean_ms"`
	P50  float64 `json:"p50_ms"`
	P90  float64 `json:"p90_ms"`
	P99  float64 `json:"p99_ms"`
	P999 float64 `json:"p999_ms"`
	Max  float64 `json:"max_ms"`
}

var reportedShares = []float64{0.5, 0.9, 0.99, 0.999, 1}

func distribution(h *histogram, rate float64) Distribution {
	var q [5]float64
	h.quantiles(reportedShares, q[:])
	return Distribution{
		Count: h.total,
		Rate:  rate,
		Mean:  round(h.mean() / 1e6),
		P50:   round(q[0] / 1e6),
		P90:   round(q[1] / 1e6),
		P99:   round(q[2] / 1e6),
		P999:  round(q[3] / 1e6),
		Max:   round(q[4] / 1e6),
	}
}

// Report takes a report of all that has been asked for so far.
func (s *Set) Report() Report { return s.report(false) }

// ReportBuckets takes a report that has the buckets of timers in it.
func (s *Set) ReportBuckets() Report { return s.report(true) }

func (s *Set) report(buckets bool) Report {
	if s.nowhere() {
		return Report{
			PID: os.Getpid(), Counters: map[string]CounterReport{}, Gauges: map[string]float64{}, Timers: map[string]TimerReport{},
		}
	}
	list := s.all()
	gauges := make(map[string]float64)
	for _, sr := range list {
		if sr.gauge != nil {
			gauges[sr.name] = sr.gauge.Value()
		}
	}

	s.windowMu.Lock()
	defer s.windowMu.Unlock()
	now := time.Now()
	oldest, since := s.windowStart()
	span := max(now.Sub(since), time.Millisecond).Seconds()
	r := Report{
		Program:  s.program,
		Instance: s.instance,
		PID:      os.Getpid(),
		StartID:  s.startID,
		Now:      now.UTC().Round(0),
		UptimeNS: now.Sub(s.start).Nanoseconds(),
		Uptime:   round(now.Sub(s.start).Seconds()),
		Counters: make(map[string]CounterReport),
		Gauges:   gauges,
		Timers:   make(map[string]TimerReport),
	}
	recent := newHistogram()
	for _, sr := range list {
		switch {
		case sr.counter != nil:
			v := sr.counter.Value()
			r.Counters[sr.name] = CounterReport{Value: v, Rate: round(float64(v-sr.counter.ring[oldest]) / span)}
		case sr.timer != nil:
			sr.timer.load(s.scratch)
			sr.timer.since(oldest, s.scratch, recent)
			rate := round(float64(recent.total) / span)
			t := TimerReport{
				Distribution: distribution(s.scratch, rate),
				Last:         distribution(recent, rate),
				Clamped:      sr.timer.Clamped(),
			}
			if buckets {
				t.Buckets = s.scratch.buckets()
			}
			r.Timers[sr.name] = t
		}
	}
	return r
}

// round keeps six decimals: a nanosecond in ms, and short to read and to send.
func round(v float64) float64 { return math.Round(v*1e6) / 1e6 }

// WriteJSON writes the report, indented, its keys in a stable order.
func (s *Set) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", " ")
	return enc.Encode(s.Report())
}

// WriteBuckets writes the report with the buckets of timers, not indented.
func (s *Set) WriteBuckets(w io.Writer) error { return json.NewEncoder(w).Encode(s.ReportBuckets()) }

// MaxReport is how many bytes [ReadReport] reads at most.
const MaxReport = 16 << 20

// ErrReport tells that what was read is not a report.
var ErrReport = errors.New("metrics: not a report")

// ReadReport reads what [Set.WriteJSON] wrote. Unknown fields are ignored, so
// that programs of different versions understand each other.
func ReadReport(r io.Reader) (Report, error) {
	lr := io.LimitedReader{R: r, N: MaxReport}
	var rep Report
	if err := json.NewDecoder(&lr).Decode(&rep); err != nil {
		if lr.N <= 0 {
			return Report{}, fmt.Errorf("%w: longer than %d bytes", ErrReport, MaxReport)
		}
		return Report{}, fmt.Errorf("%w: %w", ErrReport, err)
	}
	if rep.Program == "" {
		return Report{}, fmt.Errorf("%w: it doesn't name a program", ErrReport)
	}
	return rep, nil
}
