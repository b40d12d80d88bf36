package embedded

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"nanofront/internal/testutil"
)

func TestMain(m *testing.M) {
	// What etcd has said last stays where it is.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("nanofront/etcd/embedded.(*lastWords).OnWrite"))
}

func fast(dir string) ServerOptions {
	return ServerOptions{
		DataDir: dir, ClientURL: "http://127.0.0.1:0", UnsafeNoFsync: true,
		Heartbeat: 10 * time.Millisecond, Election: 100 * time.Millisecond,
	}
}

func start(t testing.TB, o ServerOptions) *Server {
	t.Helper()
	s, err := StartServer(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func dial(t testing.TB, s *Server) *clientv3.Client {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{s.ClientURL()}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// lines is a log that can be read while it is written.
type lines = testutil.Buffer

func TestServer_KeepsDataAndSaysNothing(t *testing.T) {
	dir, log := filepath.Join(t.TempDir(), "made", "here"), &lines{}
	o := fast(dir)
	o.Logger = zerolog.New(log)
	globalBefore := zap.L()

	s := start(t, o)
	c := dial(t, s)
	if _, err := c.Put(t.Context(), "k", "v"); err != nil {
		t.Fatal(err)
	}
	if !s.IsLeader() || s.Err() != nil {
		t.Errorf("leader %v, error %v", s.IsLeader(), s.Err())
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	select {
	case <-s.Done():
	default:
		t.Error("Done isn't closed after Close")
	}

	s = start(t, o)
	resp, err := dial(t, s).Get(t.Context(), "k")
	if err != nil || len(resp.Kvs) != 1 || string(resp.Kvs[0].Value) != "v" {
		t.Errorf("after a restart: %v, %v", resp, err)
	}
	s.Close()
	for line := range strings.Lines(log.String()) {
		if !strings.Contains(line, "took too long") { // a busy machine's fault
			t.Errorf("log of an uneventful life: %s", line)
		}
	}
	if zap.L() != globalBefore {
		t.Error("zap's global logger was replaced")
	}
}

func TestServer_CloseDoesNotWaitForWatches(t *testing.T) {
	o := fast(t.TempDir())
	// Waiting for them, etcd would give up 5 s and two elections later: far later
	// than a busy machine takes.
	o.Heartbeat, o.Election = 500*time.Millisecond, 8*time.Second
	s := start(t, o)
	c := dial(t, s)
	events := c.Watch(t.Context(), "k", clientv3.WithCreatedNotify())
	<-events
	lease, err := c.Grant(t.Context(), 60)
	if err != nil {
		t.Fatal(err)
	}
	alive, err := c.KeepAlive(t.Context(), lease.ID)
	if err != nil {
		t.Fatal(err)
	}
	<-alive
	begin := time.Now()
	s.Close()
	if took := time.Since(begin); took > 15*time.Second {
		t.Errorf("Close took %v", took)
	}
}

func TestServer_KillIsAnEnd(t *testing.T) {
	s := start(t, fast(t.TempDir()))
	s.Kill()
	<-s.Done()
	if err := s.Close(); err != nil {
		t.Errorf("Close after Kill: %v", err)
	}
}

func TestServer_StopsByItself(t *testing.T) {
	s := start(t, fast(t.TempDir()))
	s.etcd.Server.HardStop()
	<-s.Done()
	if err := s.Err(); err == nil || !strings.Contains(err.Error(), "stopped by itself") {
		t.Errorf("Err() = %v", err)
	}
}

func TestStartServer_Refuses(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	taken := t.TempDir()
	start(t, fast(taken))

	tests := []struct {
		name   string
		change func(*ServerOptions)
		kind   error
		want   string
	}{
		{"no directory", func(o *ServerOptions) { o.DataDir = "" }, ErrOptions, "--data: empty"},
		{"a file", func(o *ServerOptions) { o.DataDir = file }, ErrDataDir, "choose another with --data"},
		{"below a file", func(o *ServerOptions) { o.DataDir = file + "/x" }, ErrDataDir, "choose another with --data"},
		{"taken directory", func(o *ServerOptions) { o.DataDir = taken }, ErrInUse, "another etcd runs on it"},
		{"taken port", func(o *ServerOptions) { o.ClientURL = "http://" + busy.Addr().String() }, ErrInUse, "choose another address with --client-url"},
		{"taken peer port", func(o *ServerOptions) { o.PeerURL = "http://" + busy.Addr().String() }, ErrInUse, "--peer-url"},
		{"foreign address", func(o *ServerOptions) { o.ClientURL = "http://192.0.2.1:2379" }, ErrOptions, "can't listen on 192.0.2.1:2379"},
		{"no URL", func(o *ServerOptions) { o.ClientURL = "127.0.0.1:2379" }, ErrOptions, "--client-url"},
		{"no port", func(o *ServerOptions) { o.ClientURL = "http://127.0.0.1" }, ErrOptions, "a port to listen on"},
		{"a name", func(o *ServerOptions) { o.ClientURL = "http://etcd.example:2379" }, ErrOptions, "an IP address"},
		{"a path", func(o *ServerOptions) { o.ClientURL = "http://127.0.0.1:1/x" }, ErrOptions, "--client-url"},
		{"https without certificate", func(o *ServerOptions) { o.ClientURL = "https://127.0.0.1:0" }, ErrOptions, "certificate and key"},
		{"certificate without https", func(o *ServerOptions) { o.CertFile, o.KeyFile = "a", "b" }, ErrOptions, "certificate and key"},
		{"name", func(o *ServerOptions) { o.Name = "a=b" }, ErrOptions, "--name"},
		{"cluster without peer URL", func(o *ServerOptions) { o.InitialCluster = "a=http://127.0.0.1:1" }, ErrOptions, "needs --peer-url"},
		{"peer TLS", func(o *ServerOptions) { o.PeerURL = "https://127.0.0.1:1" }, ErrOptions, "--peer-url"},
		{"election", func(o *ServerOptions) { o.Election = 20 * time.Millisecond }, ErrOptions, "at least five heartbeats"},
		{"bcrypt", func(o *ServerOptions) { o.BcryptCost = 3 }, ErrOptions, "bcrypt cost 3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := fast(t.TempDir())
			tt.change(&o)
			s, err := StartServer(t.Context(), o)
			if err == nil {
				s.Close()
			}
			if !errors.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v\nwant one line that wraps %v, with %q in it", err, tt.kind, tt.want)
			}
		})
	}
}

func TestStartServer_WithoutTheOtherMembers(t *testing.T) {
	o := fast(t.TempDir())
	o.Name, o.PeerURL = "a", "http://"+freeAddr(t)
	o.InitialCluster = "a=" + o.PeerURL + ",b=http://" + freeAddr(t)
	o.StartTimeout = 300 * time.Millisecond
	_, err := StartServer(t.Context(), o)
	if !errors.Is(err, ErrNotReady) || !strings.Contains(err.Error(), "are the other members of the cluster running?") {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("interrupted"))
	o.DataDir = t.TempDir()
	if _, err := StartServer(ctx, o); !errors.Is(err, ErrNotReady) || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("error %v", err)
	}
}

var freeAddr = testutil.FreeAddr
