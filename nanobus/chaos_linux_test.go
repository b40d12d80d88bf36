package nanobus_test

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nanofront/internal/testutil"
	"nanofront/metrics"
	"nanofront/nanobus"
)

const (
	chaosRequestsEnv = "NANOFRONT_CHAOS_REQUESTS"
	chaosSeedEnv     = "NANOFRONT_CHAOS_SEED"

	// chaosDefault requests, or as many as get done in chaosLimit, is what
	// the test is content with unless it is told a number.
	chaosDefault = 200_000
	chaosLimit   = 20 * time.Second

	chaosMost = 100_000_000

	// chaosHeap is how much more there may be on the heap at the end than
	// before the chaos: buffers of the last links that have grown.
	chaosHeap = 16 << 20
)

// Handlers that are killed, stopped and drained at random make callers wait or
// fail, and nothing else: each request ends once, as one of reply, timeout or
// error; a reply is to its request; what callers and handlers have counted
// agrees; and nothing is left over.
//
// NANOFRONT_CHAOS_REQUESTS is how many requests, NANOFRONT_CHAOS_SEED repeats
// the schedule of another run.
func TestBus_Chaos(t *testing.T) {
	requests, limited := chaosNumberOf(t)
	seed := rand.Uint64()
	if v := os.Getenv(chaosSeedEnv); v != "" {
		var err error
		if seed, err = strconv.ParseUint(v, 10, 64); err != nil {
			t.Fatalf("%s=%s: want a number", chaosSeedEnv, v)
		}
	}
	t.Logf("%d requests; %s=%d repeats the schedule", requests, chaosSeedEnv, seed)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())

	// Not t.TempDir: with the test's name in it the path may be too long for
	// a unix socket.
	dir, err := os.MkdirTemp("", "chaos-")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	c := &crew{
		dir: dir, seed: seed,
		// The one on a unix socket comes back where it was, and the bus
		// redials it; the others come back at another port, and the bus is told.
		listen:  []string{"tcp://127.0.0.1:0", "tcp://127.0.0.1:0", "ipc://" + filepath.Join(dir, "h.sock")},
		current: make([]*incarnation, 3),
	}
	l := &chaosLoad{t: t, ended: make([]atomic.Uint32, requests)}
	for i := range 2 {
		set := metrics.New(metrics.Terminator, "")
		b, err := nanobus.New(nanobus.Options{Service: "caller", Instance: "c" + strconv.Itoa(i), Metrics: set})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = b.Close() }()
		c.buses = append(c.buses, b)
		l.callers = append(l.callers, &chaosCaller{bus: b, metrics: set, nonce: rand.Uint64()})
	}
	defer c.end()
	for i := range c.listen {
		if err := c.start(i); err != nil {
			t.Fatal(err)
		}
	}
	testutil.Eventually(t, "all are linked", c.linked)

	// Calm: pools fill, buffers grow.
	part := int64(requests / 20)
	l.calm(part)
	heap, before := liveHeap(), l.tally()[replied].Load()

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	disturbed := make(chan error, 1)
	go func() { disturbed <- c.disturb(ctx) }() // ends with ctx
	watched := l.watch(ctx, c, limited)
	l.run(int64(requests)-part, hasty)
	cancel()
	watched.Wait()
	if err := <-disturbed; err != nil {
		t.Fatal(err)
	}
	t.Logf("after the chaos: %s; %s", c, l.tally())

	chaos := l.tally()
	if chaos[replied].Load() == before {
		t.Error("no reply at all during the chaos")
	}
	if chaos[linkDown].Load() == 0 {
		t.Error("no call ended with its link, though handlers were killed with calls under way")
	}
	for d := range disturbances {
		if d != stopKill && c.count[d].Load() == 0 {
			t.Errorf("no %s", disturbanceNames[d])
		}
	}

	// Calm again: all is as it was.
	testutil.Eventually(t, "all are linked again", c.linked)
	l.calm(min(l.next.Load()+part, int64(requests)))
	testutil.Eventually(t, "every credit is back, every slot free", func() bool { return l.idle() && c.linked() })

	l.checkEnds()
	seen := l.account()
	c.mustDrain(t)
	seen.check(t, c)
	for _, caller := range l.callers {
		caller.checkMetrics(t)
		caller.links.Clear()
	}
	if now := liveHeap(); now > heap+chaosHeap {
		t.Errorf("%d KiB live on the heap at the end, %d KiB before the chaos", now>>10, heap>>10)
	}
	runtime.KeepAlive(l) // what it holds is in both figures
}

// chaosNumberOf is how many requests to send, and whether they may be cut
// short: when nobody has asked for a number.
func chaosNumberOf(t *testing.T) (requests int, limited bool) {
	v := os.Getenv(chaosRequestsEnv)
	if v == "" {
		return chaosDefault, true
	}
	n, err := strconv.Atoi(strings.ReplaceAll(v, "_", ""))
	if err != nil || n < 10_000 || n > chaosMost {
		t.Fatalf("%s=%s: want a number from 10000 to %d", chaosRequestsEnv, v, chaosMost)
	}
	return n, false
}

// hasty is the budget in the chaos: shorter than most stops.
func hasty(n uint64) time.Duration {
	return [...]time.Duration{20 * time.Millisecond, 50 * time.Millisecond, 200 * time.Millisecond}[n%3]
}

// patient is the budget in the calm: nothing takes as long.
func patient(uint64) time.Duration { return 20 * time.Second }

// liveHeap is how many bytes are reachable.
func liveHeap() uint64 {
	runtime.GC()
	runtime.GC() // pools forget with the second one
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// calm sends requests up to the limit, each of which must get its answer.
func (l *chaosLoad) calm(limit int64) {
	l.t.Helper()
	before := l.tally()
	l.run(limit, patient)
	after := l.tally()
	for o := range outcomes {
		if n := after[o].Load() - before[o].Load(); n != 0 && o != replied && o != wanted {
			l.t.Errorf("%d requests in calm ended as %s", n, outcomeNames[o])
		}
	}
}

// watch says every 2 s how far it is, and cuts the load short when its time
// is over. It ends with ctx.
func (l *chaosLoad) watch(ctx context.Context, c *crew, limited bool) *sync.WaitGroup {
	end := time.Now().Add(chaosLimit)
	if !limited {
		end = time.Now().Add(24 * time.Hour)
	}
	if d, ok := l.t.Deadline(); ok && d.Add(-time.Minute).Before(end) && !limited {
		end = d.Add(-time.Minute) // for what comes after
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		began, tick := time.Now(), time.NewTicker(2*time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			l.t.Logf("%3.0f s: %s; %s", time.Since(began).Seconds(), l.tally(), c)
			if time.Now().After(end) && !l.cut.Swap(true) && !limited {
				l.wrong("out of time at %d requests: give the test a longer -timeout", l.next.Load())
			}
		}
	})
	return &wg
}

// idle reports whether nothing is under way anywhere.
func (l *chaosLoad) idle() bool {
	for _, c := range l.callers {
		if c.metrics.Gauge(metrics.BusSlotsInUse).Value() != 0 {
			return false
		}
		for _, link := range c.bus.Links() {
			if link.InFlight != 0 {
				return false
			}
		}
	}
	return true
}

// checkEnds sees to it that each request has ended once.
func (l *chaosLoad) checkEnds() {
	issued := l.next.Load()
	for n := range l.ended {
		want := uint32(0)
		if int64(n) < issued {
			want = 1
		}
		if got := l.ended[n].Load(); got != want {
			l.wrong("request %d of %d has ended %d times, want %d", n, issued, got, want)
		}
	}
	if n := l.twice.Load(); n > 0 {
		l.wrong("%d ends of requests that had ended", n)
	}
	sum := l.tally()
	if got := sum.sent() + sum[refused].Load(); got != issued {
		l.wrong("%d requests have ended, %d were started", got, issued)
	}
	l.t.Logf("at the end: %d requests: %s", issued, sum)
}

// linked reports whether the callers are linked with each handler, and with
// nobody else.
func (c *crew) linked() bool {
	for _, b := range c.buses {
		if b.Service(chaosService).Live() != len(c.listen) || len(b.Links()) != len(c.listen) {
			return false
		}
	}
	return true
}

// mustDrain ends the handlers as an operator would.
func (c *crew) mustDrain(t *testing.T) {
	t.Helper()
	for _, in := range c.current {
		if err := in.drain(); err != nil {
			t.Error(err)
		}
	}
}

// end ends what a failed test has left, and gives the ledgers back.
func (c *crew) end() {
	for _, in := range c.all {
		if in.fate == running {
			_ = in.kill() // the test has failed already
		}
		in.unmap()
	}
}
