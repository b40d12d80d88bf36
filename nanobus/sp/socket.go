package sp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"go.nanomsg.org/mangos/v3"
	"go.nanomsg.org/mangos/v3/protocol"

	"nanofront/internal/tasks"
)

// Config is what the sockets of a process have in common.
type Config struct {
	// Context ends what is being dialled.
	Context context.Context
	// Credentials are for addresses with TLS.
	Credentials *Credentials
	// Tasks are what closes connections that Attach has refused.
	Tasks *tasks.Group

	// Attach is called with each connection that has shaken hands, dialled
	// or accepted. With an error the connection is closed.
	Attach func(p *Pipe, peer any) error
	// Detach is called once, with what Pipe.SetOwner was given, when that
	// connection has gone.
	Detach func(owner any)
	// Refused is told of connections that ended before Attach, and why in one
	// word. dialled: it was this side that connected.
	Refused func(reason, remote string, dialled bool, err error)
	// Broken is told of what makes the bytes of a connection unreadable.
	Broken func(remote string, err error)
}

// Socket is a mangos socket with a protocol of ours: BUS by number, pipes by
// themselves. It listens on one address or dials one, because a mangos socket
// keeps every dialer it ever had until it is closed itself.
type Socket struct {
	protocol.Socket
	config  *Config
	peer    any          // what Attach is called with
	wait    func() error // see NewSocket
	transit transit
}

// NewSocket makes a socket. peer is for Attach. While wait, if there is one,
// returns an error, the socket doesn't dial.
func NewSocket(c *Config, peer any, wait func() error) (*Socket, error) {
	s := &Socket{config: c, peer: peer, wait: wait}
	s.Socket = protocol.MakeSocket(&core{s})
	for _, o := range []struct {
		name  string
		value any
	}{
		{mangos.OptionReconnectTime, 50 * time.Millisecond},
		{mangos.OptionMaxReconnectTime, 2 * time.Second},
		{mangos.OptionDialAsynch, true},
	} {
		if err := s.SetOption(o.name, o.value); err != nil {
			_ = s.Close()
			return nil, err
		}
	}
	return s, nil
}

// DialEvery bounds the pauses between attempts to dial; they grow up to it. Before Dial.
func (s *Socket) DialEvery(most time.Duration) error {
	return s.SetOption(mangos.OptionMaxReconnectTime, most)
}

// Listen takes connections at addr (tcp://HOST:PORT or tls+tcp://HOST:PORT,
// port 0 for any free one, or ipc:///PATH) and returns the address to announce.
func (s *Socket) Listen(addr string) (string, error) {
	url, err := transportURL(addr)
	if err != nil {
		return "", err
	}
	if strings.HasPrefix(url, schemeTLS+"://") {
		if err := s.config.Credentials.canListen(); err != nil {
			return "", fmt.Errorf("nanobus: can't listen on %s: %w", addr, err)
		}
	}
	l, err := s.NewListener(url, s.options())
	if err == nil {
		err = l.Listen()
	}
	if err != nil {
		return "", listenError(addr, err)
	}
	return publicURL(l.Address()), nil
}

// listenError reports a failed Listen in terms of the address that was typed.
func listenError(addr string, err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	return fmt.Errorf("nanobus: can't listen on %s: %w: choose another with --bus", addr, err)
}

// Dial connects to addr, and again whenever the connection has gone.
func (s *Socket) Dial(addr string) error {
	url, err := transportURL(addr)
	if err != nil {
		return err
	}
	if err := s.DialOptions(url, s.options()); err != nil {
		return fmt.Errorf("nanobus: dialling %s: %w", addr, err)
	}
	return nil
}

func (s *Socket) options() map[string]any { return map[string]any{optionSocket: s} }

// Close closes the socket with all that it dials, listens on and has connected.
// It waits for what is just being handed over.
func (s *Socket) Close() error {
	s.transit.close()
	return s.Socket.Close()
}

// transit is the way of a connection from our transport through mangos to
// core.AddPipe. It takes no time; but if mangos closes the connection on the
// way, as a socket does with all that it has, its goroutine hangs for ever.
type transit struct {
	connections tasks.Group
	mu          sync.Mutex
	closed      bool
}

// begin is called by the transport with a connection that it is about to hand
// to mangos. It returns false if the socket takes no more.
func (t *transit) begin() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.connections.Add()
	}
	return !t.closed
}

// end is called when mangos has handed it to us.
func (t *transit) end() { t.connections.Done() }

func (t *transit) close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.connections.Wait()
}

// core is the protocol behind a socket. It must never close a pipe within
// mangos' attaching hook (the listener would hang for ever), so it uses no
// hooks: what is to be refused is refused after AddPipe.
type core struct{ s *Socket }

// AddPipe is called by mangos when a connection has shaken hands.
// One that is refused is closed a moment later: mangos never gives back what
// it notes down of a pipe that AddPipe itself refuses.
func (c *core) AddPipe(p protocol.Pipe) error {
	defer c.s.transit.end()
	if c.s.config.Attach(NewPipe(p), c.s.peer) != nil {
		c.s.config.Tasks.Go(func() { _ = p.Close() })
	}
	return nil
}

// RemovePipe is called by mangos, once, when a connection has gone.
func (c *core) RemovePipe(p protocol.Pipe) {
	if mp, ok := p.(interface{ GetPrivate() any }); ok && mp.GetPrivate() != nil {
		c.s.config.Detach(mp.GetPrivate())
	}
}

// Info implements protocol.Protocol.
func (*core) Info() protocol.Info {
	return protocol.Info{
		Self: protocol.ProtoBus, SelfName: "bus",
		Peer: protocol.ProtoBus, PeerName: "bus",
	}
}

// Close implements protocol.Protocol. Pipes end by themselves.
func (*core) Close() error { return nil }

// SendMsg, RecvMsg and OpenContext implement protocol.Protocol. Nobody but
// this package has the socket, and messages are sent on pipes.
func (*core) SendMsg(*protocol.Message) error        { return protocol.ErrProtoOp }
func (*core) RecvMsg() (*protocol.Message, error)    { return nil, protocol.ErrProtoOp }
func (*core) OpenContext() (protocol.Context, error) { return nil, protocol.ErrProtoOp }
func (*core) SetOption(string, any) error            { return protocol.ErrBadOption }
func (*core) GetOption(string) (any, error)          { return nil, protocol.ErrBadOption }
