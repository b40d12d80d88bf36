package terminator

import (
	"sync"
	"sync/atomic"
	"testing"

	"nanofront/httpmsg"
	"nanofront/nanobus"
)

// TestFailing_AllInstances: when all instances of a service fail, in whatever way, what reaches
// them is at most a tenth more than what clients ask for: neither retries nor copies make it worse.
func TestFailing_AllInstances(t *testing.T) { bothWays(t, testFailingAllInstances) }

func testFailingAllInstances(t *testing.T) {
	reply := func(code nanobus.Code) answer {
		return func(_ *httpmsg.Request, r *nanobus.Request) { r.ReplyError(code, "") }
	}
	for _, c := range []struct {
		name string
		a    answer
	}{
		{"refuse for want of room", reply(nanobus.CodeOverWindow)},
		{"are about to end", reply(nanobus.CodeDraining)},
		{"fail", reply(nanobus.CodeInternal)},
		{"answer with 500", func(_ *httpmsg.Request, r *nanobus.Request) { respond(r, &httpmsg.Response{Status: 500}) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := startFront(t, Options{})
			var reached atomic.Int64
			for _, id := range []string{"a", "b", "c"} {
				f.work(t, id, func(req *httpmsg.Request, r *nanobus.Request) {
					reached.Add(1)
					c.a(req, r)
				})
			}
			const clients, each = 16, 250
			var all sync.WaitGroup
			var good atomic.Int64
			for range clients {
				conn := f.dial(t)
				all.Go(func() {
					for range each {
						if conn.ask("GET", "/", "").StatusCode < 500 {
							good.Add(1)
						}
					}
				})
			}
			all.Wait()
			t.Logf("%d requests, %d reached the instances", clients*each, reached.Load())
			if good.Load() > 0 {
				t.Errorf("%d were answered", good.Load())
			}
			if most := int64(clients * each * 11 / 10); reached.Load() > most {
				t.Errorf("%d requests reached the instances, %d may, for %d", reached.Load(), most, clients*each)
			}
		})
	}
}
