package release

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"nanofront/etcd"
	"nanofront/etcd/embedded"
	"nanofront/internal/testutil"
	"nanofront/metrics"
	"nanofront/registry"
	"nanofront/release/guard"
)

// stage is a system with real etcd, and a front whose requests are made up.
type stage struct {
	*etcd.Client
	t      *testing.T
	engine *Engine
	clock  time.Time
	rng    *rand.Rand

	report metrics.Report
	fails  float64 // of the requests of version 42
	mute   bool    // the front doesn't answer
	stuck  bool    // it acts on no new revision
	acts   map[string]int
	rev    int64
	said   []string
}

// server is the URL of an etcd for all tests, each of which has a prefix.
func server(t *testing.T) string {
	t.Helper()
	if shared == nil {
		dir, err := os.MkdirTemp("", "release-etcd-")
		if err != nil {
			t.Fatal(err)
		}
		dataDir = dir
		shared, err = embedded.StartServer(context.Background(), embedded.ServerOptions{
			DataDir: dir, ClientURL: "http://" + testutil.FreeAddr(t), UnsafeNoFsync: true,
			Heartbeat: 20 * time.Millisecond, Election: 200 * time.Millisecond, StartTimeout: time.Minute,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return shared.ClientURL()
}

var (
	shared  *embedded.Server
	dataDir string
	systems int
)

func TestMain(m *testing.M) {
	code := m.Run()
	if shared != nil {
		_ = shared.Close()
		_ = os.RemoveAll(dataDir)
	}
	os.Exit(code)
}

func newStage(t *testing.T) *stage {
	t.Helper()
	systems++
	client, err := etcd.Open(t.Context(), etcd.Options{Endpoints: []string{server(t)}, Prefix: fmt.Sprintf("/test/%d/", systems)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	s := &stage{Client: client, t: t, clock: time.Now(), rng: rand.New(rand.NewPCG(1, 2))}
	s.report = metrics.Report{StartID: "a", Counters: map[string]metrics.CounterReport{}, Timers: map[string]metrics.TimerReport{}, Gauges: map[string]float64{}}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if s.mute {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_ = json.NewEncoder(w).Encode(s.report)
	}))
	t.Cleanup(front.Close)
	addr := strings.TrimPrefix(front.URL, "http://")
	reg, err := client.Announce(t.Context(), registry.Process{
		Kind: registry.KindTerminator, Name: "front-1", Admin: addr, Host: "here", PID: 1, Version: "1", Started: time.Now().UTC(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = reg.Close(context.Background()) })
	for _, v := range []string{"41", "42"} {
		s.instance("web-"+v, v)
	}
	if _, err := client.SeedRoutes(t.Context(), registry.DefaultRoutes()); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "all are registered", func() bool {
		in, _ := client.Instances(t.Context())
		ps, _ := client.Processes(t.Context())
		return len(in) == 2 && len(ps) == 1
	})
	s.lead()
	return s
}

func (s *stage) instance(id, version string) registry.Registration {
	s.t.Helper()
	reg, err := s.Register(s.t.Context(), registry.Instance{
		Service: "web", ID: id, Address: "tcp://127.0.0.1:1" + version, Version: version, Window: 100, Started: time.Now().UTC(),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = reg.Close(context.Background()) })
	return reg
}

// lead has another process lead.
func (s *stage) lead() {
	s.engine = NewEngine(s.Client, func(r *Release, text string) { s.said = append(s.said, r.ID+": "+text) })
	s.engine.now = func() time.Time { return s.clock }
}

// second serves 1,000 requests by the shares in force, and has the engine look.
func (s *stage) second() {
	s.t.Helper()
	s.clock = s.clock.Add(time.Second)
	doc, _, rev, err := s.Routes(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	if rule := doc.Rule("web"); !s.stuck {
		s.rev, s.acts = rev, nil
		if rule != nil {
			s.acts = rule.Versions
		}
	}
	s.report.Gauges["routes.revision"] = float64(s.rev)
	sum := 0
	for _, n := range s.acts {
		sum += n
	}
	for v, n := range s.acts {
		s.count(v, 1000*n/sum)
	}
	s.engine.Tick(s.t.Context())
}

func (s *stage) count(version string, n int) {
	var failed uint64
	cells := map[float64]float64{}
	timer := s.report.Timers["version.web."+version+".latency"]
	for _, b := range timer.Buckets {
		cells[b[0]] = b[1]
	}
	for range n {
		if version == "42" && s.rng.Float64() < s.fails {
			failed++
		}
		cells[float64(1+s.rng.IntN(20))]++
	}
	timer.Buckets = nil
	for ms := float64(1); ms <= 20; ms++ {
		if cells[ms] > 0 {
			timer.Buckets = append(timer.Buckets, metrics.Bucket{ms, cells[ms]})
		}
	}
	s.report.Timers["version.web."+version+".latency"] = timer
	for what, k := range map[string]uint64{"assigned": uint64(n), "failed": failed} {
		c := s.report.Counters["version.web."+version+"."+what]
		c.Value += k
		s.report.Counters["version.web."+version+"."+what] = c
	}
}

func (s *stage) start(o Release) *Release {
	s.t.Helper()
	r := &o
	r.Service, r.Version, r.By = "web", "42", "somebody@here"
	if r.Ramp == nil {
		r.Ramp = []float64{5, 25, 100}
	}
	r.Guard = guard.Default().String()
	if r.Every == 0 {
		r.Every = registry.Duration(20 * time.Second)
	}
	if r.Limit == 0 {
		r.Limit = registry.Duration(10 * time.Minute)
	}
	if err := Start(s.t.Context(), s.Client, r); err != nil {
		s.t.Fatal(err)
	}
	return r
}

func (s *stage) find(id string) *Release {
	s.t.Helper()
	r, err := Find(s.t.Context(), s.Client, id)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// until lets seconds pass until the release is so.
func (s *stage) until(id, what string, most int, is func(*Release) bool) *Release {
	s.t.Helper()
	for range most {
		s.second()
		if r := s.find(id); is(r) {
			return r
		}
	}
	r := s.find(id)
	s.t.Fatalf("not %s in %d s: %s, step %d, %s\n%s", what, most, r.State, r.Step, r.Why, strings.Join(s.said, "\n"))
	return nil
}

func ended(r *Release) bool { return r.State.Ended() }

func (s *stage) shares() string {
	doc, _, _, err := s.Routes(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	if rule := doc.Rule("web"); rule != nil {
		return words(rule.Versions)
	}
	return ""
}

// A good release comes to its end, whoever leads: the leader changes after each step, and now and
// then within one. Each step is done once.
func TestEngine_GoodReleaseGoesOnOverLeaders(t *testing.T) {
	s := newStage(t)
	r := s.start(Release{})
	step, n := -1, 0
	got := s.until(r.ID, "done", 900, func(r *Release) bool {
		if n++; r.Step != step || n%37 == 0 {
			step = r.Step
			s.lead()
		}
		return ended(r)
	})
	if got.State != Done || s.shares() != "42 100 %" {
		t.Fatalf("%s: %s, shares %s\n%s", got.State, got.Why, s.shares(), strings.Join(s.said, "\n"))
	}
	history, err := s.History(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var steps []string
	for _, p := range history {
		if p.Release == r.ID {
			steps = append(steps, p.Why)
		}
	}
	if len(steps) != 3 {
		t.Errorf("%d revisions of the release, want 3: %q", len(steps), steps)
	}
}

// A bad one goes back in one revision, and says why.
func TestEngine_BadReleaseGoesBack(t *testing.T) {
	s := newStage(t)
	s.fails = 0.05
	r := s.start(Release{})
	got := s.until(r.ID, "back", 300, ended)
	if got.State != Back || !strings.Contains(got.Why, "errors") || s.shares() != "41 100 %" {
		t.Errorf("%s: %s, shares %s", got.State, got.Why, s.shares())
	}
	if got.Step != 0 {
		t.Errorf("it came to step %d", got.Step+1)
	}
}

// A version that fails altogether is back in seconds.
func TestEngine_DeadVersionGoesBackAtOnce(t *testing.T) {
	s := newStage(t)
	s.fails = 1
	r := s.start(Release{})
	s.until(r.ID, "at step 1", 3, func(r *Release) bool { return r.Step == 0 })
	if got := s.until(r.ID, "back", 4, ended); got.State != Back {
		t.Errorf("%s: %s", got.State, got.Why)
	}
}

// The new version's instances go.
func TestEngine_LostVersionGoesBack(t *testing.T) {
	s := newStage(t)
	extra := s.instance("web-42b", "42")
	r := s.start(Release{})
	s.until(r.ID, "at step 1", 3, func(r *Release) bool { return r.Step == 0 })
	_ = extra.Close(t.Context())
	for range 6 {
		s.second()
	}
	if got := s.find(r.ID); got.State != Running {
		t.Fatalf("one of two instances has gone: %s: %s", got.State, got.Why)
	}
	resp, _ := s.Instances(t.Context())
	for _, in := range resp {
		if in.Version == "42" {
			in.Version = "41"
			in.Started = time.Now().UTC().Add(time.Second)
			if _, err := s.Register(t.Context(), in); err != nil {
				t.Fatal(err)
			}
		}
	}
	testutil.Eventually(t, "the last one has gone", func() bool {
		list, _ := s.Instances(t.Context())
		for _, in := range list {
			if in.Version == "42" {
				return false
			}
		}
		return true
	})
	if got := s.until(r.ID, "back", 8, ended); got.State != Back || !strings.Contains(got.Why, "no instance") {
		t.Errorf("%s: %s", got.State, got.Why)
	}
}

// Without figures, and before all terminators act, nothing goes on; at the limit it goes back, or is held.
func TestEngine_BlindNeverGoesOn(t *testing.T) {
	for _, hold := range []bool{false, true} {
		s := newStage(t)
		s.stuck = true
		r := s.start(Release{Hold: hold, Limit: registry.Duration(60 * time.Second)})
		for range 100 {
			s.second()
		}
		if got := s.find(r.ID); got.Step != 0 || !got.Acted.IsZero() || got.State != Running {
			t.Fatalf("before the front acts: step %d, acted %v, %s", got.Step, got.Acted, got.State)
		}
		s.stuck = false
		s.until(r.ID, "acted on", 5, func(r *Release) bool { return !r.Acted.IsZero() })
		s.mute = true
		for range 50 {
			s.second()
		}
		if got := s.find(r.ID); got.Step != 0 || got.State != Running {
			t.Fatalf("blind: step %d, %s", got.Step, got.State)
		}
		got := s.until(r.ID, "at the limit", 30, func(r *Release) bool { return r.State != Running })
		want := Back
		if hold {
			want = Paused
		}
		if got.State != want || got.Step != 0 || !strings.Contains(got.Why, "blind") {
			t.Errorf("at the limit: %s, step %d: %s", got.State, got.Step, got.Why)
		}
	}
}

// A rollback takes back what the release changed, and leaves what others did meanwhile; what was
// changed again since is not overwritten.
func TestRollback_LeavesNeighboursEdits(t *testing.T) {
	s := newStage(t)
	ctx := t.Context()
	edit := func(change func(*registry.Routes)) int64 {
		t.Helper()
		doc, _, rev, err := s.Routes(ctx)
		if err != nil {
			t.Fatal(err)
		}
		doc = doc.Clone()
		change(doc)
		if rev, err = s.ApplyRoutes(ctx, doc, rev); err != nil {
			t.Fatal(err)
		}
		return rev
	}
	r := s.start(Release{Ramp: []float64{50, 100}})
	s.until(r.ID, "at step 1", 3, func(r *Release) bool { return r.Step == 0 })
	other := edit(func(doc *registry.Routes) {
		doc.Routes = append(doc.Routes, registry.Route{Name: "new", Match: registry.Match{Prefix: "/new"}, Service: "echo"})
	})
	setEcho := edit(func(doc *registry.Routes) { setShares(doc, "echo", map[string]int{"1": 90, "2": 10}) })
	if got := s.until(r.ID, "done", 600, ended); got.State != Done {
		t.Fatalf("%s: %s", got.State, got.Why)
	}
	lines, _, err := Rollback(ctx, s.Client, r.ID, "me@here")
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) != 1 || lines[0] != "service web: versions 42 100 % → 41 100 %" {
		t.Errorf("it says %q", lines)
	}
	doc, _, _, err := s.Routes(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if s.shares() != "41 100 %" || doc.Rule("echo").Versions["2"] != 10 || !strings.Contains(fmt.Sprint(doc.Routes), "/new") {
		t.Errorf("after the rollback: %s, %+v", s.shares(), doc)
	}
	if _, _, err := Rollback(ctx, s.Client, fmt.Sprint(other), "me@here"); err != nil {
		t.Errorf("of the route alone: %v", err)
	}
	edit(func(doc *registry.Routes) { setShares(doc, "echo", map[string]int{"1": 50, "2": 50}) })
	if _, _, err := Rollback(ctx, s.Client, fmt.Sprint(setEcho), "me@here"); !errors.Is(err, ErrRelease) || !strings.Contains(err.Error(), "service echo: changed again since") {
		t.Errorf("of what was changed again: %v", err)
	}
}

// Orders: pause holds a step, step goes on all the same, abort goes back; a second release of the
// same service is refused meanwhile.
func TestOrder_PauseStepAbort(t *testing.T) {
	s := newStage(t)
	ctx := t.Context()
	r := s.start(Release{})
	s.until(r.ID, "acted on", 5, func(r *Release) bool { return !r.Acted.IsZero() })
	if err := Start(ctx, s.Client, &Release{Service: "web", Version: "42", Ramp: []float64{5}, Every: r.Every, Limit: r.Limit, Guard: r.Guard}); !errors.Is(err, ErrRelease) {
		t.Errorf("a second one: %v", err)
	}
	if _, err := Order(ctx, s.Client, r.ID, "pause", "me@here"); err != nil {
		t.Fatal(err)
	}
	for range 200 {
		s.second()
	}
	if got := s.find(r.ID); got.Step != 0 || got.State != Paused {
		t.Fatalf("paused: step %d, %s", got.Step, got.State)
	}
	if _, err := Order(ctx, s.Client, "web", "step", "me@here"); err != nil {
		t.Fatal(err)
	}
	s.until(r.ID, "at step 2", 3, func(r *Release) bool { return r.Step == 1 })
	if _, err := Order(ctx, s.Client, r.ID, "abort", "me@here"); err != nil {
		t.Fatal(err)
	}
	if got := s.find(r.ID); got.State != Back || s.shares() != "41 100 %" {
		t.Errorf("aborted: %s, %s", got.State, s.shares())
	}
}
