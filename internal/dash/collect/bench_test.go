package collect

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"nanofront/internal/dash/view"
	"nanofront/internal/fleet"
	"nanofront/metrics"
	"nanofront/registry"
)

// BenchmarkTick is a second's work with 50 processes, three of them fronts, over real connections.
// What the servers here cost is in it: they send what they have made before. cpu-ms is CPU time; 20
// of it a second are 2 % of a core.
func BenchmarkTick(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	fill := func(t *metrics.Timer) {
		for range 20_000 {
			t.Observe(time.Duration(rng.ExpFloat64() * 1e6))
		}
	}
	body := func(program string) []byte {
		set := metrics.New(program, "x")
		if program == metrics.Terminator {
			for _, d := range []*metrics.Desc{metrics.StageRead, metrics.StageQueue, metrics.StageBusOut, metrics.StageHandlerQueue, metrics.StageHandler, metrics.StageBusBack, metrics.StageWrite, metrics.StageTotal} {
				fill(set.Timer(d))
			}
			for i := range 10 {
				fill(set.Timer(metrics.UpstreamLatency, fmt.Sprintf("s%d", i)))
				set.Counter(metrics.UpstreamRequests, fmt.Sprintf("s%d", i)).Add(1000)
			}
			set.Counter(metrics.HTTPRequests).Add(100_000)
		} else {
			fill(set.Timer(metrics.HandlerServiceTime))
			fill(set.Timer(metrics.HandlerQueue))
			set.Counter(metrics.HandlerRequests).Add(20_000)
		}
		var buf bytes.Buffer
		if err := set.WriteBuckets(&buf); err != nil {
			b.Fatal(err)
		}
		return buf.Bytes()
	}
	bodies := map[string][]byte{view.Front: body(metrics.Terminator), view.Handler: body(metrics.Handler)}
	var links []string
	for i := range 47 {
		links = append(links, fmt.Sprintf(`{"service":"s%d","instance":"i%d","state":"live","weight":100,"share":100,"requests_per_s":120.5,"p50_ms":0.5,"p99_ms":2.5}`, i%10, i))
	}
	serve := func(kind string) string {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/metrics.json":
				_, _ = w.Write(bodies[kind])
			case "/links.json":
				if kind == view.Front {
					_, _ = w.Write([]byte("[" + strings.Join(links, ",") + "]"))
				} else {
					_, _ = w.Write([]byte("[]"))
				}
			default:
				_, _ = w.Write([]byte(`{"ready":true}`))
			}
		}))
		b.Cleanup(srv.Close)
		return srv.Listener.Addr().String()
	}
	var targets []fleet.Target
	for i := range 3 {
		targets = append(targets, fleet.Target{Kind: view.Front, ID: fmt.Sprintf("t%d", i), Admin: serve(view.Front)})
	}
	doc := "version: 1\nroutes:\n"
	for i := range 47 {
		targets = append(targets, fleet.Target{Kind: view.Handler, Service: fmt.Sprintf("s%d", i%10), ID: fmt.Sprintf("i%d", i), Admin: serve(view.Handler), Weight: 100})
	}
	for i := range 10 {
		doc += fmt.Sprintf("  - {match: {prefix: /s%d}, service: s%d}\n", i, i)
	}
	routes, err := registry.ParseRoutes([]byte(doc))
	if err != nil {
		b.Fatal(err)
	}
	c := New(Options{})
	c.SetTargets(targets)
	c.SetRoutes(routes, 1)
	now := time.Unix(1_700_000_000, 0)
	c.tick(b.Context(), now)
	if v := c.View(); v.Heard != 50 {
		b.Fatalf("heard %d of %d", v.Heard, v.Known)
	}
	b.ReportMetric(float64(len(bodies[view.Front])), "front-bytes")
	begin := cpuTime(b)
	for b.Loop() {
		now = now.Add(time.Second)
		c.tick(b.Context(), now)
	}
	b.ReportMetric((cpuTime(b)-begin).Seconds()*1000/float64(b.N), "cpu-ms/op")
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
