package metrics

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"nanofront/internal/chores"
)

func TestReport_WindowsMoveOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(chores.Next(markEvery)) // the marks are full seconds from here on
		s := New(Terminator, "t1")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); s.Run(ctx) }()

		c, tm := s.Counter(HTTPRequests), s.Timer(StageTotal)
		// 30 s at 100 a second that take 1 ms, then 5 s at 200 a second that
		// take 100 ms, always between the marks.
		time.Sleep(500 * time.Millisecond)
		for i := range 35 {
			n, d := 100, time.Millisecond
			if i >= 30 {
				n, d = 200, 100*time.Millisecond
			}
			for range n {
				c.Inc()
				tm.Observe(d)
			}
			time.Sleep(time.Second)
		}
		// Now: 35.5 s, the last marks at 26 … 35 s, within them the bursts of
		// 26.5 … 29.5 (4 slow ones) and 30.5 … 34.5 (5 fast ones).
		r := s.Report()
		near := func(what string, got, want float64) {
			t.Helper()
			if math.Abs(got-want) > want*0.011 {
				t.Errorf("%s = %v, want %v", what, got, want)
			}
		}
		near("uptime", r.Uptime, 35.5)
		near("value", float64(r.Counters["http.requests"].Value), 4000)
		near("rate", r.Counters["http.requests"].Rate, (4*100+5*200)/9.5)
		total := r.Timers["stage.total"]
		near("count", float64(total.Count), 4000)
		near("p50", total.P50, 1)
		near("p90", total.P90, 100)
		near("mean", total.Mean, (3000*1+1000*100)/4000.)
		near("count of the last 10 s", float64(total.Last.Count), 1400)
		near("rate of the last 10 s", total.Last.Rate, 1400/9.5)
		near("p50 of the last 10 s", total.Last.P50, 100)
		near("max of the last 10 s", total.Last.Max, 100)
		near("mean of the last 10 s", total.Last.Mean, (400*1+1000*100)/1400.)

		time.Sleep(11 * time.Second)
		r = s.Report()
		if got := r.Timers["stage.total"].Last; got != (Distribution{}) {
			t.Errorf("after 11 s of silence the last 10 s are %+v, want zeros", got)
		}
		if got := r.Counters["http.requests"]; got.Rate != 0 || got.Value != 4000 {
			t.Errorf("after 11 s of silence http.requests is %+v", got)
		}
		cancel()
		<-done
	})
}

func TestReport_BeforeTheFirstMark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Terminator, "")
		s.Counter(HTTPRequests).Add(50)
		s.Timer(StageTotal).Observe(time.Millisecond)
		time.Sleep(500 * time.Millisecond)
		r := s.Report()
		if got := r.Counters["http.requests"].Rate; got != 100 {
			t.Errorf("rate = %v, want 100", got)
		}
		if got := r.Timers["stage.total"]; got.Last != got.Distribution || got.Count != 1 {
			t.Errorf("timer = %+v, want one observation in both", got)
		}
	})
}

func TestReport_JSON(t *testing.T) {
	s := New(Terminator, "t1")
	s.Counter(HTTPStatus, "2xx").Add(3)
	s.Counter(HTTPStatus, "5xx")
	s.Gauge(HTTPInFlight).Set(-4)
	s.Timer(UpstreamLatency, "web").Observe(time.Hour)

	var first, second bytes.Buffer
	if err := s.WriteJSON(&first); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"program": "terminator"`, `"instance": "t1"`, `"uptime_s": `, `"counters": {`, `"rate_10s": `, `"gauges": {`,
		`"http.in_flight": -4`, `"timers": {`, `"upstream.web.latency": {`, `"count": 1`, `"mean_ms": `, `"p50_ms": `, `"p90_ms": `,
		`"p99_ms": `, `"p999_ms": `, `"max_ms": `, `"last_10s": {`, `"clamped": 1`,
	} {
		if !strings.Contains(first.String(), want) {
			t.Errorf("no %s in %s", want, first.String())
		}
	}
	got, err := ReadReport(bytes.NewReader(first.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if got.Counters["http.status.2xx"].Value != 3 || got.Timers["upstream.web.latency"].Last.Count != 1 {
		t.Errorf("read back %+v", got)
	}
	if err := s.WriteJSON(&second); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(keys(first.String()), keys(second.String())); diff != "" {
		t.Errorf("the order of keys changes: %s", diff)
	}
}

// keys is the sequence of keys in a JSON text with one a line.
func keys(s string) []string {
	var list []string
	for line := range strings.Lines(s) {
		if key, _, ok := strings.Cut(line, ":"); ok {
			list = append(list, strings.TrimSpace(key))
		}
	}
	return list
}

func TestReadReport_Refuses(t *testing.T) {
	for name, in := range map[string]io.Reader{
		"nothing":      strings.NewReader(""),
		"not JSON":     strings.NewReader("<html>"),
		"another JSON": strings.NewReader(`{"a":1}`),
		"cut off":      strings.NewReader(`{"program":"x","counters":{`),
		"endless":      io.MultiReader(strings.NewReader(`{"program":"`), endless{}),
	} {
		if r, err := ReadReport(in); !errors.Is(err, ErrReport) {
			t.Errorf("%s: %+v, %v, want ErrReport", name, r, err)
		}
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func FuzzReadReport(f *testing.F) {
	s := New(Terminator, "t1")
	s.Timer(StageTotal).Observe(time.Millisecond)
	var b bytes.Buffer
	if err := s.WriteJSON(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte(`{"program":"x","counters":null}`))
	f.Add([]byte(`{"program":"x","timers":{"a":{"count":-1}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ReadReport(bytes.NewReader(data))
		if (err == nil) == (r.Program == "") {
			t.Errorf("ReadReport(%q) = %+v, %v", data, r, err)
		}
	})
}
