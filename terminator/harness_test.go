package terminator

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"nanofront/httpmsg"
	"nanofront/internal/testutil"
	"nanofront/metrics"
	"nanofront/nanobus"
	"nanofront/registry"
)

// patience is far longer than anything here takes.
const patience = 30 * time.Second

var eventually = testutil.Eventually

// table is a Discovery in memory.
type table struct {
	mu       sync.Mutex
	snapshot registry.Snapshot
	changed  chan struct{}
}

func newTable() *table { return &table{changed: make(chan struct{})} }

func (d *table) Watch(ctx context.Context, changed func(registry.Snapshot)) error {
	for {
		d.mu.Lock()
		s, next := d.snapshot, d.changed
		d.mu.Unlock()
		changed(s)
		select {
		case <-next:
		case <-ctx.Done():
			return nil
		}
	}
}

func (d *table) change(f func(s *registry.Snapshot)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f(&d.snapshot)
	close(d.changed)
	d.changed = make(chan struct{})
}

func (d *table) add(in registry.Instance) {
	d.change(func(s *registry.Snapshot) {
		s.Instances = append(append([]registry.Instance(nil), s.Instances...), in)
		registry.SortInstances(s.Instances)
	})
}

func (d *table) routes(list ...registry.Route) {
	d.change(func(s *registry.Snapshot) { s.Routes = &registry.Routes{Version: registry.RoutesVersion, Routes: list} })
}

func prefix(path, service string) registry.Route {
	return registry.Route{Match: registry.Match{Prefix: path}, Service: service, Timeout: registry.Duration(patience)}
}

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu      sync.Mutex
	b       bytes.Buffer
	discard atomic.Bool
}

func (l *logBuffer) Write(p []byte) (int, error) {
	if l.discard.Load() {
		return len(p), nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// harnessLoops is Options.EventLoops of what startFront starts, where a test
// doesn't say.
var harnessLoops int

// bothWays runs a test once with event loops for the connections and once with
// a goroutine each, where there are the two.
func bothWays(t *testing.T, test func(*testing.T)) {
	t.Helper()
	if runtime.GOOS != "linux" {
		test(t)
		return
	}
	for name, loops := range map[string]int{"loops": 0, "goroutines": -1} {
		t.Run(name, func(t *testing.T) {
			harnessLoops = loops
			defer func() { harnessLoops = 0 }()
			test(t)
		})
	}
}

// front is a terminator under test.
type front struct {
	*Terminator
	d    *table
	set  *metrics.Set
	logs *logBuffer
	addr string
	stop func() error // ends Run and returns what it returned; idempotent
	end  context.CancelCauseFunc
}

// startFront starts a terminator. Without routes, everything is for "work".
func startFront(t testing.TB, opts Options, routes ...registry.Route) *front {
	t.Helper()
	f := &front{d: newTable(), logs: &logBuffer{}, set: metrics.New(metrics.Terminator, "t")}
	if routes == nil {
		routes = []registry.Route{prefix("/", "work")}
	}
	if len(routes) > 0 {
		f.d.routes(routes...)
	}
	opts.HTTP, opts.Discovery, opts.Metrics = "127.0.0.1:0", f.d, f.set
	if opts.EventLoops == 0 {
		opts.EventLoops = harnessLoops
	}
	opts.Logger = zerolog.New(f.logs)
	tm, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := tm.Listen(); err != nil {
		t.Fatal(err)
	}
	f.Terminator, f.addr = tm, tm.Addr().String()
	ctx, cancel := context.WithCancelCause(context.Background())
	f.end = cancel
	done := make(chan error, 1)
	go func() { done <- tm.Run(ctx) }()
	var once sync.Once
	var result error
	f.stop = func() error {
		once.Do(func() {
			cancel(nil)
			select {
			case result = <-done:
			case <-time.After(patience):
				t.Errorf("Run didn't return within %v", patience)
			}
		})
		return result
	}
	t.Cleanup(func() {
		if err := f.stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return f
}

// noRoutes starts a front that knows no routes.
var noRoutes = []registry.Route{}

// loopCount is 1 if there are event loops.
func (f *front) loopCount() int {
	if f.loops == nil {
		return 0
	}
	return 1
}

// routed reports whether the front knows routes.
func (f *front) routed() bool {
	return len(f.services()) > 0
}

// services are those that the front routes to.
func (f *front) services() []*nanobus.Service {
	list, _ := f.front.Services()
	return list
}

func (f *front) count(d *metrics.Desc, details ...string) uint64 {
	return f.set.Counter(d, details...).Value()
}

// node is a backend of bare nanobus.
type node struct {
	*nanobus.Bus
	address string
	at      sync.WaitGroup
	got     chan string // "METHOD PATH" of each request
}

// answer answers one request of the bus. It may block.
type answer func(req *httpmsg.Request, r *nanobus.Request)

// startNode starts an instance of a service. Each request is answered on a
// goroutine of its own.
func startNode(t testing.TB, service, id string, window int, f answer) *node {
	t.Helper()
	return startNodeWith(t, nanobus.Options{Service: service, Instance: id, Window: window, Bodies: true}, f)
}

// startPlainNode is startNode for an instance that takes whole bodies only.
func startPlainNode(t testing.TB, service, id string, window int, f answer) *node {
	t.Helper()
	return startNodeWith(t, nanobus.Options{Service: service, Instance: id, Window: window}, f)
}

func startNodeWith(t testing.TB, o nanobus.Options, f answer) *node {
	t.Helper()
	n := &node{got: make(chan string, 10_000)}
	var err error
	o.Serve = n.serve(t, f)
	n.Bus, err = nanobus.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if n.address, err = n.Listen("tcp://127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = n.Close()
		answered := make(chan struct{})
		go func() {
			n.at.Wait()
			close(answered)
		}()
		select {
		case <-answered:
		case <-time.After(patience):
			t.Errorf("requests are still at work at %s", o.Instance)
		}
	})
	return n
}

func (n *node) serve(t testing.TB, f answer) func([]*nanobus.Request) {
	return func(batch []*nanobus.Request) {
		for _, r := range batch {
			n.at.Go(func() {
				var req httpmsg.Request
				if err := req.Decode(r.Payload()); err != nil {
					t.Errorf("request: %v", err)
				}
				select {
				case n.got <- string(req.Method) + " " + string(req.Path):
				default: // a test of so many requests doesn't look at each
				}
				f(&req, r)
			})
		}
	}
}

// work adds a started instance of "work" to the front and waits for the link.
func (f *front) work(t testing.TB, id string, a answer) *node {
	t.Helper()
	return f.node(t, "work", id, 0, a)
}

func (f *front) node(t testing.TB, service, id string, window int, a answer) *node {
	t.Helper()
	n := startNode(t, service, id, window, a)
	f.link(t, service, id, n.address)
	return n
}

// link makes an instance known and waits for the link.
func (f *front) link(t testing.TB, service, id, address string) {
	t.Helper()
	live := f.bus.Service(service).Live()
	f.d.add(registry.Instance{Service: service, ID: id, Address: address})
	eventually(t, "a link to "+id, func() bool { return f.bus.Service(service).Live() == live+1 })
}

// respond answers with a response.
func respond(r *nanobus.Request, resp *httpmsg.Response) { _ = r.Reply(resp) }

// text answers 200 with a text.
func text(body string) answer {
	return func(_ *httpmsg.Request, r *nanobus.Request) { respond(r, &httpmsg.Response{Body: []byte(body)}) }
}

// client is a connection to a front.
type client struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

func (f *front) dial(t testing.TB) *client {
	t.Helper()
	c, err := net.Dial("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return newClient(t, c)
}

func newClient(t testing.TB, c net.Conn) *client { return &client{t, c, bufio.NewReader(c)} }

// send writes what is given, with \n for \r\n.
func (c *client) send(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c, strings.ReplaceAll(s, "\n", "\r\n")); err != nil {
		c.t.Fatal(err)
	}
}

// reply is a response, read to its end.
type reply struct {
	*http.Response
	body string
}

func (c *client) read(method string) reply {
	c.t.Helper()
	resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("reading the response to a %s: %v", method, err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("reading the body of the response to a %s: %v", method, err)
	}
	_ = resp.Body.Close()
	return reply{resp, string(body)}
}

// ask sends one request with some header lines, "\n" after each, and reads
// the response.
func (c *client) ask(method, target, lines string) reply {
	c.t.Helper()
	c.send(method + " " + target + " HTTP/1.1\nHost: h.example\n" + lines + "\n")
	return c.read(method)
}

// ask is a request on a connection of its own.
func (f *front) ask(t testing.TB, method, target, lines string) reply {
	t.Helper()
	c := f.dial(t)
	defer func() { _ = c.Close() }()
	return c.ask(method, target, lines)
}

// raw sends the text and returns all bytes up to the end of the connection.
func (f *front) raw(t testing.TB, s string) string {
	t.Helper()
	c := f.dial(t)
	defer func() { _ = c.Close() }()
	c.send(s)
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// refused checks the one form that all refusals have.
func refused(t testing.TB, r reply, status int) {
	t.Helper()
	if r.StatusCode != status || r.Header.Get("Content-Type") != "application/json" ||
		!strings.HasPrefix(r.body, `{"error":"`) || !strings.HasSuffix(r.body, "\"}\n") {
		t.Errorf("got %d %v %q: want %d with an error as JSON", r.StatusCode, r.Header, r.body, status)
	}
	if r.Header.Get("X-Request-Id") == "" {
		t.Error("no request id")
	}
	if retry := r.Header.Get("Retry-After") != ""; retry != (status == 503) {
		t.Errorf("Retry-After with %d: %v", status, retry)
	}
}
