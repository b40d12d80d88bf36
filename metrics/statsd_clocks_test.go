package metrics

import (
	"context"
	"math"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// slowServer is a StatsD server in virtual time, to which packets take a moment, each another one.
type slowServer struct {
	net.Conn
	t        *testing.T
	delay    func() time.Duration
	mu       sync.Mutex
	gauges   map[string]float64
	counters map[string]float64
}

func (s *slowServer) Write(p []byte) (int, error) {
	time.Sleep(s.delay())
	lines, err := parsePacket(p)
	if err != nil {
		s.t.Error(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range lines {
		name := strings.TrimPrefix(l.name, "nanofront.terminator.-.")
		if l.kind == "c" {
			s.counters[name] += l.value
		} else {
			s.gauges[name] = l.value
		}
	}
	return len(p), nil
}

func (*slowServer) SetWriteDeadline(time.Time) error { return nil }
func (*slowServer) Close() error                     { return nil }

// flush is what the server passes on.
type flush struct {
	at               time.Duration
	max, p99         float64 // NaN: nothing
	requests, failed float64 // of the counters
}

// planted is an outlier, or a burst of slow requests, that must be seen.
type planted struct {
	at time.Duration
	ms float64
}

// A thousand flushes of a server whose clock goes wrong, has jitter, and to which reports come
// late: each p99 and each maximum that there was arrives, no counter zigzags by more than what one
// report has, and nothing is counted twice.
func TestReporter_NoClockLosesAPeak(t *testing.T) {
	for name, c := range map[string]struct{ drift, jitter, delay time.Duration }{
		"exact clocks":      {0, 0, 0},
		"drift":             {3 * time.Millisecond, 0, 20 * time.Millisecond}, // 300 ppm: through all phases of a report
		"drift, the slower": {-3 * time.Millisecond, 0, 20 * time.Millisecond},
		"jitter":            {time.Millisecond, 500 * time.Millisecond, 800 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { clocks(t, c.drift, c.jitter, c.delay) })
		})
	}
}

func clocks(t *testing.T, drift, jitter, delay time.Duration) {
	const flushes, perSecond = 1000, 100
	upTo := func(r *rand.Rand, d time.Duration) time.Duration { return time.Duration(r.Int64N(int64(d) + 1)) }
	random, loads, delays := rand.New(rand.NewPCG(1, 2)), rand.New(rand.NewPCG(3, 4)), rand.New(rand.NewPCG(5, 6)) // a goroutine's each
	set := New(Terminator, "")
	r, err := NewReporter(set, StatsdOptions{Addr: "192.0.2.1:8125"})
	if err != nil {
		t.Fatal(err)
	}
	server := &slowServer{
		t: t, gauges: make(map[string]float64), counters: make(map[string]float64),
		delay: func() time.Duration { return upTo(delays, delay) },
	}
	r.sender.target.dial = func(string, string) (net.Conn, error) { return server, nil }
	begin := time.Now()
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan struct{})
	go func() { defer close(ran); r.Run(ctx) }()
	defer func() { cancel(); <-ran }()

	// The load: requests of 5 ms, and every now and then, at no particular moment, an outlier in
	// one timer and a burst of 3 % of what a window has in another.
	set.Counter(HTTPTimeouts) // stays at 0
	requests, outliers, bursts := set.Counter(HTTPRequests), set.Timer(StageTotal), set.Timer(StageHandler)
	var plants []planted
	done := make(chan struct{})
	go func() {
		next := 20 * time.Second
		for range flushes * 100 {
			time.Sleep(100 * ms)
			for range perSecond / 10 {
				requests.Inc()
				outliers.Observe(5 * ms)
				bursts.Observe(5 * ms)
			}
			if at := time.Since(begin); at >= next {
				p := planted{at, 50 * math.Pow(1.1, float64(loads.IntN(40)))}
				outliers.Observe(time.Duration(p.ms * 1e6))
				for range perSecond * 14 * 3 / 100 {
					bursts.Observe(time.Duration(p.ms * 1e6))
				}
				plants = append(plants, p)
				next = at + 17*time.Second + upTo(loads, 8*time.Second)
			}
		}
		close(done)
	}()

	var seen []flush
	at := begin.Add(upTo(random, 10*time.Second))
	for ended := false; !ended; {
		at = at.Add(10*time.Second + drift)
		time.Sleep(time.Until(at.Add(upTo(random, jitter))))
		server.mu.Lock()
		f := flush{at: time.Since(begin), max: math.NaN(), p99: math.NaN(), requests: server.counters["http.requests"], failed: math.NaN()}
		if v, ok := server.gauges["stage.total.max"]; ok {
			f.max = v
		}
		if v, ok := server.gauges["stage.handler.p99"]; ok {
			f.p99 = v
		}
		if v, ok := server.counters["http.timeouts"]; ok {
			f.failed = v
		}
		clear(server.gauges) // deleteIdleStats
		clear(server.counters)
		server.mu.Unlock()
		seen = append(seen, f)
		select {
		case <-done:
			ended = true
		default:
		}
	}

	near := func(got, want float64) bool { return math.Abs(got-want) < 0.012*want }
	for _, p := range plants {
		if seen[len(seen)-1].at-p.at < 15*time.Second {
			continue // it comes after the end
		}
		inMax, inP99 := 0, 0
		for _, f := range seen {
			if f.at < p.at || f.at > p.at+30*time.Second {
				continue
			}
			if near(f.max, p.ms) {
				inMax++
			}
			if near(f.p99, p.ms) {
				inP99++
			}
		}
		if inMax == 0 || inP99 == 0 {
			t.Errorf("planted %.1f ms at %v: in %d flushes as maximum, in %d as p99", p.ms, p.at, inMax, inP99)
		}
	}
	var sum, most float64
	for i, f := range seen {
		sum += f.requests
		if i < 2 || i == len(seen)-1 {
			continue // nothing goes on during a part of it
		}
		most = max(most, math.Abs(f.requests-10*perSecond))
		if math.IsNaN(f.max) || math.IsNaN(f.p99) || math.IsNaN(f.failed) {
			t.Errorf("flush %d at %v: nothing of what goes on all the time: %+v", i, f.at, f)
		}
	}
	// What one report has, and what goes on meanwhile.
	bound := perSecond * (2*time.Second + drift.Abs() + jitter + delay + 200*ms).Seconds()
	if most > bound {
		t.Errorf("a flush is off by %v requests, want %v at most", most, bound)
	}
	if all := float64(requests.Value()); sum > all || sum < all-10*perSecond {
		t.Errorf("%v requests in all flushes, of %v", sum, all)
	}
	t.Logf("%d flushes, %d planted; a flush is off by %.0f of %d requests at most", len(seen), len(plants), most, 10*perSecond)
}
