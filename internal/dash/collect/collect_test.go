package collect

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"nanofront/internal/dash/view"
	"nanofront/internal/fleet"
	"nanofront/metrics"
	"nanofront/registry"
)

// admins answers for admin ports, in the forms that the processes have.
type admins struct {
	mu   sync.Mutex
	sets map[string]*metrics.Set // by address
	down map[string]error
	docs map[string]string // other documents, by address and path

	now     time.Time // of the virtual clock
	started map[string]time.Time
}

func newAdmins() *admins {
	return &admins{sets: map[string]*metrics.Set{}, down: map[string]error{}, docs: map[string]string{}, started: map[string]time.Time{}}
}

func (f *admins) get(_ context.Context, addr, path string, into []byte) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.down[addr]; err != nil {
		return into, err
	}
	if doc, ok := f.docs[addr+path]; ok {
		return append(into, doc...), nil
	}
	if set := f.sets[addr]; set != nil && strings.HasPrefix(path, "/metrics.json") {
		r := set.ReportBuckets()
		if at, ok := f.started[addr]; ok {
			r.Uptime, r.UptimeNS = f.now.Sub(at).Seconds(), f.now.Sub(at).Nanoseconds()
		}
		b, err := json.Marshal(r)
		return append(into, b...), err
	}
	return into, fleet.ErrStatus
}

func handlerTarget(service, id string) fleet.Target {
	return fleet.Target{Kind: view.Handler, Service: service, ID: id, Admin: id, Weight: 100}
}

// TestCollector_MergesOverRestarts: the percentiles of three instances together, of which one is
// restarted, one is missed once, and one is found late, are those of all raw durations within 1 %.
func TestCollector_MergesOverRestarts(t *testing.T) {
	f := newAdmins()
	c := New(Options{Get: f.get, Boot: "b"})
	rng := rand.New(rand.NewPCG(7, 9))
	start := func(id string) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.sets[id], f.started[id] = metrics.New(metrics.Handler, id), f.now
	}
	now := time.Unix(1_700_000_040, 0) // the beginning of a minute
	f.now = now.Add(-time.Hour)
	start("a")
	start("b")
	start("late")
	var raw []float64
	work := func(id string, n int, scale float64, counts bool) {
		set := f.sets[id]
		timer, requests := set.Timer(metrics.HandlerServiceTime), set.Counter(metrics.HandlerRequests)
		for range n {
			d := time.Duration(rng.ExpFloat64() * scale * 1e6)
			timer.Observe(d)
			requests.Inc()
			if counts {
				raw = append(raw, float64(max(d, metrics.MinDuration))/1e6)
			}
		}
	}
	c.SetTargets([]fleet.Target{handlerTarget("web", "a"), handlerTarget("web", "b")})
	work("a", 50_000, 500, false) // before anybody looked
	work("late", 20_000, 900, false)
	tick := func() *view.View {
		f.now = now
		c.tick(t.Context(), now)
		now = now.Add(time.Second)
		return c.View()
	}
	tick()
	for s := range 40 {
		work("a", 300, 2, true)
		work("b", 500, 3, true)
		switch s {
		case 10:
			c.SetTargets([]fleet.Target{handlerTarget("web", "a"), handlerTarget("web", "b"), handlerTarget("web", "late")})
		case 15, 16: // b is missed
			f.down["b"] = context.DeadlineExceeded
		case 17:
			f.down["b"] = nil
		case 25: // a is restarted, and has worked already when it is looked at again
			tick()
			f.now = now.Add(-300 * time.Millisecond)
			start("a")
			work("a", 700, 40, true)
		}
		if s > 10 {
			work("late", 100, 20, true)
		}
		v := tick()
		if s == 26 {
			p := v.Processes[0]
			if p.Restarts != 1 || p.RestartedAt == 0 || !slices.ContainsFunc(v.Events, func(e view.Event) bool { return e.Kind == "restart" && e.Subject == "web/a" }) {
				t.Errorf("after a restart: %+v, events %+v", p, v.Events)
			}
		}
	}
	for now.Unix()%60 != 1 {
		tick()
	}
	day := c.services["web"].series.min.get(now.Unix()/60-1, serviceFields)
	if day == nil {
		t.Fatal("the minute isn't kept")
	}
	slices.Sort(raw)
	for field, q := range map[int]float64{sP50: 0.5, sP99: 0.99, sP999: 0.999} {
		want := raw[int(q*float64(len(raw)))-1]
		got := float64(day[field])
		t.Logf("p%v of %d: %.4f, of the raw durations %.4f (%+.2f %%)", q*100, len(raw), got, want, 100*(got/want-1))
		if got < want*0.99 || got > want*1.01 {
			t.Errorf("p%v = %v, of the raw durations %v", q*100, got, want)
		}
	}
}

// TestCollector_Silence: what isn't heard for 3 s is unknown, and never its last value.
func TestCollector_Silence(t *testing.T) {
	f := newAdmins()
	c := New(Options{Get: f.get})
	f.sets["t"] = metrics.New(metrics.Terminator, "t")
	f.sets["w"] = metrics.New(metrics.Handler, "w")
	f.docs["t/links.json"] = `[{"service":"web","instance":"w","state":"live","weight":100,"share":100}]`
	routes, err := registry.ParseRoutes([]byte("version: 1\nroutes: [{match: {prefix: /}, service: web}]"))
	if err != nil {
		t.Fatal(err)
	}
	c.SetRoutes(routes, 3)
	c.SetTargets([]fleet.Target{{Kind: view.Front, ID: "t", Admin: "t"}, handlerTarget("web", "w")})
	now := time.Unix(1_700_000_000, 0)
	requests := f.sets["t"].Counter(metrics.HTTPRequests)
	up := f.sets["t"].Counter(metrics.UpstreamRequests, "web")
	look := func() *view.View {
		requests.Add(100)
		up.Add(100)
		c.tick(t.Context(), now)
		now = now.Add(time.Second)
		return c.View()
	}
	look()
	if v := look(); !v.Total.Rate.Known() || v.Total.Rate <= 0 || v.Heard != 2 || v.Services[0].Stale || v.Services[0].Live != 1 {
		t.Errorf("heard: %+v", v)
	}
	f.down["t"], f.down["w"] = context.DeadlineExceeded, context.DeadlineExceeded
	if v := look(); !v.Total.Rate.Known() || v.Processes[0].State != view.Serving {
		t.Errorf("missed once: rate %v, %s", v.Total.Rate, v.Processes[0].State)
	}
	look()
	v := look()
	if v.Total.Rate.Known() || v.Heard != 0 || v.Known != 2 || len(v.Unheard) != 2 || !v.Services[0].Stale || v.Services[0].Rate.Known() {
		t.Errorf("silent for 3 s: total %+v, heard %d of %d, service %+v", v.Total.Figures, v.Heard, v.Known, v.Services[0])
	}
	for _, p := range v.Processes {
		if p.State != view.Silent || p.Rate.Known() || p.P99.Known() {
			t.Errorf("silent for 3 s: %+v", p)
		}
	}
	if v.Level != view.Missing || !strings.Contains(v.Sentence, "no terminator is heard") {
		t.Errorf("silent for 3 s: %s %s", v.Level, v.Sentence)
	}
	f.down["w"] = fmt.Errorf("dial: %w", syscall.ECONNREFUSED)
	if v := look(); v.Processes[1].State != view.Gone {
		t.Errorf("refused: %+v", v.Processes[1])
	}
	f.down = map[string]error{}
	look()
	if v := look(); !v.Total.Rate.Known() || v.Heard != 2 || v.Level == view.Missing {
		t.Errorf("back: %+v", v)
	}
}

// TestCollector_HasLeft: an instance that takes itself off the list with its links up has left as it
// was to; of one that hangs, or was killed, only the lease has ended.
func TestCollector_HasLeft(t *testing.T) {
	for name, tt := range map[string]struct {
		link string // what the front says of it when its record goes
		err  error  // of its admin port, for the last seconds
		want view.Level
	}{
		"it deregisters":      {`"state":"live"`, nil, view.Intended},
		"it drains":           {`"state":"draining"`, nil, view.Intended},
		"it was killed":       {`"state":"down"`, fmt.Errorf("dial: %w", syscall.ECONNREFUSED), view.Normal},
		"it hangs":            {`"state":"live"`, context.DeadlineExceeded, view.Normal},
		"it hangs, at work":   {`"state":"live","stalled":true`, context.DeadlineExceeded, view.Normal},
		"its record was lost": {`"state":"down"`, nil, view.Normal},
	} {
		f := newAdmins()
		c := New(Options{Get: f.get})
		f.sets["t"], f.sets["w"] = metrics.New(metrics.Terminator, "t"), metrics.New(metrics.Handler, "w")
		front := fleet.Target{Kind: view.Front, ID: "t", Admin: "t"}
		c.SetTargets([]fleet.Target{front, handlerTarget("web", "w")})
		now := time.Unix(1_700_000_000, 0)
		for second := range 12 {
			link := `"state":"live"`
			if second > 4 {
				link, f.down["w"] = tt.link, tt.err
			}
			f.docs["t/links.json"] = `[{"service":"web","instance":"w","weight":100,"share":100,` + link + `}]`
			if second == 10 {
				c.SetTargets([]fleet.Target{front})
			}
			c.tick(t.Context(), now)
			now = now.Add(time.Second)
		}
		i := slices.IndexFunc(c.View().Events, func(e view.Event) bool { return e.Kind == "left" })
		if i < 0 || c.View().Events[i].Level != tt.want {
			t.Errorf("%s: want a %s event that it left: %+v", name, tt.want, c.View().Events)
		}
	}
}

// TestCollector_ADay: a day takes no more memory than ten minutes do, and all of its minutes are
// there.
func TestCollector_ADay(t *testing.T) {
	f := newAdmins()
	c := New(Options{Get: f.get})
	const front, web = `{"program":"terminator","pid":1,"uptime_s":%d,"counters":{"http.requests":{"value":%d},"upstream.web.requests":{"value":%d}},` +
		`"timers":{"stage.total":{"buckets":[[1,%d],[%d,3]]},"upstream.web.latency":{"buckets":[[1,%d]]}}}`,
		`{"program":"handler","pid":%d,"uptime_s":%d,"counters":{"requests":{"value":%d}},"timers":{"service_time":{"buckets":[[1,%d]]}}}`
	f.docs["t/links.json"] = `[{"service":"web","instance":"w","state":"live","weight":100,"share":100}]`
	routes, err := registry.ParseRoutes([]byte("version: 1\nroutes: [{match: {prefix: /}, service: web}]"))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_700_000_000, 0)
	begin := now
	run := func(seconds int) {
		for range seconds {
			n := int(now.Sub(begin).Seconds())
			f.docs["t/metrics.json?buckets"] = fmt.Sprintf(front, n+1, 100*n, 100*n, 100*n, 2+n%1000, 100*n)
			f.docs["w/metrics.json?buckets"] = fmt.Sprintf(web, 1+n/3600, n%3600+1, 50*(n%3600), 50*(n%3600)) // restarted each hour
			if n%60 == 0 {
				c.SetTargets([]fleet.Target{{Kind: view.Front, ID: "t", Admin: "t"}, handlerTarget("web", "w"), {Kind: view.Handler, Service: "web", ID: "x" + strconv.Itoa(n/600), Weight: 100}})
				r := *routes
				c.SetRoutes(&r, int64(n))
			}
			c.tick(t.Context(), now)
			now = now.Add(time.Second)
		}
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	run(1200)
	before := heap()
	run(86_400)
	after := heap()
	t.Logf("heap after 20 min %d kB, after a day %d kB; %d processes, %d events", before>>10, after>>10, len(c.processes), len(c.events))
	if after > before+1<<20 {
		t.Errorf("the heap grew from %d to %d bytes", before, after)
	}
	if len(c.events) > maxEvents || len(c.processes) > 10 {
		t.Errorf("%d events, %d processes", len(c.events), len(c.processes))
	}
	if d := c.Day(); len(d.Rows) < Minutes-2 || d.Rows[len(d.Rows)-1][1] < 99 || d.Rows[len(d.Rows)-1][1] > 101 {
		t.Errorf("the day has %d minutes, the last %v", len(d.Rows), d.Rows[len(d.Rows)-1])
	}
	if s := c.Since(0, []string{"web"}); len(s.Rows) != Seconds || len(s.Services["web"]) != Seconds {
		t.Errorf("the last ten minutes have %d seconds, of web %d", len(s.Rows), len(s.Services["web"]))
	}
	if s := c.Since(c.View().Seq-3, nil); len(s.Rows) != 3 {
		t.Errorf("since 3 s ago there are %d seconds", len(s.Rows))
	}
}
