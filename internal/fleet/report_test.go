package fleet

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"nanofront/metrics"
)

func TestReport_Refuses(t *testing.T) {
	for _, body := range []string{"", "{", `{"program":""}`, `[1]`, `{"program":"x","timers":{"stage.read":{"buckets":[[1,`, "<html>", `{"program":"x","counters":3}`} {
		if err := newReport().read([]byte(body)); !errors.Is(err, errJSON) {
			t.Errorf("%q: %v", body, err)
		}
	}
	l := newReport()
	if err := l.read([]byte(`{"program":"a\u0062","x":[{"y":null},-1.5e3,"\"",true],"uptime_s":2.5,"gauges":{"g":-0.25},"counters":{"c":{"value":12345678901234567}}}`)); err != nil {
		t.Fatal(err)
	}
	if l.Program != "ab" || l.Uptime != 2.5 || l.Gauges["g"] != -0.25 || l.Counters["c"].Value != 12345678901234567 {
		t.Errorf("read %+v", l)
	}
}

func FuzzReport(f *testing.F) {
	set := metrics.New(metrics.Handler, "x")
	set.Timer(metrics.HandlerServiceTime).Observe(time.Millisecond)
	var b bytes.Buffer
	if err := set.WriteBuckets(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte(`{"program":"x","timers":{"queue":{"buckets":[[1,2,3],[],[1]]}}}`))
	f.Add([]byte(strings.Repeat(`{"a":[`, 100)))
	f.Fuzz(func(_ *testing.T, body []byte) {
		_ = newReport().read(body)
		_, _ = readLinks(body, nil)
		_, _ = readState(body)
		_, _ = readSlow(body, nil)
	})
}
