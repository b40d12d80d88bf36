package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"nanofront/internal/logging"
	"nanofront/internal/testutil"
)

// TestStream_HeadAtOnce: what a handler has begun is begun for the client too,
// who may wait for the first byte of the body as long as it takes.
func TestStream_HeadAtOnce(t *testing.T) {
	t.Parallel()
	bothWays(t, frontOptions{}, func(t *testing.T, f *front) {
		for _, method := range []string{"GET", "POST"} {
			for _, version := range []string{"1.0", "1.1"} {
				for _, length := range []string{"", "&length=1"} {
					t.Run(method+" "+version+length, func(t *testing.T) {
						t.Parallel()
						conn, r := dial(t, f.http)
						if _, err := fmt.Fprintf(conn, "%s /echo/stream?pieces=1&bytes=10&ms=60000%s HTTP/%s\r\nHost: a\r\nContent-Length: 0\r\n\r\n", method, length, version); err != nil {
							t.Fatal(err)
						}
						got, err := http.ReadResponse(r, nil) // fails when the connection's time is up, long before the first byte
						if err != nil {
							t.Fatal(err)
						}
						_ = got.Body.Close() // there is none yet
						want := int64(-1)
						if length != "" {
							want = 10
						}
						if got.StatusCode != 200 || got.ContentLength != want {
							t.Errorf("status %d, length %d; want 200, %d", got.StatusCode, got.ContentLength, want)
						}
					})
				}
			}
		}
	})
}

// TestStream_PiecesAtOnce: each piece reaches the client when it is written, and
// doesn't wait for the next.
func TestStream_PiecesAtOnce(t *testing.T) {
	t.Parallel()
	const pieces, between = 3, 1500 * time.Millisecond
	bothWays(t, frontOptions{}, func(t *testing.T, f *front) {
		clients := map[string]func(target string) ([]arrival, error){
			"HTTP/1.0": func(target string) ([]arrival, error) { return streamed(t, f.http, target, "1.0") },
			"HTTP/1.1": func(target string) ([]arrival, error) { return streamed(t, f.http, target, "1.1") },
		}
		for name, c := range map[string]command{"Python http.client": python(t, "stream.py"), "Node fetch": node(t, "stream.mjs")} {
			clients[name] = func(target string) ([]arrival, error) {
				out, said, err := c.try(t, "", f.http, target)
				if err != nil {
					return nil, fmt.Errorf("%w: %s", err, said)
				}
				return arrivals(out)
			}
		}
		var all sync.WaitGroup // side by side: they mostly wait
		for name, get := range clients {
			for _, size := range []int{1, 5000} {
				for _, length := range []string{"", "&length=1"} {
					target := fmt.Sprintf("/echo/stream?pieces=%d&bytes=%d&ms=%d%s", pieces, size, between.Milliseconds(), length)
					all.Go(func() {
						came, err := get(target)
						if got := gaps(came, between/2); err != nil || !slices.Equal(got, []int{0, size, size, size}) {
							t.Errorf("%s, GET %s: %v, %v: %v bytes with a pause before each, want 0 and %d times %d", name, target, err, came, got, pieces, size)
						}
					})
				}
			}
		}
		all.Wait()
	})
}

// streamed says when a response's head and pieces arrive.
func streamed(t *testing.T, addr, target, version string) (came []arrival, err error) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, clientTimeout)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }() // it was read to its end
	if err := conn.SetDeadline(time.Now().Add(clientTimeout)); err != nil {
		return nil, err
	}
	began := time.Now()
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/%s\r\nHost: a\r\n\r\n", target, version); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // read
	came = []arrival{{time.Since(began).Milliseconds(), 0}}
	for buf := make([]byte, 64<<10); ; {
		n, err := resp.Body.Read(buf)
		if n > 0 {
			came = append(came, arrival{time.Since(began).Milliseconds(), n})
		}
		switch {
		case errors.Is(err, io.EOF):
			return came, nil
		case err != nil:
			return came, err
		}
	}
}

// arrival is when, in ms since the request, how many bytes came.
type arrival struct {
	at int64
	n  int
}

// arrivals reads what the clients in testdata print.
func arrivals(out string) (list []arrival, err error) {
	lines := bufio.NewScanner(strings.NewReader(out))
	for lines.Scan() {
		var a arrival
		if _, err := fmt.Sscan(lines.Text(), &a.at, &a.n); err != nil {
			return nil, fmt.Errorf("%w in %q", err, out)
		}
		list = append(list, a)
	}
	return list, nil
}

// gaps are the bytes that came between two pauses.
func gaps(came []arrival, pause time.Duration) (sums []int) {
	last := int64(0)
	for i, a := range came {
		if i == 0 || a.at-last >= pause.Milliseconds() {
			sums = append(sums, 0)
		}
		sums[len(sums)-1] += a.n
		last = a.at
	}
	return sums
}

// TestStream_Fails: a handler that fails before the first byte of what it has begun
// is a 502; later the response breaks off, in a way that nobody takes for its end.
func TestStream_Fails(t *testing.T) {
	t.Parallel()
	bothWays(t, frontOptions{terminator: []string{"--access-log", "1000"}}, func(t *testing.T, f *front) {
		for _, length := range []string{"", "&length=1"} {
			for range 20 {
				r := ask(t, f.http, get("/echo/stream?pieces=1&bytes=10&fail=1"+length))
				r.wants(t, 502, "GET of what fails before its first byte"+length)
				r.isError(t, "GET of what fails before its first byte"+length)
			}
			for _, size := range []int{10, 3000, 20_000} {
				conn, r := dial(t, f.http)
				target := fmt.Sprintf("/echo/stream?pieces=3&bytes=%d&fail=3%s", size, length)
				if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", target); err != nil {
					t.Fatal(err)
				}
				resp, err := http.ReadResponse(r, nil)
				if err != nil {
					t.Fatalf("GET %s: %v", target, err)
				}
				body, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close() // read
				if resp.StatusCode != 200 || string(body) != strings.Repeat(patternBytes(size), 2) || err == nil {
					t.Errorf("GET %s: status %d, %d bytes, %v; want 200, %d, and an error", target, resp.StatusCode, len(body), err, 2*size)
				}
			}
		}
		testutil.Eventually(t, "46 lines of the access log", func() bool { return f.terminator.out.count(accessLine) == 46 })
		if n := count(accesses(t, f.terminator), logging.AccessStatus, 502); n != 40 {
			t.Errorf("the access log has %d lines with status 502, want 40", n)
		}
	})
}
