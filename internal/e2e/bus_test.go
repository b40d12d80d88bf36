package e2e

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// tapped is a line of nanofront bus tap --json.
type tapped struct {
	Service   string              `json:"service"`
	Instance  string              `json:"instance"`
	Direction string              `json:"direction"`
	Peer      string              `json:"peer"`
	Kind      string              `json:"kind"`
	ID        string              `json:"id"`
	Method    string              `json:"method"`
	Path      string              `json:"path"`
	Query     string              `json:"query"`
	Status    int                 `json:"status"`
	Budget    int64               `json:"budget_us"`
	Latency   *int64              `json:"latency_us"`
	Header    map[string][]string `json:"header"`
	Body      string              `json:"body"`
	Cut       bool                `json:"cut"`
	RequestID string              `json:"request_id"`
	Parent    string              `json:"parent"`
}

// startTap starts nanofront bus tap --json and waits until it listens.
func startTap(t *testing.T, args ...string) *process {
	t.Helper()
	p := start(t, "nanofront", append([]string{"bus", "tap", "--json"}, args...)...)
	p.says(t, "listening to")
	return p
}

// interrupt ends a program as ctrl-C does.
func interrupt(t *testing.T, p *process) {
	t.Helper()
	p.signal(t, syscall.SIGINT)
	if code := p.wait(t, testutil.Patience); code != 0 {
		t.Errorf("%s: exit code %d:\n%s", p, code, p.out.tail())
	}
}

// suspend stops a program in its tracks and waits until every thread of it
// stands still: on a busy machine some run on for a while.
func suspend(t *testing.T, p *process) {
	t.Helper()
	t.Cleanup(func() { p.signal(t, syscall.SIGCONT) }) // else it could not be ended
	p.signal(t, syscall.SIGSTOP)
	testutil.Eventually(t, p.String()+" stands still", func() bool {
		stats, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.pid()))
		if err != nil || len(stats) == 0 {
			testutil.Skip(t, "seeing that a process has stopped needs /proc")
		}
		for _, name := range stats {
			stat, err := os.ReadFile(name)
			// tid (name) state …: the name may have anything in it.
			if err == nil && !bytes.HasPrefix(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" T")) {
				return false
			}
		}
		return true
	})
}

// frames are the frames that a tap has printed.
func frames(t *testing.T, p *process) []tapped {
	t.Helper()
	var list []tapped
	for line := range strings.Lines(p.out.String()) {
		if !strings.HasPrefix(line, "{") || !strings.HasSuffix(line, "\n") {
			continue
		}
		var f tapped
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatalf("%v in %.300q", err, line)
		}
		list = append(list, f)
	}
	return list
}

// TestTap_SeesARequestWithItsResponse listens in on a system with etcd.
func TestTap_SeesARequestWithItsResponse(t *testing.T) {
	t.Parallel()
	s := startUp(t)
	tap := startTap(t, "echo", "--payload", "full", "--match", "/echo/hi", "--etcd", s.etcd)
	plain := start(t, "nanofront", "bus", "tap", "web", "--etcd", s.etcd)
	plain.says(t, "listening to web/web-1")
	plain.says(t, "listening to web/web-2")
	ask(t, s.http, get("/hello")).wants(t, 200, "GET /hello")
	ask(t, s.http, get("/echo/hi?x=1", "X-Seen: yes")).wants(t, 200, "GET /echo/hi")
	ask(t, s.http, get("/profile/42")).wants(t, 200, "GET /profile/42")
	testutil.Eventually(t, "both halves are seen", func() bool { return len(frames(t, tap)) >= 2 })
	plain.says(t, "→ terminator-1")
	interrupt(t, tap)
	interrupt(t, plain)
	list := frames(t, tap)
	if len(list) != 2 {
		t.Fatalf("%d frames, want the request and the response of /echo/hi:\n%s", len(list), tap.out)
	}
	req, resp := list[0], list[1]
	if req.Kind != "request" || req.Direction != "in" || req.Peer != "terminator-1" || req.Service != "echo" || req.Instance != "echo-1" ||
		req.Method != "GET" || req.Path != "/echo/hi" || req.Query != "x=1" || req.Budget <= 0 || len(req.Header["x-seen"]) != 1 {
		t.Errorf("request: %+v", req)
	}
	if resp.Kind != "response" || resp.Direction != "out" || resp.ID != req.ID || resp.Status != 200 || resp.Path != "/echo/hi" ||
		resp.Latency == nil || *resp.Latency < 0 || *resp.Latency > 10_000_000 || !strings.Contains(resp.Body, `"query":"x=1"`) {
		t.Errorf("response: %+v", resp)
	}
	for _, want := range []string{"4 frames in", "2 shown", ", of 1 response whose request was seen", "0 dropped by the instances, 0 here"} {
		if !tap.out.has(want) {
			t.Errorf("the summary doesn't say %q:\n%s", want, tap.out.tail())
		}
	}
	if out := plain.out.String(); !strings.Contains(out, "GET /profile/42  budget ") || !regexp.MustCompile(`→ terminator-1 .*  200  GET /profile/42 .*latency `).MatchString(out) {
		t.Errorf("for people:\n%s", out)
	}
}

// TestTap_SamplesWholeRequests: of 10,000 requests about one in a hundred is
// seen, and of none only one half.
func TestTap_SamplesWholeRequests(t *testing.T) {
	t.Parallel()
	f := startFront(t, frontOptions{})
	tap := startTap(t, "echo/echo-1", "--sample", "0.01", "--payload", "none", "--static", f.table)
	var workers sync.WaitGroup
	const each = 1250
	for range 8 {
		workers.Go(func() {
			c := client{addr: f.http}
			defer c.close()
			for range each {
				if r, failed := c.do(get("/hello")); failed != nil || r.status != 200 {
					t.Errorf("status %d, %v", r.status, failed)
					return
				}
			}
		})
	}
	workers.Wait()
	// The copies of the last responses may still be on their way.
	testutil.Eventually(t, "as many responses as requests are seen", func() bool {
		seen := map[string]int{}
		for _, fr := range frames(t, tap) {
			seen[fr.Kind]++
		}
		return seen["request"] == seen["response"]
	})
	interrupt(t, tap)
	halves := map[string]map[string]int{}
	for _, fr := range frames(t, tap) {
		if halves[fr.ID] == nil {
			halves[fr.ID] = map[string]int{}
		}
		halves[fr.ID][fr.Kind]++
		if fr.Path != "" || fr.Status != 0 || !fr.Cut {
			t.Errorf("--payload none shows %+v", fr)
		}
	}
	for id, kinds := range halves {
		if kinds["request"] != 1 || kinds["response"] != 1 {
			t.Errorf("%s: %v, want one request and one response", id, kinds)
		}
	}
	// Binomial: 100 expected, standard deviation 10.
	if n := len(halves); n < 40 || n > 160 {
		t.Errorf("%d of 10,000 requests seen, want about 100", n)
	}
	if !tap.out.has("0 dropped by the instances") {
		t.Errorf("copies were dropped:\n%s", tap.out.tail())
	}
}

// TestTap_Stalled stops a tap in its tracks: requests go on, copies are lost and
// counted, and the tap says so when it goes on.
func TestTap_Stalled(t *testing.T) {
	t.Parallel()
	f := startFront(t, frontOptions{})
	tap := startTap(t, "--payload", "full", "--static", f.table)
	suspend(t, tap)
	c := client{addr: f.http}
	defer c.close()
	slowest, lost := time.Duration(0), uint64(0)
	for n := 0; lost < 10; n++ {
		began := time.Now()
		r, failed := c.do(get("/echo/bytes?n=60000"))
		if failed != nil || r.status != 200 || len(r.body) != 60000 {
			t.Fatalf("beside a stalled tap: status %d, %d bytes, %v", r.status, len(r.body), failed)
		}
		slowest = max(slowest, time.Since(began))
		if n%10 == 0 {
			lost = counter(t, f.echo[0].admin, "bus.dropped.tap_overflow")
		}
		if n > 5000 {
			t.Fatal("5,000 copies and none was lost")
		}
	}
	if slowest > within(3*time.Second, 4500*time.Millisecond) {
		t.Errorf("a request took %v beside a stalled tap", slowest)
	}
	if n := figures(t, f.echo[0].admin).Gauges["bus.taps"]; n != 1 {
		t.Errorf("bus.taps is %v", n)
	}
	tap.signal(t, syscall.SIGCONT)
	// Its link lives if it was stopped for less than five pings; else it comes
	// back, and what was lost on the old one is told by the metric alone.
	testutil.Eventually(t, "the tap hears again", func() bool {
		was := len(frames(t, tap))
		ask(t, f.http, get("/hello")).wants(t, 200, "GET /hello")
		return was > 0 && strings.Contains(tap.out.String(), `"path":"/hello"`)
	})
	interrupt(t, tap)
	m := regexp.MustCompile(`([\d,]+) dropped by the instances`).FindStringSubmatch(tap.out.String())
	if m == nil || m[1] == "0" && !tap.out.has("lost echo/echo-1") {
		t.Errorf("%d copies lost, the tap says %q", lost, m)
	}
	testutil.Eventually(t, "the tap is gone", func() bool { return figures(t, f.echo[0].admin).Gauges["bus.taps"] == 0 })
}

// TestTap_FollowsRestarts: an instance that was killed is listened to again.
func TestTap_FollowsRestarts(t *testing.T) {
	t.Parallel()
	f := startFront(t, frontOptions{})
	tap := startTap(t, "--static", f.table, "--count", "2")
	f.echo[0].signal(t, syscall.SIGKILL)
	tap.says(t, "lost echo/echo-1")
	f.startEcho(t, 0)
	testutil.Eventually(t, "it is listened to again", func() bool { return strings.Count(tap.out.String(), "listening to echo/echo-1") == 2 })
	f.ready(t, 200)
	ask(t, f.http, get("/hello")).wants(t, 200, "GET /hello")
	if code := tap.wait(t, testutil.Patience); code != 0 || len(frames(t, tap)) != 2 {
		t.Errorf("--count 2: exit code %d, %d frames:\n%s", code, len(frames(t, tap)), tap.out.tail())
	}
}

func TestTap_Forbidden(t *testing.T) {
	t.Parallel()
	f := startFront(t, frontOptions{handler: []string{"--bus-tap=false"}})
	got := finish(t, "nanofront", "bus", "tap", "--static", f.table)
	if got.code != 1 || !strings.Contains(got.out, "--bus-tap=false") || !strings.Contains(got.out, "every instance refuses") {
		t.Errorf("exit code %d:\n%s", got.code, got.out)
	}
	ask(t, f.http, get("/hello")).wants(t, 200, "GET /hello")
}

// TestTap_OlderPeer: one that doesn't know the frame ignores it, which is said.
// So is that another can't be reached.
func TestTap_OlderPeer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); conns.Wait() })
	conns.Go(func() { // ends with the listener
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() { greetOnly(conn) })
		}
	})
	table := filepath.Join(t.TempDir(), "table.yaml")
	writeFile(t, table, fmt.Sprintf("version: 1\ninstances:\n"+
		"  - {service: old, id: old-1, address: \"tcp://%s\"}\n  - {service: off, id: off-1, address: \"tcp://%s\"}\n", l.Addr(), freeAddr(t)))
	p := start(t, "nanofront", "bus", "tap", "--static", table)
	p.says(t, "no answer from old/old-1")
	p.says(t, "off/off-1 is known, but can't be reached")
	p.says(t, "refused")
	interrupt(t, p)
	if !p.out.has("0 frames in") {
		t.Errorf("no summary:\n%s", p.out.tail())
	}
}

// greetOnly is a peer of the bus that says hello and nothing else, until its
// peer goes.
func greetOnly(conn net.Conn) {
	defer conn.Close()
	sp := []byte{0, 'S', 'P', 0, 0, 0x70, 0, 0}
	hello := append([]byte{0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 0, 1, 0, 0, 0, 0, 0, 16, 3, 'o', 'l', 'd', 0, 5, 'o', 'l', 'd', '-', '1', 0)
	binary.BigEndian.PutUint32(hello, uint32(len(hello)))
	message := append(binary.BigEndian.AppendUint64(nil, uint64(len(hello))), hello...)
	if _, err := conn.Write(append(sp, message...)); err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, conn)
}

// called is what nanofront bus call --json prints.
type called struct {
	Service    string              `json:"service"`
	Instance   string              `json:"instance"`
	RequestID  string              `json:"request_id"`
	Status     int                 `json:"status"`
	Header     map[string][]string `json:"header"`
	Body       string              `json:"body"`
	Error      string              `json:"error"`
	Code       string              `json:"code"`
	Timing     map[string]int64    `json:"timing_us"`
	ClockKnown bool                `json:"clock_known"`
}

func TestCall_ShowsTheAnswer(t *testing.T) {
	t.Parallel()
	f := startFront(t, frontOptions{echo: 2})
	body := filepath.Join(t.TempDir(), "body")
	writeFile(t, body, `{"from":"a file"}`)
	got := finish(t, "nanofront", "bus", "call", "echo", "/echo/x/../a%7e?q=1", "--static", f.table, "--json",
		"-H", "X-A: one, two", "-H", "Host: h.example", "-X", "PUT", "-d", "@"+body, "--instance", "echo-2")
	var c called
	if err := json.Unmarshal([]byte(got.out), &c); err != nil || got.code != 0 {
		t.Fatalf("exit code %d, %v:\n%s", got.code, err, got.out)
	}
	var seen struct {
		Method, Host, Path, Query, Body string
		Headers                         map[string][]string
	}
	if err := json.Unmarshal([]byte(c.Body), &seen); err != nil {
		t.Fatalf("%v: %s", err, c.Body)
	}
	if c.Service != "echo" || c.Instance != "echo-2" || c.Status != 200 || !c.ClockKnown || len(c.Header["content-type"]) != 1 {
		t.Errorf("answer: %+v", c)
	}
	if seen.Method != "PUT" || seen.Host != "h.example" || seen.Path != "/echo/a~" || seen.Query != "q=1" || seen.Body != `{"from":"a file"}` ||
		strings.Join(seen.Headers["x-a"], "|") != "one, two" || strings.Join(seen.Headers["x-request-id"], "|") != c.RequestID || c.RequestID == "" {
		t.Errorf("request: %+v", seen)
	}
	sum := int64(0)
	for _, stage := range []string{"queue", "bus_out", "handler_queue", "handler", "bus_back"} {
		if c.Timing[stage] < 0 {
			t.Errorf("stage %s: %d µs", stage, c.Timing[stage])
		}
		sum += c.Timing[stage]
	}
	// Each is cut to whole µs.
	if total := c.Timing["total"]; total <= 0 || sum > total || sum < total-10 {
		t.Errorf("the stages take %d µs together, the whole %d µs", sum, total)
	}

	got = finish(t, "nanofront", "bus", "call", "echo", "/hello", "--static", f.table)
	for _, want := range []string{"200 OK  from echo/echo-", "content-type: text/plain", "Hello from nanofront!", "handler queue", "bus back", "█"} {
		if got.code != 0 || !strings.Contains(got.out, want) {
			t.Errorf("exit code %d, want %q in:\n%s", got.code, want, got.out)
		}
	}
	got = finish(t, "nanofront", "bus", "call", "echo", "/hello", "--static", f.table, "--count", "50")
	if got.code != 0 || strings.Count(got.out, "  200 OK  ") != 50 || !strings.Contains(got.out, "50 requests, 0 of them") || !strings.Contains(got.out, "median") {
		t.Errorf("--count 50: exit code %d:\n%s", got.code, got.out)
	}
}

func TestCall_Fails(t *testing.T) {
	t.Parallel()
	nobody := freeAddr(t)
	f := startFront(t, frontOptions{table: []string{"gone gone-1 tcp://" + nobody}})
	for _, c := range []struct {
		args []string
		code int
		says []string
	}{
		{[]string{"echo", "/echo/status/404"}, 1, []string{"404 Not Found", "as asked for", "echo/echo-1 answered 404"}},
		{[]string{"echo", "/echo/status/503", "--count", "3"}, 1, []string{"3 of 3 requests", "503"}},
		{[]string{"echo", "/echo/panic"}, 1, []string{"error internal", "request id"}},
		{[]string{"echo", "/echo/sleep?ms=5000", "--timeout", "100ms"}, 1, []string{"--timeout"}},
		{[]string{"chat", "/"}, 1, []string{`no instance of service "chat"`, "echo, gone"}},
		{[]string{"echo", "/", "--instance", "echo-9"}, 1, []string{`"echo-9"`, "echo-1"}},
		{[]string{"gone", "/", "--timeout", "300ms"}, 1, []string{"gone-1", nobody, "can't be reached", "refused"}},
		{[]string{"echo", "hello"}, 2, []string{`"hello"`, "begins with /"}},
		{[]string{"echo", "/", "-H", "nothing"}, 2, []string{"nothing", "NAME: VALUE"}},
		{[]string{"echo", "/", "-d", "@" + filepath.Join(t.TempDir(), "none")}, 2, []string{"--body", "no such file"}},
		{[]string{"echo", "/", "--count", "0"}, 2, []string{"--count", "1 to 100000"}},
	} {
		got := finish(t, "nanofront", append([]string{"bus", "call", "--static", f.table}, c.args...)...)
		if got.code != c.code {
			t.Errorf("%v: exit code %d, want %d", c.args, got.code, c.code)
		}
		for _, want := range c.says {
			if !strings.Contains(got.out, want) {
				t.Errorf("%v: doesn't say %q:\n%s", c.args, want, got.out)
			}
		}
	}
	// What fails says so as JSON too.
	got := finish(t, "nanofront", "bus", "call", "echo", "/echo/panic", "--json", "--static", f.table)
	var failed called
	line, _, _ := strings.Cut(got.out, "\n")
	if err := json.Unmarshal([]byte(line), &failed); err != nil || failed.Code != "internal" || failed.Error == "" || failed.Status != 0 {
		t.Errorf("%v: %s", err, got.out)
	}
	// A handler that is stopped answers nobody: the time-out is the caller's.
	suspend(t, f.echo[0].process)
	got = finish(t, "nanofront", "bus", "call", "echo", "/hello", "--timeout", "300ms", "--static", f.table)
	if got.code != 1 || !strings.Contains(got.out, "can't be reached") || !strings.Contains(got.out, "doesn't greet") {
		t.Errorf("a stopped handler: exit code %d:\n%s", got.code, got.out)
	}
}

// TestCall_StandardInput: a body can be piped in.
func TestCall_StandardInput(t *testing.T) {
	t.Parallel()
	f := startFront(t, frontOptions{})
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteString("piped"); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	defer r.Close()
	p := startWith(t, r, "nanofront", "bus", "call", "echo", "/echo", "-d", "@-", "--static", f.table)
	if code := p.wait(t, testutil.Patience); code != 0 || !p.out.has(`"body":"piped"`) || !p.out.has(`"method":"POST"`) {
		t.Errorf("exit code %d:\n%s", code, p.out)
	}
}
