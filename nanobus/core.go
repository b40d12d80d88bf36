package nanobus

import (
	"time"

	"go.nanomsg.org/mangos/v3"
	"go.nanomsg.org/mangos/v3/protocol"
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
}

// newSocket makes a socket with our core.
func newSocket(b *Bus, in *instance) (protocol.Socket, error) {
	s := protocol.MakeSocket(&core{bus: b, instance: in})
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

// AddPipe is called by mangos when a connection has shaken hands.
// One that is refused is closed a moment later: mangos never gives back what
// it notes down of a pipe that AddPipe itself refuses.
func (c *core) AddPipe(p protocol.Pipe) error {
	if c.bus.attach(p, c.instance) != nil {
		go func() { _ = p.Close() }()
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
