package main

import (
	"encoding/json"
	"io"
	"os"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"nanofront/bench/load"
)

// document is a result as a file. Times without a unit in their name are µs.
type document struct {
	URL         string              `json:"url"`
	Mode        string              `json:"mode"`
	Started     time.Time           `json:"started"`
	Seconds     float64             `json:"duration_s"`
	Interrupted bool                `json:"interrupted"`
	Connections int                 `json:"connections"`
	Workers     int                 `json:"workers"`
	Seed        uint64              `json:"seed"`
	Planned     uint64              `json:"planned"`
	Sent        uint64              `json:"sent"`
	Unsent      uint64              `json:"unsent"`
	Late        uint64              `json:"late"`
	OK          uint64              `json:"ok"`
	Throughput  float64             `json:"throughput_per_s"`
	Errors      map[string]uint64   `json:"errors"`
	Statuses    map[int]uint64      `json:"statuses"`
	CPUSeconds  float64             `json:"cpu_s"`
	BytesIn     uint64              `json:"bytes_in"`
	BytesOut    uint64              `json:"bytes_out"`
	Opened      uint64              `json:"connections_opened"`
	Times       map[string]times    `json:"times"`
	Series      []documentSecond    `json:"series"`
	Entries     []documentEntryLine `json:"entries"`
}

// times is a histogram: some of its values, and all of it in HdrHistogram's V2
// encoding.
type times struct {
	Count     int64            `json:"count"`
	Mean      float64          `json:"mean_us"`
	Max       int64            `json:"max_us"`
	Quantiles map[string]int64 `json:"quantiles_us"`
	Histogram string           `json:"hdrhistogram"`
}

type documentSecond struct {
	Start   float64           `json:"start_s"`
	Length  float64           `json:"length_s"`
	Offered uint64            `json:"offered"`
	Sent    uint64            `json:"sent"`
	OK      uint64            `json:"ok"`
	Errors  map[string]uint64 `json:"errors,omitempty"`
	Backlog uint64            `json:"backlog"`
	P50     int64             `json:"p50_us"`
	P99     int64             `json:"p99_us"`
	Max     int64             `json:"max_us"`
}

type documentEntryLine struct {
	Name   string            `json:"name"`
	Sent   uint64            `json:"sent"`
	OK     uint64            `json:"ok"`
	Errors map[string]uint64 `json:"errors"`
	P50    int64             `json:"p50_us"`
	P99    int64             `json:"p99_us"`
}

// createJSON opens the file before the run, not after it, when it is too late
// to learn that it can't be written.
func createJSON(name string, out io.Writer) (io.WriteCloser, error) {
	switch name {
	case "":
		return nopCloser{io.Discard}, nil
	case "-":
		return nopCloser{out}, nil
	}
	return os.Create(name) //nolint:gosec // what the user asked for
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

func writeJSON(w io.WriteCloser, r *load.Result) error {
	d, err := newDocument(r)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	if err := enc.Encode(d); err != nil {
		_ = w.Close() // the first error counts
		return err
	}
	return w.Close()
}

func newDocument(r *load.Result) (*document, error) {
	d := &document{
		URL: r.URL, Mode: r.Mode, Started: r.Started, Seconds: r.Duration.Seconds(), Interrupted: r.Interrupted,
		Connections: r.Connections, Workers: r.Workers, Seed: r.Seed, Planned: r.Planned, Sent: r.Sent, Unsent: r.Unsent, Late: r.Late, OK: r.OK,
		Throughput: r.Throughput(), Errors: r.Errors.Map(), Statuses: r.Statuses, CPUSeconds: r.CPU.Total(),
		BytesIn: r.BytesIn, BytesOut: r.BytesOut, Opened: r.Opened, Times: make(map[string]times),
		Series: []documentSecond{}, Entries: []documentEntryLine{},
	}
	for name, h := range map[string]*hdrhistogram.Histogram{"latency": r.Latency, "service": r.Service, "delay": r.Delay, "failed": r.Failed} {
		encoded, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
		if err != nil {
			return nil, err
		}
		t := times{Count: h.TotalCount(), Max: h.Max(), Quantiles: make(map[string]int64), Histogram: string(encoded)}
		if t.Count > 0 {
			t.Mean = h.Mean()
		}
		for name, q := range map[string]float64{"p50": 50, "p90": 90, "p99": 99, "p99.9": 99.9, "p99.99": 99.99} {
			t.Quantiles[name] = h.ValueAtQuantile(q)
		}
		d.Times[name] = t
	}
	for i := range r.Series {
		s := &r.Series[i]
		d.Series = append(d.Series, documentSecond{
			Start: s.Start.Seconds(), Length: s.Length.Seconds(), Offered: s.Offered, Sent: s.Sent, OK: s.OK, Errors: s.Errors.Map(),
			Backlog: s.Backlog, P50: s.P50, P99: s.P99, Max: s.Max,
		})
	}
	for i := range r.Entries {
		e := &r.Entries[i]
		d.Entries = append(d.Entries, documentEntryLine{
			Name: e.Name, Sent: e.Sent, OK: e.OK, Errors: e.Errors.Map(), P50: e.Latency.ValueAtQuantile(50), P99: e.Latency.ValueAtQuantile(99),
		})
	}
	return d, nil
}
