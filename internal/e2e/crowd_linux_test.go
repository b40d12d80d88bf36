package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// crowd is many slow clients. They end by a reset, which leaves nothing behind to wait for.
type crowd struct {
	conns []net.Conn
	ended sync.WaitGroup
	done  atomic.Int64 // whose answer has begun
}

func gather(t *testing.T, addr string, n int) *crowd {
	t.Helper()
	c := &crowd{}
	t.Cleanup(func() {
		for _, conn := range c.conns {
			_ = conn.Close()
		}
		c.ended.Wait()
	})
	for range n {
		s := dialSlow(t, addr, 0)
		_ = s.Conn.(*net.TCPConn).SetLinger(0) // spares the system what it would remember of it
		c.conns = append(c.conns, s.Conn)
	}
	return c
}

// crowdAsks has each client ask for 800 KB, one after the other within all, and read nothing.
func crowdAsks(all time.Duration) func(*testing.T, *crowd) {
	return func(_ *testing.T, c *crowd) {
		c.ended.Go(func() {
			began := time.Now()
			for i, conn := range c.conns {
				time.Sleep(time.Until(began.Add(all * time.Duration(i) / time.Duration(len(c.conns)))))
				_, _ = io.WriteString(conn, get("/echo/bytes?n=800000").wire()) // refused, at worst
			}
		})
	}
}

// crowdSends has each client send a body of 256 KiB in 16 pieces, a pause after each.
func crowdSends(pause time.Duration) func(*testing.T, *crowd) {
	return func(_ *testing.T, c *crowd) {
		piece := bytes.Repeat([]byte("x"), 16<<10)
		for i, conn := range c.conns {
			c.ended.Go(func() {
				time.Sleep(pause * time.Duration(i) / time.Duration(len(c.conns))) // not all at once
				_, err := fmt.Fprintf(conn, "POST /echo/digest HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", 16*len(piece))
				for range 16 {
					if err != nil {
						return // refused, and closed
					}
					_, err = conn.Write(piece)
					time.Sleep(pause) // what makes it slow
				}
				if _, err := conn.Read(make([]byte, 12)); err == nil {
					c.done.Add(1)
				}
			})
		}
	}
}

// frontAndProfile is a front with an echo handler and, for others, a profile handler. Admission is
// not what these tests are about: it admits all.
func frontAndProfile(t *testing.T, timeout string, flags ...string) *front {
	t.Helper()
	other := freeAddr(t)
	f := startFront(t, frontOptions{
		echo:       -1, // before the other is there, the front isn't ready
		terminator: append([]string{"--min-in-flight=8192", "--max-in-flight=8192"}, flags...),
		table:      []string{"profile profile-1 tcp://" + other},
		routes: "  - {name: all, match: {prefix: /}, service: echo, timeout: " + timeout + "}\n" +
			"  - {name: profile, match: {prefix: /profile/}, service: profile, timeout: 5s}\n",
	})
	start(t, "handler", "profile", "--instance", "profile-1", "--bus", "tcp://"+other, "--static", f.table,
		"--data", t.TempDir(), "--seed", "100", "--statsd", "", "--admin", "")
	f.startEcho(t, 0, "--window", "4096")
	f.ready(t, 200)
	return f
}

// TestCrowd_SlowClients: however many clients send or read slowly, the front's memory stays
// under its budget, and others are served.
func TestCrowd_SlowClients(t *testing.T) {
	clients, budget, pause := 400, 96<<20, 50*time.Millisecond
	most := 2 * budget // what is on its way counts more when the machine is slow
	if full {
		clients, budget, pause = 15_000, 512<<20, 2*time.Second // of 20,000 open files
		most = budget
	}
	for _, c := range []struct {
		name string
		act  func(*testing.T, *crowd)
	}{
		{"don't read", crowdAsks(25 * pause)},
		{"send slowly", crowdSends(pause)},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := frontAndProfile(t, "2m", "--client-memory", strconv.Itoa(budget))
			before := peakMemory(t, f.terminator)
			crowd := gather(t, f.http, clients)
			testutil.Eventually(t, "all are there", func() bool { return figures(t, f.admin).Gauges["http.connections"] >= float64(clients) })
			good := startGoodClient(f.http, "/profile/1")
			c.act(t, crowd)
			held := 0.0
			for end := time.Now().Add(30 * pause); time.Now().Before(end); time.Sleep(pause / 4) { // as long as they act
				held = max(held, figures(t, f.admin).Gauges["http.memory"])
			}
			good.stop()
			peak := peakMemory(t, f.terminator)
			r := figures(t, f.admin)
			t.Logf("%d clients that %s: the front had %d MiB at most, %d before them; at most %.0f MiB were held; %d clients given up, %d refused; good clients: %v",
				clients, c.name, peak>>20, before>>20, held/(1<<20), r.Counters["http.closed.no_memory"].Value, r.Counters["http.status.5xx"].Value, good)
			if peak > int64(most) {
				t.Errorf("the front had %d MiB, %d are its budget", peak>>20, budget>>20)
			}
			if len(good.wrong) > 0 {
				t.Errorf("a good client lost %d of %d, such as %q", len(good.wrong), len(good.times), good.wrong[:min(len(good.wrong), 3)])
			}
		})
	}
}

// TestCrowd_Expires: when a handler hangs with 4,096 requests, and all expire at once, others
// hardly notice.
func TestCrowd_Expires(t *testing.T) {
	const requests, timeout, others = 4096, 3 * time.Second, 20
	f := frontAndProfile(t, timeout.String())
	// ask has other clients ask for a while, a thousand times a second.
	ask := func(d time.Duration) (p99 time.Duration) {
		var list []*goodClient
		for range others {
			list = append(list, startGoodClient(f.http, "/profile/1"))
		}
		time.Sleep(d) // as long as is to be measured
		var times []time.Duration
		for _, g := range list {
			g.stop()
			times = append(times, g.times...)
			if len(g.wrong) > 0 {
				t.Errorf("a good client lost %d of %d, such as %q", len(g.wrong), len(g.times), g.wrong[:min(len(g.wrong), 3)])
			}
		}
		slices.Sort(times)
		return times[len(times)*99/100]
	}
	hanging := gather(t, f.http, requests)
	testutil.Eventually(t, "all are there", func() bool { return figures(t, f.admin).Gauges["http.connections"] >= requests })
	quiet := ask(2 * time.Second)
	sent := time.Now()
	for _, conn := range hanging.conns {
		if _, err := io.WriteString(conn, get("/echo/sleep?ms=60000").wire()); err != nil {
			t.Fatal(err)
		}
		hanging.ended.Go(func() {
			b := make([]byte, 12)
			if _, err := io.ReadFull(conn, b); err == nil && string(b) == "HTTP/1.1 504" {
				hanging.done.Add(1)
			}
		})
	}
	inFlight(t, f.admin, requests)
	time.Sleep(time.Until(sent.Add(timeout - 100*time.Millisecond))) // to just before the first expires
	expiring := ask(time.Second)
	testutil.Eventually(t, "all have expired", func() bool { return hanging.done.Load() == requests })
	t.Logf("p99 of others %v, while %d requests hang and expire %v", quiet, requests, expiring)
	if bound := max(2*quiet, within(5*time.Millisecond, time.Second)); expiring > bound {
		t.Errorf("p99 of others was %v while %d requests expired, %v before; want at most %v", expiring, requests, quiet, bound)
	}
}
