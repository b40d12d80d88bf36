package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// waiting is a client whose request is held.
type waiting struct {
	conn net.Conn
	r    *bufio.Reader
}

func hold(t *testing.T, f *front, room string, timeout time.Duration) *waiting {
	t.Helper()
	conn, r := dial(t, f.http)
	if _, err := fmt.Fprintf(conn, "GET /echo/hold?room=%s&ms=%d HTTP/1.1\r\nHost: a\r\n\r\n", room, timeout.Milliseconds()); err != nil {
		t.Fatal(err)
	}
	return &waiting{conn, r}
}

// gets waits for the answer.
func (w *waiting) gets() (status int, body string, header http.Header, err error) {
	resp, err := http.ReadResponse(w.r, nil)
	if err != nil {
		return 0, "", nil, err
	}
	b, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close() // it is read
	return resp.StatusCode, string(b), resp.Header, err
}

// allGet waits for one answer for all.
func allGet(t *testing.T, list []*waiting, status int, body string) {
	t.Helper()
	var all sync.WaitGroup
	for _, w := range list {
		all.Go(func() {
			got, text, header, err := w.gets()
			if err != nil || got != status || text != body {
				t.Errorf("%d, %q, %v; want %d, %q", got, text, err, status, body)
			} else if header.Get("Date") == "" || header.Get("X-Request-Id") == "" {
				t.Errorf("header %v", header)
			}
		})
	}
	all.Wait()
}

// held is how many are held in a room, as the handler knows.
func held(t *testing.T, f *front, room string) int {
	t.Helper()
	return whole(t, ask(t, f.http, get("/echo/held?room="+room)))
}

func whole(t *testing.T, r response) int {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(r.body))
	if err != nil || r.status != 200 {
		t.Fatalf("%d %q", r.status, r.body)
	}
	return n
}

// holdAll has n clients wait in the room r for ten minutes, and returns when the handler holds
// them.
func holdAll(t *testing.T, f *front, n int) (list []*waiting) {
	t.Helper()
	for range n {
		list = append(list, hold(t, f, "r", 10*time.Minute))
	}
	testutil.Eventually(t, "they are held", func() bool { return held(t, f, "r") == n })
	return list
}

// TestHeld_TakesNothing: a thousand clients are held on a handler that takes sixteen requests at
// once, and others are answered as usual meanwhile. Then all get their answer, on connections that
// go on.
func TestHeld_TakesNothing(t *testing.T) {
	t.Parallel()
	bothWays(t, frontOptions{handler: []string{"--window", "16"}}, func(t *testing.T, f *front) {
		const n = 1000
		var list []*waiting
		for len(list) < n {
			for range 10 { // no more than the window at once
				list = append(list, hold(t, f, "r", 10*time.Minute))
			}
			testutil.Eventually(t, "they are held", func() bool { return held(t, f, "r") == len(list) })
		}
		if got := gauge(t, f.admin, "http.held"); got != n {
			t.Errorf("http.held is %v, want %d", got, n)
		}
		if got := gauge(t, f.admin, "http.in_flight"); got > 1 {
			t.Errorf("http.in_flight is %v", got)
		}
		for range 100 {
			ask(t, f.http, get("/hello")).wants(t, 200, "beside those that are held")
		}
		if got := whole(t, ask(t, f.http, get("/echo/answer?room=r&text=here"))); got != n {
			t.Errorf("%d were answered", got)
		}
		allGet(t, list, 200, "here\n")
		if got := counter(t, f.admin, "http.held_ended.answered"); got != n {
			t.Errorf("http.held_ended.answered is %d", got)
		}
		if got := gauge(t, f.admin, "http.held"); got != 0 {
			t.Errorf("http.held is %v", got)
		}
		for _, w := range list[:10] {
			_, _ = fmt.Fprint(w.conn, "GET /echo/status/204 HTTP/1.1\r\nHost: a\r\n\r\n") // the answer tells
		}
		allGet(t, list[:10], 204, "")
	})
}

// TestHeld_TimesOut: who gets no answer in time gets what the handler has said before.
func TestHeld_TimesOut(t *testing.T) {
	t.Parallel()
	bothWays(t, frontOptions{}, func(t *testing.T, f *front) {
		began := time.Now()
		var list []*waiting
		for range 50 {
			list = append(list, hold(t, f, "r", 500*time.Millisecond))
		}
		allGet(t, list, 200, "nothing\n")
		if took := time.Since(began); took < 500*time.Millisecond {
			t.Errorf("after %v", took)
		}
		testutil.Eventually(t, "the handler has forgotten them", func() bool { return held(t, f, "r") == 0 })
	})
}

// TestHeld_ClientLeaves: the handler is told within a second.
func TestHeld_ClientLeaves(t *testing.T) {
	t.Parallel()
	bothWays(t, frontOptions{}, func(t *testing.T, f *front) {
		list := holdAll(t, f, 50)
		began := time.Now()
		for _, w := range list[:40] {
			_ = w.conn.Close() // an error says that it is closed
		}
		testutil.Eventually(t, "the handler knows", func() bool { return held(t, f, "r") == 10 })
		if took := time.Since(began); took > within(time.Second, 10*time.Second) {
			t.Errorf("noticed after %v", took)
		}
		if got := counter(t, f.admin, "http.held_ended.client_left"); got != 40 {
			t.Errorf("http.held_ended.client_left is %d", got)
		}
		if got := whole(t, ask(t, f.http, get("/echo/answer?room=r&text=here"))); got != 10 {
			t.Errorf("%d were answered", got)
		}
		allGet(t, list[40:], 200, "here\n")
	})
}

// TestHeld_HandlerKilled: with the handler's end all get what it has said before.
func TestHeld_HandlerKilled(t *testing.T) {
	t.Parallel()
	bothWays(t, frontOptions{}, func(t *testing.T, f *front) {
		list := holdAll(t, f, 200)
		if err := f.echo[0].cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		allGet(t, list, 200, "nothing\n")
		if got := counter(t, f.admin, "http.held_ended.link_down"); got != 200 {
			t.Errorf("http.held_ended.link_down is %d", got)
		}
	})
}

// TestHeld_Drain: a front that ends sends all away, and ends.
func TestHeld_Drain(t *testing.T) {
	t.Parallel()
	bothWays(t, frontOptions{}, func(t *testing.T, f *front) {
		list := holdAll(t, f, 200)
		began := time.Now()
		f.terminator.end(t)
		allGet(t, list, 200, "nothing\n")
		if took := time.Since(began); took > within(8*time.Second, time.Minute) {
			t.Errorf("it took %v", took)
		}
	})
}

// gauge is the value of a gauge that an admin port shows.
func gauge(t *testing.T, addr, name string) float64 {
	t.Helper()
	return figures(t, addr).Gauges[name]
}
