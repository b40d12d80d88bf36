package terminator

import (
	"math"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"nanofront/metrics"
)

// TestPressure_Memory: with the process' memory nearly used up by what lives, new connections wait
// and idle ones are closed, while those in use are served; with room again all is as it was.
func TestPressure_Memory(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		f := startFront(t, Options{})
		f.work(t, "w1", text("done"))
		used, idle := f.dial(t), f.dial(t)
		if r := idle.ask("GET", "/", ""); r.StatusCode != 200 {
			t.Fatal(r.Status)
		}
		ballast := make([]byte, 64<<20)
		runtime.GC()
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(70 << 20))
		asks := func() {
			t.Helper()
			if r := used.ask("GET", "/", ""); r.StatusCode != 200 || r.Close {
				t.Errorf("a connection that is in use: %d, close %v", r.StatusCode, r.Close)
			}
		}
		eventually(t, "a pause", func() bool { asks(); return f.count(metrics.HTTPPaused, "memory") == 1 })
		if list := f.Degraded(); len(list) != 1 || !strings.Contains(list[0].Reason, "--client-memory") {
			t.Errorf("degraded: %v", list)
		}
		eventually(t, "the idle one is closed", func() bool { asks(); return f.count(metrics.HTTPClosed, "idle") == 1 })
		ended(t, idle)
		if f.Ready() != nil {
			t.Errorf("not ready: %v", f.Ready())
		}
		// A few are accepted all the same.
		if r := f.ask(t, "GET", "/", ""); r.StatusCode != 200 {
			t.Errorf("a new connection: %d", r.StatusCode)
		}
		runtime.KeepAlive(ballast)
		debug.SetMemoryLimit(math.MaxInt64)
		eventually(t, "the pause is over", func() bool { return !f.table.Intake.Waits() })
		began := time.Now()
		if r := f.ask(t, "GET", "/", ""); r.StatusCode != 200 || time.Since(began) > patience/2 {
			t.Errorf("a new connection: %d after %v", r.StatusCode, time.Since(began))
		}
		if log := f.logs.String(); !strings.Contains(log, "new connections wait") || !strings.Contains(log, "accepted again") {
			t.Error("nothing is said of it")
		}
		if len(f.Degraded()) != 0 {
			t.Errorf("degraded: %v", f.Degraded())
		}
	})
}
