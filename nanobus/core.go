package nanobus

import (
	"sync"
	"time"

	"go.nanomsg.org/mangos/v3"
	"go.nanomsg.org/mangos/v3/protocol"

	"nanofront/internal/tasks"
)

// core is our protocol behind a mangos socket: BUS by number, links by
// behaviour. A bus has one socket for each address it listens on and one for
// each instance it dials, because a mangos socket keeps every dialer it ever
// had until it is closed itself.
//
// It must never close a pipe within mangos' attaching hook (the listener
// would hang for ever), so it uses no hooks: what is to be refused is refused
// after AddPipe.
type core struct {
	bus      *Bus
	instance *instance // what this socket dials; nil when it listens
	transit  transit
}

// socket is a mangos socket with our core.
type socket struct {
	protocol.Socket
	transit *transit
}

// newSocket makes a socket.
func newSocket(b *Bus, in *instance) (*socket, error) {
	c := &core{bus: b, instance: in}
	s := &socket{protocol.MakeSocket(c), &c.transit}
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

// Close closes the socket with all that it dials, listens on and has linked. It
// waits for what is just being handed over.
func (s *socket) Close() error {
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

// AddPipe is called by mangos when a connection has shaken hands.
// One that is refused is closed a moment later: mangos never gives back what
// it notes down of a pipe that AddPipe itself refuses.
func (c *core) AddPipe(p protocol.Pipe) error {
	defer c.transit.end()
	if c.bus.attach(p, c.instance) != nil {
		c.bus.tasks.Go(func() { _ = p.Close() })
	}
	return nil
}

// RemovePipe is called by mangos, once, when a connection has gone.
func (c *core) RemovePipe(p protocol.Pipe) {
	if l, ok := p.(interface{ GetPrivate() any }).GetPrivate().(*Link); ok {
		l.detached()
		c.bus.detach(l)
	}
}

// Info implements protocol.Protocol.
func (*core) Info() protocol.Info {
	return protocol.Info{
		Self: protocol.ProtoBus, SelfName: "bus",
		Peer: protocol.ProtoBus, PeerName: "bus",
	}
}

// Close implements protocol.Protocol. Links end by themselves with their pipes.
func (*core) Close() error { return nil }

// SendMsg, RecvMsg and OpenContext implement protocol.Protocol. Nobody but
// this package has the socket, and this package sends on pipes.
func (*core) SendMsg(*protocol.Message) error        { return protocol.ErrProtoOp }
func (*core) RecvMsg() (*protocol.Message, error)    { return nil, protocol.ErrProtoOp }
func (*core) OpenContext() (protocol.Context, error) { return nil, protocol.ErrProtoOp }
func (*core) SetOption(string, any) error            { return protocol.ErrBadOption }
func (*core) GetOption(string) (any, error)          { return nil, protocol.ErrBadOption }
