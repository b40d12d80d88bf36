package prometheus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"go.uber.org/goleak"

	"nanofront/internal/testutil"
	"nanofront/metrics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scrape asks a handler as Prometheus does that accepts a form.
func scrape(t testing.TB, h http.Handler, accept string) (contentType string, body []byte) {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	h.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Header().Get("Content-Type"), w.Body.Bytes()
}

// values are the lines of Prometheus' text, by series.
func values(t testing.TB, h http.Handler) map[string]float64 {
	t.Helper()
	_, body := scrape(t, h, "")
	out := map[string]float64{}
	for line := range strings.Lines(string(body)) {
		if line[0] == '#' {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		v, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		out[line[:at]] = v
	}
	return out
}

// filled is a terminator's set with something of everything.
func filled(services int) *metrics.Set {
	set := metrics.New(metrics.Terminator, "t1")
	for _, d := range metrics.Catalogue() {
		if !slices.Contains(d.Programs, metrics.Terminator) || strings.Contains(d.Name, "<goal>") {
			continue
		}
		details := [][]string{nil}
		switch {
		case strings.Contains(d.Name, "<service>") || strings.Contains(d.Name, "<route>"):
			details = nil
			for i := range services {
				details = append(details, []string{fmt.Sprintf("service-%d", i)})
			}
		case d.Details() == 1:
			details = [][]string{{"one"}}
		}
		for i, of := range details {
			switch d.Kind {
			case metrics.KindCounter:
				set.Counter(d, of...).Add(uint64(i + 1))
			case metrics.KindGauge:
				set.Gauge(d, of...).Set(int64(i + 1))
			case metrics.KindTimer:
				for k := range 100 {
					set.Timer(d, of...).Observe(time.Duration(k*k+1) * 100 * time.Microsecond)
				}
			}
		}
	}
	return set
}

func TestHandler_ShowsWhatTheSetHas(t *testing.T) {
	set := metrics.New(metrics.Terminator, "t1")
	set.Counter(metrics.HTTPRequests).Add(7)
	set.Gauge(metrics.HTTPInFlight).Set(3)
	set.GaugeFunc(metrics.UpstreamLimit, func() float64 { return 12 }, "web")
	set.Counter(metrics.HTTPBytesIn).Add(100)
	set.Gauge(metrics.LastKnownAge).Set(5)
	goals := set.Goals("web", "front-page", []time.Duration{25 * time.Millisecond, 40 * time.Millisecond}, nil)
	goals.Answered(30 * time.Millisecond)
	for range 10 {
		set.Timer(metrics.UpstreamLatency, "web").Observe(30 * time.Millisecond)
	}
	set.Timer(metrics.UpstreamLatency, "web").Observe(3 * time.Second)
	h := Handler(set)
	got := values(t, h)
	b25, b40 := metrics.UpperBound(25*time.Millisecond).Seconds(), metrics.UpperBound(40*time.Millisecond).Seconds()
	le := func(b float64) string { return strconv.FormatFloat(b, 'g', -1, 64) }
	for series, want := range map[string]float64{
		"nanofront_http_requests_total":                                                 7,
		"nanofront_http_in_flight":                                                      3,
		`nanofront_upstream_limit{service="web"}`:                                       12,
		"nanofront_http_in_bytes_total":                                                 100,
		"nanofront_etcd_last_known_age_seconds":                                         5,
		`nanofront_upstream_within_total{goal="25ms",service="web"}`:                    0,
		`nanofront_upstream_within_total{goal="40ms",service="web"}`:                    1,
		`nanofront_upstream_measured_total{service="web"}`:                              1,
		`nanofront_upstream_latency_seconds_count{service="web"}`:                       11,
		`nanofront_upstream_latency_seconds_bucket{service="web",le="` + le(b25) + `"}`: 0,
		`nanofront_upstream_latency_seconds_bucket{service="web",le="` + le(b40) + `"}`: 10,
		`nanofront_upstream_latency_seconds_bucket{service="web",le="+Inf"}`:            11,
		`nanofront_http_status_total{class="5xx"}`:                                      0,
		`nanofront_bus_link_closed_total{reason="silent"}`:                              0,
		`nanofront_bus_link_refused_total{reason="tls"}`:                                0,
		`nanofront_bus_copies_total{why="stalled"}`:                                     0,
	} {
		if v, ok := got[series]; !ok || v != want {
			t.Errorf("%s = %v, %v, want %v", series, v, ok, want)
		}
	}
	sum := got[`nanofront_upstream_latency_seconds_sum{service="web"}`]
	if math.Abs(sum-3.3)/3.3 > 0.01 {
		t.Errorf("sum %v, want 3.3 to 1 %%", sum)
	}
	for _, name := range []string{"process_cpu_seconds_total", "process_resident_memory_bytes", "go_goroutines", "process_start_time_seconds"} {
		if v, ok := got[name]; !ok || v < 0 {
			t.Errorf("%s = %v, %v", name, v, ok)
		}
	}
	info := `nanofront_process_info{build="`
	if !slices.ContainsFunc(slices.Collect(keys(got)), func(s string) bool {
		return strings.HasPrefix(s, info) && strings.Contains(s, `name="t1",program="terminator",start_id="`+set.StartID()+`"`)
	}) {
		t.Errorf("no %s…", info)
	}
}

func keys(m map[string]float64) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// TestHandler_PassesPromtool: what Prometheus' own tool has to say of names, units and help texts.
func TestHandler_PassesPromtool(t *testing.T) {
	promtool := testutil.Command(t, "promtool", "prometheus")
	for _, program := range []string{metrics.Terminator, metrics.Handler, metrics.Nanofront} {
		set := metrics.New(program, "x")
		for _, d := range metrics.Catalogue() {
			details := make([]string, d.Details())
			for i := range details {
				details[i] = "one"
			}
			if !slices.Contains(d.Programs, program) {
				continue
			}
			switch d.Kind {
			case metrics.KindCounter:
				set.Counter(d, details...)
			case metrics.KindGauge:
				set.Gauge(d, details...)
			case metrics.KindTimer:
				set.Timer(d, details...).Observe(time.Millisecond)
			}
		}
		_, body := scrape(t, Handler(set), "")
		ctx, cancel := context.WithTimeout(t.Context(), testutil.Patience)
		cmd := exec.CommandContext(ctx, promtool, "check", "metrics")
		cmd.Stdin = bytes.NewReader(body)
		out, err := cmd.CombinedOutput()
		cancel()
		// What the libraries' own metrics are called is theirs to say.
		var ours []string
		for line := range strings.Lines(string(out)) {
			if strings.HasPrefix(line, "nanofront_") || err != nil && !strings.HasPrefix(line, "go_") && !strings.HasPrefix(line, "process_") {
				ours = append(ours, line)
			}
		}
		if len(ours) > 0 {
			t.Errorf("%s: promtool check metrics: %v\n%s", program, err, strings.Join(ours, ""))
		}
	}
}

// TestPrometheus_NamesAreUnique: two metrics of the catalogue never share a name.
func TestPrometheus_NamesAreUnique(t *testing.T) {
	seen := map[string]string{}
	for _, d := range metrics.Catalogue() {
		name, labels := d.Prometheus()
		if name == "" {
			continue
		}
		if other := seen[name]; other != "" {
			t.Errorf("%s and %s are both %s", other, d.Name, name)
		}
		seen[name] = d.Name
		if len(labels) != d.Details() || d.Help == "" {
			t.Errorf("%s: labels %q, help %q", d.Name, labels, d.Help)
		}
	}
}

// Cumulative counts are exact at the bounds of a timer's buckets, whatever was observed.
func TestHistogram_CutsAreExact(t *testing.T) {
	timer := metrics.New(metrics.Terminator, "").Timer(metrics.StageTotal)
	var all []time.Duration
	for d := 150 * time.Nanosecond; d < 20*time.Second; d = d*21/20 + 1 {
		all = append(all, d)
		timer.Observe(d)
	}
	bounds := boundsOf(nil)
	for _, b := range bounds { // and right at the bounds
		for _, d := range []time.Duration{b, b + 1} {
			all = append(all, d)
			timer.Observe(d)
		}
	}
	h := metrics.NewHistogram()
	h.Read(timer)
	counts := make([]uint64, len(bounds))
	h.Cumulative(bounds, counts)
	for i, b := range bounds {
		want := uint64(0)
		for _, d := range all {
			if d <= b {
				want++
			}
		}
		if counts[i] != want {
			t.Errorf("up to %v: %d, want %d", b, counts[i], want)
		}
	}
	for i, d := range nominal {
		if up := metrics.UpperBound(d); up < d || float64(up) > float64(d)*1.017 || bounds[i] != up {
			t.Errorf("%v is cut at %v", d, up)
		}
	}
}

// By protobuf a timer is a native histogram, too, whose buckets have all that there is, each value
// in its own.
func TestHandler_NativeHistograms(t *testing.T) {
	set := metrics.New(metrics.Terminator, "t1")
	for _, d := range []time.Duration{time.Millisecond, time.Millisecond, 2 * time.Millisecond, 5 * time.Second} {
		set.Timer(metrics.StageTotal).Observe(d)
	}
	set.Timer(metrics.StageRead)
	contentType, body := scrape(t, Handler(set), string(expfmt.NewFormat(expfmt.TypeProtoDelim)))
	dec := expfmt.NewDecoder(bytes.NewReader(body), expfmt.ResponseFormat(http.Header{"Content-Type": {contentType}}))
	found := map[string]*dto.Histogram{}
	for {
		var f dto.MetricFamily
		if err := dec.Decode(&f); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if h := f.Metric[0].Histogram; h != nil {
			found[f.GetName()] = h
		}
	}
	h := found["nanofront_stage_total_seconds"]
	if h.GetSampleCount() != 4 || h.GetSchema() != schema || len(h.Bucket) == 0 {
		t.Fatalf("got %v", h)
	}
	// Undo spans and deltas.
	got, at, count, k := map[int32]int64{}, int32(0), int64(0), 0
	for _, span := range h.PositiveSpan {
		at += span.GetOffset()
		for range span.GetLength() {
			count += h.PositiveDelta[k]
			got[at] = count
			at, k = at+1, k+1
		}
	}
	want := map[int32]int64{}
	for _, s := range []float64{0.001, 0.001, 0.002, 5} {
		for b := int32(-200); ; b++ {
			if math.Exp2(float64(b)/8) >= s*0.99 && (math.Exp2(float64(b)/8) >= s || got[b] > 0) {
				want[b]++
				break
			}
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("buckets %v, want %v", got, want)
	}
	if h := found["nanofront_stage_read_seconds"]; h.GetSampleCount() != 0 || len(h.PositiveSpan) != 1 {
		t.Errorf("an empty one: %v", h)
	}
}

// Exemplars are shown to those who understand them, in the bucket that each is in.
func TestHandler_Exemplars(t *testing.T) {
	set := metrics.New(metrics.Terminator, "t1")
	total := set.Timer(metrics.StageTotal)
	total.Observe(30 * time.Millisecond)
	total.Exemplify([16]byte{1}, 30*time.Millisecond)
	total.Exemplify([16]byte{0x0a, 0xf7, 15: 0x9c}, 31*time.Millisecond)
	h := Handler(set)
	_, body := scrape(t, h, "application/openmetrics-text;version=1.0.0")
	var with []string
	for line := range strings.Lines(string(body)) {
		if strings.Contains(line, "trace_id") {
			with = append(with, line)
		}
	}
	le := strconv.FormatFloat(metrics.UpperBound(50*time.Millisecond).Seconds(), 'g', -1, 64)
	if len(with) != 1 || !strings.HasPrefix(with[0], `nanofront_stage_total_seconds_bucket{le="`+le+`"} 1 # {trace_id="0af7000000000000000000000000009c"} 0.031`) {
		t.Errorf("exemplars %q", with)
	}
	if _, body := scrape(t, h, ""); strings.Contains(string(body), "trace_id") {
		t.Error("exemplars in text that has none")
	}
}

// Budget: whatever names come, a process has a bounded number of series.
func TestSet_HasABudgetOfSeries(t *testing.T) {
	set := metrics.New(metrics.Terminator, "t1")
	goals := []time.Duration{time.Millisecond, 2 * time.Millisecond, 3 * time.Millisecond, 4 * time.Millisecond, 5 * time.Millisecond, 6 * time.Millisecond, 7 * time.Millisecond, 8 * time.Millisecond}
	for i := range 2 * metrics.MaxSeries {
		service := fmt.Sprintf("s%d", i)
		set.Goals(service, "r"+service, goals, goals)
		set.Counter(metrics.UpstreamRequests, service)
		set.Counter(metrics.UpstreamErrors, service)
		set.Gauge(metrics.UpstreamLimit, service)
	}
	if n := len(set.Samples()); n > metrics.MaxProcessSeries+100 {
		t.Errorf("%d series, want at most %d and those without details", n, metrics.MaxProcessSeries)
	}
	if set.Counter(metrics.MetricsOverflow).Value() == 0 {
		t.Error("what is beyond isn't counted")
	}
}

// BenchmarkScrape: what a scrape of a front with so many services and routes costs, each route with
// two goals.
func BenchmarkScrape(b *testing.B) {
	goals := []time.Duration{25 * time.Millisecond, 100 * time.Millisecond}
	for _, c := range []struct{ services, routes int }{{3, 10}, {20, 1000}, {1000, 1000}} {
		b.Run(fmt.Sprintf("services=%d/routes=%d", c.services, c.routes), func(b *testing.B) {
			set := filled(c.services)
			for i := range c.routes {
				set.Goals(fmt.Sprintf("service-%d", i%c.services), fmt.Sprintf("route-%d", i), goals, goals)
				set.Counter(metrics.RouteRequests, fmt.Sprintf("route-%d", i))
			}
			h := Handler(set)
			size := 0
			b.ReportAllocs()
			for b.Loop() {
				_, body := scrape(b, h, "")
				size = len(body)
			}
			r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
			r.Header.Set("Accept-Encoding", "gzip")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			b.ReportMetric(float64(size), "bytes/scrape")
			b.ReportMetric(float64(w.Body.Len()), "gzip-bytes/scrape")
		})
	}
}
