package nanobus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"go.nanomsg.org/mangos/v3"
	"go.nanomsg.org/mangos/v3/transport"

	"nanofront/internal/unixpath"
)

// The transports are wire-compatible with mangos' own tcp, ipc and tls+tcp,
// and differ in what happens around the wire:
//
//   - reads are buffered. The stock one makes three system calls for each
//     message (the 8-byte size by itself, the body, and the one that finds
//     nothing); here a whole burst costs one or two.
//   - connecting and the handshakes have a deadline, and so has every
//     write: a peer that stops reading costs its own link, not a goroutine.
//   - nothing is allocated per message.
//   - over TLS a message is one record where it fits, not two.
//
// They are registered under schemes of their own, so that a process that also
// uses stock mangos sockets keeps the stock transports for those.
const (
	schemeTCP = "nanobus-tcp"
	schemeIPC = "nanobus-ipc"
	schemeTLS = "nanobus-tls+tcp"
)

const (
	dialTimeout      = 2 * time.Second
	handshakeTimeout = 5 * time.Second
	writeTimeout     = 5 * time.Second

	// readBufferSize holds the bursts seen at 100,000 requests/s with room
	// to spare; larger bodies bypass the buffer.
	readBufferSize = 64 << 10

	// maxHandshakes bounds the connections that have not yet said SP.
	maxHandshakes = 256
)

func init() {
	transport.RegisterTransport(busTransport{scheme: schemeTCP, network: "tcp"})
	transport.RegisterTransport(busTransport{scheme: schemeIPC, network: "unix"})
	transport.RegisterTransport(busTransport{scheme: schemeTLS, network: "tcp", tls: true})
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

// optionWire is the option by which a bus hands its wire to our transports.
const optionWire = "NANOBUS-WIRE"

// optionEnd asks a connection why it has ended. mangos closes a pipe before it
// says that a read or a write has failed.
const optionEnd = "NANOBUS-END"

// connOptions is what connections need to know of the bus to which they belong.
type connOptions struct {
	ctx context.Context // ends with the bus, and what is being dialled with it
	tls *credentials

	// refused is told of connections that ended before they were links, and
	// why in one word; mine: we had dialled.
	refused func(reason, remote string, mine bool, err error)
	// broken is told of what makes the bytes of a link unreadable.
	broken func(remote string, err error)
	// transit is how connections get to the socket.
	transit *transit
	// wait returns an error while the address is not to be dialled again.
	// nil: it always is.
	wait func() error
}

// busTransport implements mangos' transport.Transport.
type busTransport struct {
	scheme, network string
	tls             bool
}

func (t busTransport) Scheme() string { return t.scheme }

func (t busTransport) ipc() bool { return t.network == "unix" }

func (t busTransport) NewDialer(url string, sock mangos.Socket) (transport.Dialer, error) {
	addr, err := transport.StripScheme(t, url)
	if err != nil {
		return nil, err
	}
	return &busDialer{t: t, addr: addr, proto: sock.Info()}, nil
}

func (t busTransport) NewListener(url string, sock mangos.Socket) (transport.Listener, error) {
	addr, err := transport.StripScheme(t, url)
	if err != nil {
		return nil, err
	}
	return &busListener{
		t: t, addr: addr, proto: sock.Info(),
		ready: make(chan transport.Pipe), closed: make(chan struct{}),
		pending: make(map[net.Conn]time.Time),
	}, nil
}

// busDialer makes one connection at a time; mangos' core redials.
type busDialer struct {
	t     busTransport
	addr  string
	proto transport.ProtocolInfo
	wire  *connOptions
}

func (d *busDialer) Dial() (transport.Pipe, error) {
	if d.wire.wait != nil {
		if err := d.wire.wait(); err != nil {
			return nil, err
		}
	}
	dialer := net.Dialer{Timeout: dialTimeout}
	c, err := dialer.DialContext(d.wire.ctx, d.t.network, d.addr)
	if err != nil {
		return nil, err
	}
	// The handshakes end with the bus too.
	stop := context.AfterFunc(d.wire.ctx, func() { _ = c.Close() })
	defer stop()
	p, err := newBusPipe(c, d.t, d.proto, d.wire, d.addr)
	if err != nil {
		d.wire.refused(handshakeReason(err), d.t.public(d.addr), true, err)
		return nil, err
	}
	if !d.wire.transit.begin() {
		_ = p.Close()
		return nil, mangos.ErrClosed
	}
	return p, nil
}

// public is the address as people write it.
func (t busTransport) public(addr string) string { return publicURL(t.scheme) + "://" + addr }

func (d *busDialer) SetOption(name string, v any) error   { return setWire(&d.wire, name, v) }
func (d *busDialer) GetOption(string) (any, error)        { return nil, mangos.ErrBadOption }
func (l *busListener) SetOption(name string, v any) error { return setWire(&l.wire, name, v) }
func (l *busListener) GetOption(string) (any, error)      { return nil, mangos.ErrBadOption }
func (p *busPipe) GetOption(name string) (any, error)     { return p.option(name) }

func setWire(dst **connOptions, name string, v any) error {
	w, ok := v.(*connOptions)
	if name != optionWire || !ok {
		return mangos.ErrBadOption
	}
	*dst = w
	return nil
}

// listenError reports a failed Listen in terms of the address that was typed.
func listenError(addr string, err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	return fmt.Errorf("nanobus: can't listen on %s: %w: choose another with --bus", addr, err)
}
