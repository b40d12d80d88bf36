package terminator

import (
	"bytes"
	"runtime"
	"testing"

	"nanofront/internal/testutil"
	"nanofront/metrics"
)

// A request through an event loop, from its bytes on a socket to those of its
// response, allocates nothing.
func TestLoop_NoAllocations(t *testing.T) {
	testutil.SkipIfRace(t)
	for name, accessLog := range map[string]int{"no access log": -1, "access log": 100_000} {
		t.Run(name, func(t *testing.T) {
			f := startFront(t, Options{AccessLog: accessLog})
			f.logs.discard.Store(true)
			f.helloNode(t)
			c := f.dial(t)
			buf, request := make([]byte, 4096), []byte(benchRequest)
			want := 0
			one := func() {
				if _, err := c.Write(request); err != nil {
					t.Fatal(err)
				}
				for have := 0; have == 0 || have < want; {
					n, err := c.Conn.Read(buf[have:])
					if err != nil {
						t.Fatal(err)
					}
					have += n
					if head := bytes.Index(buf[:have], []byte("\r\n\r\n")); want == 0 && head > 0 {
						want = head + 4 + len(benchResponse.Body)
					}
				}
				if string(buf[9:12]) != "200" {
					t.Fatalf("got %.20q", buf)
				}
			}
			for range 500 {
				one()
			}
			runtime.GC()
			if n := testing.AllocsPerRun(2000, one); n > 0 {
				t.Errorf("%v allocations a request: want 0", n)
			}
			if f.loops == nil || f.count(metrics.HTTPRequests) < 2500 {
				t.Error("it wasn't by a loop")
			}
			if n := f.count(metrics.HTTPHandedOver, "request"); n != 0 {
				t.Error("the connection was handed over")
			}
		})
	}
}
