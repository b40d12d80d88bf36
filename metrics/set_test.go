package metrics

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestSet_SameDescSameHandle(t *testing.T) {
	s := New(Terminator, "")
	if first, again := s.Counter(HTTPStatus, "2xx"), s.Counter(HTTPStatus, "2xx"); first != again {
		t.Error("two handles for one series")
	}
	if s.Counter(HTTPStatus, "2xx") == s.Counter(HTTPStatus, "5xx") {
		t.Error("one handle for two series")
	}
	if s.Timer(UpstreamLatency, "a.b") != s.Timer(UpstreamLatency, "a_b") {
		t.Error("details that have one name have two series")
	}
	if s.Counter(HTTPRequests) == New(Terminator, "").Counter(HTTPRequests) {
		t.Error("two sets share a series")
	}
}

func TestSet_PanicsOnWrongUse(t *testing.T) {
	s := New(Terminator, "")
	for name, tc := range map[string]struct {
		f    func()
		want string
	}{
		"wrong kind":       {func() { s.Gauge(HTTPRequests) }, "http.requests is a counter, not a gauge"},
		"detail missing":   {func() { s.Counter(HTTPStatus) }, "http.status.<class> takes 1 details, not 0"},
		"detail too many":  {func() { s.Timer(StageTotal, "x") }, "stage.total takes 0 details, not 1"},
		"not in catalogue": {func() { s.Counter(&Desc{Name: "x", Kind: KindCounter}) }, `"x" is not in the catalogue`},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, tc.want) {
					t.Errorf("panicked with %q, want %q", got, tc.want)
				}
			}()
			tc.f()
		})
	}
}

func TestClean(t *testing.T) {
	long := strings.Repeat("x", 100)
	for in, want := range map[string]string{
		"":           "-",
		"web-1_A":    "web-1_A",
		"a.b:c|d@e":  "a_b_c_d_e",
		"a/b c\nd":   "a_b_c_d",
		"é":          "__",
		"<x>":        "_x_",
		long:         long[:maxDetail],
		"host:8080 ": "host_8080_",
	} {
		if got := clean(in); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestSet_BoundsSeries(t *testing.T) {
	s := New(Terminator, "")
	for i := range MaxSeries {
		s.Counter(HTTPRefused, fmt.Sprint("r", i)).Inc()
	}
	other := s.Counter(HTTPRefused, "one too many")
	if other != s.Counter(HTTPRefused, "and another") {
		t.Error("series beyond the bound don't share one")
	}
	if other == s.Counter(HTTPRefused, "r7") {
		t.Error("a known series was replaced")
	}
	other.Inc()
	r := s.Report()
	if got := r.Counters["http.refused.other"].Value; got != 1 {
		t.Errorf("http.refused.other = %d, want 1", got)
	}
	if got := r.Counters["metrics.overflow"].Value; got != 2 {
		t.Errorf("metrics.overflow = %d, want 2", got)
	}
	for i := range MaxSeries {
		s.Gauge(UpstreamInstances, fmt.Sprint("s", i))
	}
	s.GaugeFunc(UpstreamInstances, func() float64 { t.Error("a function beyond the bound was called"); return 0 }, "late")
	s.Report()
}

func TestGaugeFunc_ReplacesAndIsSane(t *testing.T) {
	s := New(Terminator, "")
	s.Gauge(HTTPLimit).Set(7)
	if got := s.Report().Gauges["http.limit"]; got != 7 {
		t.Errorf("http.limit = %v, want 7", got)
	}
	s.GaugeFunc(HTTPLimit, func() float64 { return 0.25 })
	if got := s.Report().Gauges["http.limit"]; got != 0.25 {
		t.Errorf("http.limit = %v, want 0.25", got)
	}
	zero := 0.0
	s.GaugeFunc(HTTPLimit, func() float64 { return 1 / zero })
	if got := s.Report().Gauges["http.limit"]; got != 0 {
		t.Errorf("http.limit of +Inf = %v, want 0", got)
	}
}

func TestAddProcess(t *testing.T) {
	s := New(Handler, "")
	s.AddProcess()
	r := s.Report()
	for name, atLeast := range map[string]float64{
		"process.goroutines":  2,
		"process.heap_bytes":  10_000,
		"process.gc_pause":    0,
		"process.cpu_seconds": 0,
	} {
		if got, ok := r.Gauges[name]; !ok || got < atLeast {
			t.Errorf("%s = %v (%v), want at least %v", name, got, ok, atLeast)
		}
	}
}

func TestSet_ConcurrentUse(t *testing.T) {
	s := New(Terminator, "")
	const goroutines, each = 8, 2000
	stop := make(chan struct{})
	var readers, writers sync.WaitGroup
	readers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				s.mark(time.Now())
				s.Report()
			}
		}
	})
	for g := range goroutines {
		writers.Go(func() {
			for i := range each {
				s.Counter(HTTPRefused, fmt.Sprint("r", i%17)).Inc()
				s.Gauge(HTTPInFlight).Add(1 - 2*int64(g%2))
				s.Timer(StageTotal).Observe(time.Duration(i) * time.Microsecond)
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	r := s.Report()
	var sum uint64
	for name, c := range r.Counters {
		if strings.HasPrefix(name, "http.refused.") {
			sum += c.Value
		}
	}
	if sum != goroutines*each {
		t.Errorf("counted %d, want %d", sum, goroutines*each)
	}
	if got := r.Timers["stage.total"].Count; got != goroutines*each {
		t.Errorf("timed %d, want %d", got, goroutines*each)
	}
	if got := r.Gauges["http.in_flight"]; got != 0 {
		t.Errorf("http.in_flight = %v, want 0", got)
	}
}
