package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"net/http/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"nanofront/internal/logging"
	"nanofront/metrics"
)

// The server's limits.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = time.Minute
	maxHeaderBytes    = 16 << 10
	maxConns          = 128
	closeTimeout      = time.Second
	// maxProfileSeconds bounds ?seconds= of profiles: net/http/pprof sets the
	// write timeout aside for as long as is asked.
	maxProfileSeconds = 300
)

// ErrListen tells that the address can't be listened on.
var ErrListen = errors.New("cannot listen")

// Options are what a Server serves.
type Options struct {
	// Metrics is served as /metrics.json; nil leaves it out.
	Metrics *metrics.Set
	// Ready returns the reasons why the program isn't ready, none if it is. nil
	// stands for always ready. It may be called by several goroutines at once.
	Ready func() []string
	// Hosts are further names that requests may call the server by: see [Guard].
	Hosts  []string
	Logger zerolog.Logger
	// Listener, if set, is served in place of listening on the address.
	Listener *net.TCPListener
}

// Server is a running admin server.
type Server struct {
	http *http.Server
	mux  *http.ServeMux
	ln   *net.TCPListener
	log  zerolog.Logger
	done chan struct{} // closed when the serving goroutine has ended

	mu       sync.Mutex
	paths    []string
	ready    func() []string
	degraded func() []string
	live     func() error

	close    sync.Once
	closeErr error
}

// Start listens on addr ("host:port"; port 0 picks a free one) and serves until
// Close, from a goroutine of its own. Its error wraps ErrListen.
func Start(addr string, o Options) (*Server, error) {
	ln, err := listen(addr, o.Listener)
	if err != nil {
		return nil, err
	}
	s := &Server{
		mux:   http.NewServeMux(),
		ln:    ln,
		log:   o.Logger,
		done:  make(chan struct{}),
		ready: o.Ready,
	}
	s.http = &http.Server{
		Handler:           Guard(s.mux, o.Hosts, "--admin-hosts"),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          stdlog.New(errorLog{o.Logger}, "", 0),
	}
	s.mux.HandleFunc("GET /{$}", s.index)
	s.get("/livez", s.livez)
	s.get("/healthz", func(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, "ok\n") })
	s.get("/readyz", s.readyz)
	if o.Metrics != nil {
		s.get("/metrics.json", metricsJSON(o.Metrics))
	}
	s.get("/debug/pprof/", profile(pprof.Index))
	s.mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	s.mux.HandleFunc("GET /debug/pprof/profile", profile(pprof.Profile))
	s.mux.HandleFunc("GET /debug/pprof/trace", profile(pprof.Trace))
	s.mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	s.mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol) // what go tool pprof sends

	if host, _, err := net.SplitHostPort(s.Addr()); err == nil {
		if ip := net.ParseIP(host); ip != nil && !ip.IsLoopback() {
			s.log.Warn().Str(logging.Addr, s.Addr()).
				Msg("the admin port is open to other machines: whoever reaches it can read metrics and profiles")
		}
	}
	go func() {
		defer close(s.done)
		err := s.http.Serve(newLimitListener(ln, maxConns))
		if !errors.Is(err, http.ErrServerClosed) {
			s.log.Error().Err(err).Str(logging.Addr, s.Addr()).Msg("the admin server has ended")
		}
	}()
	return s, nil
}

func listen(addr string, inherited *net.TCPListener) (*net.TCPListener, error) {
	if inherited != nil {
		return inherited, nil
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, listenError(addr, err)
	}
	return ln.(*net.TCPListener), nil //nolint:forcetypeassert // what net.Listen("tcp") returns
}

// Listener is the socket, to be handed over to a successor.
func (s *Server) Listener() *net.TCPListener { return s.ln }

// Addr is the address that is listened on, with the port that was picked.
func (s *Server) Addr() string { return s.ln.Addr().String() }

// Handle answers GET and HEAD of path, and of what is below if it ends with a slash, with h, which
// must change nothing: links and pictures ask so, wherever they stand. It panics if the path is
// taken.
func (s *Server) Handle(path string, h http.Handler) {
	s.mux.Handle("GET "+path, h)
	s.list(path)
}

// HandleChange answers POST of path with h, which may change something. It panics if that is taken.
func (s *Server) HandleChange(path string, h http.Handler) {
	s.mux.Handle("POST "+path, h)
	s.list(path)
}

// SetReady replaces Options.Ready, for programs that know it only later.
func (s *Server) SetReady(ready func() []string) {
	s.mu.Lock()
	s.ready = ready
	s.mu.Unlock()
}

// SetDegraded says what else /readyz shows, ready or not: what isn't as it
// should be and is no reason to send requests elsewhere.
func (s *Server) SetDegraded(degraded func() []string) {
	s.mu.Lock()
	s.degraded = degraded
	s.mu.Unlock()
}

// Close ends the server: at once for idle connections, after at most 1 s for others. It
// may be called again.
func (s *Server) Close() error {
	s.close.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		if err := s.http.Shutdown(ctx); err != nil {
			// A profile is being taken, say: it isn't worth waiting for.
			s.closeErr = s.http.Close()
		}
		<-s.done
	})
	return s.closeErr
}

func (s *Server) get(path string, h http.HandlerFunc) {
	s.mux.HandleFunc("GET "+path, h)
	s.list(path)
}

func (s *Server) list(path string) {
	s.mu.Lock()
	s.paths = append(s.paths, path)
	s.mu.Unlock()
}

func (s *Server) index(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	paths := slices.Sorted(slices.Values(s.paths))
	s.mu.Unlock()
	text(w, http.StatusOK, strings.Join(paths, "\n")+"\n")
}

// SetLive says whether what the program does goes on: nil if it does. Without it, that the process
// answers is enough. It may be called by several goroutines at once.
func (s *Server) SetLive(live func() error) {
	s.mu.Lock()
	s.live = live
	s.mu.Unlock()
}

func (s *Server) livez(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	live := s.live
	s.mu.Unlock()
	if live != nil {
		if err := live(); err != nil {
			text(w, http.StatusServiceUnavailable, err.Error()+"\n")
			return
		}
	}
	text(w, http.StatusOK, "ok\n")
}

func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	ready, degraded := s.ready, s.degraded
	s.mu.Unlock()
	status, lines := http.StatusOK, []string{"ok"}
	if ready != nil {
		if reasons := ready(); len(reasons) > 0 {
			status, lines = http.StatusServiceUnavailable, reasons
		}
	}
	if degraded != nil {
		for _, d := range degraded() {
			lines = append(lines, "degraded: "+d)
		}
	}
	text(w, status, strings.Join(lines, "\n")+"\n")
}

// profile refuses what would take too long.
func profile(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if v := r.FormValue("seconds"); v != "" {
			// Not (n <= 0 || n > max), which lets NaN pass.
			if n, err := strconv.ParseFloat(v, 64); err != nil || !(n > 0 && n <= maxProfileSeconds) {
				text(w, http.StatusBadRequest, fmt.Sprintf("seconds: %q is not a number above 0 and up to %d\n", v, maxProfileSeconds))
				return
			}
		}
		h(w, r)
	}
}

func metricsJSON(set *metrics.Set) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		write := set.WriteJSON
		if r.URL.Query().Has("buckets") {
			write = set.WriteBuckets
		}
		_ = write(w) // fails when the client has gone, and nobody is left to tell
	}
}

func text(w http.ResponseWriter, status int, body string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body) // as above
}

// listenError says what to do about err.
func listenError(addr string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("admin: %s is in use: choose another with --admin (%w)", addr, ErrListen)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("admin: this user may not listen on %s: choose a port above 1023 with --admin (%w)", addr, ErrListen)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("admin: %s is not an address of this machine: choose another with --admin (%w)", addr, ErrListen)
	}
	return fmt.Errorf("admin: %w on --admin %q: %w", ErrListen, addr, err)
}

// errorLog takes what net/http has to say, a panic of a handler for one.
type errorLog struct{ log zerolog.Logger }

func (e errorLog) Write(p []byte) (int, error) {
	e.log.Warn().Msg("admin: " + strings.TrimRight(string(p), "\n"))
	return len(p), nil
}
