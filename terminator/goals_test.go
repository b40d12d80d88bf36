package terminator

import (
	"net/http"
	"testing"
	"time"

	"nanofront/httpmsg"
	"nanofront/metrics"
	"nanofront/nanobus"
	"nanofront/registry"
)

// Each request that a route answers, or fails to, counts for its goals once.
func TestGoals(t *testing.T) { bothWays(t, testGoals) }

func testGoals(t *testing.T) {
	goals := func(list ...time.Duration) (out registry.Goals) {
		for _, d := range list {
			out = append(out, registry.Duration(d))
		}
		return out
	}
	// The larger goal is far longer than anything takes, the smaller one far shorter than what is
	// slow here.
	main, late, nobody := prefix("/", "work"), prefix("/late", "work"), prefix("/nobody", "nobody")
	main.Name, late.Name, nobody.Name = "main", "late", "nobody"
	main.Goals, late.Timeout = goals(50*time.Millisecond, patience), registry.Duration(20*time.Millisecond)
	f := startFront(t, Options{}, main, late, nobody)
	f.d.change(func(s *registry.Snapshot) {
		s.Routes = &registry.Routes{
			Version: registry.RoutesVersion, Routes: s.Routes.Routes,
			Rules: []registry.ServiceRules{{Name: "work", Goals: goals(60*time.Millisecond, time.Minute)}},
		}
	})
	n := startNode(t, "work", "a", 0, func(req *httpmsg.Request, r *nanobus.Request) {
		switch string(req.Path) {
		case "/slow":
			time.AfterFunc(100*time.Millisecond, func() { respond(r, &httpmsg.Response{}) })
		case "/fails":
			respond(r, &httpmsg.Response{Status: http.StatusInternalServerError})
		case "/late", "/leave": // no answer
		default:
			respond(r, &httpmsg.Response{})
		}
	})
	f.link(t, "work", "a", n.address)
	within := func(d *metrics.Desc, detail, goal string) uint64 { return f.count(d, detail, goal) }

	for target, want := range map[string]int{
		"/": 200, "/missing": 200, "/slow": 200, "/fails": 500, "/late": 504, "/nobody": 503,
	} {
		if got := f.ask(t, "GET", target, "").StatusCode; got != want {
			t.Fatalf("%s: got %d, want %d", target, got, want)
		}
	}
	// Who leaves before any goal has passed says nothing of the service.
	c := f.dial(t)
	c.send("GET /leave HTTP/1.1\nHost: h\n\n")
	eventually(t, "the request that nobody waits for has come", func() bool { return f.count(metrics.UpstreamRequests, "work") == 6 })
	_ = c.Close()
	eventually(t, "it is cancelled", func() bool { return f.count(metrics.HTTPCancelled) == 1 })

	for what, c := range map[string]struct{ got, want uint64 }{
		"main measured":         {f.count(metrics.RouteMeasured, "main"), 4},
		"main failed":           {f.count(metrics.RouteFailed, "main"), 1},
		"main within the large": {within(metrics.RouteWithin, "main", "30s"), 3},
		"late measured":         {f.count(metrics.RouteMeasured, "late"), 1},
		"late failed":           {f.count(metrics.RouteFailed, "late"), 1},
		"late within":           {within(metrics.RouteWithin, "late", "60s"), 0},
		"work measured":         {f.count(metrics.UpstreamMeasured, "work"), 5},
		"work failed":           {f.count(metrics.UpstreamFailed, "work"), 2},
		"work within the large": {within(metrics.UpstreamWithin, "work", "60s"), 3},
		"nobody measured":       {f.count(metrics.UpstreamMeasured, "nobody"), 1},
		"nobody failed":         {f.count(metrics.UpstreamFailed, "nobody"), 1},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", what, c.got, c.want)
		}
	}
	if n := within(metrics.RouteWithin, "main", "50ms"); n > 2 {
		t.Errorf("%d within 50ms, but one was slow and one has failed", n)
	}
}
