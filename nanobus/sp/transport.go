package sp

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"go.nanomsg.org/mangos/v3"
	"go.nanomsg.org/mangos/v3/transport"

	"nanofront/internal/unixpath"
)

// The schemes are our own: see the package.
const (
	schemeTCP = "nanobus-tcp"
	schemeIPC = "nanobus-ipc"
	schemeTLS = "nanobus-tls+tcp"
)

const (
	dialTimeout      = 2 * time.Second
	handshakeTimeout = 5 * time.Second

	// WriteTimeout bounds one write to a peer that doesn't read.
	WriteTimeout = 5 * time.Second

	// readBufferSize holds the bursts seen at 100,000 requests/s with room
	// to spare; larger bodies bypass the buffer.
	readBufferSize = 64 << 10

	// MaxHandshakes bounds the connections of one listening address that have
	// not yet said SP.
	MaxHandshakes = 256
)

func init() {
	transport.RegisterTransport(transportOf{scheme: schemeTCP, network: "tcp"})
	transport.RegisterTransport(transportOf{scheme: schemeIPC, network: "unix"})
	transport.RegisterTransport(transportOf{scheme: schemeTLS, network: "tcp", tls: true})
}

// transportURL turns the address that people write into one that selects our
// transports, and checks it.
func transportURL(addr string) (string, error) {
	switch scheme, rest, _ := strings.Cut(addr, "://"); scheme {
	case "tcp", "tls+tcp":
		if _, _, err := net.SplitHostPort(rest); err != nil {
			return "", fmt.Errorf("nanobus: address %q: want %s://HOST:PORT", addr, scheme)
		}
		return "nanobus-" + addr, nil
	case "ipc":
		if rest == "" {
			return "", fmt.Errorf("nanobus: address %q: want ipc:///PATH", addr)
		}
		if err := unixpath.Check(rest); err != nil {
			return "", fmt.Errorf("nanobus: address %q: %w", addr, err)
		}
		return "nanobus-" + addr, nil
	default:
		return "", fmt.Errorf("nanobus: address %q: want tcp://HOST:PORT, tls+tcp://HOST:PORT or ipc:///PATH", addr)
	}
}

// publicURL is the inverse of transportURL.
func publicURL(url string) string { return strings.TrimPrefix(url, "nanobus-") }

// optionSocket is the option by which a socket hands itself to our transports.
const optionSocket = "NANOBUS-SOCKET"

// transportOf implements mangos' transport.Transport.
type transportOf struct {
	scheme, network string
	tls             bool
}

func (t transportOf) Scheme() string { return t.scheme }

func (t transportOf) ipc() bool { return t.network == "unix" }

func (t transportOf) NewDialer(url string, sock mangos.Socket) (transport.Dialer, error) {
	addr, err := transport.StripScheme(t, url)
	if err != nil {
		return nil, err
	}
	return &dialer{t: t, addr: addr, proto: sock.Info()}, nil
}

func (t transportOf) NewListener(url string, sock mangos.Socket) (transport.Listener, error) {
	addr, err := transport.StripScheme(t, url)
	if err != nil {
		return nil, err
	}
	return &listener{
		t: t, addr: addr, proto: sock.Info(),
		ready: make(chan transport.Pipe), closed: make(chan struct{}),
		pending: make(map[net.Conn]time.Time),
	}, nil
}

// dialer makes one connection at a time; mangos' core redials.
type dialer struct {
	t     transportOf
	addr  string
	proto transport.ProtocolInfo
	s     *Socket
}

func (d *dialer) Dial() (transport.Pipe, error) {
	if d.s.wait != nil {
		if err := d.s.wait(); err != nil {
			return nil, err
		}
	}
	dialer := net.Dialer{Timeout: dialTimeout}
	c, err := dialer.DialContext(d.s.config.Context, d.t.network, d.addr)
	if err != nil {
		return nil, err
	}
	// The handshakes end with the bus too.
	stop := context.AfterFunc(d.s.config.Context, func() { _ = c.Close() })
	defer stop()
	p, err := newConn(c, d.t, d.proto, d.s.config, d.addr)
	if err != nil {
		d.s.config.Refused(handshakeReason(err), d.t.public(d.addr), true, err)
		return nil, err
	}
	if !d.s.transit.begin() {
		_ = p.Close()
		return nil, mangos.ErrClosed
	}
	return p, nil
}

// public is the address as people write it.
func (t transportOf) public(addr string) string { return publicURL(t.scheme) + "://" + addr }

func (d *dialer) SetOption(name string, v any) error   { return setSocket(&d.s, name, v) }
func (d *dialer) GetOption(string) (any, error)        { return nil, mangos.ErrBadOption }
func (l *listener) SetOption(name string, v any) error { return setSocket(&l.s, name, v) }
func (l *listener) GetOption(string) (any, error)      { return nil, mangos.ErrBadOption }

func setSocket(dst **Socket, name string, v any) error {
	s, ok := v.(*Socket)
	if name != optionSocket || !ok {
		return mangos.ErrBadOption
	}
	*dst = s
	return nil
}
