package dashboards

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	_ "image/png"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"nanofront/httpmsg"
	"nanofront/internal/freeport"
	"nanofront/internal/testutil"
	"nanofront/metrics"
	"nanofront/nanobus"
	"nanofront/registry"
	"nanofront/terminator"
)

const (
	deploy = "../../deploy"
	// Where to keep the pictures, to look at them.
	picturesVariable = "NANOFRONT_TEST_PICTURES"
)

// pipeline is the reference StatsD server, carbon and Graphite-web, with the configurations that
// are shipped, but for ports and for shorter times: a second for a flush, and six for what is
// rolled up.
type pipeline struct {
	t      *testing.T
	statsd string // address
	web    string
}

func startPipeline(t *testing.T) *pipeline {
	if os.Getenv("NANOFRONT_TEST_STATSD") != "1" {
		testutil.Skip(t, "set NANOFRONT_TEST_STATSD=1, with node, npm, graphite-carbon and graphite-web installed, to test against the real servers")
	}
	for tool, pkg := range map[string]string{"node": "nodejs", "npm": "npm", "carbon-cache": "graphite-carbon", "graphite-manage": "graphite-web"} {
		testutil.Command(t, tool, pkg)
	}
	dir := t.TempDir()
	ports := make([]string, 6)
	for i := range ports {
		addr, err := freeport.Addr()
		if err != nil {
			t.Fatal(err)
		}
		_, ports[i], _ = net.SplitHostPort(addr)
	}
	statsd, mgmt, line, pickle, query, web := ports[0], ports[1], ports[2], ports[3], ports[4], ports[5]
	p := &pipeline{t: t, statsd: "127.0.0.1:" + statsd, web: "http://127.0.0.1:" + web}

	edit(t, "graphite/storage-schemas.conf", filepath.Join(dir, "conf/storage-schemas.conf"), "10s:6h,1m:7d,10m:90d", "1s:60s,6s:10m")
	edit(t, "graphite/storage-aggregation.conf", filepath.Join(dir, "conf/storage-aggregation.conf"))
	edit(t, "statsd/config.js", filepath.Join(dir, "config.js"), "  port: 8125", "  port: "+statsd, "mgmt_port: 8126", "mgmt_port: "+mgmt,
		"graphitePort: 2003", "graphitePort: "+line, "flushInterval: 10000", "flushInterval: 1000")
	write(t, filepath.Join(dir, "conf/carbon.conf"), fmt.Sprintf(`[cache]
STORAGE_DIR = %[1]s/storage
CONF_DIR = %[1]s/conf
LOG_DIR = %[1]s/log
PID_DIR = %[1]s
LOCAL_DATA_DIR = %[1]s/storage/whisper
USER =
LINE_RECEIVER_INTERFACE = 127.0.0.1
LINE_RECEIVER_PORT = %[2]s
PICKLE_RECEIVER_INTERFACE = 127.0.0.1
PICKLE_RECEIVER_PORT = %[3]s
CACHE_QUERY_INTERFACE = 127.0.0.1
CACHE_QUERY_PORT = %[4]s
MAX_CREATES_PER_MINUTE = inf
MAX_UPDATES_PER_SECOND = inf
ENABLE_TAGS = False
CARBON_METRIC_INTERVAL = 0
`, dir, line, pickle, query))
	write(t, filepath.Join(dir, "nanofront_test_settings.py"), fmt.Sprintf(`SECRET_KEY = 'of a test'
ALLOWED_HOSTS = ['*']
DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': '%[1]s/storage/graphite.db'}}
CONF_DIR = '%[1]s/conf'
STORAGE_DIR = '%[1]s/storage'
WHISPER_DIR = '%[1]s/storage/whisper'
STANDARD_DIRS = [WHISPER_DIR]
LOG_DIR = '%[1]s/log'
INDEX_FILE = '%[1]s/storage/index'
CARBONLINK_HOSTS = ['127.0.0.1:%[2]s:a']
TIME_ZONE = 'UTC'
`, dir, query))
	write(t, filepath.Join(dir, "serve.py"), fmt.Sprintf(`import os
from wsgiref.simple_server import make_server, WSGIRequestHandler
os.environ['DJANGO_SETTINGS_MODULE'] = 'graphite.settings'
os.environ['GRAPHITE_SETTINGS_MODULE'] = 'nanofront_test_settings'
from django.core.wsgi import get_wsgi_application
class Quiet(WSGIRequestHandler):
    def log_message(self, *args): pass
make_server('127.0.0.1', %s, get_wsgi_application(), handler_class=Quiet).serve_forever()
`, web))
	for _, d := range []string{"storage/whisper", "log"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	p.run(dir, "carbon-cache", "--config="+filepath.Join(dir, "conf/carbon.conf"), "--nodaemon", "start")
	migrate := exec.CommandContext(t.Context(), "/usr/bin/python3", "-m", "django", "migrate", "--run-syncdb") // the system's, which has Graphite-web
	migrate.Dir = dir
	migrate.Env = append(os.Environ(), "PYTHONPATH="+dir, "DJANGO_SETTINGS_MODULE=graphite.settings", "GRAPHITE_SETTINGS_MODULE=nanofront_test_settings")
	if b, err := migrate.CombinedOutput(); err != nil {
		t.Fatalf("making Graphite-web's database: %v\n%s", err, b)
	}
	p.run(dir, "/usr/bin/python3", "serve.py")
	install := exec.CommandContext(t.Context(), "npm", "install", "--no-audit", "--no-fund", "--no-optional", "--ignore-scripts", "statsd@0.9.0")
	install.Dir = dir
	install.Env = append(os.Environ(), "npm_config_update_notifier=false")
	if b, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm install: %v\n%s", err, b)
	}
	testutil.Eventually(t, "carbon listens", func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+line)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	p.run(dir, "node", filepath.Join("node_modules", "statsd", "stats.js"), "config.js")
	conn, err := net.Dial("udp", p.statsd)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	testutil.Eventually(t, "what StatsD is sent comes out of Graphite", func() bool {
		_, _ = conn.Write([]byte("nanofront.test.up:1|c")) // refused as long as nobody listens
		return p.sum("stats.counters.nanofront.test.up.count", 50) > 0
	})
	return p
}

// run starts a process that ends with the test.
func (p *pipeline) run(dir, name string, args ...string) {
	cmd := exec.Command(name, args...)
	out := new(testutil.Buffer)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.Env = append(os.Environ(), "PYTHONPATH="+dir)
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed, so it tells nothing
		if p.t.Failed() {
			text := out.String()
			p.t.Logf("%s printed, at the end:\n%s", name, text[max(0, len(text)-3000):])
		}
	})
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// edit copies a file of deploy/ with some texts, which it must have, replaced by those after them.
func edit(t *testing.T, name, to string, pairs ...string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(deploy, name))
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("deploy/%s doesn't have %q", name, pairs[i])
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	write(t, to, text)
}

// get asks Graphite-web for a rendering of the last seconds.
func (p *pipeline) get(v url.Values, seconds int) ([]byte, error) {
	v.Set("from", fmt.Sprintf("-%ds", seconds))
	resp, err := http.Get(p.web + "/render/?" + v.Encode())
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %.2000s", resp.StatusCode, b)
	}
	return b, err
}

// points are the known values of a target's only series, drawn with so many pixels; 0: with enough.
func (p *pipeline) points(target string, seconds, pixels int) (list []float64) {
	v := url.Values{"target": {target}, "format": {"json"}}
	if pixels > 0 {
		v.Set("maxDataPoints", strconv.Itoa(pixels))
	}
	b, err := p.get(v, seconds)
	if err != nil {
		return nil // not up yet; who needs it fails by what is missing
	}
	var series []struct{ Datapoints [][2]*float64 }
	if err := json.Unmarshal(b, &series); err != nil || len(series) != 1 {
		return nil
	}
	for _, point := range series[0].Datapoints {
		if point[0] != nil {
			list = append(list, *point[0])
		}
	}
	return list
}

func (p *pipeline) sum(target string, seconds int) (sum float64) {
	for _, v := range p.points(target, seconds, 0) {
		sum += v
	}
	return sum
}

// loadedFront is a terminator with a handler that takes as long as the path says in ms, reporting
// to addr.
func loadedFront(t *testing.T, addr string) (front string, set *metrics.Set) {
	bus, err := nanobus.New(nanobus.Options{Service: "work", Instance: "work-1", Window: 4096, Serve: func(batch []*nanobus.Request) {
		for _, r := range batch {
			var req httpmsg.Request
			if err := req.Decode(r.Payload()); err != nil {
				t.Errorf("request: %v", err)
			}
			ms, _ := strconv.Atoi(string(req.Path[1:]))
			time.AfterFunc(time.Duration(ms)*time.Millisecond, func() { _ = r.Reply(&httpmsg.Response{Body: []byte("done")}) })
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bus.Close() })
	address, err := bus.Listen("tcp://127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	table := registry.Snapshot{
		Instances: []registry.Instance{{Service: "work", ID: "work-1", Address: address, Window: 4096, Weight: registry.DefaultWeight}},
		Routes: &registry.Routes{
			Version: registry.RoutesVersion, Goals: registry.Goals{registry.Duration(200 * time.Millisecond), registry.Duration(550 * time.Millisecond)},
			Routes: []registry.Route{{Name: "work", Match: registry.Match{Prefix: "/"}, Service: "work", Hedge: registry.HedgeOff}},
		},
	}
	set = metrics.New(metrics.Terminator, "front-1")
	set.AddProcess()
	front1, err := terminator.New(terminator.Options{HTTP: "127.0.0.1:0", Discovery: fixed(table), Metrics: set, Logger: zerolog.Nop(), AccessLog: -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := front1.Listen(); err != nil {
		t.Fatal(err)
	}
	testutil.Start(t, "the front", front1.Run)
	testutil.Eventually(t, "the front has a link", func() bool { return set.Gauge(metrics.UpstreamInstances, "work").Value() == 1 })
	reporter, err := metrics.NewReporter(set, metrics.StatsdOptions{Addr: addr, Flush: time.Second, Interval: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	testutil.Start(t, "the reporter", func(ctx context.Context) error { reporter.Run(ctx); return nil })
	return "http://" + front1.Addr().String(), set
}

// fixed is a Discovery that knows all from the start.
type fixed registry.Snapshot

func (f fixed) Watch(ctx context.Context, changed func(registry.Snapshot)) error {
	changed(registry.Snapshot(f))
	<-ctx.Done()
	return nil
}

// load asks at a rate, whatever the answers take, and returns how long each took, as a client sees
// it.
func load(t *testing.T, front string, rate int, duration time.Duration) (took []time.Duration) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000}}
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	var wg sync.WaitGroup
	begin := time.Now()
	n := rate * int(duration/time.Second)
	for i := range n {
		testutil.Work(t.Context(), time.Until(begin.Add(time.Duration(i)*time.Second/time.Duration(rate)))) // the rate of the load
		ms := 30
		switch {
		case i == n/3:
			ms = 2000 // the one that must be seen
		case i%33 == 0:
			ms = 700
		case i%11 == 5:
			ms = 400
		}
		wg.Go(func() {
			start := time.Now()
			resp, err := client.Get(fmt.Sprintf("%s/%d", front, ms))
			if err == nil {
				_, err = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
			if err != nil || resp.StatusCode != http.StatusOK {
				t.Errorf("a request: %v, %v", resp, err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, time.Since(start))
		})
	}
	wg.Wait()
	slices.Sort(took)
	return took
}

// query finds a panel's query in the overview.
func query(t *testing.T, panel string, wanted func(Query) bool) string {
	t.Helper()
	for _, p := range overview().Panels {
		if p.Title == panel {
			for _, q := range p.Queries {
				if wanted(q) {
					return GraphiteTarget(q, false)
				}
			}
		}
	}
	t.Fatalf("the panel %s has no such query", panel)
	return ""
}

// What a load generator saw is what the graphs show, through the real StatsD server, carbon and
// Graphite-web: also when it is rolled up, and drawn with fewer pixels than points.
func TestPipeline_GraphsShowWhatClientsSaw(t *testing.T) {
	p := startPipeline(t)
	front, set := loadedFront(t, p.statsd)
	const rate, seconds = 100, 24
	took := load(t, front, rate, seconds*time.Second)
	if t.Failed() {
		return
	}
	rank := func(q float64) float64 { return float64(took[int(math.Ceil(q*float64(len(took))))-1]) / 1e6 }
	within := func(goal time.Duration) float64 {
		n, _ := slices.BinarySearch(took, goal+1)
		return 100 * float64(n) / float64(len(took))
	}
	const requests = "sumSeries(stats.counters.nanofront.terminator.*.http.requests.count)"
	testutil.Eventually(t, "the last requests are in Graphite", func() bool { return p.sum(requests, 55) >= float64(len(took)) })
	const counted = "sumSeries(stats.counters.nanofront.terminator.*.upstream.work.measured.count)"
	testutil.Eventually(t, "they count for their goals", func() bool { return p.sum(counted, 120) >= float64(len(took)) })
	testutil.Eventually(t, "they are rolled up", func() bool { return p.sum(requests, 120) >= float64(len(took)) })

	latency := func(part string) string {
		return query(t, "Latency", func(q Query) bool { return q.Part == part })
	}
	near := func(what string, got, want, tolerance float64) {
		t.Helper()
		t.Logf("%-50s %10.2f, clients saw %10.2f", what, got, want)
		if math.Abs(got-want) > tolerance*want || math.IsNaN(got) {
			t.Errorf("%s: %v, clients saw %v, want it within %v %%", what, got, want, tolerance*100)
		}
	}
	highest := func(list []float64) float64 {
		if len(list) == 0 {
			return math.NaN()
		}
		return slices.Max(list)
	}
	// Of several flushes' p99 that of most is the one of all, however the machine stalled in one.
	median := func(list []float64) float64 {
		if len(list) == 0 {
			return math.NaN()
		}
		slices.Sort(list)
		return list[len(list)/2]
	}
	var worst float64
	const exact, rolled = 55, 120 // seconds back: what is older than a minute is there only rolled up
	for _, view := range []struct {
		name            string
		seconds, pixels int
	}{{"as it was", exact, 0}, {"rolled up", rolled, 0}, {"few pixels", exact, 7}, {"rolled up, few pixels", rolled, 5}} {
		highs := p.points(latency("max"), view.seconds, view.pixels)
		near(view.name+": max", highest(highs), rank(1), 0.02)
		if p99 := p.points(latency("p99"), view.seconds, view.pixels); view.seconds == exact && view.pixels == 0 {
			near(view.name+": p99, of most flushes", median(p99), rank(0.99), 0.02)
			worst = highest(p99)
		} else if got := highest(p99); math.Abs(got-worst) > 0.001*worst || math.IsNaN(got) {
			t.Errorf("%s: the worst p99 of a flush has become %v, it was %v", view.name, got, worst)
		}
		if view.pixels > 0 && len(highs) > view.pixels {
			t.Errorf("%s: %d points in %d pixels", view.name, len(highs), view.pixels)
		}
	}
	for name, back := range map[string]int{"as it was": exact, "rolled up": rolled} {
		near(name+": requests", p.sum(requests, back), float64(len(took)), 0.02)
		measured := p.sum(counted, back)
		for _, goal := range []time.Duration{200 * time.Millisecond, 550 * time.Millisecond} {
			got := 100 * p.sum("sumSeries(stats.counters.nanofront.terminator.*.upstream.work.within."+metrics.GoalName(goal)+".count)", back) / measured
			want := within(goal)
			t.Logf("%s: %.3f %% within %v, clients saw %.3f %%", name, got, goal, want)
			if math.Abs(got-want) > 0.1 {
				t.Errorf("%s: %v %% within %v, clients saw %v %%: want it within 0.1 points", name, got, goal, want)
			}
		}
	}
	// The books: what the process has sent is what the server has had, and its own line in the
	// panel.
	sent, received := float64(set.Counter(metrics.StatsdSent).Value()), p.sum("stats.counters.statsd.metrics_received.count", exact)
	near("lines received", received, sent, 0.05)

	p.draw(seconds + 10)
	p.save()
}

// save has Graphite-web keep the dashboards, and show them again.
func (p *pipeline) save() {
	for _, s := range Sections() {
		b, err := os.ReadFile(filepath.Join(deploy, "graphite/dashboards/nanofront-"+s.ID+".json"))
		if err != nil {
			p.t.Fatal(err)
		}
		resp, err := http.PostForm(p.web+"/dashboard/save/nanofront-"+s.ID, url.Values{"state": {string(b)}})
		if err != nil {
			p.t.Fatal(err)
		}
		said, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || !strings.Contains(string(said), `"success"`) {
			p.t.Errorf("saving %s: %d, %.300s, %v", s.ID, resp.StatusCode, said, err)
		}
		resp, err = http.Get(p.web + "/dashboard/load/nanofront-" + s.ID)
		if err != nil {
			p.t.Fatal(err)
		}
		var loaded struct{ State struct{ Graphs []any } }
		err = json.NewDecoder(resp.Body).Decode(&loaded)
		_ = resp.Body.Close()
		if err != nil || len(loaded.State.Graphs) != len(graphite(s).Graphs) {
			p.t.Errorf("loading %s: %d graphs of %d, %v", s.ID, len(loaded.State.Graphs), len(graphite(s).Graphs), err)
		}
	}
}

// draw has each panel of each dashboard drawn.
func (p *pipeline) draw(seconds int) {
	for _, s := range Sections() {
		for _, panel := range s.Panels {
			u, err := url.Parse(strings.ReplaceAll(GraphiteURL(panel, s.PerService), ServiceWord, "work"))
			if err != nil {
				p.t.Fatal(err)
			}
			b, err := p.get(u.Query(), seconds)
			if err != nil {
				p.t.Errorf("%s: %s: %v", s.ID, panel.Title, err)
				continue
			}
			if img, kind, err := image.Decode(bytes.NewReader(b)); err != nil || kind != "png" || img.Bounds().Dx() != 586 {
				p.t.Errorf("%s: %s: a picture: %v, %v", s.ID, panel.Title, kind, err)
			}
			if dir := os.Getenv(picturesVariable); dir != "" {
				write(p.t, filepath.Join(dir, strings.NewReplacer(" ", "-", ":", "").Replace(s.ID+" "+panel.Title)+".png"), string(b))
			}
		}
	}
}
