package up

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nanofront/etcd"
	"nanofront/etcd/embedded"
	"nanofront/internal/cli"
	"nanofront/internal/testutil"
	"nanofront/registry"
)

// command is one whose addresses are free.
func command(t *testing.T) *Command {
	t.Helper()
	return &Command{
		HTTP: testutil.FreeAddr(t), Admin: testutil.FreeAddr(t), EtcdURL: "http://" + testutil.FreeAddr(t), EtcdPrefix: etcd.DefaultPrefix,
		Data: filepath.Join(t.TempDir(), "data"), Web: 2, Echo: 1,
	}
}

func TestCheck_FindsWhatWouldKeepAChildFromStarting(t *testing.T) {
	if err := command(t).check(); err != nil {
		t.Fatalf("all is well: %v", err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		spoil func(c *Command)
		usage bool
		want  string
	}{
		{"a port in use", func(c *Command) { c.HTTP = taken.Addr().String() }, false, "--http " + taken.Addr().String() + ": "},
		{"an admin port in use", func(c *Command) { c.Admin = taken.Addr().String() }, false, "--admin "},
		{"etcd's port in use", func(c *Command) { c.EtcdURL = "http://" + taken.Addr().String() }, false, "--etcd-url "},
		{"https", func(c *Command) { c.EtcdURL = "https://127.0.0.1:2379" }, true, "is not http://IP:PORT"},
		{"no port", func(c *Command) { c.EtcdURL = "http://127.0.0.1" }, true, "is not http://IP:PORT"},
		{"a path", func(c *Command) { c.EtcdURL += "/v2" }, true, "is not http://IP:PORT"},
		{"a prefix without a slash", func(c *Command) { c.EtcdPrefix = "nanofront" }, true, "prefix"},
		{"a file for a directory", func(c *Command) { c.Data = filepath.Join(file, "data") }, false, "--data "},
		{"a bad name", func(c *Command) { c.System = "A B" }, true, "--system"},
		{"no secret", func(c *Command) { c.BusSecretFile = filepath.Join(file, "none") }, true, "--bus-secret-file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := command(t)
			c.spoil(cmd)
			err := cmd.check()
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if usage := new(cli.UsageError); errors.As(err, &usage) != c.usage {
				t.Errorf("%v: an error of usage: %v, want %v", err, !c.usage, c.usage)
			}
		})
	}
}

func TestWelcome_NamesWhatCanBeReached(t *testing.T) {
	for addr, want := range map[string]string{
		":8080": "localhost:8080", "0.0.0.0:80": "localhost:80", "[::]:80": "localhost:80",
		"10.0.0.1:80": "10.0.0.1:80", "[::1]:80": "[::1]:80", "front.example:80": "front.example:80",
	} {
		if got := dialable(addr); got != want {
			t.Errorf("dialable(%q) = %q, want %q", addr, got, want)
		}
	}
	c := &Command{EtcdURL: embedded.DefaultClientURL, EtcdPrefix: etcd.DefaultPrefix}
	if got := c.command("status"); got != "bin/nanofront status" {
		t.Errorf("got %q", got)
	}
	c.EtcdURL, c.EtcdPrefix = "http://127.0.0.1:1", "/x/"
	if got := c.command("status"); got != "bin/nanofront status --etcd http://127.0.0.1:1 --etcd-prefix /x/" {
		t.Errorf("got %q", got)
	}
}

func TestBusFlags_SayAllToTheChildren(t *testing.T) {
	c := &Command{}
	flags, scheme := c.busFlags()
	if scheme != "tcp" || !slices.Contains(flags, "--bus-cert=") || !slices.Contains(flags, "--bus-secret-file=") {
		t.Errorf("without security: %s, %q", scheme, flags)
	}
	c.BusCert, c.BusKey = "c.pem", "k.pem"
	flags, scheme = c.busFlags()
	if scheme != "tls+tcp" || !slices.Contains(flags, "--bus-cert=c.pem") || !slices.Contains(flags, "--bus-key=k.pem") {
		t.Errorf("with a certificate: %s, %q", scheme, flags)
	}
}

func TestRetry_TriesUntilItSucceeds(t *testing.T) {
	tries := 0
	err := retry(t.Context(), func(context.Context) error {
		if tries++; tries < 3 {
			return errors.New("not yet")
		}
		return nil
	})
	if err != nil || tries != 3 {
		t.Errorf("%d tries: %v", tries, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	last := errors.New("the last")
	err = retry(ctx, func(context.Context) error { cancel(); return last })
	if !errors.Is(err, last) {
		t.Errorf("got %v, want the last error", err)
	}
}

// What the terminator can't reach matters if up has started it.
func TestServed_LooksAtWhatUpStarted(t *testing.T) {
	body := ""
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }))
	defer front.Close()
	instances := []registry.Instance{{Service: "web", ID: "web-1"}}
	for _, c := range []struct{ body, want string }{
		{`{"degraded": []}`, ""},
		{`{"degraded": [{"service": "cart", "reason": "no instance of cart"}]}`, ""},
		{`{"degraded": [{"service": "web", "reason": "no instance of web"}]}`, "terminator: no instance of web"},
		{`nonsense`, "terminator: invalid character"},
	} {
		body = c.body
		err := served(t.Context(), front.Listener.Addr().String(), instances)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", c.body, err, c.want)
		}
	}
}
