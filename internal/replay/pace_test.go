package replay

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"nanofront/internal/recording"
)

// serverVariable makes the test binary the server of BenchmarkRun_Pace.
const serverVariable = "NANOFRONT_REPLAY_TEST_SERVER"

func TestMain(m *testing.M) {
	if n, err := strconv.Atoi(os.Getenv(serverVariable)); err == nil {
		if err := serveArrivals(n); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// serveArrivals answers GET /i for i below n, until standard input ends, and then writes when each of
// them came to standard output, in ns since 1970.
func serveArrivals(n int) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	at := make([]int64, n)
	go func() { // ends with the process
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go arrivals(c, at)
		}
	}()
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return binary.Write(os.Stdout, binary.LittleEndian, at)
}

// arrivals answers the requests of one connection.
func arrivals(c net.Conn, at []int64) {
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain;charset=utf-8\r\nContent-Length: 2\r\n\r\nok")
	in := bufio.NewReader(c)
	for {
		first := true
		for {
			line, err := in.ReadSlice('\n')
			if err != nil {
				return
			}
			if first {
				i := 0
				for _, d := range line[len("GET /"):] {
					if d < '0' || d > '9' {
						break
					}
					i = i*10 + int(d-'0')
				}
				at[i], first = time.Now().UnixNano(), false
			}
			if len(line) == 2 {
				break
			}
		}
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

// writeRecording writes a recording of n requests whose times are those of many users who don't know of
// each other, so many a second.
func writeRecording(name string, n int, rate float64) error {
	now := time.Now()
	h := recording.Header{Created: now, Expires: now.Add(time.Hour), Share: 1}
	red, err := recording.NewRedactor(recording.RedactOptions{})
	if err != nil {
		return err
	}
	red.Header(&h)
	w, err := recording.Create(name, h)
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(1, 2))
	at := now.UnixNano()
	r := recording.Record{
		Hop: 1, Outcome: recording.Answered, Service: "web", Instance: "web-1", Method: "GET", Scheme: "http", Host: "example.com", Route: "pages",
		Fields: []recording.Field{{Name: "accept", Value: "*/*"}, {Name: "accept-language", Value: "en"}},
		Answer: recording.Answer{Status: 200, Latency: time.Millisecond, Body: recording.Body{Size: 2}, Fields: []recording.Field{{Name: "content-type", Value: "text/plain;charset=utf-8"}}},
	}
	for i := range n {
		at += int64(rng.ExpFloat64() * 1e9 / rate)
		r.At, r.Path, r.RequestID = at, "/"+strconv.Itoa(i), fmt.Sprintf("%032x", i)
		if err := w.Write(&r); err != nil {
			return err
		}
	}
	return w.Close(recording.Summary{Ended: time.Now(), Why: "test"})
}

// replayArrivals replays a recording to a server in a process of its own, and returns how far from
// its time each request came, in ns, sorted, and what the replay says itself.
func replayArrivals(tb testing.TB, n int, rate float64) (off []int64, r *Result) {
	tb.Helper()
	name := filepath.Join(tb.TempDir(), "a.nfrec")
	if err := writeRecording(name, n, rate); err != nil {
		tb.Fatal(err)
	}
	server := exec.Command(os.Args[0], "-test.run=^$")
	server.Env = append(os.Environ(), serverVariable+"="+strconv.Itoa(n))
	server.Stderr = os.Stderr
	in, err := server.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := server.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := server.Start(); err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = server.Wait() }()
	defer in.Close()
	from := bufio.NewReader(out)
	line, err := from.ReadString('\n')
	if err != nil {
		tb.Fatal(err)
	}
	addr, err := net.ResolveTCPAddr("tcp", string(bytes.TrimSpace([]byte(line))))
	if err != nil {
		tb.Fatal(err)
	}
	src, err := recording.Open(name)
	if err != nil {
		tb.Fatal(err)
	}
	defer src.Close()
	r, err = Run(tb.Context(), Options{
		Source: src, Speed: 1, Connections: 256, Timeout: 10 * time.Second, Encode: HTTP, NewSender: Dial(addr), Select: Select{Hop: 1}, MaxLate: time.Millisecond, Samples: 1,
	}, nil)
	if err != nil {
		tb.Fatal(err)
	}
	_ = in.Close()
	at := make([]int64, n)
	if err := binary.Read(from, binary.LittleEndian, at); err != nil {
		tb.Fatal(err)
	}
	if err := src.Seek(time.Time{}); err != nil {
		tb.Fatal(err)
	}
	var rec recording.Record
	first := int64(0)
	for i := range n {
		if err := src.Next(&rec); err != nil {
			tb.Fatal(err)
		}
		if i == 0 {
			first = rec.At
		}
		d := at[i] - r.Began.UnixNano() - (rec.At - first)
		off = append(off, max(d, -d))
	}
	slices.Sort(off)
	return off, r
}

// All requests arrive, in time on a machine that isn't busy; how well is what BenchmarkRun_Pace says.
func TestRun_ArrivesInTime(t *testing.T) {
	const n = 3000
	off, r := replayArrivals(t, n, 3000)
	if r.Total.Same != n || r.LateSent != n {
		t.Errorf("%+v, %d measured", r.Total, r.LateSent)
	}
	t.Logf("arrived off by p50 %v, p99 %v, at most %v; says of itself p99 %d µs", time.Duration(off[n/2]), time.Duration(off[n*99/100]), time.Duration(off[n-1]), r.Late.P99)
	if off[n/2] > int64(time.Second) {
		t.Errorf("half of the requests came more than %v off their times", time.Duration(off[n/2]))
	}
}

// BenchmarkRun_Pace replays 1,000,000 recorded requests at their times. It takes as long as they did:
// 100 and 50 seconds.
//
//	go test -run '^$' -bench Run_Pace -benchtime 1x -timeout 10m ./internal/replay
func BenchmarkRun_Pace(b *testing.B) {
	for _, rate := range []float64{10_000, 20_000} {
		b.Run(fmt.Sprintf("rate=%.0f", rate), func(b *testing.B) {
			const n = 1_000_000
			for b.Loop() {
				off, r := replayArrivals(b, n, rate)
				if r.Total.Same != n {
					b.Fatalf("%+v", r.Total)
				}
				b.ReportMetric(float64(off[n/2])/1000, "arrival-p50-µs")
				b.ReportMetric(float64(off[n*99/100])/1000, "arrival-p99-µs")
				b.ReportMetric(float64(off[n-1])/1000, "arrival-max-µs")
				b.ReportMetric(float64(r.Late.P99), "late-p99-µs")
				b.ReportMetric(float64(r.Late.Max), "late-max-µs")
			}
		})
	}
}
