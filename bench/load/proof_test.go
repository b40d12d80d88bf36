package load

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// full says that nothing else runs on the machine, and that bounds can be strict.
var full = os.Getenv("NANOFRONT_BENCH_FULL") == "1"

// A stall of a second hits those who would have come in that second. The
// open loop shows them; the closed loop waits with the server, and hides it.
func TestProof_StallShowsInAnOpenLoopOnly(t *testing.T) {
	const stall = time.Second
	newServer := func() string {
		var once sync.Once
		var until time.Time
		var mu sync.Mutex
		started := time.Now()
		return serve(t, func(c *net.TCPConn, _ int) {
			buf := make([]byte, 4096)
			for {
				if _, err := c.Read(buf); err != nil {
					return
				}
				if time.Since(started) > time.Second {
					once.Do(func() {
						mu.Lock()
						until = time.Now().Add(stall)
						mu.Unlock()
					})
				}
				mu.Lock()
				pause := time.Until(until)
				mu.Unlock()
				if pause > 0 {
					time.Sleep(pause)
				}
				if _, err := c.Write([]byte(okText)); err != nil {
					return
				}
			}
		})
	}
	const connections = 2
	o := Options{Connections: connections, Duration: 4 * time.Second, Timeout: 20 * time.Second}
	o.URL, o.Rate = newServer(), 400
	open := runs(t, o)
	// 400 of 1600 came in the stall; the last of them waited for some ms only.
	if p := time.Duration(open.Latency.ValueAtQuantile(99.9)) * time.Microsecond; p < stall*95/100 {
		t.Errorf("open loop: p99.9 is %v, which hides a stall of %v", p, stall)
	}
	if p := time.Duration(open.Latency.ValueAtQuantile(85)) * time.Microsecond; p < stall/4 {
		t.Errorf("open loop: p85 is %v; a quarter of the requests came in the stall", p)
	}
	o.URL, o.Rate = newServer(), 0
	closed := runs(t, o)
	if closed.OK < 3000 {
		testutil.Skip(t, "closed loop: only %d requests: the machine is too busy to show that it hides the stall", closed.OK)
	}
	quantile := 99.9
	if !full { // the machine itself may stop for a moment, once or twice
		quantile = 99
	}
	if p := time.Duration(closed.Latency.ValueAtQuantile(quantile)) * time.Microsecond; p > stall/2 {
		t.Errorf("closed loop: p%v is %v: two slow ones of %d should not show there", quantile, p, closed.OK)
	}
	if p := time.Duration(closed.Latency.Max()) * time.Microsecond; p < stall*95/100 {
		t.Errorf("closed loop: the slowest took %v, less than the stall", p)
	}
	t.Logf("p99.9: open loop %d µs, closed loop %d µs", open.Latency.ValueAtQuantile(99.9), closed.Latency.ValueAtQuantile(99.9))
}

// Delays are exponentially distributed, exactly so: the quantiles of the
// distribution, shuffled. What is measured has to be that distribution.
func TestProof_ExponentialLatencies(t *testing.T) {
	n, rate := 1500, 500.0
	if full {
		n, rate = 30_000, 2000.0
	}
	url, end := child(t, strconv.Itoa(n))
	r := runs(t, Options{
		URL: url, Rate: rate, Arrivals: Poisson, Seed: 5, Duration: time.Duration(float64(n) / rate * float64(time.Second)),
		Connections: 256, Timeout: 20 * time.Second,
	})
	if r.Errors.Total() > 0 || full && r.Unsent > uint64(n/100) {
		t.Fatalf("errors %v, %d unsent", r.Examples, r.Unsent)
	}
	var made []float64 // the delays that the server really made, in seconds
	if err := json.Unmarshal([]byte(end()), &made); err != nil || uint64(len(made)) != r.Sent {
		t.Fatalf("the server tells of %d delays, %d were sent: %v", len(made), r.Sent, err)
	}
	slices.Sort(made)
	for _, q := range []float64{50, 90, 99} {
		truth := made[int(q/100*float64(len(made))+0.5)-1] // as the histogram counts
		ideal := -meanDelay.Seconds() * math.Log(1-q/100)
		got := float64(r.Service.ValueAtQuantile(q)) / 1e6
		latency := float64(r.Latency.ValueAtQuantile(q)) / 1e6
		t.Logf("p%v: measured %.2f ms (from plan %.2f ms), made by the server %.2f ms, distribution %.2f ms", q, got*1e3, latency*1e3, truth*1e3, ideal*1e3)
		// It can't be less than what the server made, but for a histogram's precision;
		// more only for what sending and receiving takes, which is any time on a
		// machine that others use too.
		high := math.Inf(1)
		if full {
			high = truth * 1.02
			if math.Abs(got-ideal) > 0.02*ideal || math.Abs(latency-ideal) > 0.02*ideal {
				t.Errorf("p%v is %.2f ms (from plan %.2f ms), more than 2 %% off %.2f ms", q, got*1e3, latency*1e3, ideal*1e3)
			}
		}
		if got < truth*0.98 || got > high {
			t.Errorf("p%v is %.2f ms, but the server made %.2f ms", q, got*1e3, truth*1e3)
		}
	}
}

// meanDelay is that of the exponential distribution.
const meanDelay = 20 * time.Millisecond

// serveDelays answers each request after the next of n delays. It returns those that
// it made, as JSON, when in has a byte or ends.
func serveDelays(ln net.Listener, n int, in io.Reader) []byte {
	delays := make([]time.Duration, n)
	for i := range delays {
		delays[i] = time.Duration(-float64(meanDelay) * math.Log(1-(float64(i)+0.5)/float64(n)))
	}
	rng := rand.New(rand.NewPCG(1, 2))
	rng.Shuffle(n, func(i, j int) { delays[i], delays[j] = delays[j], delays[i] })
	var mu sync.Mutex
	next, made := 0, make([]float64, 0, n)
	go func() { // ends with the process
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				c, err := blocking(c)
				if err != nil {
					return
				}
				defer c.Close()
				buf := make([]byte, 4096)
				for {
					if n, err := c.Read(buf); n == 0 || err != nil {
						return
					}
					from := time.Now()
					mu.Lock()
					d := delays[next%n]
					next++
					mu.Unlock()
					sleep(d)
					took := time.Since(from)
					mu.Lock()
					made = append(made, took.Seconds())
					mu.Unlock()
					if _, err := c.Write([]byte(okText)); err != nil {
						return
					}
				}
			}()
		}
	}()
	_, _ = in.Read(make([]byte, 1))
	mu.Lock()
	defer mu.Unlock()
	text, _ := json.Marshal(made)
	return text
}

func TestProof_SendsWhatIsPlanned(t *testing.T) {
	rate, share := 2000.0, 0.5 // a busy machine may be away for a moment at the very end
	if full {
		rate, share = 50_000, 0.005
	}
	pollers(t, func(t *testing.T, portable bool) {
		if full && portable {
			testutil.Skip(t, "epoll is what is meant to hold 50,000 per second")
		}
		url, _ := child(t, "plain")
		r := runs(t, Options{URL: url, Rate: rate, Duration: 3 * time.Second, Warmup: 500 * time.Millisecond, Timeout: 20 * time.Second, Portable: portable})
		if r.Planned != uint64(3*rate) {
			t.Errorf("planned %d, want %v", r.Planned, 3*rate)
		}
		if got := r.SentRate(); math.Abs(got-rate) > share*rate {
			t.Errorf("sent %.0f/s, want %.0f/s ± %v %%; %d unsent, %d late", got, rate, share*100, r.Unsent, r.Late)
		}
		t.Logf("sent %.1f/s, %d late, delay p50 %d µs, p99 %d µs; p50 %d µs, p99 %d µs; %v CPU for each", r.SentRate(), r.Late,
			r.Delay.ValueAtQuantile(50), r.Delay.ValueAtQuantile(99), r.Latency.ValueAtQuantile(50), r.Latency.ValueAtQuantile(99), r.CPUPerRequest())
	})
}

// net/http as a server, for a second opinion on what is sent.
func TestProof_NetHTTPUnderstands(t *testing.T) {
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stream" {
			for range 3 {
				w.Write([]byte("chunk"))
				http.NewResponseController(w).Flush()
			}
			return
		}
		w.Write(bytes.Repeat([]byte("x"), 5000))
	})}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { srv.Serve(ln) })
	defer wg.Wait()
	defer srv.Shutdown(context.Background())
	n15, n5k := int64(15), int64(5000)
	pollers(t, func(t *testing.T, portable bool) {
		for _, churn := range []bool{false, true} {
			o := short("http://"+ln.Addr().String(), portable)
			o.Churn = churn
			o.Mix = &Mix{Requests: []Request{
				{Path: "/stream", Expect: Expect{Length: &n15}},
				{Path: "/x", Expect: Expect{Length: &n5k}},
				{Method: "HEAD", Path: "/x"},
				{Method: "POST", Path: "/x", BodySize: 3000, Headers: map[string]string{"Expect": "100-continue"}},
			}}
			if r := runs(t, o); r.OK == 0 || r.Errors.Total() > 0 || r.Stray > 0 {
				t.Errorf("churn %v: %d ok, errors %v %v, %d stray", churn, r.OK, r.Errors.Map(), r.Examples, r.Stray)
			}
		}
	})
}
