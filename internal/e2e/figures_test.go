package e2e

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"nanofront/internal/testutil"
	"nanofront/metrics"
)

// TestAdmin_Figures looks at the admin ports after a load.
func TestAdmin_Figures(t *testing.T) {
	s := startUp(t)
	l := startLoad(t, s.http, 8, reading)
	l.more(t, 2000)
	l.stop().allOK(t)

	var r metrics.Report
	testutil.Eventually(t, "every request is counted", func() bool {
		r = figures(t, s.admin)
		return r.Timers["stage.total"].Count == uint64(len(l.answers))
	})
	sum := 0.0
	for _, stage := range []string{"read", "queue", "bus_out", "handler_queue", "handler", "bus_back", "write"} {
		timer := r.Timers["stage."+stage]
		if timer.Count != uint64(len(l.answers)) {
			t.Errorf("stage.%s: %d durations of %d requests", stage, timer.Count, len(l.answers))
		}
		if timer.Mean < 0 || timer.P50 > timer.P99 || timer.P99 > timer.Max {
			t.Errorf("stage.%s: %+v", stage, timer.Distribution)
		}
		sum += timer.Mean
	}
	total := r.Timers["stage.total"].Mean
	t.Logf("the stages take %.3f ms together, of %.3f ms", sum, total)
	if math.Abs(sum-total) > 0.2*total {
		t.Errorf("the stages take %.3f ms together, the whole %.3f ms: want the same within 20%%", sum, total)
	}
	if r.Program != "terminator" || r.Instance != "terminator-1" || r.Counters["http.requests"].Value < uint64(len(l.answers)) ||
		r.Counters["http.status.5xx"].Value != 0 || r.Gauges["upstream.web.instances"] != 2 || r.Gauges["etcd.connected"] != 1 {
		t.Errorf("figures of the terminator: %s %s, %v, %v", r.Program, r.Instance, r.Counters, r.Gauges)
	}

	reads := uint64(0)
	for _, in := range status(t, s.etcd, s.admin).Instances {
		if code, body, err := adminGet(in.Admin, "/readyz"); code != 200 || err != nil {
			t.Errorf("/readyz of %s: %d %q %v", in.ID, code, body, err)
		}
		if in.Service == "profile" {
			reads = counter(t, in.Admin, "store.reads")
		}
	}
	if reads < uint64(len(l.answers)) {
		t.Errorf("%d reads of the store for %d requests: something is cached", reads, len(l.answers))
	}
}

// TestAdmin_Pages: what is there besides figures.
func TestAdmin_Pages(t *testing.T) {
	t.Parallel()
	f := startFront(t, frontOptions{terminator: []string{"--access-log", "100"}})
	for path, want := range map[string]string{
		"/": "/metrics.json", "/healthz": "ok", "/readyz": "ok", "/links.json": "echo-1",
		"/debug/pprof/": "goroutine", "/debug/pprof/goroutine?debug=1": "goroutine profile", "/debug/pprof/profile?seconds=1": "",
		"/debug/pprof/cmdline": "terminator",
	} {
		if code, body, err := adminGet(f.admin, path); code != 200 || err != nil || !strings.Contains(body, want) {
			t.Errorf("%s: %d, %v, %.200q", path, code, err, body)
		}
	}
	if code, _, err := adminGet(f.admin, "/nothing"); code != 404 || err != nil {
		t.Errorf("/nothing: %d, %v", code, err)
	}

	// The access log: a line of JSON for each request of a quiet system.
	ask(t, f.http, get("/echo?secret=1", "X-Request-Id: find-me"))
	f.terminator.says(t, "find-me")
	for line := range strings.SplitSeq(f.terminator.out.String(), "\n") {
		if !strings.Contains(line, "find-me") {
			continue
		}
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		if entry["http.response.status_code"] != 200.0 || entry["http.request.method"] != "GET" || entry["url.path"] != "/echo" ||
			entry["nanofront.instance"] == "" || entry["message"] != "access" {
			t.Errorf("access log: %s", line)
		}
		if _, err := time.Parse(time.RFC3339, entry["time"].(string)); err != nil {
			t.Errorf("access log: %v", err)
		}
		if strings.Count(line, `"instance"`) != 1 {
			t.Errorf("a key twice in one line: %s", line)
		}
	}
}
