package e2e

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// system is what nanofront up runs.
type system struct {
	*process
	http, admin, dash, etcd, data string
}

// startUp starts nanofront up with 500 members and waits until it says that it is up.
func startUp(t *testing.T, args ...string) *system {
	t.Helper()
	return startUpIn(t, t.TempDir(), args...)
}

// startUpIn is startUp with data that may be there already.
func startUpIn(t *testing.T, data string, args ...string) *system {
	t.Helper()
	s := &system{http: freeAddr(t), admin: freeAddr(t), dash: freeAddr(t), etcd: "http://" + freeAddr(t), data: data}
	s.process = start(t, "nanofront", append([]string{
		"up", "--http", s.http, "--admin", s.admin, "--dash", s.dash, "--etcd-url", s.etcd, "--data", data,
		// A disk that others keep busy takes seconds to sync, which is no part
		// of what is tested here.
		"--seed", "500", "--durability", "nosync", "--statsd", "", "--access-log=0",
	}, args...)...)
	s.says(t, "nanofront is up.")
	return s
}

// child is the process id of a child that runs.
func (s *system) child(t *testing.T, name string) int {
	t.Helper()
	pid := 0
	testutil.Eventually(t, name+" runs", func() bool {
		pid = children(t, s.pid())[name]
		return pid != 0
	})
	return pid
}

// kill sends a signal to a child and waits for its successor, which it returns.
func (s *system) kill(t *testing.T, name string, with syscall.Signal) (pid int) {
	t.Helper()
	old := s.child(t, name)
	if err := syscall.Kill(old, with); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, name+" is started again", func() bool {
		pid = children(t, s.pid())[name]
		return pid != 0 && pid != old
	})
	return pid
}

// nanofront runs one of the operator's commands against the system.
func (s *system) nanofront(t *testing.T, args ...string) finished {
	t.Helper()
	return finish(t, "nanofront", append(args, "--etcd", s.etcd)...)
}

// overview is the output of nanofront status --json.
type overview struct {
	Terminators []struct {
		Instance string  `json:"instance"`
		Error    string  `json:"error"`
		PID      int     `json:"pid"`
		Rate     float64 `json:"requests_per_s"`
		Links    []struct {
			Service  string `json:"service"`
			Instance string `json:"instance"`
			State    string `json:"state"`
		} `json:"links"`
	} `json:"terminators"`
	Instances []struct {
		Service string   `json:"service"`
		ID      string   `json:"id"`
		Version string   `json:"version"`
		Window  int      `json:"window"`
		Admin   string   `json:"admin"`
		State   string   `json:"state"`
		PID     int      `json:"pid"`
		Rate    *float64 `json:"requests_per_s"`
	} `json:"instances"`
}

func status(t *testing.T, etcd, admin string) overview {
	t.Helper()
	f := finish(t, "nanofront", "status", "--json", "--etcd", etcd, "--terminators", admin)
	var o overview
	if err := json.NewDecoder(strings.NewReader(f.out)).Decode(&o); f.code > 1 || err != nil {
		t.Fatalf("status --json: exit code %d, %v; output:\n%s", f.code, err, f.out)
	}
	return o
}

// links are the instances of a service that the terminator has a live link to.
func links(t *testing.T, admin, service string) []string {
	t.Helper()
	code, body, err := adminGet(admin, "/links.json")
	if err != nil || code != 200 {
		return nil // it is just starting
	}
	var all []struct{ Service, Instance, State string }
	if err := json.Unmarshal([]byte(body), &all); err != nil {
		t.Fatalf("%s/links.json: %v: %.300q", admin, err, body)
	}
	var list []string
	for _, l := range all {
		if l.Service == service && l.State == "live" {
			list = append(list, l.Instance)
		}
	}
	return list
}

// linked waits until the terminator has so many live links to a service.
func linked(t *testing.T, admin, service string, n int) {
	t.Helper()
	testutil.Eventually(t, fmt.Sprintf("%d links to %s", n, service), func() bool { return len(links(t, admin, service)) == n })
}

// handlerProcess is a handler with its admin port.
type handlerProcess struct {
	*process
	admin, bus string
}

// front is a terminator and echo handlers that know each other from a table.
type front struct {
	terminator  *process
	http, admin string
	table       string // its file
	echo        []*handlerProcess
}

// frontOptions say what differs. Zero values are one echo handler, default flags
// and routes of everything to echo.
type frontOptions struct {
	echo       int      // handlers; 0: 1, -1: none, though there is one in the table
	terminator []string // further flags
	handler    []string
	routes     string   // YAML of the list
	table      []string // further instances: "service id address"
	programs   string   // where the terminator is; "": with all others
	env        []string // more for the terminator's environment
}

const echoRoutes = "  - {name: all, match: {prefix: /}, service: echo, timeout: 10s}\n"

// startFront starts a front and waits until it is ready.
func startFront(t *testing.T, o frontOptions) *front {
	t.Helper()
	f := &front{http: freeAddr(t), admin: freeAddr(t), table: filepath.Join(t.TempDir(), "table.yaml")}
	wanted := max(o.echo, 0)
	if o.echo == 0 {
		wanted = 1
	}
	var table strings.Builder
	table.WriteString("version: 1\ninstances:\n")
	for i := 1; i <= max(wanted, 1); i++ {
		h := &handlerProcess{admin: freeAddr(t), bus: "tcp://" + freeAddr(t)}
		f.echo = append(f.echo, h)
		fmt.Fprintf(&table, "  - {service: echo, id: echo-%d, address: %q, admin: %q}\n", i, h.bus, h.admin)
	}
	for _, in := range o.table {
		part := strings.Fields(in)
		fmt.Fprintf(&table, "  - {service: %s, id: %s, address: %q}\n", part[0], part[1], part[2])
	}
	routes := o.routes
	if routes == "" {
		routes = echoRoutes
	}
	table.WriteString("routes:\n" + routes)
	if err := os.WriteFile(f.table, []byte(table.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range wanted {
		f.startEcho(t, i, o.handler...)
	}
	f.terminator = startIn(t, cmp.Or(o.programs, programs), o.env, "terminator", append([]string{
		"--http", f.http, "--admin", f.admin, "--static", f.table, "--statsd", "", "--access-log=0",
	}, o.terminator...)...)
	if wanted > 0 {
		f.ready(t, 200)
	}
	return f
}

// startEcho starts the i-th echo handler of the table.
func (f *front) startEcho(t *testing.T, i int, args ...string) {
	t.Helper()
	h := f.echo[i]
	h.process = start(t, "handler", append([]string{
		"echo", "--instance", fmt.Sprintf("echo-%d", i+1), "--bus", h.bus, "--admin", h.admin, "--static", f.table, "--statsd", "",
	}, args...)...)
}

// ready waits until /readyz of the terminator says so, and returns its text.
func (f *front) ready(t *testing.T, status int) (text string) {
	t.Helper()
	testutil.Eventually(t, fmt.Sprintf("/readyz says %d", status), func() bool {
		if f.terminator.ended() {
			t.Fatalf("the terminator has ended:\n%s", f.terminator.out.tail())
		}
		code, body, err := adminGet(f.admin, "/readyz")
		text = body
		// A front is ready though a service is missing, which these tests mean to ask.
		return err == nil && code == status && (status != 200 || !strings.Contains(body, `degraded: service "`))
	})
	return text
}

// slept sends GET /echo/sleep for so long, in the background, and delivers the answer.
func slept(addr, method string, d time.Duration) <-chan result {
	done := make(chan result, 1)
	go func() { // ends with the answer, in clientTimeout at the latest
		c := client{addr: addr}
		defer c.close()
		r, f := c.do(request{method: method, target: fmt.Sprintf("/echo/sleep?ms=%d", d.Milliseconds())})
		done <- result{r, f}
	}()
	return done
}

// result is what came of a request.
type result struct {
	response
	failed *failure
}

// inFlight waits until the terminator has so many requests under way.
func inFlight(t *testing.T, admin string, n int) {
	t.Helper()
	testutil.Eventually(t, fmt.Sprintf("%d requests in flight", n), func() bool {
		return figures(t, admin).Gauges["http.in_flight"] == float64(n)
	})
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
