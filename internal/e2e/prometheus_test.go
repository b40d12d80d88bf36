package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"nanofront/internal/testutil"
	"nanofront/metrics"
)

// prometheus is a real one.
type prometheus struct {
	*process
	addr, config string
}

// startPrometheus starts Prometheus with a list of targets at a URL, asked for
// anew each second.
func startPrometheus(t *testing.T, targets string) *prometheus {
	t.Helper()
	bin := testutil.Command(t, "prometheus", "prometheus")
	dir, addr := t.TempDir(), freeAddr(t)
	config := filepath.Join(dir, "prometheus.yml")
	writeFile(t, config, fmt.Sprintf(`
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: nanofront
    http_sd_configs:
      - {url: %q, refresh_interval: 1s}
`, targets))
	p := startIn(t, filepath.Dir(bin), nil, filepath.Base(bin), "--config.file", config,
		"--storage.tsdb.path", filepath.Join(dir, "data"), "--web.listen-address", addr, "--log.level", "warn")
	return &prometheus{p, addr, config}
}

// looks is how often it has asked for the list of targets, answered or not.
func (p *prometheus) looks(t *testing.T) (n int) {
	t.Helper()
	_, body, err := adminGet(p.addr, "/metrics")
	_, rest, found := strings.Cut(body, `prometheus_sd_refresh_duration_seconds_count{mechanism="http"} `)
	if err != nil || !found {
		t.Fatalf("Prometheus doesn't say how often it looked for targets: %v", err)
	}
	digits, _, _ := strings.Cut(rest, "\n")
	if n, err = strconv.Atoi(digits); err != nil {
		t.Fatal(err)
	}
	return n
}

// query returns the values of an instant query, by the series' labels as
// "name=value …" without those in which all targets differ.
func (p *prometheus) query(t *testing.T, expr string) map[string]float64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testutil.Patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.addr+"/api/v1/query?query="+url.QueryEscape(expr), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil // it is just starting
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil
	}
	out := map[string]float64{}
	for _, r := range answer.Data.Result {
		v, err := strconv.ParseFloat(r.Value[1].(string), 64)
		if err != nil {
			t.Fatalf("%s: %v", expr, err)
		}
		var labels []string
		for name, value := range r.Metric {
			if !slices.Contains([]string{"__name__", "job", "host", "version"}, name) {
				labels = append(labels, name+"="+value)
			}
		}
		slices.Sort(labels)
		out[strings.Join(labels, " ")] = v
	}
	return out
}

// startTargets starts nanofront targets and returns its URL.
func startTargets(t *testing.T, args ...string) (p *process, list string) {
	t.Helper()
	addr := freeAddr(t)
	p = start(t, "nanofront", append([]string{"targets", "--listen", addr}, args...)...)
	p.says(t, "serving targets")
	return p, "http://" + addr + "/"
}

// targetsAt is what is said there: the status, and instance=address of each.
func targetsAt(t *testing.T, list string) (status int, targets []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testutil.Patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, list, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		return resp.StatusCode, nil
	}
	var groups []struct {
		Targets []string
		Labels  map[string]string
	}
	if err := json.Unmarshal(body, &groups); err != nil || resp.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%s: %v: %s", resp.Header.Get("Content-Type"), err, body)
	}
	for _, g := range groups {
		targets = append(targets, g.Labels["kind"]+" "+g.Labels["instance"]+"="+g.Targets[0])
	}
	return resp.StatusCode, targets
}

// TestPrometheus_ScrapesTheSystem: a real Prometheus finds all processes by
// itself, and has the figures of /metrics.json.
func TestPrometheus_ScrapesTheSystem(t *testing.T) {
	t.Parallel()
	s := startUp(t, "--web", "2", "--system", "shop")
	_, list := startTargets(t, "--etcd", s.etcd)
	p := startPrometheus(t, list)
	for i := range 50 {
		ask(t, s.http, get(fmt.Sprintf("/profile/%d", i+1))).wants(t, 200, "a profile")
	}
	ask(t, s.http, request{method: "GE\x01T", target: "/"})
	testutil.Eventually(t, "Prometheus scrapes all six processes", func() bool {
		up := p.query(t, "up == 1")
		return len(up) == 6
	})
	for _, want := range []string{
		"instance=terminator-1 kind=terminator system=shop", "instance=web-2 kind=handler role=web system=shop",
	} {
		if up := p.query(t, "up"); up[want] != 1 {
			t.Errorf("up has no %q: %v", want, up)
		}
	}
	front := func(metric string) map[string]float64 { return p.query(t, metric+`{instance="terminator-1"}`) }
	of := "instance=terminator-1 kind=terminator"
	testutil.Eventually(t, "the requests are seen", func() bool {
		return front("nanofront_http_requests_total")[of+" system=shop"] == counterValue(figures(t, s.admin), "http.requests")
	})
	r := figures(t, s.admin)
	for series, want := range map[string]float64{
		"nanofront_http_status_total class=2xx":        counterValue(r, "http.status.2xx"),
		"nanofront_http_status_total class=5xx":        0, // exists before there is one
		"nanofront_upstream_requests_total web":        counterValue(r, "upstream.web.requests"),
		"nanofront_upstream_within_total 25ms web":     counterValue(r, "upstream.web.within.25ms"),
		"nanofront_upstream_measured_total web":        counterValue(r, "upstream.web.measured"),
		"nanofront_stage_total_seconds_count":          float64(r.Timers["stage.total"].Count),
		"nanofront_upstream_latency_seconds_count web": float64(r.Timers["upstream.web.latency"].Count),
	} {
		name, rest, _ := strings.Cut(series, " ")
		sum, found := 0.0, false
		for labels, v := range front(name) {
			ok := true
			for word := range strings.FieldsSeq(rest) {
				_, value, isPair := strings.Cut(word, "=")
				if !isPair {
					value = word
				}
				ok = ok && strings.Contains(labels+" ", "="+value+" ")
			}
			if ok {
				sum, found = sum+v, true
			}
		}
		if !found || sum != want {
			t.Errorf("%s: %v, %v in Prometheus, %v in /metrics.json", series, sum, found, want)
		}
	}
	if v := p.query(t, `sum(nanofront_handler_requests_total{role="web"})`)[""]; v < 50 {
		t.Errorf("requests of both web instances: %v, want 50", v)
	}
	// The p99 that Prometheus makes of the cuts is as exact as they are.
	p99 := p.query(t, `histogram_quantile(0.99, sum by (le) (nanofront_stage_total_seconds_bucket))`)[""]
	if own := r.Timers["stage.total"].P99 / 1e3; p99 < own/3 || p99 > own*3 {
		t.Errorf("p99 %v in Prometheus, %v in /metrics.json", p99, own)
	}
	if v := p.query(t, `process_cpu_seconds_total{instance="web-1"}`); len(v) != 1 {
		t.Errorf("CPU time of web-1: %v", v)
	}
}

// TestPrometheus_DashboardsHaveData: what the panels ask a real Prometheus for is there.
func TestPrometheus_DashboardsHaveData(t *testing.T) {
	t.Parallel()
	s := startUp(t, "--web", "2", "--statsd", startStatsd(t).addr())
	_, list := startTargets(t, "--etcd", s.etcd)
	p := startPrometheus(t, list)
	testutil.Eventually(t, "Prometheus scrapes all six processes", func() bool { return len(p.query(t, "up == 1")) == 6 })
	promtool := testutil.Command(t, "promtool", "prometheus")
	ctx, cancel := context.WithTimeout(t.Context(), testutil.Patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, promtool, "check", "service-discovery", "--timeout=5s", p.config, "nanofront").Output()
	if err != nil || strings.Count(string(out), `"__address__": "127.0.0.1:`) < 5 || !strings.Contains(string(out), `"instance": "terminator-1"`) {
		t.Errorf("promtool check service-discovery: %v\n%s", err, out)
	}
	files, err := filepath.Glob("../../deploy/grafana/prometheus/*.json")
	if err != nil || len(files) != 5 {
		t.Fatalf("%v, %v", files, err)
	}
	variables := strings.NewReplacer("$__rate_interval", "10s", "$system", ".*", "$service", "web", "$role", ".*", "$version", ".*")
	var exprs []string
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var doc struct {
			Panels []struct {
				Title   string
				Targets []struct{ Expr string }
			}
		}
		if err := json.Unmarshal(raw, &doc); err != nil {
			t.Fatal(err)
		}
		for _, panel := range doc.Panels {
			for _, target := range panel.Targets {
				exprs = append(exprs, variables.Replace(target.Expr))
			}
		}
	}
	// This system has no static table, no file of the last known state, no access log, no tracing,
	// and no write that came twice.
	unused := []string{
		"nanofront_static_rejected", "nanofront_etcd_last_known", "nanofront_access_log_dropped", "nanofront_trace_",
		"nanofront_handler_writes_repeated",
	}
	var missing []string
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("queries without a result:\n%s", strings.Join(missing, "\n"))
		}
	})
	testutil.Eventually(t, "each query has a result", func() bool {
		ask(t, s.http, get("/profile/1")).wants(t, 200, "a profile")
		ask(t, s.http, get("/")).wants(t, 200, "the start page, which a toggle colours")
		missing = nil
		for _, expr := range exprs {
			if len(p.query(t, expr)) == 0 && !slices.ContainsFunc(unused, func(name string) bool { return strings.Contains(expr, name) }) {
				missing = append(missing, expr)
			}
		}
		return len(missing) == 0
	})
}

func counterValue(r metrics.Report, name string) float64 { return float64(r.Counters[name].Value) }

// TestTargets_StayWhileEtcdIsAway: whoever asks gets the whole last known list,
// and never an empty one for want of etcd, even after a new start.
func TestTargets_StayWhileEtcdIsAway(t *testing.T) {
	t.Parallel()
	etcdAddr, data := freeAddr(t), filepath.Join(t.TempDir(), "etcd")
	etcdURL := "http://" + etcdAddr
	etcd := start(t, "nanofront", "etcd", "--client-url", etcdURL, "--data", data, "--statsd", "", "--admin", "")
	etcd.says(t, "etcd serving")
	_, _, admin := startTerminator(t, etcdURL, "--instance", "front-a")
	start(t, "handler", "echo", "--instance", "echo-1", "--statsd", "", "--etcd", etcdURL).says(t, `"serving"`)
	file := filepath.Join(t.TempDir(), "known.json")
	first, list := startTargets(t, "--etcd", etcdURL, "--last-known", file)
	var all []string
	testutil.Eventually(t, "both are listed", func() bool {
		_, all = targetsAt(t, list)
		return len(all) == 2 && slices.Contains(all, "terminator front-a="+admin)
	})
	if f := finish(t, "nanofront", "targets", "--etcd", etcdURL); f.code != 0 || !strings.Contains(f.out, `"`+admin+`"`) {
		t.Errorf("targets: exit code %d: %s", f.code, f.out)
	}
	prom := startPrometheus(t, list)
	testutil.Eventually(t, "Prometheus scrapes both", func() bool { return len(prom.query(t, "up == 1")) == 2 })

	etcd.signal(t, syscall.SIGKILL)
	etcd.wait(t, testutil.Patience)
	still := func(what, list string) {
		t.Helper()
		if status, got := targetsAt(t, list); status != 200 || !slices.Equal(got, all) {
			t.Errorf("%s: %d %v, want %v", what, status, got, all)
		}
	}
	still("etcd has just gone", list)
	looks := prom.looks(t)
	testutil.Eventually(t, "Prometheus has asked for the list twice more", func() bool { return prom.looks(t) >= looks+2 })
	still("etcd is away", list)
	if up := prom.query(t, "up == 1"); len(up) != 2 {
		t.Errorf("Prometheus scrapes %v", up)
	}
	first.signal(t, syscall.SIGTERM)
	first.wait(t, testutil.Patience)
	_, list = startTargets(t, "--etcd", etcdURL, "--last-known", file)
	still("targets started anew", list)
	_, nothing := startTargets(t, "--etcd", etcdURL)
	if status, got := targetsAt(t, nothing); status != 503 {
		t.Errorf("a start without any list: %d %v, want 503, at which Prometheus keeps what it has", status, got)
	}
	if f := finish(t, "nanofront", "targets", "--etcd", etcdURL, "--last-known", file); f.code != 0 || !strings.Contains(f.out, `"`+admin+`"`) || !strings.Contains(f.out, "last known list") {
		t.Errorf("targets --last-known: exit code %d: %s", f.code, f.out)
	}
	if f := finish(t, "nanofront", "targets", "--etcd", etcdURL); f.code != 1 || strings.Contains(f.out, "[") {
		t.Errorf("targets without etcd: exit code %d: %s", f.code, f.out)
	}

	// etcd comes back, and so do later changes.
	start(t, "nanofront", "etcd", "--client-url", etcdURL, "--data", data, "--statsd", "", "--admin", "").says(t, "etcd serving")
	startTerminator(t, etcdURL, "--instance", "front-b")
	testutil.Eventually(t, "a new one is listed", func() bool {
		_, got := targetsAt(t, list)
		return len(got) == 3
	})
}
