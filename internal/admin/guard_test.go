package admin

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

// A web page that has its own name lead to 127.0.0.1 is refused, and whoever
// reaches the server by a name of its own is told how to allow it.
func TestGuard_WantsOneOfTheServersNames(t *testing.T) {
	s := start(t, "127.0.0.1:0", Options{Hosts: []string{"Admin.Example."}})
	machine, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]int{
		s.Addr():                    200,
		"127.0.0.1":                 200,
		"[::1]:8081":                200,
		"[fe80::1%25eth0]:8081":     200,
		"localhost:8081":            200,
		"LOCALHOST.":                200,
		machine + ":1":              200,
		"admin.example:8081":        200,
		"evil.example":              421,
		"evil.example:8081":         421,
		"127.0.0.1.evil.example":    421,
		"localhost.evil.example:80": 421,
		"admin.example.evil.test":   421,
		"xadmin.example":            421,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addr()+"/healthz", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host, req.Close = host, true
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != want {
			t.Errorf("Host %q: %d %s, %v, want %d", host, resp.StatusCode, body, err, want)
		}
		if want == 421 && !strings.Contains(string(body), "--admin-hosts ") {
			t.Errorf("Host %q: the refusal doesn't say how to allow it: %s", host, body)
		}
	}
}

func TestGuard_AnyName(t *testing.T) {
	for _, c := range []struct {
		names []string
		want  int
	}{{nil, 421}, {[]string{"*"}, 204}} {
		h := Guard(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }), c.names, "--hosts")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://some.example/", nil))
		if w.Code != c.want {
			t.Errorf("%q: %d %s, want %d", c.names, w.Code, w.Body, c.want)
		}
	}
}

// What changes something is never done by GET, nor for another site's page.
func TestGuard_NoChangeForAnotherSite(t *testing.T) {
	changed := 0
	s := start(t, "127.0.0.1:0", Options{})
	s.HandleChange("/switch", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { changed++ }))
	for _, c := range []struct {
		method string
		header map[string]string
		want   int
	}{
		{"GET", nil, 405},
		{"HEAD", nil, 405},
		{"POST", map[string]string{"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}, 403},
		{"POST", map[string]string{"Origin": "http://evil.example"}, 403},
		{"POST", map[string]string{"Origin": "null", "Sec-Fetch-Site": "same-site"}, 403},
		{"POST", map[string]string{"Origin": "http://" + s.Addr(), "Sec-Fetch-Site": "same-origin"}, 200},
		{"POST", nil, 200}, // no browser: curl
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, "http://"+s.Addr()+"/switch", nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, v := range c.header {
			req.Header.Set(name, v)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != c.want {
			t.Errorf("%s with %v: %d, want %d", c.method, c.header, resp.StatusCode, c.want)
		}
	}
	if changed != 2 {
		t.Errorf("%d changes, want 2", changed)
	}
}
