package terminator

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nanofront/httpmsg"
	"nanofront/metrics"
	"nanofront/nanobus"
	"nanofront/registry"
)

// TestPriority_Overload: a service is asked for more than it can do. Health checks are answered,
// all of them, and of the others more of those with a higher priority.
func TestPriority_Overload(t *testing.T) { bothWays(t, testPriorityOverload) }

func testPriorityOverload(t *testing.T) {
	priorities := []string{registry.PriorityHealth, registry.PriorityHigh, "", registry.PriorityLow}
	paths := []string{"/health", "/high", "/normal", "/low"}
	clients := []int{4, 150, 150, 60}
	var routes []registry.Route
	for i, p := range priorities {
		routes = append(routes, registry.Route{Name: paths[i][1:], Match: registry.Match{Prefix: paths[i]}, Service: "work", Priority: p})
	}
	f := startFront(t, Options{}, routes...)
	workers := make(chan struct{}, 32)
	var n *node
	ready := make(chan struct{})
	n = f.work(t, "w1", func(_ *httpmsg.Request, r *nanobus.Request) {
		<-ready
		workers <- struct{}{}
		r.Start(n.Now())
		time.Sleep(20 * time.Millisecond) // the work
		<-workers
		respond(r, &httpmsg.Response{})
	})

	close(ready)

	type count struct{ answered, refused, other atomic.Int64 }
	var counts [4]count
	var counting atomic.Bool
	quit := make(chan struct{})
	var all sync.WaitGroup
	for class, n := range clients {
		for range n {
			c := f.dial(t)
			all.Go(func() {
				for {
					status := c.ask("GET", paths[class], "").StatusCode
					to := &counts[class].other
					switch status {
					case http.StatusOK:
						to = &counts[class].answered
					case http.StatusServiceUnavailable:
						to = &counts[class].refused
					}
					if counting.Load() {
						to.Add(1)
					}
					pause := time.Millisecond
					if status != http.StatusOK || class == 0 {
						pause = 25 * time.Millisecond
					}
					select {
					case <-quit:
						return
					case <-time.After(pause):
					}
				}
			})
		}
	}
	stop := sync.OnceFunc(func() { close(quit); all.Wait() })
	t.Cleanup(stop)
	gate := f.admission.Gate("work")
	eventually(t, "an overload", func() bool { return gate.Limits() && f.count(metrics.UpstreamShed, "work") > 500 })
	counting.Store(true)
	eventually(t, "enough to count", func() bool { return counts[1].answered.Load() > 1500 && counts[0].answered.Load() > 20 })
	counting.Store(false)
	stop()

	var share [4]float64
	text := ""
	for i := range counts {
		a, r := counts[i].answered.Load(), counts[i].refused.Load()
		share[i] = float64(a) / float64(max(a+r, 1))
		text += fmt.Sprintf("%s: %d of %d answered; ", paths[i], a, a+r)
		if n := counts[i].other.Load(); n > 0 {
			t.Errorf("%s: %d answers are neither 200 nor 503", paths[i], n)
		}
	}
	t.Log(text)
	if counts[0].refused.Load() > 0 {
		t.Errorf("%d health checks were refused", counts[0].refused.Load())
	}
	// Where others need the cores, the service does less at times, and what is left is too little
	// to tell high from normal by.
	if share[1] < 0.95*share[2] || share[2] < 1.2*share[3] || share[1] < 2*share[3] {
		t.Errorf("high, normal and low have shares of %.2f: the first should be the greatest, the last by far the least", share[1:])
	}
}
