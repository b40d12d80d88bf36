package etcd

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"nanofront/metrics"
	"nanofront/registry"
)

func TestParseEndpoints(t *testing.T) {
	good := map[string]string{
		"http://a:2379":                        "http://a:2379",
		" http://a , http://b:1/ ":             "http://a:2379 http://b:1",
		"https://[::1]:2379":                   "https://[::1]:2379",
		"http://10.0.0.1:2379,http://x.y:2379": "http://10.0.0.1:2379 http://x.y:2379",
	}
	for in, want := range good {
		got, err := ParseEndpoints(in)
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("ParseEndpoints(%q) = %v, %v, want %s", in, got, err, want)
		}
	}
	bad := map[string]string{
		"":                             "(--etcd): empty: want http://HOST:PORT",
		"a:2379":                       `"a:2379": want http://HOST:PORT`,
		"localhost":                    `"localhost"`,
		"http://":                      `"http://"`,
		"http://a:2379,":               `"": want http`,
		"ftp://a:1":                    `"ftp://a:1"`,
		"http://a:1/x":                 `"http://a:1/x"`,
		"http://a:1?x":                 `"http://a:1?x"`,
		"http://a:99999":               "want a port from 1 to 65535",
		"http://a:0":                   "want a port from 1 to 65535",
		"http://a:1,http://a:1":        "twice: want each member once",
		"http://a:1,https://b:1":       "both http and https",
		"http://u:secret@a:2379":       "want them in Options.Username and Password (--etcd-user",
		"http//u:secret@a:2379":        "want http",
		"http://a b:1":                 "want http",
		strings.Repeat("http://a,", 3): "twice",
	}
	for in, want := range bad {
		_, err := ParseEndpoints(in)
		if !errors.Is(err, ErrOptions) || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseEndpoints(%q): error %v, want %q in it", in, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("ParseEndpoints(%q): error %v shows the password", in, err)
		}
	}
}

func TestOpen_RefusesBadOptions(t *testing.T) {
	http, https := []string{"http://127.0.0.1:1"}, []string{"https://127.0.0.1:1"}
	tests := []struct {
		name string
		o    Options
		want string
	}{
		{"no endpoints", Options{}, "(--etcd): empty"},
		{"bad endpoint", Options{Endpoints: []string{"x"}}, `(--etcd): "x"`},
		{"user alone", Options{Endpoints: http, Username: "u"}, "want both or neither"},
		{"short TTL", Options{Endpoints: http, LeaseTTL: time.Millisecond}, "Options.LeaseTTL 1ms: want whole seconds"},
		{"odd TTL", Options{Endpoints: http, LeaseTTL: 1500 * time.Millisecond}, "Options.LeaseTTL 1.5s"},
		{"timeout", Options{Endpoints: http, DialTimeout: -1}, "Options.DialTimeout -1ns"},
		{"TLS over http", Options{Endpoints: http, CAFile: "x"}, "want https://"},
		{"cert alone", Options{Endpoints: https, CertFile: "x"}, "--etcd-cert and --etcd-key belong together"},
		{"no such CA", Options{Endpoints: https, CAFile: "does-not-exist"}, "--etcd-ca: open does-not-exist"},
		{"no PEM", Options{Endpoints: https, CAFile: "doc.go"}, "doc.go has no certificate in PEM"},
		{"bad cert", Options{Endpoints: https, CertFile: "doc.go", KeyFile: "doc.go"}, "--etcd-cert doc.go"},
	}
	for _, tt := range tests {
		c, err := Open(t.Context(), tt.o)
		if !errors.Is(err, ErrOptions) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q in it", tt.name, err, tt.want)
		}
		if c != nil {
			c.Close()
		}
	}
}

func TestClient_NothingListens(t *testing.T) {
	addr := "http://" + freeAddr(t)
	c := open(t, Options{Endpoints: []string{addr}, DialTimeout: 150 * time.Millisecond})
	r := register(t, c, inst("a"))
	w := watch(t, c)
	_, _, _, err := c.Routes(t.Context())
	want := "etcd: no answer from " + addr + " within 150ms: is it running? (nanofront etcd starts one)"
	if !errors.Is(err, ErrUnreachable) || err.Error() != want {
		t.Errorf("error %v\nwant  %s", err, want)
	}
	if c.Healthy() || c.set.Gauge(metrics.EtcdConnected).Value() != 0 {
		t.Error("healthy without a server")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Instances(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v of a cancelled call", err)
	}
	if w.count() != 0 {
		t.Error("called back without a server")
	}

	eventually(t, "the log says so", func() bool { return contains(c.log, "etcd: not connected, retrying") })

	// It comes up, and all that was asked for happens.
	startNode(t, fast(t.TempDir(), addr))
	ready(t, r)
	w.ids(t, "a")
	eventually(t, "healthy", c.Healthy)
	if !contains(c.log, "etcd: connected") || contains(c.log, "connected again") || contains(c.log, "etcd: lost") {
		t.Errorf("the log of one that was never there before:\n%s", c.log)
	}
}

func TestClient_Close(t *testing.T) {
	s := startServer(t)
	c := openOn(t, s)
	r := register(t, c, inst("a"))
	ready(t, r)
	w := watch(t, c)
	w.ids(t, "a")
	for range 2 {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	select {
	case err := <-w.end:
		if !errors.Is(err, ErrClosed) {
			t.Errorf("Watch: %v, want ErrClosed", err)
		}
		w.end <- err
	case <-time.After(patience):
		t.Fatal("Watch doesn't return")
	}
	if _, err := c.Register(t.Context(), inst("b")); !errors.Is(err, ErrClosed) {
		t.Errorf("Register: %v, want ErrClosed", err)
	}
	if _, err := c.Instances(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("Instances: %v, want ErrClosed", err)
	}
	if err := r.Update(inst("a")); !errors.Is(err, ErrClosed) {
		t.Errorf("Update: %v, want ErrClosed", err)
	}
	if c.Healthy() {
		t.Error("healthy when closed")
	}
}

func TestClient_ImplementsWhatStaticDoes(t *testing.T) {
	// The seam that programs declare.
	type discovery interface {
		Watch(context.Context, func(registry.Snapshot)) error
		Register(context.Context, registry.Instance) (registry.Registration, error)
		Routes(context.Context) (*registry.Routes, []byte, int64, error)
		Instances(context.Context) ([]registry.Instance, error)
		Healthy() bool
		Close() error
	}
	var _ discovery = (*Client)(nil)
}

// TestPackage_LinksNoServer keeps the server, 20 MB of it, out of the
// terminator and the handlers.
func TestPackage_LinksNoServer(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for p := range strings.FieldsSeq(string(out)) {
		if strings.HasPrefix(p, "go.etcd.io/etcd/server/") || strings.HasPrefix(p, "go.etcd.io/bbolt") || strings.HasPrefix(p, "go.etcd.io/raft") {
			t.Errorf("package etcd links %s", p)
		}
	}
	if !strings.Contains(string(out), "go.etcd.io/etcd/client/v3") {
		t.Error("the list isn't what this test thinks it is")
	}
}
