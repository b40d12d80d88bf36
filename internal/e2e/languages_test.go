package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"nanofront/internal/testutil"
)

// language is a handler of examples/, ready to be started.
type language struct {
	name    string
	program string
	args    []string // before address, service and instance
	env     []string
	// stock: the handler is a stock BUS socket, which can't close the
	// connection of a peer that breaks the protocol. It also works on one
	// request after the other, so that nothing can be cancelled.
	stock bool
}

// languages are the handlers of examples/, each with what prepares it. It skips the
// test if its toolchain is not there.
var languages = map[string]func(*testing.T) language{
	"c": func(t *testing.T) language {
		t.Helper()
		// With them what is wrong in memory ends the program.
		flags := testutil.Sanitizers(t)
		program := testutil.BuildC(t, examples(t, "c"), "handler", "nanomsg/bus.h", "libnanomsg-dev", flags...)
		return language{name: "c", program: program, stock: true}
	},
	"python": func(t *testing.T) language {
		t.Helper()
		python := found(t, "python3", "python3", "import sys; sys.exit(sys.version_info < (3, 9))", "-c")
		return language{
			name: "python", program: python, args: []string{filepath.Join(examples(t, "python"), "handler.py")},
			env: []string{"PYTHONDONTWRITEBYTECODE=1", "PYTHONWARNINGS=error"},
		}
	},
	"node": func(t *testing.T) language {
		t.Helper()
		node := found(t, "node", "nodejs", "process.exit(process.versions.node.split('.')[0] < 18 ? 1 : 0)", "-e")
		return language{name: "node", program: node, args: []string{filepath.Join(examples(t, "node"), "handler.js")}}
	},
}

// found is the path of a command that runs a script without an error.
func found(t *testing.T, command, pkg, script, flag string) string {
	t.Helper()
	path := testutil.Command(t, command, pkg)
	if out, err := exec.CommandContext(t.Context(), path, flag, script).CombinedOutput(); err != nil {
		testutil.Missing(t, "%s is too old: apt-get install %s (%v %.100s)", command, pkg, err, out)
	}
	return path
}

// examples is the path of a folder in examples/.
func examples(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("../../examples", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// start starts the handler and waits until it listens.
func (l *language) start(t *testing.T, address string) *process {
	t.Helper()
	args := append(append([]string{}, l.args...), address, "greeter", "greeter-"+l.name)
	p := startIn(t, filepath.Dir(l.program), l.env, filepath.Base(l.program), args...)
	p.says(t, "serving")
	return p
}

// eachLanguage runs a test for each language, side by side.
func eachLanguage(t *testing.T, f func(t *testing.T, l language)) {
	t.Helper()
	for name, prepare := range languages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, prepare(t))
		})
	}
}

// startFrontOf starts a terminator whose routes go to one address of the service greeter.
func startFrontOf(t *testing.T, address string, args ...string) *front {
	t.Helper()
	return startFront(t, frontOptions{
		echo: -1, terminator: args, table: []string{"greeter only " + address},
		routes: "  - {match: {prefix: /}, service: greeter, timeout: 10s, max_body: 300000}\n",
	})
}

// TestLanguages_Traffic sends what a client sends, over both transports.
func TestLanguages_Traffic(t *testing.T) {
	t.Parallel()
	eachLanguage(t, func(t *testing.T, l language) {
		for _, address := range []string{"tcp://" + freeAddr(t), "ipc://" + filepath.Join(shortDir(t), "bus.sock")} {
			h := l.start(t, address)
			f := startFrontOf(t, address)
			f.ready(t, 200)

			r := ask(t, f.http, get("/greet/a%2Fb?who=me&n=1", "X-One: first", "X-One: second", "Accept: text/plain"))
			r.wants(t, 200, "GET")
			for _, want := range []string{
				"GET /greet/a%2Fb?who=me&n=1 from 127.0.0.1\n", "\nx-one: first\n", "\nx-one: second\n", "\naccept: text/plain\n",
				"\nx-forwarded-for: 127.0.0.1\n", "\nx-request-id: " + r.header.Get("X-Request-Id") + "\n",
			} {
				if !strings.Contains(r.body, want) {
					t.Errorf("GET over %s: no %q in\n%s", address, want, r.body)
				}
			}
			if got := r.header.Get("X-Handler"); got != l.name || r.header.Get("Content-Type") != "text/plain; charset=utf-8" {
				t.Errorf("GET over %s: fields %v", address, r.header)
			}
			body := strings.Repeat("ein Körper\x00\xff\n", 20_000) // some 280 KB, in one frame
			r = ask(t, f.http, request{method: "POST", target: "/", body: body})
			r.wants(t, 200, "POST")
			if !strings.HasPrefix(r.body, "POST /? from ") || !strings.HasSuffix(r.body, "\n\n"+body) {
				t.Errorf("POST over %s: %d bytes came back, %.100q", address, len(r.body), r.body)
			}
			r = ask(t, f.http, get("/fail"))
			r.wants(t, 500, "what fails")
			r.isError(t, "what fails")
			r = ask(t, f.http, request{method: "POST", target: "/", body: strings.Repeat("x", 300_001)})
			r.wants(t, 413, "more than the route takes")
			ask(t, f.http, get("/")).wants(t, 200, "GET after all that")

			f.terminator.end(t)
			h.signal(t, syscall.SIGTERM)
			if code := h.wait(t, testutil.Patience); code != 0 {
				t.Errorf("exit code %d:\n%s", code, h.out.tail())
			}
		}
	})
}

// TestLanguages_Concurrent: a thousand requests, as many at once as the window
// has place for, from two terminators, and each gets its own answer.
func TestLanguages_Concurrent(t *testing.T) {
	t.Parallel()
	eachLanguage(t, func(t *testing.T, l language) {
		address := "tcp://" + freeAddr(t)
		l.start(t, address)
		fronts := []*front{startFrontOf(t, address), startFrontOf(t, address)}
		for _, f := range fronts {
			f.ready(t, 200)
		}
		const clients, each = 200, 10
		var wg sync.WaitGroup
		for n := range clients {
			wg.Go(func() {
				c := client{addr: fronts[n%len(fronts)].http}
				defer c.close()
				for i := range each {
					body := strings.Repeat(fmt.Sprintf("%d/%d ", n, i), 1+i*40)
					r, f := c.do(request{method: "POST", target: fmt.Sprintf("/%d/%d", n, i), body: body})
					if f != nil || r.status != 200 || !strings.HasSuffix(r.body, "\n\n"+body) {
						t.Errorf("request %d of client %d: status %d, %v, %.100q", i, n, r.status, f, r.body)
						return
					}
				}
			})
		}
		wg.Wait()
		for _, f := range fronts {
			if n := counter(t, f.admin, "http.timeouts"); n != 0 {
				t.Errorf("%d timeouts", n)
			}
		}
	})
}

// TestLanguages_KilledAndRestarted: a handler that dies under load costs what was
// at work in it, and its successor is found by itself.
func TestLanguages_KilledAndRestarted(t *testing.T) {
	t.Parallel()
	eachLanguage(t, func(t *testing.T, l language) {
		address := "tcp://" + freeAddr(t)
		h := l.start(t, address)
		f := startFrontOf(t, address)
		f.ready(t, 200)
		load := startLoad(t, f.http, 8, hello)
		load.more(t, 100)
		h.signal(t, syscall.SIGKILL)
		h.wait(t, testutil.Patience)
		f.ready(t, 503)
		h = l.start(t, address)
		f.ready(t, 200)
		load.more(t, 100)
		load.stop()
		load.onlyStatus(t, 200, 502, 503)
		load.onlyFailures(t)

		// Told to end, it loses nothing of what it has taken.
		load = startLoad(t, f.http, 8, hello)
		load.more(t, 100)
		h.signal(t, syscall.SIGTERM)
		if code := h.wait(t, testutil.Patience); code != 0 {
			t.Errorf("exit code %d:\n%s", code, h.out.tail())
		}
		load.stop()
		load.onlyStatus(t, 200, 503)
		load.onlyFailures(t)
	})
}

// shortDir is a temporary directory whose name leaves room for a socket's in the
// 107 bytes that a Unix address has.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "nf")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // in the system's temporary directory
	return dir
}
