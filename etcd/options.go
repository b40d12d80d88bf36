package etcd

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"nanofront/internal/tlsfiles"
	"nanofront/metrics"
)

const (
	// DefaultLeaseTTL is how long the record of an instance that vanished
	// without a word stays.
	DefaultLeaseTTL = 5 * time.Second
	// DefaultDialTimeout is how long one call may take.
	DefaultDialTimeout = 3 * time.Second
	// DefaultPort is that of an endpoint that names none.
	DefaultPort = "2379"

	maxEndpoints = 64

	// probeInterval is how often the connection's health is looked at.
	probeInterval = time.Second
	// rereadInterval is how often a watch reads everything again although
	// nothing seems wrong: behind a proxy, data can be replaced without the
	// connection ending.
	rereadInterval = 30 * time.Second
	// coalesce is how long a watch gathers changes before it calls back: a
	// hundred instances that start together are one change.
	coalesce = 10 * time.Millisecond
)

// Options configure a Client. The zero values of all but Endpoints are the
// defaults.
type Options struct {
	// Endpoints are the members' URLs, as ParseEndpoints returns them: all
	// http or all https.
	Endpoints []string
	// Username and Password authenticate the client; both or neither.
	Username, Password string
	// PasswordFrom, if set, is asked for the password in place of Password,
	// now and for each new session, so that one that was changed is found.
	PasswordFrom func() (string, error)
	// CertFile and KeyFile are the client's certificate, CAFile the
	// authority that signed the servers'. Without CAFile the system's
	// authorities count. For https endpoints only. They are read again when
	// they change, for the connections made after that.
	CertFile, KeyFile, CAFile string
	// Prefix is above all keys, as ParsePrefix returns it. Two systems on one
	// etcd each need one of their own. Empty means DefaultPrefix.
	Prefix string
	// LeaseTTL is the life of a registration's lease, 1 s to 10 min in
	// whole seconds. Zero means DefaultLeaseTTL. The server raises it to one
	// and a half of its election timeout.
	LeaseTTL time.Duration
	// DialTimeout bounds every call. Zero means DefaultDialTimeout.
	DialTimeout time.Duration
	// Logger gets a line per change of state. The zero Logger discards them.
	Logger zerolog.Logger
	// Metrics receives the etcd.* metrics; nil means none.
	Metrics metrics.Meter

	// For tests, which have no 30 s.
	reread time.Duration
}

// ParseEndpoints reads a comma-separated list of URLs such as
// "http://a:2379,http://b:2379". A missing port is DefaultPort. The error
// wraps ErrOptions.
func ParseEndpoints(s string) ([]string, error) {
	bad := func(what, want string) error {
		return fmt.Errorf("%w: Options.Endpoints (--etcd): %s: want %s", ErrOptions, what, want)
	}
	const form = "http://HOST:PORT or https://HOST:PORT, several with commas"
	if strings.TrimSpace(s) == "" {
		return nil, bad("empty", form)
	}
	var out []string
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		u, err := url.Parse(part)
		if err == nil && u.User != nil {
			// Not quoted: it may hold the password.
			return nil, bad("a URL with user or password", "them in Options.Username and Password (--etcd-user, --etcd-password-file)")
		}
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" ||
			(u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(part, " \t@") {
			return nil, bad(quoted(part), form)
		}
		host, port := u.Hostname(), u.Port()
		if port == "" {
			port = DefaultPort
		}
		if n, err := net.LookupPort("tcp", port); err != nil || n == 0 {
			return nil, bad(quoted(part), "a port from 1 to 65535")
		}
		e := u.Scheme + "://" + net.JoinHostPort(host, port)
		if slices.Contains(out, e) {
			return nil, bad(quoted(part)+" twice", "each member once")
		}
		if len(out) > 0 && !strings.HasPrefix(out[0], u.Scheme+":") {
			return nil, bad("both http and https", "one of them for all members")
		}
		out = append(out, e)
	}
	if len(out) > maxEndpoints {
		return nil, bad(fmt.Sprintf("%d members", len(out)), fmt.Sprintf("at most %d", maxEndpoints))
	}
	return out, nil
}

// quoted shows a bad value; what might be a password in it is left out.
func quoted(s string) string {
	if at := strings.LastIndexByte(s, '@'); at >= 0 {
		s = "…" + s[at:]
	}
	if len(s) > 80 {
		s = s[:80] + "…"
	}
	return fmt.Sprintf("%q", s)
}

// validate fills in the defaults.
func (o *Options) validate() error {
	endpoints, err := ParseEndpoints(strings.Join(o.Endpoints, ","))
	if err != nil {
		return err
	}
	o.Endpoints = endpoints
	if o.Prefix == "" {
		o.Prefix = DefaultPrefix
	}
	if o.Prefix, err = ParsePrefix(o.Prefix); err != nil {
		return err
	}
	if o.PasswordFrom != nil {
		if o.Password, err = o.PasswordFrom(); err != nil {
			return err
		}
	}
	if (o.Username == "") != (o.Password == "") {
		return fmt.Errorf("%w: Options.Username and Password (--etcd-user, --etcd-password-file): want both or neither", ErrOptions)
	}
	if o.LeaseTTL == 0 {
		o.LeaseTTL = DefaultLeaseTTL
	}
	if o.LeaseTTL < time.Second || o.LeaseTTL > 10*time.Minute || o.LeaseTTL%time.Second != 0 {
		return fmt.Errorf("%w: Options.LeaseTTL %v: want whole seconds from 1s to 10m", ErrOptions, o.LeaseTTL)
	}
	if o.DialTimeout == 0 {
		o.DialTimeout = DefaultDialTimeout
	}
	if o.DialTimeout < 10*time.Millisecond || o.DialTimeout > 10*time.Minute {
		return fmt.Errorf("%w: Options.DialTimeout %v: want 10ms to 10m", ErrOptions, o.DialTimeout)
	}
	if o.reread == 0 {
		o.reread = rereadInterval
	}
	return nil
}

// handshakes loads the TLS files; the zero value means no TLS.
func (o *Options) handshakes() (handshakes, error) {
	files := o.CertFile != "" || o.KeyFile != "" || o.CAFile != ""
	if !strings.HasPrefix(o.Endpoints[0], "https:") {
		if files {
			return handshakes{}, fmt.Errorf("%w: Options.Endpoints (--etcd): %s: want https:// with Options.CAFile, CertFile and KeyFile (--etcd-ca, --etcd-cert, --etcd-key)", ErrOptions, o.Endpoints[0])
		}
		return handshakes{}, nil
	}
	log := o.Logger
	read, err := tlsfiles.New(tlsfiles.Files{
		Cert: o.CertFile, Key: o.KeyFile, CA: o.CAFile, Flags: [3]string{"--etcd-cert", "--etcd-key", "--etcd-ca"},
	}, func(err error) {
		log.Warn().Err(err).Msg("etcd: the changed files of --etcd-cert, --etcd-key or --etcd-ca are unusable; the previous ones stay in use")
	})
	if err != nil {
		return handshakes{}, fmt.Errorf("%w: %w", ErrOptions, err)
	}
	return newHandshakes(read, o.CertFile), nil
}
