package e2e

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
)

// TestOldHTTP_UnknownLength: a client of HTTP/1.0 doesn't know chunks. A body of
// unknown length ends for it with the connection: RFC 9112, section 6.1.
func TestOldHTTP_UnknownLength(t *testing.T) {
	t.Parallel()
	bothWays(t, frontOptions{}, func(t *testing.T, f *front) {
		for _, c := range []struct{ pieces, bytes int }{{2, 1024}, {1, 1}, {0, 0}, {300, 5000}} {
			target := fmt.Sprintf("/echo/stream?pieces=%d&bytes=%d", c.pieces, c.bytes)
			want := strings.Repeat(patternBytes(c.bytes), c.pieces)
			for _, head := range []string{"", "Host: a\r\n", "Host: a\r\nConnection: keep-alive\r\n", "Host: a\r\nConnection: close\r\n", "Host: a\r\nTE: chunked, trailers\r\n"} {
				got := oldHTTP(t, f.http, "GET "+target+" HTTP/1.0\r\n"+head+"\r\n")
				if got.header != nil && (got.header["transfer-encoding"] != "" || strings.EqualFold(got.header["connection"], "keep-alive")) {
					t.Errorf("GET %s with %q: header %v", target, head, got.header)
				}
				if got.body != want {
					t.Errorf("GET %s with %q: %d bytes, want %d; %.60q", target, head, len(got.body), len(want), got.body)
				}
			}
			if got := oldHTTP(t, f.http, "HEAD "+target+" HTTP/1.0\r\n\r\n"); got.body != "" || got.header["transfer-encoding"] != "" {
				t.Errorf("HEAD %s: %d bytes, header %v", target, len(got.body), got.header)
			}
		}
		// With a length the connection may stay, and does for clients that ask for it.
		for _, target := range []string{"/hello", "/echo/bytes?n=2000000", "/echo/stream?pieces=3&bytes=7&length=1"} {
			const keep = "Host: a\r\nConnection: keep-alive\r\n\r\n"
			conn, r := dial(t, f.http)
			for range 2 {
				if _, err := io.WriteString(conn, "GET "+target+" HTTP/1.0\r\n"+keep); err != nil {
					t.Fatal(err)
				}
				got, err := readResponse(r, "GET")
				if err != nil || got.status != 200 || got.length < 0 {
					t.Fatalf("GET %s with keep-alive: %d, length %d, %v", target, got.status, got.length, err)
				}
			}
		}
	})
}

// oldResponse is what a client that knows no more than HTTP/1.0 makes of an answer.
type oldResponse struct {
	header map[string]string // names in lower case
	body   string
}

// oldHTTP sends a request and reads up to the end of the connection.
func oldHTTP(t *testing.T, addr, request string) oldResponse {
	t.Helper()
	conn, r := dial(t, addr)
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	return readOld(t, r, request)
}

func readOld(t *testing.T, r *bufio.Reader, request string) oldResponse {
	t.Helper()
	all, err := io.ReadAll(r)
	if err != nil {
		t.Errorf("%q: after %d bytes: %v, want an orderly end", request, len(all), err)
	}
	head, body, found := strings.Cut(string(all), "\r\n\r\n")
	if !found || !strings.HasPrefix(head, "HTTP/1.") {
		t.Fatalf("%q: answer %.200q", request, all)
	}
	got := oldResponse{header: map[string]string{}, body: body}
	for line := range strings.SplitSeq(head, "\r\n") {
		if name, value, ok := strings.Cut(line, ":"); ok {
			got.header[strings.ToLower(name)] = strings.TrimSpace(value)
		}
	}
	return got
}

// TestOldHTTP_ApacheBench: what ab counts is what was sent, and it ends.
func TestOldHTTP_ApacheBench(t *testing.T) {
	t.Parallel()
	bothWays(t, frontOptions{}, func(t *testing.T, f *front) {
		for _, c := range []struct {
			target string
			bytes  int
			keeps  bool // with -k
		}{
			{"/echo/stream?pieces=2&bytes=1024", 2048, false},
			{"/echo/stream?pieces=40&bytes=20000", 800_000, false},
			{"/echo/stream?pieces=2&bytes=1024&length=1", 2048, true},
			{"/hello", 512, true},
			{"/echo/bytes?n=100000", 100_000, true},
			{"/echo/bytes?n=2000000", 2_000_000, true},
		} {
			for _, k := range []bool{false, true} {
				const n = 60
				args := []string{"-n", strconv.Itoa(n), "-c", "6"}
				if k {
					args = append(args, "-k")
				}
				got := ab(t, "http://"+f.http+c.target, args...)
				kept := 0
				if k && c.keeps {
					kept = n
				}
				if got["Complete requests"] != n || got["Failed requests"] != 0 || got["Non-2xx responses"] != 0 ||
					got["Document Length"] != c.bytes || got["HTML transferred"] != n*c.bytes || got["Keep-Alive requests"] != kept {
					t.Errorf("ab %q %s: %v; want %d requests of %d bytes, %d on kept connections", args, c.target, got, n, c.bytes, kept)
				}
			}
		}
	})
}
