package embedded

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/rs/zerolog"
)

const (
	// DefaultClientURL is where clients find the server.
	DefaultClientURL = "http://127.0.0.1:2379"
	// DefaultName is the member's name.
	DefaultName = "nanofront"
	// DefaultStartTimeout is how long StartServer waits for a leader.
	DefaultStartTimeout = 30 * time.Second
	// DefaultHeartbeat and DefaultElection suit one machine or one data
	// centre.
	DefaultHeartbeat = 100 * time.Millisecond
	DefaultElection  = time.Second

	// quotaBytes bounds the database file. The instances take kilobytes and
	// a routes document at most 1 MiB, of which compaction keeps few.
	quotaBytes = 1 << 30
	// keptRevisions is how much history compaction leaves. A watch that was
	// away for longer reads everything again, which costs one request.
	keptRevisions = "1000"
)

var (
	// ErrOptions is wrapped by errors about ServerOptions: the caller's
	// fault, exit code 2.
	ErrOptions = errors.New("embedded: invalid options")
	// ErrInUse is wrapped when an address or the data directory belongs to
	// another process.
	ErrInUse = errors.New("embedded: in use")
	// ErrDataDir is wrapped when the data directory can't be used.
	ErrDataDir = errors.New("embedded: data directory")
	// ErrNotReady is wrapped when no leader came up in time.
	ErrNotReady = errors.New("embedded: not ready")
)

// ServerOptions configure a server. Only DataDir must be set.
type ServerOptions struct {
	// DataDir is made if it isn't there. One process at a time.
	DataDir string
	// ClientURL is http://IP:PORT or https://IP:PORT (then with CertFile and
	// KeyFile). Port 0 picks a free one (see Server.ClientURL). Empty means
	// DefaultClientURL.
	ClientURL string
	// PeerURL is where the other members of a cluster find this one. Empty
	// is for a server alone: it then listens for peers on a free loopback
	// port, so that nothing has to be chosen for a listener that nobody
	// uses.
	PeerURL string
	// Name is the member's name, as in InitialCluster. Empty means
	// DefaultName.
	Name string
	// InitialCluster lists all members of a new cluster, "a=URL,b=URL,…",
	// this one with its PeerURL. Empty means this member alone.
	InitialCluster string
	// CertFile and KeyFile are the server's certificate for clients;
	// CAFile, if set, makes clients show one that it has signed.
	CertFile, KeyFile, CAFile string
	// StartTimeout bounds StartServer; zero means DefaultStartTimeout.
	StartTimeout time.Duration
	// Heartbeat and Election are raft's intervals (etcd's heartbeat-interval
	// and election-timeout). Zero means the defaults.
	Heartbeat, Election time.Duration
	// UnsafeNoFsync skips every fsync: a crash of the machine loses data.
	// For tests, which start dozens of servers.
	UnsafeNoFsync bool
	// BcryptCost is the work that a password's hash costs, 4 to 31. Zero
	// means etcd's default, 10. Tests use less.
	BcryptCost int
	// Logger gets etcd's own lines from warnings up. The zero Logger
	// discards them.
	Logger zerolog.Logger
}

// validate fills in the defaults and checks what can be checked without the
// system.
func (o *ServerOptions) validate() (client, peer *url.URL, err error) {
	if o.DataDir == "" {
		return nil, nil, fmt.Errorf("%w: --data: empty: want a directory", ErrOptions)
	}
	if o.ClientURL == "" {
		o.ClientURL = DefaultClientURL
	}
	if o.Name == "" {
		o.Name = DefaultName
	}
	if strings.ContainsAny(o.Name, "=, \t\n") {
		return nil, nil, fmt.Errorf("%w: --name: %q: want a word without '=', ',' or spaces", ErrOptions, o.Name)
	}
	if o.StartTimeout == 0 {
		o.StartTimeout = DefaultStartTimeout
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = DefaultHeartbeat
	}
	if o.Election == 0 {
		o.Election = DefaultElection
	}
	if o.Heartbeat < time.Millisecond || o.Election < 5*o.Heartbeat || o.Election > 50*time.Second {
		return nil, nil, fmt.Errorf("%w: election timeout %v with heartbeat %v: want at least five heartbeats, at most 50s", ErrOptions, o.Election, o.Heartbeat)
	}
	if o.BcryptCost != 0 && (o.BcryptCost < 4 || o.BcryptCost > 31) {
		return nil, nil, fmt.Errorf("%w: bcrypt cost %d: want 4 to 31", ErrOptions, o.BcryptCost)
	}
	if client, err = listenURL("--client-url", o.ClientURL); err != nil {
		return nil, nil, err
	}
	if tls := o.CertFile != "" && o.KeyFile != ""; tls != (client.Scheme == "https") || (o.CertFile == "") != (o.KeyFile == "") {
		return nil, nil, fmt.Errorf("%w: --client-url: %s: want https:// and both certificate and key, or http:// and neither", ErrOptions, o.ClientURL)
	}
	if o.PeerURL == "" {
		if o.InitialCluster != "" {
			return nil, nil, fmt.Errorf("%w: --initial-cluster needs --peer-url, this member's own URL in it", ErrOptions)
		}
		return client, &url.URL{Scheme: "http", Host: "127.0.0.1:0"}, nil
	}
	if peer, err = listenURL("--peer-url", o.PeerURL); err != nil {
		return nil, nil, err
	}
	if peer.Scheme != "http" {
		return nil, nil, fmt.Errorf("%w: --peer-url: %s: want http://IP:PORT (for TLS among members, run etcd itself)", ErrOptions, o.PeerURL)
	}
	return client, peer, nil
}

// listenURL wants an IP, since etcd binds to addresses and not to names.
func listenURL(flag, s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || (u.Path != "" && u.Path != "/") || u.User != nil || u.RawQuery != "" {
		return nil, fmt.Errorf("%w: %s: %q: want http://IP:PORT or https://IP:PORT", ErrOptions, flag, s)
	}
	host, port, err := net.SplitHostPort(u.Host)
	if err != nil || port == "" || (host != "localhost" && net.ParseIP(host) == nil) {
		return nil, fmt.Errorf("%w: %s: %q: want an IP address and a port to listen on", ErrOptions, flag, s)
	}
	u.Path = ""
	return u, nil
}
