package nanobus

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"go.nanomsg.org/mangos/v3"
	"go.nanomsg.org/mangos/v3/transport"
)

// The transports are wire-compatible with mangos' own tcp and ipc, and differ
// in what happens around the wire:
//
//   - reads are buffered. The stock one makes three system calls for each
//     message (the 8-byte size by itself, the body, and the one that finds
//     nothing); here a whole burst costs one or two.
//   - connecting and the SP handshake have a deadline, and so has every
//     write: a peer that stops reading costs its own link, not a goroutine.
//   - nothing is allocated per message.
//
// They are registered under schemes of their own, so that a process that also
// uses stock mangos sockets keeps the stock transports for those.
const (
	schemeTCP = "nanobus-tcp"
	schemeIPC = "nanobus-ipc"
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
}

// transportURL turns the address that people write into one that selects our
// transports, and checks it.
func transportURL(addr string) (string, error) {
	switch scheme, rest, _ := strings.Cut(addr, "://"); scheme {
	case "tcp":
		if _, _, err := net.SplitHostPort(rest); err != nil {
			return "", fmt.Errorf("nanobus: address %q: want tcp://HOST:PORT", addr)
		}
		return schemeTCP + "://" + rest, nil
	case "ipc":
		if rest == "" {
			return "", fmt.Errorf("nanobus: address %q: want ipc:///PATH", addr)
		}
		return schemeIPC + "://" + rest, nil
	default:
		return "", fmt.Errorf("nanobus: address %q: want tcp://HOST:PORT or ipc:///PATH", addr)
	}
}

// publicURL is the inverse of transportURL.
func publicURL(url string) string { return strings.TrimPrefix(url, "nanobus-") }

// busTransport implements mangos' transport.Transport.
type busTransport struct{ scheme, network string }

func (t busTransport) Scheme() string { return t.scheme }

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
		pending: make(map[net.Conn]struct{}),
	}, nil
}

// busDialer makes one connection at a time; mangos' core redials.
type busDialer struct {
	t     busTransport
	addr  string
	proto transport.ProtocolInfo
}

func (d *busDialer) Dial() (transport.Pipe, error) {
	c, err := net.DialTimeout(d.t.network, d.addr, dialTimeout)
	if err != nil {
		return nil, err
	}
	return newBusPipe(c, d.proto, d.t.network == "unix")
}

func (d *busDialer) SetOption(string, any) error      { return mangos.ErrBadOption }
func (d *busDialer) GetOption(string) (any, error)    { return nil, mangos.ErrBadOption }
func (l *busListener) SetOption(string, any) error    { return mangos.ErrBadOption }
func (l *busListener) GetOption(string) (any, error)  { return nil, mangos.ErrBadOption }
func (p *busPipe) GetOption(name string) (any, error) { return p.option(name) }

// busListener accepts connections and shakes hands with each on a goroutine
// of its own, which ends with the handshake or its deadline.
type busListener struct {
	t     busTransport
	addr  string
	proto transport.ProtocolInfo
	ready chan transport.Pipe

	mu      sync.Mutex
	l       net.Listener
	pending map[net.Conn]struct{} // in the handshake
	done    bool
	closed  chan struct{}
}

func (l *busListener) Listen() error {
	if l.t.network == "unix" {
		removeStaleSocket(l.addr)
	}
	nl, err := net.Listen(l.t.network, l.addr)
	if err != nil {
		return err
	}
	l.mu.Lock()
	if l.done {
		l.mu.Unlock()
		_ = nl.Close()
		return mangos.ErrClosed
	}
	l.l = nl
	l.mu.Unlock()
	go l.acceptLoop(nl)
	return nil
}

// removeStaleSocket removes a socket file that nobody listens on, which a
// killed process leaves behind.
func removeStaleSocket(path string) {
	st, err := os.Stat(path)
	if err != nil || st.Mode()&os.ModeSocket == 0 {
		return
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		_ = c.Close()
		return
	}
	_ = os.Remove(path)
}

// acceptLoop ends when Close closes the listener.
func (l *busListener) acceptLoop(nl net.Listener) {
	for {
		c, err := nl.Accept()
		if err != nil {
			select {
			case <-l.closed:
				return
			case <-time.After(10 * time.Millisecond): // out of descriptors, say: don't spin
				continue
			}
		}
		l.mu.Lock()
		if l.done || len(l.pending) >= maxHandshakes {
			l.mu.Unlock()
			_ = c.Close()
			continue
		}
		l.pending[c] = struct{}{}
		l.mu.Unlock()
		go l.handshake(c)
	}
}

func (l *busListener) handshake(c net.Conn) {
	p, err := newBusPipe(c, l.proto, l.t.network == "unix")
	l.mu.Lock()
	delete(l.pending, c)
	l.mu.Unlock()
	if err != nil {
		return
	}
	select {
	case l.ready <- p:
	case <-l.closed:
		_ = p.Close()
	}
}

func (l *busListener) Accept() (transport.Pipe, error) {
	select {
	case p := <-l.ready:
		return p, nil
	case <-l.closed:
		return nil, mangos.ErrClosed
	}
}

func (l *busListener) Address() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	addr := l.addr
	if l.l != nil {
		addr = l.l.Addr().String()
	}
	return l.t.scheme + "://" + addr
}

func (l *busListener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done {
		return nil
	}
	l.done = true
	close(l.closed)
	if l.l != nil {
		_ = l.l.Close()
	}
	for c := range l.pending {
		_ = c.Close()
	}
	return nil
}

// busPipe is one connection after its handshake. Send is called by one
// goroutine and Recv by one other.
type busPipe struct {
	c    net.Conn
	r    *bufio.Reader
	ipc  bool
	once sync.Once

	head  [9]byte     // scratch of Send: ipc's marker byte and the size
	parts [2][]byte   // scratch of Send: size and body, for one writev
	bufs  net.Buffers // scratch of Send
}

// spGreeting is what each side of an SP connection says first: "\0SP\0", the
// protocol number, two reserved bytes.
func spGreeting(proto uint16) [8]byte {
	return [8]byte{0, 'S', 'P', 0, byte(proto >> 8), byte(proto), 0, 0} //nolint:gosec // two bytes of a number
}

func newBusPipe(c net.Conn, proto transport.ProtocolInfo, ipc bool) (*busPipe, error) {
	p := &busPipe{c: c, r: bufio.NewReaderSize(c, readBufferSize), ipc: ipc}
	if err := p.handshake(proto); err != nil {
		_ = c.Close()
		return nil, err
	}
	return p, nil
}

func (p *busPipe) handshake(proto transport.ProtocolInfo) error {
	if err := p.c.SetDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return err
	}
	mine := spGreeting(proto.Self)
	if _, err := p.c.Write(mine[:]); err != nil {
		return err
	}
	var theirs [8]byte
	if _, err := io.ReadFull(p.r, theirs[:]); err != nil {
		return err
	}
	if theirs != spGreeting(proto.Peer) {
		return mangos.ErrBadHeader
	}
	return p.c.SetDeadline(time.Time{})
}

func (p *busPipe) Send(m *mangos.Message) error {
	n := 8
	binary.BigEndian.PutUint64(p.head[1:], uint64(len(m.Header)+len(m.Body)))
	if p.ipc {
		p.head[0] = 1
		n = 9
	}
	if len(m.Header) != 0 {
		return mangos.ErrProtoOp // BUS has no header; nanobus sets none
	}
	if err := p.c.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	p.parts = [2][]byte{p.head[9-n:], m.Body}
	p.bufs = p.parts[:]
	if _, err := p.bufs.WriteTo(p.c); err != nil {
		return err
	}
	m.Free()
	return nil
}

func (p *busPipe) Recv() (*mangos.Message, error) {
	n := 8
	if p.ipc {
		n = 9
	}
	head, err := p.r.Peek(n)
	if err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint64(head[n-8:])
	if size > MaxMessage {
		return nil, mangos.ErrTooLong
	}
	if _, err := p.r.Discard(n); err != nil {
		return nil, err
	}
	m := mangos.NewMessage(int(size))
	m.Body = m.Body[:size]
	if _, err := io.ReadFull(p.r, m.Body); err != nil {
		m.Free()
		return nil, err
	}
	return m, nil
}

func (p *busPipe) Close() error {
	var err error
	p.once.Do(func() { err = p.c.Close() })
	return err
}

func (p *busPipe) option(name string) (any, error) {
	switch name {
	case mangos.OptionLocalAddr:
		return p.c.LocalAddr(), nil
	case mangos.OptionRemoteAddr:
		return p.c.RemoteAddr(), nil
	case mangos.OptionMaxRecvSize:
		return MaxMessage, nil
	default:
		return nil, mangos.ErrBadOption
	}
}

// listenError puts a failed Listen into the words of who typed the address.
func listenError(addr string, err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	return fmt.Errorf("nanobus: can't listen on %s: %w: choose another with --bus", addr, err)
}
