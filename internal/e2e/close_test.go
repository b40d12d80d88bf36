package e2e

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// largeBytes is more than the buffers between front and client take.
const largeBytes = 800_000

const largeRoutes = "  - {match: {prefix: /}, service: echo, timeout: 10s, max_body: 1099511627776}\n"

const (
	largeLast = "GET /echo/bytes?n=800000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
	large     = "GET /echo/bytes?n=800000 HTTP/1.1\r\nHost: a\r\n\r\n"
	smallLast = "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
	small     = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
)

// TestClose_UnreadBytes: what a client has sent after its last request takes
// nothing from the response to that: the system would throw it away with a
// reset, if the connection were closed with bytes in it that nobody has read.
func TestClose_UnreadBytes(t *testing.T) {
	t.Parallel()
	refused := []int{200, 400}
	bothWays(t, frontOptions{routes: largeRoutes}, func(t *testing.T, f *front) {
		for _, c := range []struct {
			name     string
			requests string
			unread   string
			statuses []int // nil: 200
		}{
			{"close, CRLF", largeLast, "\r\n", nil},
			{"close, another request", largeLast, small, nil},
			{"close, many requests", largeLast, strings.Repeat(small, 1000), nil},
			{"close, no HTTP", largeLast, strings.Repeat("\x00", 20_000), nil},
			{"close, an upload", largeLast, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + strings.Repeat("x", 200_000), nil},
			{"close, nothing", largeLast, "", nil},
			{"close after another", small + largeLast, small, []int{200, 200}},
			{"HTTP/1.0, CRLF", "GET /echo/bytes?n=800000 HTTP/1.0\r\n\r\n", "\r\n", nil},
			{"HTTP/1.0, another request", "GET /echo/bytes?n=800000 HTTP/1.0\r\n\r\n", small, nil},
			{"a stream, CRLF", "GET /echo/stream?pieces=100&bytes=8000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "\r\n", nil},
			{"a refusal after it", large + "GET / HTTP/1.1\r\n\r\n", small, refused},
			{"a refusal after it, many requests", large + "no HTTP\r\n\r\n", strings.Repeat(small, 1000), refused},
			{"a body with it", "POST /echo/status/200 HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody" /* answered at once */, small, nil},
			{"a large body before it", "POST /echo/digest HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("x", 1_000_000) + largeLast, small, []int{200, 200}},
		} {
			if c.statuses == nil {
				c.statuses = []int{200}
			}
			check := func(t *testing.T, s *slowClient, err error) {
				t.Helper()
				got, cut := s.answers()
				if err != nil || cut != nil {
					t.Errorf("%d bytes came, the connection ended with %v, the answers with %v", s.got.Len(), err, cut)
				}
				var statuses []int
				for _, r := range got {
					statuses = append(statuses, r.status)
				}
				if fmt.Sprint(statuses) != fmt.Sprint(c.statuses) {
					t.Errorf("statuses %v, want %v", statuses, c.statuses)
				}
			}
			t.Run(c.name+"/after a moment", func(t *testing.T) {
				t.Parallel()
				s := dialSlow(t, f.http, 2*time.Millisecond)
				s.send(t, c.requests)
				time.Sleep(50 * time.Millisecond) // the client's own: it does something else
				s.send(t, c.unread)
				check(t, s, s.read(-1))
			})
			t.Run(c.name+"/at once", func(t *testing.T) {
				t.Parallel()
				s := dialSlow(t, f.http, 2*time.Millisecond)
				s.send(t, c.requests+c.unread)
				check(t, s, s.read(-1))
			})
			t.Run(c.name+"/in between", func(t *testing.T) {
				t.Parallel()
				s := dialSlow(t, f.http, 2*time.Millisecond)
				s.send(t, c.requests)
				err := s.read(100)
				for err == nil && s.got.Len() < largeBytes/2 {
					before := s.got.Len()
					s.send(t, c.unread[:min(len(c.unread), 100)])
					if err = s.read(50_000); s.got.Len() == before {
						break
					}
				}
				if err == nil {
					err = s.read(-1)
				}
				check(t, s, err)
			})
		}
	})
}

// TestClose_SlowReader: a client that takes seconds for a response gets all of
// it, although it has sent something that nobody reads.
func TestClose_SlowReader(t *testing.T) {
	t.Parallel()
	bothWays(t, frontOptions{}, func(t *testing.T, f *front) {
		for _, unread := range []string{"\r\n", small} {
			t.Run(fmt.Sprintf("%d bytes unread", len(unread)), func(t *testing.T) {
				t.Parallel()
				s := dialSlow(t, f.http, 80*time.Millisecond) // 49 pieces at least: 4 s
				s.send(t, largeLast)
				time.Sleep(50 * time.Millisecond) // as above
				s.send(t, unread)
				if err := s.read(-1); err != nil {
					t.Errorf("after %d bytes: %v, want an orderly end", s.got.Len(), err)
				}
				list, _ := s.answers()
				if len(list) != 1 {
					t.Fatalf("%d answers", len(list))
				}
				list[0].whole(t, largeBytes, "the response")
			})
		}
	})
}

// TestClose_LingersWithinBounds: a client that neither closes its side nor
// stops sending doesn't keep its connection.
func TestClose_LingersWithinBounds(t *testing.T) {
	t.Parallel()
	var fronts []*front // side by side: they take their time
	for _, w := range ways {
		f := startFront(t, frontOptions{terminator: append([]string{"--write-timeout", "2s"}, w.flags...)})
		fronts = append(fronts, f)
		for _, further := range []func(*slowClient){
			func(*slowClient) {}, // nothing
			func(s *slowClient) { // as fast as it can
				for {
					if _, err := s.Write(make([]byte, 16<<10)); err != nil {
						return
					}
				}
			},
			func(s *slowClient) { // a byte now and then
				for {
					if _, err := s.Write([]byte("x")); err != nil {
						return
					}
					time.Sleep(20 * time.Millisecond)
				}
			},
		} {
			s := dialSlow(t, f.http, 0)
			s.send(t, smallLast)
			if err := s.read(-1); err != nil {
				t.Errorf("%s: %d bytes, then %v", w.name, s.got.Len(), err)
			}
			go further(s) // ends with the connection
		}
	}
	for i, f := range fronts {
		testutil.Eventually(t, ways[i].name+": no connection is left, though no client has closed its own", func() bool {
			return figures(t, f.admin).Gauges["http.connections"] == 0
		})
	}
}

// pipelines asks again and again, always ahead of the answers, which it reads
// slowly, until the connection ends. It returns when the first has begun to come.
func pipelines(t *testing.T, addr string) (s *slowClient, done <-chan error) {
	t.Helper()
	s = dialSlow(t, addr, 2*time.Millisecond)
	s.send(t, large+large)
	if err := s.read(1000); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { // ends with the connection
		for {
			before := s.got.Len()
			_, _ = io.WriteString(s, large) // that it can't be sent is no fault
			if err := s.read(100_000); err != nil || s.got.Len() < before+100_000 {
				ended <- err
				return
			}
		}
	}()
	return s, ended
}

// orderly fails the test unless all that was begun was ended, and announced
// as the last.
func (s *slowClient) orderly(t *testing.T, err error) {
	t.Helper()
	list, cut := s.answers()
	if err != nil || cut != nil {
		t.Errorf("%d bytes came, the connection ended with %v, the answers with %v", s.got.Len(), err, cut)
	}
	if len(list) == 0 {
		t.Fatal("no answer")
	}
	for i, r := range list {
		r.whole(t, largeBytes, fmt.Sprintf("answer %d of %d", i+1, len(list)))
		if last := i == len(list)-1; r.close && !last {
			t.Errorf("answer %d of %d says Connection: close", i+1, len(list))
		}
	}
}

// TestClose_Drain: a client that pipelines gets whole answers up to the last.
func TestClose_Drain(t *testing.T) {
	t.Parallel()
	bothWays(t, frontOptions{}, func(t *testing.T, f *front) {
		s, done := pipelines(t, f.http)
		late := dialSlow(t, f.http, 2*time.Millisecond) // idle up to now
		late.send(t, small)
		if err := late.read(512); err != nil {
			t.Fatal(err)
		}
		f.terminator.signal(t, syscall.SIGTERM)
		f.terminator.says(t, `"draining"`)
		late.send(t, large+large)
		if err := late.read(-1); err != nil {
			t.Errorf("the client that asked when it drained: %d bytes, then %v", late.got.Len(), err)
		}
		list, cut := late.answers()
		if len(list) < 2 || cut != nil {
			t.Fatalf("the client that asked when it drained: %d answers, %v", len(list), cut)
		}
		list[1].whole(t, largeBytes, "the answer to who asked when it drained")
		s.orderly(t, <-done)
		if code := f.terminator.wait(t, testutil.Patience); code != 0 {
			t.Errorf("exit code %d", code)
		}
	})
}

// TestClose_Handover: the same where a successor has taken over. With event loops it has the
// connection, too, until it ends in its turn.
func TestClose_Handover(t *testing.T) {
	t.Parallel()
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			socket := filepath.Join(t.TempDir(), "handover")
			flags := append([]string{"--handover", socket}, w.flags...)
			f := startFront(t, frontOptions{terminator: flags})
			s, done := pipelines(t, f.http)
			heir := start(t, "terminator", append([]string{
				"--http", f.http, "--admin", f.admin, "--static", f.table, "--statsd", "", "--access-log=0",
			}, flags...)...)
			heir.says(t, "took over")
			if code := f.terminator.wait(t, testutil.Patience); code != 0 {
				t.Errorf("exit code %d of the predecessor", code)
			}
			ask(t, f.http, get("/hello")).wants(t, 200, "GET /hello of the successor")
			if w.flags == nil {
				testutil.Eventually(t, "requests on the connection that was inherited", func() bool { return counter(t, f.admin, "http.requests") > 10 })
			}
			heir.signal(t, syscall.SIGTERM)
			s.orderly(t, <-done)
		})
	}
}
