package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"nanofront/internal/logging"
)

// soloPeerURL is the address that a member alone has in its cluster's
// records. Nobody ever dials it.
const soloPeerURL = "http://127.0.0.1:2380"

// Server is a running etcd server.
type Server struct {
	etcd   *embed.Etcd
	url    string
	unlock func()
	gate   *gate
	last   *lastWords
	opts   ServerOptions
	limit  *logging.Limiter
	quiet  atomic.Bool // no more log lines
	stuck  atomic.Bool // etcd has had its last words, and can't be closed

	closeOnce sync.Once
	closed    chan struct{}
	done      chan struct{}

	mu  sync.Mutex
	err error
}

// StartServer starts a server and waits until it answers: it then has a
// leader, which in a cluster means that a majority of the members runs. ctx
// bounds the start only. Errors wrap ErrOptions, ErrInUse, ErrDataDir or
// ErrNotReady, and say in one line what to do. After one that wraps ErrDataDir
// goroutines of etcd may be left that hold what they have: the process had
// better end.
func StartServer(ctx context.Context, o ServerOptions) (*Server, error) {
	client, peer, err := o.validate()
	if err != nil {
		return nil, err
	}
	unlock, err := claim(o.DataDir)
	if err != nil {
		return nil, err
	}
	log := o.Logger.With().Str("component", "etcd").Logger()
	s := &Server{limit: logging.NewLimiter(log, warnings, warningsPer), unlock: unlock, gate: newGate(), last: newLastWords(), opts: o, closed: make(chan struct{}), done: make(chan struct{})}
	started := false
	defer func() {
		if !started {
			s.limit.Close()
			s.gate.endCalls()
			unlock()
		}
	}()

	cfg := config(s.gate, o, client, peer, zapLogger(log, &s.quiet, s.last, s.limit))
	if err := check(cfg.Dir); err != nil {
		return nil, o.advise(err)
	}
	if s.etcd, err = s.startEtcd(cfg); err != nil {
		return nil, startError(o, client, peer, err)
	}
	wait, stop := context.WithTimeout(ctx, o.StartTimeout)
	defer stop()
	if err := s.awaitReady(ctx, wait, o.StartTimeout); errors.Is(err, ErrDataDir) {
		return nil, err // what has had its last words can't be closed
	} else if err != nil {
		// First the server: Close by itself waits for listeners that are
		// only served once there is a leader.
		s.quiet.Store(true)
		s.gate.close()
		s.etcd.Server.HardStop()
		s.etcd.Close()
		return nil, err
	}
	if len(s.etcd.Clients) > 0 {
		client.Host = s.etcd.Clients[0].Addr().String()
	}
	s.url = client.String()
	started = true
	go s.watch()
	return s, nil
}

// startEtcd returns also when etcd wants to end the process instead.
func (s *Server) startEtcd(cfg *embed.Config) (*embed.Etcd, error) {
	type outcome struct {
		etcd *embed.Etcd
		err  error
	}
	started := make(chan outcome, 1)
	go func() { // ends with StartEtcd, or stays when that had its last words
		debug.SetPanicOnFault(true) // a disk that can't read what is mapped
		var o outcome
		defer func() {
			if r := recover(); r != nil {
				o.err = fmt.Errorf("%w: etcd panicked while reading it: %v", errDamaged, r)
			}
			started <- o
		}()
		o.etcd, o.err = embed.StartEtcd(cfg)
	}()
	select {
	case o := <-started:
		return o.etcd, o.err
	case err := <-s.last.said:
		return nil, err
	}
}

// awaitReady waits for a leader. ctx is the caller's, wait the same with the
// timeout.
func (s *Server) awaitReady(ctx, wait context.Context, timeout time.Duration) error {
	select {
	case <-s.etcd.Server.ReadyNotify():
		return nil
	case err := <-s.etcd.Err():
		return fmt.Errorf("embedded: etcd failed to start: %w", err)
	case err := <-s.last.said:
		return s.opts.advise(err)
	case <-s.etcd.Server.StopNotify():
		return fmt.Errorf("%w: the server stopped during startup: see its log", ErrNotReady)
	case <-wait.Done():
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", ErrNotReady, context.Cause(ctx))
	}
	return fmt.Errorf("%w: no leader within %v: are the other members of the cluster running?", ErrNotReady, timeout)
}

func config(g *gate, o ServerOptions, client, peer *url.URL, log *zap.Logger) *embed.Config {
	cfg := embed.NewConfig()
	cfg.Name = o.Name
	cfg.Dir = filepath.Join(o.DataDir, "member-data")
	cfg.ListenClientUrls = []url.URL{ipURL(client)}
	cfg.AdvertiseClientUrls = []url.URL{*client}
	cfg.ListenPeerUrls = []url.URL{ipURL(peer)}
	cfg.AdvertisePeerUrls = []url.URL{*peer}
	if o.PeerURL == "" {
		u, _ := url.Parse(soloPeerURL)
		cfg.AdvertisePeerUrls = []url.URL{*u}
	}
	cfg.InitialCluster = o.InitialCluster
	if cfg.InitialCluster == "" {
		cfg.InitialCluster = cfg.InitialClusterFromName(o.Name)
	}
	cfg.ClientTLSInfo.CertFile = o.CertFile
	cfg.ClientTLSInfo.KeyFile = o.KeyFile
	cfg.ClientTLSInfo.TrustedCAFile = o.CAFile
	cfg.ClientTLSInfo.ClientCertAuth = o.CAFile != ""
	cfg.TickMs = uint(o.Heartbeat.Milliseconds())    // validated
	cfg.ElectionMs = uint(o.Election.Milliseconds()) // validated
	cfg.UnsafeNoFsync = o.UnsafeNoFsync
	if o.BcryptCost != 0 {
		cfg.BcryptCost = uint(o.BcryptCost)
	}
	cfg.AutoCompactionMode = embed.CompactorModeRevision
	cfg.AutoCompactionRetention = keptRevisions
	cfg.QuotaBackendBytes = quotaBytes
	// Nobody here speaks JSON to etcd, and under TLS the gateway puts gRPC
	// behind an HTTP server whose shutdown waits for open watches.
	cfg.EnableGRPCGateway = false
	// Our logger is handed over directly: SetupGlobalLoggers, which would
	// replace zap's and gRPC's globals, isn't called then.
	cfg.LogLevel = "warn"
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(log)
	cfg.GRPCAdditionalServerOptions = []grpc.ServerOption{
		grpc.ChainStreamInterceptor(g.stream),
		grpc.ChainUnaryInterceptor(g.call),
	}
	return cfg
}

// ipURL replaces the one name that is allowed, which etcd wouldn't bind to.
func ipURL(u *url.URL) url.URL {
	c := *u
	if host, port, err := net.SplitHostPort(u.Host); err == nil && host == "localhost" {
		c.Host = net.JoinHostPort("127.0.0.1", port)
	}
	return c
}

// startError turns etcd's error into one that says what to do.
func startError(o ServerOptions, client, peer *url.URL, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		flag, addr := "--client-url", client.Host
		var op *net.OpError
		if errors.As(err, &op) && op.Addr != nil && op.Addr.String() == peer.Host && peer.Host != client.Host {
			flag, addr = "--peer-url", peer.Host
		}
		return fmt.Errorf("%w: etcd address %s: is another etcd running there? Stop it, or choose another address with %s", ErrInUse, addr, flag)
	}
	if errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EACCES) {
		return fmt.Errorf("%w: --client-url: can't listen on %s: %w", ErrOptions, client.Host, err)
	}
	return o.advise(err)
}

// watch owns done: it ends when the server does, by Close or by itself.
func (s *Server) watch() {
	defer close(s.done)
	select {
	case <-s.closed:
		return
	case err := <-s.last.said:
		s.stuck.Store(true)
		s.fail(s.opts.advise(err))
	case err, ok := <-s.etcd.Err():
		if !ok || err == nil {
			err = errors.New("stopped by itself")
		}
		s.fail(fmt.Errorf("embedded: etcd: %w", err))
	case <-s.etcd.Server.StopNotify():
		select {
		case <-s.closed: // Close stops it, that is no failure
			return
		default:
		}
		s.fail(errors.New("embedded: etcd: stopped by itself: see its log"))
	}
}

func (s *Server) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// ClientURL is where clients reach the server, with the actual port.
func (s *Server) ClientURL() string { return s.url }

// IsLeader reports whether this member leads its cluster at the moment.
func (s *Server) IsLeader() bool { return s.etcd.Server.Leader() == s.etcd.Server.MemberID() }

// Done is closed when the server has stopped, by Close or by itself.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err is why the server stopped by itself; nil while it runs and after Close.
func (s *Server) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Close stops the server, handing its leadership over if it can, and waits.
// All data that was acknowledged is on disk. It may be called more than once.
func (s *Server) Close() error { s.stop(false); return s.Err() }

// Kill stops the server without handing over anything, as a crash would, and
// waits. It is for tests of what clients do then.
func (s *Server) Kill() { s.stop(true) }

func (s *Server) stop(hard bool) {
	s.closeOnce.Do(func() {
		s.quiet.Store(true)
		s.limit.Close()
		close(s.closed)
		if s.stuck.Load() {
			s.gate.endCalls()
			return
		}
		s.gate.endStreams()
		if hard {
			s.gate.close()
			s.etcd.Server.HardStop()
		}
		s.etcd.Close()
		s.gate.endCalls()
		s.unlock()
	})
	<-s.done
}

// claim makes the data directory and takes it for this process.
func claim(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("%w: %w: choose another with --data", ErrDataDir, err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%w: %s isn't writable: %w: choose another with --data", ErrDataDir, dir, err)
	}
	if err := lockFile(f); err != nil {
		_ = f.Close() // nothing was written
		return nil, fmt.Errorf("%w: data directory %s: another etcd runs on it: stop that, or choose another with --data", ErrInUse, dir)
	}
	return func() { _ = f.Close() }, nil // nothing was written
}
