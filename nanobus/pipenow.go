package nanobus

import (
	"go.nanomsg.org/mangos/v3"
	"go.nanomsg.org/mangos/v3/protocol"
)

// optionPipe is how a link gets at its busPipe, through mangos' own.
const optionPipe = "nanobus-pipe"

// pipeNow is p's connection if it can be written to without blocking, else
// nil: TLS has state that half a write would spoil.
func pipeNow(p protocol.Pipe) *busPipe {
	mp, ok := p.(mangos.Pipe)
	if !ok {
		return nil
	}
	v, err := mp.GetOption(optionPipe)
	if err != nil {
		return nil
	}
	bp := v.(*busPipe) //nolint:forcetypeassert // our own
	if bp.sock == nil {
		return nil
	}
	return bp
}

// tryWrite sends body as a message and returns what the system didn't take of
// it, which must be finished before anything else is sent.
func (p *busPipe) tryWrite(body []byte) (rest []byte, err error) {
	head := p.head[p.setHead(len(body)):]
	if err := p.arm(0); err != nil {
		return nil, err
	}
	n, err := p.sock.TryWrite(head, body)
	if err != nil {
		return nil, err
	}
	p.settle(0)
	if n == len(head)+len(body) {
		return nil, nil
	}
	rest = append([]byte(nil), head[min(n, len(head)):]...)
	return append(rest, body[max(0, n-len(head)):]...), nil
}
