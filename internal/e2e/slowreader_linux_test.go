package e2e

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// TestSlowReader_Ended: a client that takes next to nothing of a response is ended
// when the write timeout is up, also while the system has room for what it doesn't
// take.
func TestSlowReader_Ended(t *testing.T) {
	t.Parallel()
	const timeout = 2 * time.Second
	bothWays(t, frontOptions{terminator: []string{"--write-timeout", timeout.String(), "--body-timeout", "1m", "--idle-timeout", "1m"}}, func(t *testing.T, f *front) {
		began := time.Now()
		for _, c := range []struct {
			name, requests string
			trickle        bool // it reads a little now and then
		}{
			{"one answer", large, false},
			{"one answer, a little", large, true},
			{"half a MiB", get("/echo/bytes?n=524288").wire(), true},
			{"what just fits", get("/echo/bytes?n=100000").wire(), false},
			{"the last answer", largeLast, false},
			{"to HTTP/1.0", "GET /echo/bytes?n=800000 HTTP/1.0\r\n\r\n", true},
			{"three answers", large + large + large, true},
			{"many small answers", strings.Repeat(small, 2000), true},
			{"a stream", get("/echo/bytes?n=8000000").wire(), true},
			{"pieces", get("/echo/stream?pieces=1000&bytes=10000").wire(), false},
			{"to chunks", "POST /echo/bytes?n=800000 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false},
		} {
			s := dialSlow(t, f.http, 0)
			go func() { _, _ = io.WriteString(s.Conn, c.requests) }() // blocks as long as nobody reads it, and ends with the connection
			if err := s.read(100); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			if c.trickle {
				go func() { // ends with the connection
					for {
						time.Sleep(200 * time.Millisecond)
						if _, err := s.Read(make([]byte, 32)); err != nil {
							return
						}
					}
				}()
			}
		}
		testutil.Eventually(t, "all are ended", func() bool { return figures(t, f.admin).Gauges["http.connections"] == 0 })
		if took := time.Since(began); took > timeout+within(2*time.Second, 20*time.Second) {
			t.Errorf("the last ended after %v, the write timeout is %v", took, timeout)
		}
		if n := counter(t, f.admin, "http.closed.write_timeout"); n != 11 {
			t.Errorf("http.closed.write_timeout is %d, want 11", n)
		}
	})
}

// TestSlowReader_Lives: who is slow, but takes 64 KiB in the write timeout, gets all.
func TestSlowReader_Lives(t *testing.T) {
	t.Parallel()
	bothWays(t, frontOptions{terminator: []string{"--write-timeout", "2s"}}, func(t *testing.T, f *front) {
		for _, request := range []string{
			get("/echo/bytes?n=600000", "Connection: close").wire(),
			get("/echo/stream?pieces=60&bytes=10000&length=1", "Connection: close").wire(),
			"POST /echo/bytes?n=600000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		} {
			t.Run(request[:strings.IndexByte(request, '?')], func(t *testing.T) {
				t.Parallel()
				s := dialSlow(t, f.http, 200*time.Millisecond) // 16 KiB each: 80 KiB/s
				s.send(t, request)
				err := s.read(-1)
				list, cut := s.answers()
				if err != nil || cut != nil || len(list) != 1 || len(list[0].body) != 600_000 {
					t.Errorf("%d bytes, then %v; %v", s.got.Len(), err, cut)
				}
			})
		}
	})
}

// socketMemory is what TCP has of the machine's memory, in bytes.
func socketMemory(t *testing.T) int64 {
	t.Helper()
	b, err := os.ReadFile("/proc/net/sockstat")
	if err != nil {
		testutil.Skip(t, "the memory of sockets: %v", err)
	}
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		if i := slices.Index(fields, "mem"); i >= 0 && fields[0] == "TCP:" {
			pages, err := strconv.ParseInt(fields[i+1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return pages * int64(os.Getpagesize())
		}
	}
	t.Fatalf("no memory of TCP in %s", b)
	return 0
}

// goodClient asks 50 times a second until told to stop.
type goodClient struct {
	quit  chan struct{}
	ended sync.WaitGroup
	times []time.Duration // of the answers, from when each was due
	wrong []string
}

func startGoodClient(addr, target string) *goodClient {
	g := &goodClient{quit: make(chan struct{})}
	g.ended.Go(func() {
		c := client{addr: addr}
		defer c.close()
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-g.quit:
				return
			case due := <-tick.C:
				if r, f := c.do(get(target)); f != nil {
					g.wrong = append(g.wrong, f.Error())
				} else if r.status != 200 {
					g.wrong = append(g.wrong, fmt.Sprintf("status %d: %.100q", r.status, r.body))
				}
				g.times = append(g.times, time.Since(due))
			}
		}
	})
	return g
}

func (g *goodClient) stop() {
	close(g.quit)
	g.ended.Wait()
	slices.Sort(g.times)
}

// String says how long answers took, after stop.
func (g *goodClient) String() string {
	n := len(g.times)
	if n == 0 {
		return "no answers"
	}
	return fmt.Sprintf("%d answers, p50 %v, p99 %v, max %v", n, g.times[n/2], g.times[n*99/100], g.times[n-1])
}

// TestSlowReader_Thousand: a thousand clients that pipeline large requests and read six
// bytes a second don't take the machine's memory for sockets, and nothing from others.
func TestSlowReader_Thousand(t *testing.T) {
	const (
		slow    = 1000
		rate    = 100 // of them come in a second
		timeout = 3 * time.Second
		most    = 300 << 20
	)
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			slowhttptest := testutil.Command(t, "slowhttptest", "slowhttptest")
			f := startFront(t, frontOptions{terminator: append([]string{"--write-timeout", timeout.String()}, w.flags...)})
			ask(t, f.http, get("/hello")).wants(t, 200, "GET /hello")
			memory := socketMemory(t)
			good := startGoodClient(f.http, "/hello")
			p := startFrom(t, nil, "", nil, slowhttptest, "-X", "-c", strconv.Itoa(slow), "-r", strconv.Itoa(rate),
				"-w", "256", "-y", "512", "-n", "5", "-z", "32", "-k", "3", "-l", "60", "-u", "http://"+f.http+"/echo/bytes?n=524288")
			open := 0.0
			var lastCame time.Time
			over := func() bool {
				memory = max(memory, socketMemory(t))
				r := figures(t, f.admin)
				now := r.Gauges["http.connections"]
				open = max(open, now)
				if r.Counters["http.accepted"].Value < slow {
					return false
				}
				if lastCame.IsZero() {
					lastCame = time.Now()
				}
				return now <= 2 // the good one, and one by which slowhttptest looks
			}
			for giveUp := time.Now().Add(testutil.Patience); !over(); time.Sleep(20 * time.Millisecond) { // looking is work, too
				if time.Now().After(giveUp) {
					t.Errorf("after %v: %.0f of %.0f connections are still open", testutil.Patience, figures(t, f.admin).Gauges["http.connections"], open)
					break
				}
			}
			took := time.Since(lastCame)
			good.stop()
			p.end(t)
			t.Logf("%s: a good client: %v; at most %.0f connections, %d MB of TCP memory; the last slow client ended %v after it came; %d by the write timeout",
				w.name, good, open, memory>>20,
				took.Round(time.Millisecond), counter(t, f.admin, "http.closed.write_timeout"))
			if len(good.wrong) > 0 {
				t.Errorf("the good client lost %d of %d, such as %q", len(good.wrong), len(good.times), good.wrong[:min(len(good.wrong), 3)])
			}
			if memory > most {
				t.Errorf("TCP had %d MB of memory, %d are allowed", memory>>20, most>>20)
			}
			if bound := timeout + 2*time.Second; took > bound+within(0, 10*time.Second) {
				t.Errorf("the last slow client was ended after %v, want %v", took, bound)
			}
			if full && good.times[len(good.times)*99/100] > 20*time.Millisecond {
				t.Errorf("p99 of the good client is %v, want 20ms", good.times[len(good.times)*99/100])
			}
		})
	}
}
