package page

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nanofront/internal/dash/collect"
	"nanofront/internal/dash/view"
	"nanofront/internal/fleet"
	"nanofront/internal/testutil"
	"nanofront/registry"
)

// wrap keeps seconds so small that a history has them exactly.
const wrap = 10_000_000

// answers is a small system's: a front, web on two instances, and echo on one. What is in flight at
// the front is the second of the look.
func answers(begin time.Time) func(ctx context.Context, addr, path string, into []byte) ([]byte, error) {
	return func(_ context.Context, addr, path string, into []byte) ([]byte, error) {
		up := time.Since(begin).Seconds()
		n := int(up * 200)
		switch {
		case path == "/links.json" && addr == "t":
			return append(into, `[{"service":"web","instance":"web-1","state":"live","weight":100,"share":100,"requests_per_s":100,"p99_ms":9},`+
				`{"service":"web","instance":"web-2","state":"live","weight":100,"share":100,"requests_per_s":100,"p99_ms":9},{"service":"echo","instance":"echo-1","state":"live","weight":100,"share":100}]`...), nil
		case strings.HasPrefix(path, "/metrics.json") && addr == "t":
			return fmt.Appendf(into, `{"program":"terminator","start_id":"x","uptime_s":%f,"counters":{"http.requests":{"value":%d},"upstream.web.requests":{"value":%d},"upstream.echo.requests":{"value":0}},`+
				`"gauges":{"http.limit":512,"http.in_flight":%d,"upstream.web.instances":2,"upstream.echo.instances":1},`+
				`"timers":{"stage.total":{"buckets":[[1.2,%d],[9,%d]]},"stage.handler":{"buckets":[[1,%d]]},"upstream.web.latency":{"buckets":[[1.2,%d]]}}}`, up, n, n, time.Now().Unix()%wrap, n, n/50, n, n), nil
		case strings.HasPrefix(path, "/metrics.json"):
			return fmt.Appendf(into, `{"program":"handler","start_id":"x","uptime_s":%f,"counters":{"requests":{"value":%d}},"timers":{"service_time":{"buckets":[[1,%d]]}}}`, up, n/2, n/2), nil
		}
		return into, io.ErrUnexpectedEOF
	}
}

// watched is a collector of that system, at work.
func watched(t *testing.T, boot string) *collect.Collector {
	t.Helper()
	c := collect.New(collect.Options{System: "shop", Boot: boot, Commands: " --etcd http://127.0.0.1:2379", Get: answers(time.Now())})
	handler := func(service, id string) fleet.Target {
		return fleet.Target{Kind: view.Handler, Service: service, ID: id, Admin: id, Weight: 100}
	}
	c.SetTargets([]fleet.Target{{Kind: view.Front, ID: "t", Admin: "t"}, handler("web", "web-1"), handler("web", "web-2"), handler("echo", "echo-1")})
	routes, err := registry.ParseRoutes([]byte("version: 1\nroutes: [{match: {prefix: /}, service: web}, {match: {path: /hello}, service: echo}]"))
	if err != nil {
		t.Fatal(err)
	}
	c.SetRoutes(routes, 1)
	testutil.Start(t, "collector", func(ctx context.Context) error { c.Run(ctx); return nil })
	testutil.Eventually(t, "there is a view", func() bool { return c.View() != nil })
	return c
}

// site serves a page, and counts its streams.
type site struct {
	*httptest.Server
	streams, most atomic.Int64
	stop          func()
}

func serve(t *testing.T, c *collect.Collector, addr, token string) *site {
	t.Helper()
	s := &site{}
	done := make(chan struct{})
	h := New(Options{Collector: c, Token: token, Done: done})
	counted := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stream" {
			n := s.streams.Add(1)
			defer s.streams.Add(-1)
			for m := s.most.Load(); n > m && !s.most.CompareAndSwap(m, n); m = s.most.Load() {
			}
		}
		h.ServeHTTP(w, r)
	})
	s.Server = httptest.NewUnstartedServer(counted)
	if addr != "" {
		testutil.Eventually(t, addr+" is free", func() bool {
			ln, err := net.Listen("tcp", addr)
			if err == nil {
				_ = s.Listener.Close()
				s.Listener = ln
			}
			return err == nil
		})
	}
	s.Start()
	var closed atomic.Bool
	stop := func() {
		if closed.CompareAndSwap(false, true) {
			close(done)
			s.CloseClientConnections()
			s.Server.Close()
		}
	}
	t.Cleanup(stop)
	s.stop = stop
	return s
}

func ask(t *testing.T, method, url, token string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestPage_IsOneFileThatChangesNothing(t *testing.T) {
	s := serve(t, watched(t, "b"), "", "")
	resp, body := ask(t, http.MethodGet, s.URL+"/", "")
	if resp.StatusCode != 200 || !strings.Contains(body, "<h1>") {
		t.Fatalf("GET /: %d %.200s", resp.StatusCode, body)
	}
	policy := resp.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "script-src 'sha256-", "style-src 'sha256-", "connect-src 'self'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy is %q, want %s in it", policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("the policy is %q", policy)
	}
	for _, no := range []string{"https://", " style=\"", " onclick=", "src=\"", "@import", "innerHTML"} {
		if strings.Contains(body, no) {
			t.Errorf("the page has %q in it", no)
		}
	}
	if n := strings.Count(body, "http://"); n != strings.Count(body, "http://www.w3.org/2000/svg") {
		t.Errorf("the page has addresses of elsewhere in it")
	}
	for _, path := range []string{"/", "/view.json", "/stream", "/since", "/day", "/at"} {
		if resp, _ := ask(t, http.MethodPost, s.URL+path, ""); resp.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: %d, want 405", path, resp.StatusCode)
		}
	}
	if resp, _ := ask(t, http.MethodGet, s.URL+"/at?t=x", ""); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("/at?t=x: %d, want 400", resp.StatusCode)
	}
}

func TestPage_Token(t *testing.T) {
	s := serve(t, watched(t, "b"), "", "a secret of some length")
	for _, path := range []string{"/view.json", "/since", "/day", "/at?t=1", "/stream"} {
		for _, token := range []string{"", "wrong", "a secret of some lengtH"} {
			if resp, body := ask(t, http.MethodGet, s.URL+path, token); resp.StatusCode != http.StatusUnauthorized || strings.Contains(body, "shop") {
				t.Errorf("%s with token %q: %d %.100s, want 401", path, token, resp.StatusCode, body)
			}
		}
	}
	if resp, _ := ask(t, http.MethodGet, s.URL+"/view.json?token=a+secret+of+some+length", ""); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("a token in the address: %d, want 401", resp.StatusCode)
	}
	if resp, body := ask(t, http.MethodGet, s.URL+"/view.json", "a secret of some length"); resp.StatusCode != 200 || !strings.Contains(body, "shop") {
		t.Errorf("with the token: %d %.100s", resp.StatusCode, body)
	}
	if resp, body := ask(t, http.MethodGet, s.URL+"/", ""); resp.StatusCode != 200 || strings.Contains(body, "shop") {
		t.Errorf("the page itself: %d, with figures: %v", resp.StatusCode, strings.Contains(body, "shop"))
	}
}

// TestPage_StreamHasNoGaps: who comes back with what it had last gets all that it missed.
func TestPage_StreamHasNoGaps(t *testing.T) {
	s := serve(t, watched(t, "b"), "", "")
	seen := map[int64]bool{}
	var after int64
	read := func(messages int) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/stream?boot=b&after=%d", s.URL, after), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		r := bufio.NewReader(resp.Body)
		for messages > 0 {
			line, err := r.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			data, ok := strings.CutPrefix(line, "data: ")
			if !ok {
				continue
			}
			messages--
			var m message
			if err := json.Unmarshal([]byte(data), &m); err != nil {
				t.Fatal(err)
			}
			for _, row := range m.Points.Rows {
				second := int64(row[0])
				if seen[second] {
					t.Errorf("second %d came twice", second)
				}
				seen[second] = true
			}
			after = m.View.Seq
		}
	}
	read(2)
	first := after
	testutil.Eventually(t, "three seconds pass", func() bool {
		_, body := ask(t, http.MethodGet, s.URL+"/view.json", "")
		var v view.View
		return json.Unmarshal([]byte(body), &v) == nil && v.Seq >= first+3
	})
	read(2)
	for second := first; second <= after; second++ {
		if !seen[second] {
			t.Errorf("second %d of %d to %d is missing", second, first, after)
		}
	}
}
