package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// earlyRoutes have what is answered before the end of a body.
const earlyRoutes = `  - {match: {prefix: /echo}, service: echo, timeout: 10s, max_body: 1099511627776}
  - {match: {prefix: /small}, service: echo, max_body: 1000}
  - {match: {path: /reads, methods: [GET]}, service: echo}
  - {match: {path: /nobody}, service: nobody, max_body: 1099511627776}
`

func earlyOptions(t *testing.T) frontOptions {
	t.Helper()
	return frontOptions{routes: earlyRoutes, table: []string{"nobody nobody-1 tcp://" + freeAddr(t)}, echo: -1}
}

// earlyFront makes ready what has a service that is never there.
func (f *front) earlyFront(t *testing.T) {
	t.Helper()
	f.startEcho(t, 0)
	linked(t, f.admin, "echo", 1)
}

// earlyUpload is a request whose answer doesn't need its body.
type earlyUpload struct {
	target string
	how    string // the body is announced
	status int
}

var earlyUploads = func() (list []earlyUpload) {
	for _, how := range []string{"length", "chunked", "expect"} {
		list = append(list,
			earlyUpload{"/nothing", how, 404},
			earlyUpload{"/reads", how, 405},
			earlyUpload{"/small", how, 413},
			earlyUpload{"/nobody", how, 503},
			earlyUpload{"/echo/status/401", how, 401},
			earlyUpload{"/echo/status/403?after=100000", how, 403},
			earlyUpload{"/echo/status/200", how, 200},
			earlyUpload{"/echo/a%00b", how, 400},
		)
	}
	return append(list, earlyUpload{"/echo", "miracles", 417})
}()

// TestEarly_LargeUploads: clients that send all of a body before they read get the
// answer that was there long before.
func TestEarly_LargeUploads(t *testing.T) {
	t.Parallel()
	const small, large = 8 << 20, 64 << 20
	bothWays(t, earlyOptions(t), func(t *testing.T, f *front) {
		f.earlyFront(t)
		for name, of := range map[string]func(*testing.T) command{
			"Python http.client":     func(t *testing.T) command { t.Helper(); return python(t, "early.py") },
			"Java HttpURLConnection": func(t *testing.T) command { t.Helper(); return java(t, "Early") },
			"Node fetch":             func(t *testing.T) command { t.Helper(); return node(t, "early.mjs") },
		} {
			t.Run(name, func(t *testing.T) {
				var in strings.Builder
				var want []string
				add := func(u earlyUpload, n int) {
					if u.how == "miracles" && name == "Node fetch" {
						return // it has no way to say so
					}
					fmt.Fprintf(&in, "POST %s %d %s\n", u.target, n, u.how)
					want = append(want, fmt.Sprint(u.status))
				}
				for _, u := range earlyUploads {
					add(u, small)
					if u.how == "length" || u.status == 413 {
						add(u, large)
					}
				}
				sent := strings.Split(in.String(), "\n")
				got := strings.Split(strings.TrimSuffix(of(t).run(t, in.String(), f.http), "\n"), "\n")
				if len(got) != len(want) {
					t.Fatalf("%d answers to %d requests: %q", len(got), len(want), got)
				}
				for i := range want {
					if got[i] != want[i] {
						t.Errorf("%s: %s, want %s", sent[i], got[i], want[i])
					}
				}
			})
		}
	})
}

// TestEarly_PausedUpload: an answer that is there is not kept back until a client
// goes on with its body.
func TestEarly_PausedUpload(t *testing.T) {
	t.Parallel()
	o := earlyOptions(t)
	o.terminator = []string{"--body-timeout", "15s"}
	bothWays(t, o, func(t *testing.T, f *front) {
		f.earlyFront(t)
		length := func(n int) string { return fmt.Sprintf("Content-Length: %d\r\n\r\n", n) }
		const chunked = "Transfer-Encoding: chunked\r\n\r\n"
		chunk := func(n int) string { return fmt.Sprintf("%x\r\n%s\r\n", n, strings.Repeat("x", n)) }
		for _, c := range []struct {
			name, target, rest string
			status             int
		}{
			{"none of a body", "/echo/status/401", length(8 << 20), 401},
			{"a little of it", "/echo/status/403", length(8<<20) + "x", 403},
			{"a part of it", "/echo/status/403", length(8<<20) + strings.Repeat("x", 1<<20), 403},
			{"as much as is wanted", "/echo/status/403?after=1000000", length(8<<20) + strings.Repeat("x", 1<<20), 403},
			{"a success", "/echo/status/200", length(8<<20) + strings.Repeat("x", 1<<20), 200},
			{"an answer that streams", "/echo/stream?pieces=20&bytes=100000&length=1", length(8<<20) + "x", 200},
			{"chunks", "/echo/status/403", chunked + chunk(1<<20), 403},
			{"a part of a chunk", "/echo/status/403", chunked + "800000\r\n" + strings.Repeat("x", 1<<20), 403},
			{"404", "/nothing", length(100_000) + "x", 404},
			{"404, chunks", "/nothing", chunked + chunk(1), 404},
			{"405", "/reads", length(8<<20) + "x", 405},
			{"413", "/small", length(8<<20) + "x", 413},
			{"413, chunks", "/small", chunked + chunk(1001), 413},
			{"503", "/nobody", length(8<<20) + "x", 503},
			{"400", "/echo/a%00b", length(8<<20) + "x", 400},
		} {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				conn, r := dial(t, f.http)
				began := time.Now()
				if _, err := io.WriteString(conn, "POST "+c.target+" HTTP/1.1\r\nHost: a\r\n"+c.rest); err != nil {
					t.Fatal(err)
				}
				got, err := readResponse(r, "POST")
				if err != nil {
					t.Fatalf("after %v: %v", time.Since(began), err)
				}
				if took := time.Since(began); got.status != c.status || took > within(time.Second, 10*time.Second) {
					t.Errorf("status %d after %v, want %d at once; body %.200q", got.status, took.Round(time.Millisecond), c.status, got.body)
				}
			})
		}
		t.Run("curl", func(t *testing.T) {
			t.Parallel()
			read, write, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = write.Close() }()
			p := startFrom(t, read, "", nil, testutil.Command(t, "curl", "curl"), "-sS", "-T", ".", "-H", "Expect:", "-w", "%{http_code}", "http://"+f.http+"/echo/status/403")
			_ = read.Close()                                         // the child has its own: without a reader, writing ends
			_, _ = io.WriteString(write, strings.Repeat("x", 2<<20)) // curl may have its answer, and be gone, before that
			began := time.Now()
			p.wait(t, testutil.Patience) // the pipe is open: there is more to come
			if took := time.Since(began); took > within(time.Second, 10*time.Second) || !strings.HasSuffix(p.out.String(), "403") {
				t.Errorf("curl says after %v: %s", took, p.out.tail())
			}
		})
	})
}

// TestEarly_Continue: nobody is asked for a body that is refused, and who waits for
// the word gets it where the body is wanted.
func TestEarly_Continue(t *testing.T) {
	t.Parallel()
	bothWays(t, earlyOptions(t), func(t *testing.T, f *front) {
		f.earlyFront(t)
		const n = 2 << 20
		for _, u := range earlyUploads {
			if u.how != "expect" || u.status < 400 || u.status == 401 || u.status == 403 { // what a handler may ask for
				continue
			}
			for _, framing := range []string{fmt.Sprintf("Content-Length: %d", n), "Transfer-Encoding: chunked"} {
				if u.status == 413 && framing[0] == 'T' {
					continue // nobody knows yet
				}
				t.Run(fmt.Sprint(u.status, " ", framing), func(t *testing.T) {
					t.Parallel()
					conn, r := dial(t, f.http)
					if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n%s\r\n\r\n", u.target, framing); err != nil {
						t.Fatal(err)
					}
					if got := firstLine(t, r); !strings.HasPrefix(got, fmt.Sprintf("HTTP/1.1 %d ", u.status)) {
						t.Errorf("%q, want %d at once", got, u.status)
					}
				})
			}
		}
		for _, c := range []struct{ target, framing, body string }{
			{"/echo", "Content-Length: 4", "body"},
			{"/echo", "Transfer-Encoding: chunked", "4\r\nbody\r\n0\r\n\r\n"},
			{"/echo/digest", fmt.Sprintf("Content-Length: %d", n), strings.Repeat("x", n)},
			{"/small", "Transfer-Encoding: chunked", "4\r\nbody\r\n0\r\n\r\n"},
		} {
			t.Run(c.target+" "+c.framing, func(t *testing.T) {
				t.Parallel()
				conn, r := dial(t, f.http)
				if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n%s\r\n\r\n", c.target, c.framing); err != nil {
					t.Fatal(err)
				}
				if got := firstLine(t, r) + firstLine(t, r); !strings.HasPrefix(got, "HTTP/1.1 100 ") || !strings.HasSuffix(got, "\r\n\r\n") {
					t.Fatalf("%q, want 100", got)
				}
				if _, err := io.WriteString(conn, c.body); err != nil {
					t.Fatal(err)
				}
				if got, err := readResponse(r, http.MethodPost); err != nil || got.status != 200 {
					t.Errorf("after the body: %d, %v", got.status, err)
				}
			})
		}
		t.Run("HTTP/1.0", func(t *testing.T) { // has no 100: RFC 9110, section 10.1.1
			t.Parallel()
			conn, r := dial(t, f.http)
			if _, err := io.WriteString(conn, "POST /echo HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody"); err != nil {
				t.Fatal(err)
			}
			if got := firstLine(t, r); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
				t.Errorf("%q, want 200", got)
			}
		})
		t.Run("curl", func(t *testing.T) {
			t.Parallel()
			curl := command{testutil.Command(t, "curl", "curl"), "-sS", "-v", "--expect100-timeout", "30", "-H", "Expect: 100-continue", "-w", "%{http_code} %{size_upload}", "-o", os.DevNull}
			file := fileOf(t, n)
			for _, c := range []struct {
				target, want string
				asked        bool
			}{
				{"/nothing", "404 0", false},
				{"/reads", "405 0", false},
				{"/small", "413 0", false},
				{"/nobody", "503 0", false},
				{"/echo/digest", fmt.Sprintf("200 %d", n), true},
			} {
				got, said, err := curl.try(t, "", "-T", file, "http://"+f.http+c.target)
				asked := strings.Contains(said, "HTTP/1.1 100 Continue")
				if err != nil || got != c.want || asked != c.asked {
					t.Errorf("PUT %s: %q, %v, asked to go on: %v; want %q, %v", c.target, got, err, asked, c.want, c.asked)
				}
			}
		})
	})
}

func firstLine(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	line, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return line
}
