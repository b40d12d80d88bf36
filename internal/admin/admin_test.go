package admin

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"nanofront/internal/testutil"
	"nanofront/metrics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// buffer is a bytes.Buffer for several goroutines.
type buffer = testutil.Buffer

func start(t *testing.T, addr string, o Options) *Server {
	t.Helper()
	s, err := Start(addr, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// do makes a request on a connection of its own.
func do(t *testing.T, s *Server, method, path string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.Addr()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(body)
}

func TestServer_Serves(t *testing.T) {
	set := metrics.New(metrics.Terminator, "t1")
	set.Counter(metrics.HTTPRequests).Add(5)
	var mu sync.Mutex
	var reasons []string
	s := start(t, "127.0.0.1:0", Options{Metrics: set, Ready: func() []string {
		mu.Lock()
		defer mu.Unlock()
		return reasons
	}})
	s.Handle("/routes", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "the routes") }))

	for _, tc := range []struct {
		method, path string
		status       int
		body         string // contained
	}{
		{"GET", "/", 200, "/debug/pprof/\n/healthz\n/livez\n/metrics.json\n/readyz\n/routes\n"},
		{"GET", "/healthz", 200, "ok\n"},
		{"HEAD", "/healthz", 200, ""},
		{"POST", "/healthz", 405, ""},
		{"GET", "/readyz", 200, "ok\n"},
		{"GET", "/metrics.json", 200, `"http.requests": {`},
		{"GET", "/routes", 200, "the routes"},
		{"GET", "/debug/pprof/", 200, "goroutine"},
		{"GET", "/debug/pprof/goroutine?debug=1", 200, "goroutine profile:"},
		{"GET", "/debug/pprof/cmdline", 200, "admin.test"},
		{"GET", "/debug/pprof/trace?seconds=0.01", 200, ""},
		{"GET", "/debug/pprof/profile?seconds=3600", 400, `seconds: "3600" is not a number above 0 and up to 300`},
		{"GET", "/debug/pprof/heap?seconds=NaN", 400, `seconds: "NaN"`},
		{"GET", "/debug/pprof/trace?seconds=x", 400, `seconds: "x"`},
		{"GET", "/nothing", 404, ""},
	} {
		status, _, body := do(t, s, tc.method, tc.path)
		if status != tc.status || !strings.Contains(body, tc.body) {
			t.Errorf("%s %s = %d %q, want %d with %q", tc.method, tc.path, status, body, tc.status, tc.body)
		}
	}

	mu.Lock()
	reasons = []string{"no live instance of web", "no routes yet"}
	mu.Unlock()
	if status, _, body := do(t, s, "GET", "/readyz"); status != 503 || body != "no live instance of web\nno routes yet\n" {
		t.Errorf("/readyz = %d %q, want 503 with a line for each reason", status, body)
	}
	s.SetReady(nil)
	if status, _, _ := do(t, s, "GET", "/readyz"); status != 200 {
		t.Errorf("/readyz after SetReady(nil) = %d, want 200", status)
	}

	_, header, body := do(t, s, "GET", "/metrics.json")
	if ct := header.Get("Content-Type"); ct != "application/json" {
		t.Errorf("Content-Type of /metrics.json = %q", ct)
	}
	if r, err := metrics.ReadReport(strings.NewReader(body)); err != nil || r.Counters["http.requests"].Value != 5 {
		t.Errorf("/metrics.json = %+v, %v", r, err)
	}
}

func TestServer_WithoutMetrics(t *testing.T) {
	s := start(t, "127.0.0.1:0", Options{})
	if status, _, _ := do(t, s, "GET", "/metrics.json"); status != 404 {
		t.Errorf("/metrics.json = %d, want 404", status)
	}
	if status, _, _ := do(t, s, "GET", "/readyz"); status != 200 {
		t.Errorf("/readyz = %d, want 200", status)
	}
}

func TestStart_SaysWhatIsWrongWithTheAddress(t *testing.T) {
	s := start(t, "127.0.0.1:0", Options{})
	for addr, want := range map[string]string{
		s.Addr():           "admin: " + s.Addr() + " is in use: choose another with --admin",
		"192.0.2.1:8081":   "admin: 192.0.2.1:8081 is not an address of this machine: choose another with --admin",
		"127.0.0.1:999999": `on --admin "127.0.0.1:999999"`,
	} {
		other, err := Start(addr, Options{})
		if err == nil {
			_ = other.Close()
		}
		if !errors.Is(err, ErrListen) || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("Start(%s) = %v, want %q", addr, err, want)
		}
	}
}

func TestStart_WarnsWhenOthersCanReachIt(t *testing.T) {
	for addr, want := range map[string]bool{"127.0.0.1:0": false, "0.0.0.0:0": true} {
		var log buffer
		start(t, addr, Options{Logger: zerolog.New(&log)})
		if got := strings.Contains(log.String(), "open to other machines"); got != want {
			t.Errorf("%s: the log is %q, want a warning: %v", addr, log.String(), want)
		}
	}
}

func TestServer_ContainsPanics(t *testing.T) {
	var log buffer
	s := start(t, "127.0.0.1:0", Options{Logger: zerolog.New(&log)})
	s.Handle("/panic", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("oops") }))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addr()+"/panic", nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := http.DefaultClient.Do(req); err == nil {
		_ = resp.Body.Close()
		t.Errorf("a panic gives %d, want a closed connection", resp.StatusCode)
	}
	if status, _, _ := do(t, s, "GET", "/healthz"); status != 200 {
		t.Errorf("/healthz after a panic = %d", status)
	}
	if !strings.Contains(log.String(), "oops") {
		t.Errorf("the log is %q", log.String())
	}
}

func TestServer_CloseWaitsAndEnds(t *testing.T) {
	s := start(t, "127.0.0.1:0", Options{})
	hanging, released := make(chan struct{}), make(chan struct{})
	s.Handle("/hang", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(hanging)
		<-r.Context().Done()
		close(released)
	}))
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "GET /hang HTTP/1.1\r\nHost: "+s.Addr()+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-hanging
	begin := time.Now()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("the second Close: %v", err)
	}
	if d := time.Since(begin); d > 30*time.Second {
		t.Errorf("Close took %s", d)
	}
	<-released
	if _, err := bufio.NewReader(conn).ReadByte(); err == nil {
		t.Error("the connection is open after Close")
	}
	if c, err := net.Dial("tcp", s.Addr()); err == nil {
		_ = c.Close()
		t.Error("the port is open after Close")
	}
}

func TestLimitListener_Bounds(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := newLimitListener(inner, 1)
	accepted := make(chan net.Conn)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(accepted)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	})
	for range 2 {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
	}
	first := <-accepted
	select {
	case <-accepted:
		t.Error("a second connection was accepted while the first is open")
	case <-time.After(20 * time.Millisecond):
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	_ = first.Close() // gives no second token back
	second := <-accepted
	if err := ln.Close(); err != nil {
		t.Error(err)
	}
	_ = second.Close()
	wg.Wait()
}
