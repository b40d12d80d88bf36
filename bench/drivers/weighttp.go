package drivers

import (
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"

	"nanofront/bench/result"
)

const (
	// weighttpRate is what is expected where nothing is known yet.
	weighttpRate = 10_000
	// weighttpLeast is the least number of requests for each connection.
	weighttpLeast = 10
)

func weighttpCan(l *Load) error {
	if err := simple(l.Mix); err != nil {
		return err
	}
	if len(l.Mix.Requests) > 1 || strings.Contains(l.Mix.Requests[0].Path, "{") {
		return errors.New("it sends one request only, always the same")
	}
	return nil
}

func weighttpCommand(l *Load) ([]string, error) {
	rate := l.Rate
	if rate == 0 {
		rate = weighttpRate
	}
	n := max(l.Connections*weighttpLeast, int(rate*l.Duration.Seconds()))
	args := []string{"-n", strconv.Itoa(n), "-c", strconv.Itoa(l.Connections), "-t", strconv.Itoa(l.threads())}
	if !l.Churn {
		args = append(args, "-k")
	}
	args = append(args, headerArgs(l.Mix)...)
	return append(args, l.URL+l.Mix.Requests[0].Path), nil
}

// weighttpResult is what version 0.5 prints. Times are µs.
type weighttpResult struct {
	Seconds float64 `json:"secs_elapsed"`
	Counts  struct {
		Retired uint64 `json:"retired"`
	} `json:"request_counts"`
	Responses struct {
		Errors uint64 `json:"errs"`
	} `json:"response_counts"`
	Statuses map[string]uint64 `json:"status_codes"`
	Traffic  struct {
		Bytes uint64 `json:"bytes_total"`
	} `json:"traffic"`
	Times struct {
		Count uint64  `json:"num"`
		Mean  float64 `json:"avg"`
		Min   float64 `json:"0%"`
		P50   float64 `json:"50%"`
		P75   float64 `json:"75%"`
		P90   float64 `json:"90%"`
		P99   float64 `json:"99%"`
		Max   float64 `json:"100%"`
	} `json:"response_times"`
}

func weighttpParse(out string, l *Load, r *result.Run) error {
	begin, end := strings.Index(out, "\n{"), strings.LastIndex(out, "}")
	if begin < 0 || end < begin {
		return weighttpText(out, l, r)
	}
	var w weighttpResult
	if err := json.Unmarshal([]byte(out[begin:end+1]), &w); err != nil {
		return err
	}
	r.Duration = time.Duration(w.Seconds * float64(time.Second))
	if r.Duration <= 0 {
		return errors.New("it didn't tell how long it took")
	}
	good, bad := w.Statuses["2xx"]+w.Statuses["3xx"], w.Statuses["4xx"]+w.Statuses["5xx"]
	r.Completed, r.Sent, r.BytesIn = good+bad, max(w.Counts.Retired, good+bad), w.Traffic.Bytes
	r.Rate = float64(good) / r.Duration.Seconds()
	r.Failed = counts(map[string]uint64{"status": bad, "reset": w.Responses.Errors})
	const ms = 1e3
	t := &w.Times
	r.Latency = result.FromDigest(result.Digest{
		Count: t.Count, Mean: t.Mean / ms, Min: t.Min / ms, P50: t.P50 / ms, P75: t.P75 / ms, P90: t.P90 / ms, P99: t.P99 / ms, Max: t.Max / ms,
	})
	return nil
}

var weighttpTime = regexp.MustCompile(`finished in (\d+) sec, (\d+) millisec and (\d+) microsec`)

// weighttpText reads what versions up to 0.4 print.
func weighttpText(out string, _ *Load, r *result.Run) error {
	t := weighttpTime.FindStringSubmatch(out)
	if t == nil {
		return errors.New("it didn't tell how long it took")
	}
	r.Duration = 0
	for i, unit := range []time.Duration{time.Second, time.Millisecond, time.Microsecond} {
		n, err := strconv.ParseInt(t[i+1], 10, 32)
		if err != nil {
			return err
		}
		r.Duration += time.Duration(n) * unit
	}
	return tally(out, r)
}
