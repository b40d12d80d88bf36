package etcd

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"nanofront/etcd/embedded"
	"nanofront/internal/testutil"
	"nanofront/metrics"
	"nanofront/registry"
)

// patience is how long a test waits for what must happen; only a failing
// test waits so long.
const patience = time.Minute

// leaseTTL is longer than a busy machine keeps the upkeep of a lease waiting,
// and short enough to wait for its end.
const leaseTTL = 5 * time.Second

// testKeys are those of a client without a prefix of its own.
const testKeys = keys(DefaultPrefix)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node is an embedded server whose address survives a restart.
type node struct {
	*embedded.Server
	opts embedded.ServerOptions
}

// fast are options for servers that live for a test.
func fast(dir, url string) embedded.ServerOptions {
	return embedded.ServerOptions{
		DataDir: dir, ClientURL: url, UnsafeNoFsync: true, BcryptCost: 4,
		Heartbeat: 20 * time.Millisecond, Election: 200 * time.Millisecond,
		StartTimeout: patience,
	}
}

func startNode(t *testing.T, o embedded.ServerOptions) *node {
	t.Helper()
	s, err := embedded.StartServer(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	n := &node{Server: s, opts: o}
	n.opts.ClientURL = s.ClientURL()
	t.Cleanup(func() { n.Close() })
	return n
}

func startServer(t *testing.T) *node {
	t.Helper()
	return startNode(t, fast(t.TempDir(), "http://"+freeAddr(t)))
}

// restart starts the server again where it was, in dir ("" for the same).
func (n *node) restart(t *testing.T, dir string) {
	t.Helper()
	n.Close()
	if dir != "" {
		n.opts.DataDir = dir
	}
	s, err := embedded.StartServer(t.Context(), n.opts)
	if err != nil {
		t.Fatal(err)
	}
	n.Server = s
}

var freeAddr = testutil.FreeAddr

// startCluster starts n members. They are in no hurry to elect another leader:
// on a busy machine one that is only late would be deposed again and again.
func startCluster(t *testing.T, n int) []*node {
	t.Helper()
	var ports []string
	for range 2 * n {
		ports = append(ports, freeAddr(t))
	}
	cluster := ""
	for i := range n {
		cluster += fmt.Sprintf("n%d=http://%s,", i, ports[n+i])
	}
	nodes := make([]*node, n)
	errs := make([]error, n)
	base := t.TempDir()
	var wg sync.WaitGroup
	for i := range n {
		o := fast(filepath.Join(base, fmt.Sprint(i)), "http://"+ports[i])
		o.Heartbeat, o.Election = 100*time.Millisecond, time.Second
		o.Name, o.PeerURL, o.InitialCluster = fmt.Sprintf("n%d", i), "http://"+ports[n+i], cluster[:len(cluster)-1]
		wg.Go(func() {
			s, err := embedded.StartServer(t.Context(), o)
			nodes[i], errs[i] = &node{Server: s, opts: o}, err
		})
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			t.Fatalf("member %d: %v", i, err)
		}
		t.Cleanup(func() { nodes[i].Close() })
	}
	return nodes
}

// buffer is a log that can be read while it is written.
type buffer = testutil.Buffer

// client is a Client with what a test looks at.
type client struct {
	*Client
	log *buffer
	set *metrics.Set
}

func open(t *testing.T, o Options) *client {
	t.Helper()
	c := &client{log: &buffer{}, set: metrics.New(metrics.Terminator, "test")}
	o.Logger, o.Metrics = zerolog.New(c.log), c.set
	if o.LeaseTTL == 0 {
		o.LeaseTTL = leaseTTL
	}
	if o.DialTimeout == 0 {
		o.DialTimeout = 10 * time.Second
	}
	var err error
	if c.Client, err = Open(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		if t.Failed() {
			t.Logf("log:\n%s", c.log)
		}
	})
	return c
}

func openOn(t *testing.T, nodes ...*node) *client {
	t.Helper()
	var o Options
	for _, n := range nodes {
		o.Endpoints = append(o.Endpoints, n.opts.ClientURL)
	}
	return open(t, o)
}

func (c *client) count(d *metrics.Desc) uint64 { return c.set.Counter(d).Value() }

func inst(id string) registry.Instance {
	return registry.Instance{Service: "web", ID: id, Address: "tcp://127.0.0.1:7000", Window: 8, Started: time.Unix(1700000000, 5).UTC()}
}

func register(t *testing.T, c *client, i registry.Instance) registry.Registration {
	t.Helper()
	r, err := c.Register(t.Context(), i)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The test's own context has ended, and its server may be gone.
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = r.Close(ctx)
	})
	return r
}

func ready(t *testing.T, r registry.Registration) {
	t.Helper()
	select {
	case <-r.Ready():
	case <-time.After(patience):
		t.Fatal("registration isn't ready")
	}
}

// eventually waits until ok.
var eventually = testutil.Eventually

// eventuallyNil waits until fn succeeds.
func eventuallyNil(t *testing.T, what string, fn func() error) {
	t.Helper()
	var err error
	eventually(t, what, func() bool { err = fn(); return err == nil })
}

// watching records what a Watch delivers.
type watching struct {
	mu     sync.Mutex
	snaps  []registry.Snapshot
	end    chan error
	cancel context.CancelFunc
}

func watch(t *testing.T, c *client) *watching {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := &watching{end: make(chan error, 1), cancel: cancel}
	go func() {
		w.end <- c.Watch(ctx, func(s registry.Snapshot) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.snaps = append(w.snaps, s)
		})
	}()
	t.Cleanup(func() { w.stop(t) })
	return w
}

func (w *watching) stop(t *testing.T) error {
	t.Helper()
	w.cancel()
	select {
	case err := <-w.end:
		w.end <- err
		return err
	case <-time.After(patience):
		t.Error("Watch doesn't return")
		return nil
	}
}

func (w *watching) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.snaps)
}

func (w *watching) all() []registry.Snapshot {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.snaps[:len(w.snaps):len(w.snaps)]
}

func (w *watching) last() registry.Snapshot {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.snaps) == 0 {
		return registry.Snapshot{}
	}
	return w.snaps[len(w.snaps)-1]
}

// ids waits until the last snapshot has exactly these instances.
func (w *watching) ids(t *testing.T, want ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("instances are %v", want), func() bool {
		s := w.last()
		if w.count() == 0 || len(s.Instances) != len(want) {
			return false
		}
		for i, id := range want {
			if s.Instances[i].ID != id {
				return false
			}
		}
		return true
	})
}

// service waits until the last snapshot's routes lead to this service first.
func (w *watching) service(t *testing.T, want string) {
	t.Helper()
	eventually(t, "routes lead to "+want, func() bool {
		r := w.last().Routes
		return r != nil && r.Routes[0].Service == want
	})
}

func routesTo(service string) *registry.Routes {
	return &registry.Routes{Version: 1, Routes: []registry.Route{{Match: registry.Match{Prefix: "/"}, Service: service}}}
}

func contains(b *buffer, s string) bool { return strings.Contains(b.String(), s) }

// recordOf is an instance's JSON.
func recordOf(t *testing.T, i registry.Instance) string {
	t.Helper()
	b, err := json.Marshal(i)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
