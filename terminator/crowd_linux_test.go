package terminator

import (
	"testing"
	"time"

	"nanofront/httpmsg"
	"nanofront/nanobus"
	"nanofront/registry"
)

// TestCrowd: of many calls that end at once, on one goroutine, each client gets its answer, and its
// connection goes on.
func TestCrowd(t *testing.T) {
	const n = 400
	route := prefix("/", "work")
	route.Timeout = registry.Duration(500 * time.Millisecond)
	f := startFront(t, Options{}, route)
	silent := make(chan struct{})
	f.work(t, "1", func(req *httpmsg.Request, r *nanobus.Request) {
		if string(req.Path) == "/wait" {
			<-silent
		}
		respond(r, &httpmsg.Response{Body: []byte("done")})
	})
	defer close(silent)
	clients := make([]*client, n)
	for i := range clients {
		clients[i] = f.dial(t)
	}
	for _, c := range clients {
		c.send("GET /wait HTTP/1.1\nHost: a\n\nGET /more HTTP/1.1\nHost: a\n\n") // the second waits for the first
	}
	for i, c := range clients {
		if r := c.read("GET"); r.StatusCode != 504 {
			t.Fatalf("client %d: %d, want 504", i, r.StatusCode)
		}
		if r := c.read("GET"); r.StatusCode != 200 || r.body != "done" {
			t.Fatalf("client %d: then %d %q, want 200", i, r.StatusCode, r.body)
		}
	}
}
