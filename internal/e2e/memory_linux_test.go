package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// memory is what a process has, in bytes.
type memory struct {
	live     int64 // what is reachable on its heap, and its stacks
	resident int64 // of the machine
}

var heapFigure = regexp.MustCompile(`(?m)^# (HeapAlloc|Stack) = (\d+)`)

// memoryOf collects the garbage of a process and says what it has then.
func memoryOf(t *testing.T, p *process, admin string) (m memory) {
	t.Helper()
	const profile = "/debug/pprof/heap?gc=1&debug=1"
	_, _, _ = adminGet(admin, profile) // what pools keep goes the second time
	status, body, err := adminGet(admin, profile)
	found := heapFigure.FindAllStringSubmatch(body, -1)
	if err != nil || status != 200 || len(found) != 2 {
		t.Fatalf("the heap's profile: status %d, %v, figures %v", status, err, found)
	}
	for _, f := range found {
		n, err := strconv.ParseInt(f[2], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		m.live += n
	}
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.pid()))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(statm))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	m.resident = pages * int64(os.Getpagesize())
	return m
}

// TestMemory_IdleClients: a client that waits costs the same whatever it was given
// before.
func TestMemory_IdleClients(t *testing.T) {
	const clients, most = 400, 20_000
	chunked := func(target, body string) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", target, len(body), body)
	}
	const large = "/echo/bytes?n=524288"
	for _, c := range []struct {
		name, request string
		slow          bool
	}{
		{"nothing", "", false},
		{"an ordinary request", get("/hello").wire(), false},
		{"a large answer", get(large).wire(), false},
		{"a large answer to chunks", chunked(large, "x"), false},
		{"a large answer to HTTP 1.0", "GET " + large + " HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false},
		{"a large answer, read slowly", get(large).wire(), true},
		{"a large answer to chunks, read slowly", chunked(large, "x"), true},
		{"a streamed answer", get("/echo/bytes?n=2000000").wire(), false},
		{"pieces", get("/echo/stream?pieces=20&bytes=30000").wire(), false},
		{"a large request", (&request{method: "POST", target: "/echo/digest", body: strings.Repeat("x", 500_000)}).wire(), false},
		{"a large request in chunks", chunked("/echo/digest", strings.Repeat("x", 500_000)), false},
		{"a streamed request", (&request{method: "POST", target: "/echo/digest", body: strings.Repeat("x", 2_000_000)}).wire(), false},
		{"a refused request", chunked("/nothing", "x"), false},
	} {
		for _, w := range ways {
			t.Run(c.name+"/"+w.name, func(t *testing.T) {
				t.Parallel()
				f := startFront(t, frontOptions{terminator: append([]string{"--idle-timeout", "10m"}, w.flags...), routes: largeRoutes})
				for range 30 { // what is made once, and the garbage of some
					_ = idleAfter(t, f.http, c.request, c.slow).Close() // it has what it came for
				}
				testutil.Eventually(t, "no client is left", func() bool { return figures(t, f.admin).Gauges["http.connections"] == 0 })
				before := memoryOf(t, f.terminator, f.admin)
				for range clients {
					idleAfter(t, f.http, c.request, c.slow)
				}
				testutil.Eventually(t, "all are there", func() bool { return figures(t, f.admin).Gauges["http.connections"] == clients })
				var live, resident int64
				// What is garbage now goes back to the machine in some seconds.
				for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(200 * time.Millisecond) {
					after := memoryOf(t, f.terminator, f.admin)
					live, resident = (after.live-before.live)/clients, (after.resident-before.resident)/clients
					if live <= most && resident <= most || time.Now().After(deadline) {
						break
					}
				}
				t.Logf("%s, %s: %d bytes for each idle client, of the machine's memory %d", c.name, w.name, live, resident)
				if live > most || resident > most {
					t.Errorf("%d bytes for each of %d idle clients, of the machine's memory %d; %d are allowed", live, clients, resident, most)
				}
			})
		}
	}
}

func (r request) wire() string { return string(r.bytes()) }

// idleAfter is a connection on which a request was answered.
func idleAfter(t *testing.T, addr, raw string, slow bool) net.Conn {
	t.Helper()
	var conn *slowClient
	if slow {
		conn = dialSlow(t, addr, 0)
	} else {
		plain, _ := dial(t, addr)
		conn = &slowClient{Conn: plain}
	}
	if raw == "" {
		return conn.Conn
	}
	if err := conn.SetDeadline(time.Now().Add(testutil.Patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn.Conn, raw); err != nil {
		t.Fatal(err)
	}
	if slow {
		time.Sleep(3 * time.Millisecond) // what makes it slow
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn.Conn), nil)
	if err != nil {
		t.Fatalf("%.60q: %v", raw, err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatalf("%.60q: %v", raw, err)
	}
	_ = resp.Body.Close() // read
	return conn.Conn
}
