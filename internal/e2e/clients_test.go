package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"nanofront/internal/testutil"
)

// TestClients_Ordinary: the clients that people have do their ordinary things
// with what make run starts.
func TestClients_Ordinary(t *testing.T) {
	t.Parallel()
	s := startUp(t)
	for _, c := range []struct {
		name string
		test func(*testing.T, *system)
	}{
		{"ab", testAB},
		{"Python http.client", func(t *testing.T, s *system) { t.Helper(); does(t, python(t, "ordinary.py"), s) }},
		{"Java HttpClient and HttpURLConnection", func(t *testing.T, s *system) { t.Helper(); does(t, java(t, "Ordinary"), s) }},
		{"Node fetch", func(t *testing.T, s *system) { t.Helper(); does(t, node(t, "ordinary.mjs"), s) }},
		{"Node http, less ordinary", func(t *testing.T, s *system) { t.Helper(); does(t, node(t, "grammar.mjs"), s) }},
		{"nc", testNetcat},
		{"curl", testCurl},
		{"wget", testWget},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, s) })
	}
}

// does runs a client that checks what it gets itself.
func does(t *testing.T, c command, s *system) {
	t.Helper()
	if out := c.run(t, "", s.http); !strings.HasSuffix(out, "things done\n") {
		t.Errorf("%s says %q", c.name(), out)
	}
}

func testAB(t *testing.T, s *system) {
	t.Helper()
	for _, target := range []string{"/hello", "/profile/42", "/members?city=Berlin", "/echo/stream?pieces=2&bytes=1024"} {
		for _, args := range [][]string{{"-n", "500", "-c", "10"}, {"-n", "2000", "-c", "20", "-k"}} {
			got := ab(t, "http://"+s.http+target, args...)
			n, kept := got["Complete requests"], got["Keep-Alive requests"]
			if want, err := strconv.Atoi(args[1]); err != nil || n != want || got["Failed requests"] != 0 || got["Non-2xx responses"] != 0 {
				t.Errorf("ab %q %s: %v", args, target, got)
			}
			if streams := strings.Contains(target, "stream"); len(args) > 4 && !streams && kept != n {
				t.Errorf("ab %q %s: %d of %d on connections that were kept", args, target, kept, n)
			}
		}
	}
}

// testNetcat: nc -N closes its sending side with the end of its input, and reads on.
func testNetcat(t *testing.T, s *system) {
	t.Helper()
	host, port, err := net.SplitHostPort(s.http)
	if err != nil {
		t.Fatal(err)
	}
	nc := command{testutil.Command(t, "nc", "netcat-openbsd"), "-N", "-w", "20", host, port}
	const last = "Host: a\r\nConnection: close\r\n\r\n"
	for request, want := range map[string][2]string{
		"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n":                                                  {"HTTP/1.1 200 OK\r\n", "\r\n\r\nHello"},
		"GET /hello HTTP/1.1\r\n" + last:                                                          {"HTTP/1.1 200 OK\r\n", "\r\n\r\nHello"},
		"GET /hello HTTP/1.0\r\n\r\n":                                                             {"HTTP/1.1 200 OK\r\n", "\r\n\r\nHello"},
		"GET /profile/42 HTTP/1.1\r\n" + last:                                                     {"HTTP/1.1 200 OK\r\n", `"id":42`},
		"GET /nothing HTTP/1.1\r\n" + last:                                                        {"HTTP/1.1 404 Not Found\r\n", `{"error":`},
		"POST /echo HTTP/1.1\r\nContent-Length: 4\r\n" + last + "body":                            {"HTTP/1.1 200 OK\r\n", `"body":"body"`},
		"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + last + "4\r\nbody\r\n0\r\n\r\n": {"HTTP/1.1 200 OK\r\n", `"body":"body"`},
		strings.Repeat("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n", 3):                               {"HTTP/1.1 200 OK\r\n", "\r\n\r\nHello"},
		"no HTTP\r\n\r\n": {"HTTP/1.1 400 Bad Request\r\n", `{"error":`},
		"GET /echo/bytes?n=2000000 HTTP/1.1\r\n" + last:                                                 {"HTTP/1.1 200 OK\r\n", patternBytes(2_000_000)},
		"GET /echo/stream?pieces=3&bytes=10 HTTP/1.0\r\n\r\n":                                           {"HTTP/1.1 200 OK\r\n", "\r\n\r\n" + strings.Repeat(patternBytes(10), 3)},
		"GET /echo/stream?pieces=3&bytes=10&ms=300 HTTP/1.1\r\n" + last /* longer than a look takes */ : {"HTTP/1.1 200 OK\r\n", "\r\n0\r\n\r\n"},
	} {
		got := nc.run(t, request)
		if !strings.HasPrefix(got, want[0]) || !strings.Contains(got, want[1]) {
			t.Errorf("%q: %.300q of %d bytes, want %q and %.60q", request, got, len(got), want[0], want[1])
		}
		if n := strings.Count(request, "GET /hello HTTP/1.1"); n > 1 && strings.Count(got, want[0]) != n {
			t.Errorf("%q: %d answers", request, strings.Count(got, want[0]))
		}
	}
}

func testCurl(t *testing.T, s *system) {
	t.Helper()
	const figures = "%{http_code} %{http_version} %{size_download} %{size_upload} %{num_connects}"
	curl := command{testutil.Command(t, "curl", "curl"), "-sS", "-m", "60", "-o", os.DevNull, "-w", figures}
	at := func(target string) string { return "http://" + s.http + target }
	large := fileOf(t, 3_000_000)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{at("/hello")}, "200 1.1 512 0 1"},
		{[]string{"-0", at("/hello")}, "200 1.1 512 0 1"},
		{[]string{"--http2", at("/hello")}, "200 1.1 512 0 1"}, // it offers h2c
		{[]string{"-I", at("/hello")}, "200 1.1 0 0 1"},
		{[]string{"-o", os.DevNull, at("/hello"), at("/hello")}, "200 1.1 512 0 1200 1.1 512 0 0"},
		{[]string{"--compressed", "-L", at("/profile/42")}, "200 1.1 "},
		{[]string{at("/nothing")}, "404 1.1 "},
		{[]string{"-d", "a=1&b=2", at("/echo")}, "200 1.1 "},
		{[]string{"-F", "file=@" + large, at("/echo/digest")}, "413 1.1 "},
		{[]string{"-F", "a=1", at("/echo")}, "200 1.1 "},
		{[]string{"-X", "DELETE", at("/profile/42")}, "405 1.1 "},
		{[]string{at("/echo/bytes?n=3000000")}, "200 1.1 3000000 0 1"},
		{[]string{"-0", at("/echo/bytes?n=3000000")}, "200 1.1 3000000 0 1"},
		{[]string{at("/echo/stream?pieces=10&bytes=1000")}, "200 1.1 10000 0 1"},
		{[]string{"-0", at("/echo/stream?pieces=10&bytes=1000")}, "200 1.1 10000 0 1"},
		{[]string{"-T", fileOf(t, 200_000), at("/echo/digest")}, "200 1.1 "},
		{[]string{"-T", fileOf(t, 200_000), "-H", "Transfer-Encoding: chunked", at("/echo/digest")}, "200 1.1 "},
		{[]string{"-T", fileOf(t, 200_000), "-H", "Expect: 100-continue", at("/echo/digest")}, "200 1.1 "},
		{[]string{"-X", "PUT", "-d", `{"about":"by curl"}`, "-H", "Content-Type: application/json", "-H", `If-Match: "1"`, at("/profile/105")}, "200 1.1 "},
		{[]string{"-g", at(`/echo?path=C:\dir`)}, "200 1.1 "},
		{[]string{"--request-target", "*", "-X", "OPTIONS", at("/")}, "2"},
	} {
		if got := curl.run(t, "", c.args...); !strings.HasPrefix(got, c.want) {
			t.Errorf("curl %q: %s, want %s (%s)", c.args, got, c.want, figures)
		}
	}
}

func testWget(t *testing.T, s *system) {
	t.Helper()
	wget := command{testutil.Command(t, "wget", "wget"), "-nv", "-t", "1", "-T", "30"}
	at := func(target string) string { return "http://" + s.http + target }
	for _, c := range []struct {
		args  []string
		bytes int // -1: any
	}{
		{[]string{at("/hello")}, 512},
		{[]string{"--no-http-keep-alive", at("/hello")}, 512},
		{[]string{at("/profile/42")}, -1},
		{[]string{"--post-data", "a=1", at("/echo")}, -1},
		{[]string{"--post-file", fileOf(t, 200_000), at("/echo/digest")}, -1},
		{[]string{at("/echo/bytes?n=3000000")}, 3_000_000},
		{[]string{at("/echo/stream?pieces=10&bytes=1000")}, 10_000},
		{[]string{"--tries=1", "--start-pos=0", at("/hello")}, 512},
	} {
		out := filepath.Join(t.TempDir(), "out")
		wget.run(t, "", append([]string{"-O", out}, c.args...)...)
		info, err := os.Stat(out)
		if err != nil || c.bytes >= 0 && info.Size() != int64(c.bytes) || info.Size() == 0 {
			t.Errorf("wget %q: %v, %v; want %d bytes", c.args, info, err, c.bytes)
		}
	}
	wget.run(t, "", "--spider", at("/hello"))
	if _, said, err := wget.try(t, "", "-O", os.DevNull, at("/nothing")); err == nil || !strings.Contains(said, fmt.Sprint(404)) {
		t.Errorf("wget of nothing: %v, %s", err, said)
	}
}
