package load

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"nanofront/internal/testutil"
)

// childEnv makes the test program a server, so that its CPU time and its threads are not the
// generator's: "plain" for fasthttp answering 512 bytes, or a number of delays for serveDelays.
const childEnv = "NANOFRONT_LOAD_TEST_SERVER"

func serveIfAsked() {
	mode := os.Getenv(childEnv)
	if mode == "" {
		return
	}
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(ln.Addr())
	if n, err := strconv.Atoi(mode); err == nil {
		// A sleeping thread keeps its P for a while: there must be others.
		runtime.GOMAXPROCS(256)
		fmt.Printf("%s\n", serveDelays(ln, n, os.Stdin))
		os.Exit(0)
	}
	go func() { // ends with the process, which ends with its parent
		_, _ = os.Stdin.Read(make([]byte, 1))
		os.Exit(0)
	}()
	body := bytes.Repeat([]byte("x"), 512)
	s := &fasthttp.Server{Handler: func(c *fasthttp.RequestCtx) { c.Write(body) }}
	fmt.Println(s.Serve(ln))
	os.Exit(1)
}

// child starts a server in a process of its own. end ends it, and returns what it said last.
func child(t testing.TB, mode string) (url string, end func() string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+mode)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewReader(out)
	line, err := said.ReadString('\n')
	end = sync.OnceValue(func() string {
		in.Close()
		text, _ := said.ReadString('\n')
		cmd.Wait()
		return text
	})
	t.Cleanup(func() { end() })
	if err != nil {
		t.Fatalf("the server said %q, %v", line, err)
	}
	return "http://" + strings.TrimSpace(line) + "/", end
}

// BenchmarkCost shows CPU time of the generator for a request, in turns with
// wrk's. An open loop at a rate is to be held against wrk with so few connections
// that it has about that rate. Run it with -benchtime 1x -count 5.
func BenchmarkCost(b *testing.B) {
	url, _ := child(b, "plain")
	const duration = 2 * time.Second
	for _, o := range []Options{
		{Connections: 256},
		{Connections: 4, Workers: 1},
		{Rate: 50_000},
		{Rate: 20_000},
	} {
		name := fmt.Sprintf("closed/conns=%d", o.Connections)
		if o.Rate > 0 {
			name = fmt.Sprintf("open/rate=%.0f", o.Rate)
		}
		b.Run("generator="+"bench/"+name, func(b *testing.B) {
			o.URL, o.Duration, o.Warmup = url, duration, 200*time.Millisecond
			for b.Loop() {
				r, err := Run(b.Context(), o, nil)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(r.CPUPerRequest())/1e3, "cpu-µs/req")
				b.ReportMetric(r.Throughput(), "req/s")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
	for _, c := range []int{256, 4, 2, 1} {
		b.Run(fmt.Sprintf("generator=wrk/closed/conns=%d", c), func(b *testing.B) {
			wrk := testutil.Command(b, "wrk", "wrk")
			for b.Loop() {
				cost, rate := runWrk(b, wrk, url, c, duration)
				b.ReportMetric(cost*1e6, "cpu-µs/req")
				b.ReportMetric(rate, "req/s")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

var wrkRequests = regexp.MustCompile(`(\d+) requests in`)

// runWrk returns wrk's CPU seconds for a request, and requests per second.
func runWrk(b *testing.B, wrk, url string, connections int, d time.Duration) (cost, rate float64) {
	b.Helper()
	cmd := exec.Command(wrk, fmt.Sprintf("-t%d", min(2, connections)), fmt.Sprintf("-c%d", connections), fmt.Sprintf("-d%ds", int(d.Seconds())), url)
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.Fatalf("wrk: %v\n%s", err, out)
	}
	m := wrkRequests.FindSubmatch(out)
	if m == nil {
		b.Fatalf("wrk said %s", out)
	}
	n, _ := strconv.ParseFloat(string(m[1]), 64)
	s := cmd.ProcessState
	return (s.UserTime() + s.SystemTime()).Seconds() / n, n / d.Seconds()
}
