package sp

import (
	"errors"

	"go.nanomsg.org/mangos/v3"
	"go.nanomsg.org/mangos/v3/protocol"
)

// optionPipe gives a Pipe its connection, through mangos' own pipe.
const optionPipe = "NANOBUS-PIPE"

// Pipe is one connection after its handshake. Send is called by one goroutine,
// and Recv by one other.
type Pipe struct {
	mangos protocol.Pipe
	conn   *conn // mangos' is around it; nil in tests, which have none
}

// NewPipe makes a Pipe of one of mangos'. Attach gets them made already.
func NewPipe(p protocol.Pipe) *Pipe {
	pipe := &Pipe{mangos: p}
	if mp, ok := p.(mangos.Pipe); ok {
		if v, err := mp.GetOption(optionPipe); err == nil {
			pipe.conn = v.(*conn) //nolint:forcetypeassert // our own
		}
	}
	return pipe
}

// Send sends body as a message. It blocks while the peer doesn't read, for a few seconds at most.
func (p *Pipe) Send(body []byte) error {
	m := mangos.NewMessage(0)
	m.Body = body
	err := p.mangos.SendMsg(m)
	if err != nil {
		m.Free()
	}
	return err
}

// Recv returns the next message; nil when the connection has gone.
func (p *Pipe) Recv() *mangos.Message { return p.mangos.RecvMsg() }

// Close closes the connection.
func (p *Pipe) Close() error { return p.mangos.Close() }

// SetOwner sets what Detach is called with. Call it within Attach; without it Detach isn't called.
func (p *Pipe) SetOwner(v any) { p.mangos.SetPrivate(v) }

// Remote is the address of the far end.
func (p *Pipe) Remote() string {
	if p.conn == nil {
		return ""
	}
	return p.conn.remote()
}

// Know says that the peer has introduced itself: from now on memory for a message is allocated at
// the size that it announces.
func (p *Pipe) Know() {
	if p.conn != nil {
		p.conn.known.Store(true)
	}
}

// Known reports whether Know was called.
func (p *Pipe) Known() bool { return p.conn != nil && p.conn.known.Load() }

// Ending is why the connection has ended, in one word, if the cause was found here: "write" or
// "malformed". Otherwise it is "".
func (p *Pipe) Ending() string {
	if p.conn == nil {
		return ""
	}
	if r := p.conn.end.Load(); r != nil {
		return *r
	}
	return ""
}

// CanTry reports whether TryWrite can be used: TLS has state that half a write
// would spoil.
func (p *Pipe) CanTry() bool { return p.conn != nil && p.conn.sock != nil }

// TryWrite sends body as a message, without blocking, and returns the part that the system didn't
// accept, which Finish must send before anything else is. Call it instead of Send, never at the
// same time.
func (p *Pipe) TryWrite(body []byte) (rest []byte, err error) { return p.conn.tryWrite(body) }

// Finish sends the rest of a message that TryWrite began. It may block.
func (p *Pipe) Finish(rest []byte) error { return p.conn.finish(rest) }

// CloseWrite tells the peer that nothing more comes; what it sends is still
// read. errors.ErrUnsupported where one direction can't be closed.
func (p *Pipe) CloseWrite() error {
	half := p.halfCloser()
	if half == nil {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}

// CanCloseWrite reports whether CloseWrite can be used.
func (p *Pipe) CanCloseWrite() bool { return p.halfCloser() != nil }

// halfCloser is the connection below TLS, whose own goodbye isn't needed: messages mark their ends.
func (p *Pipe) halfCloser() interface{ CloseWrite() error } {
	if p.conn == nil {
		return nil
	}
	half, _ := p.conn.raw.(interface{ CloseWrite() error })
	return half
}
