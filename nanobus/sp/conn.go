package sp

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.nanomsg.org/mangos/v3"
	"go.nanomsg.org/mangos/v3/transport"

	"nanofront/internal/rawsock"
)

const (
	// MaxMessage is the largest message in bytes: libnanomsg closes the
	// connection on anything larger.
	MaxMessage = 1 << 20

	// strangerMessage is the largest message in bytes for which memory is taken
	// at its header, from a peer that is not known yet: a hello is smaller.
	strangerMessage = 8<<10 - 1

	// tlsRecord is the most that fits one record of TLS.
	tlsRecord = 16 << 10

	// A peer may fall behind the pace of slowByte per byte (1 MB/s) by WriteTimeout, over however
	// many writes: else one that takes a little of each, just in time, could keep the answering
	// side busy for ever.
	slowByte = time.Microsecond
)

var (
	errNotSP   = errors.New("nanobus: the peer doesn't speak SP with the BUS protocol")
	errCrowded = fmt.Errorf("nanobus: more than %d connections in the handshake", MaxHandshakes)
)

// tlsError tells what went wrong in a TLS handshake from the rest.
type tlsError struct{ error }

func (e *tlsError) Unwrap() error { return e.error }

// handshakeReason is why a handshake failed, in the word that is counted.
func handshakeReason(err error) string {
	var secure *tlsError
	var network net.Error
	switch {
	case errors.As(err, &network) && network.Timeout():
		return "handshake_timeout"
	case errors.As(err, &secure):
		return "tls"
	case errors.Is(err, errNotSP):
		return "not_sp"
	default:
		return "handshake_broken" // it closed, or was closed
	}
}

// conn is one connection after its handshake. Send is called by one
// goroutine and Recv by one other.
type conn struct {
	c      net.Conn // what is read and written: raw, or a *tls.Conn on it
	raw    net.Conn
	sock   *rawsock.Socket // raw without the scheduler; nil over TLS, and where there is none
	r      *bufio.Reader
	config *Config
	ipc    bool
	tls    bool
	once   sync.Once

	known atomic.Bool // the peer has introduced itself, and proven it

	end atomic.Pointer[string] // why it has ended, if that was found here

	head  [9]byte     // scratch of Send: ipc's marker byte and the size
	parts [2][]byte   // scratch of Send: size and body, for one writev
	bufs  net.Buffers // scratch of Send
	buf   []byte      // scratch of Send over TLS: one record

	armed time.Time     // the write deadline that is set
	wrote time.Time     // the end of the last write
	lag   time.Duration // how far the peer is behind slowByte's pace
}

// Greeting is what each side of an SP connection says first: "\0SP\0", the
// protocol number, two reserved bytes.
func Greeting(proto uint16) [8]byte {
	return [8]byte{0, 'S', 'P', 0, byte(proto >> 8), byte(proto), 0, 0}
}

// newConn shakes hands, within handshakeTimeout all together. dialled is the
// address that was dialled; "" if the connection was accepted.
func newConn(c net.Conn, t transportOf, proto transport.ProtocolInfo, cf *Config, dialled string) (*conn, error) {
	p := &conn{c: c, raw: c, config: cf, ipc: t.ipc(), tls: t.tls}
	err := c.SetDeadline(time.Now().Add(handshakeTimeout))
	if err == nil && p.tls {
		err = p.secure(dialled)
	}
	if err == nil {
		p.r = bufio.NewReaderSize(p.source(), readBufferSize)
		err = p.handshake(proto)
	}
	if err == nil {
		err = c.SetDeadline(time.Time{})
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return p, nil
}

// source is what messages are read from: where that can be, the socket by raw
// calls, which wake nobody else. See package rawsock.
func (p *conn) source() io.Reader {
	if p.tls {
		return p.c // has state of its own, and reads what it wants
	}
	if p.sock = rawsock.Of(p.raw); p.sock == nil {
		return p.c
	}
	return p.sock
}

// secure puts TLS on the connection.
func (p *conn) secure(dialled string) error {
	var tc *tls.Conn
	if dialled == "" {
		tc = tls.Server(p.raw, p.config.Credentials.server())
	} else {
		tc = tls.Client(p.raw, p.config.Credentials.client(dialled))
	}
	if err := tc.Handshake(); err != nil {
		return &tlsError{err}
	}
	p.c = tc
	p.buf = make([]byte, 0, tlsRecord)
	return nil
}

func (p *conn) handshake(proto transport.ProtocolInfo) error {
	ours := Greeting(proto.Self)
	if _, err := p.c.Write(ours[:]); err != nil {
		return err
	}
	var theirs [8]byte
	if _, err := io.ReadFull(p.r, theirs[:]); err != nil {
		if p.tls && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
			return &tlsError{err} // TLS 1.3 tells a client of its certificate's refusal only here
		}
		return err
	}
	if theirs != Greeting(proto.Peer) {
		return fmt.Errorf("%w: it began with %x", errNotSP, theirs)
	}
	return nil
}

func (p *conn) Send(m *mangos.Message) error {
	if len(m.Header) != 0 {
		return mangos.ErrProtoOp // BUS has no header; nanobus sets none
	}
	head := p.head[p.setHead(len(m.Body)):]
	allowed := time.Duration(len(m.Body)) * slowByte
	if err := p.arm(allowed); err != nil {
		return err
	}
	var err error
	if p.tls {
		err = p.writeRecords(head, m.Body)
	} else {
		err = p.writeParts(head, m.Body)
	}
	if err != nil {
		return p.ended(err)
	}
	p.settle(allowed)
	m.Free()
	return nil
}

// writeParts writes size and body. What the socket takes at once goes without
// the scheduler; only the rest waits.
func (p *conn) writeParts(head, body []byte) error {
	n := 0
	if p.sock != nil {
		var err error
		if n, err = p.sock.TryWrite(head, body); err != nil || n == len(head)+len(body) {
			return err
		}
	}
	p.parts = [2][]byte{head[min(n, len(head)):], body[max(0, n-len(head)):]}
	p.bufs = p.parts[:]
	_, err := p.bufs.WriteTo(p.c)
	return err
}

// setHead makes what stands before a message of size bytes, and returns where
// in head it begins.
func (p *conn) setHead(size int) int {
	binary.BigEndian.PutUint64(p.head[1:], uint64(size))
	if p.ipc {
		p.head[0] = 1
		return 0
	}
	return 1
}

// tryWrite sends body as a message and returns what the system didn't take of
// it, which must be finished before anything else is sent.
func (p *conn) tryWrite(body []byte) (rest []byte, err error) {
	head := p.head[p.setHead(len(body)):]
	if err := p.arm(0); err != nil {
		return nil, err
	}
	n, err := p.sock.TryWrite(head, body)
	if err != nil {
		return nil, err
	}
	// No settle: this never waits for the peer.
	if n == len(head)+len(body) {
		return nil, nil
	}
	rest = append([]byte(nil), head[min(n, len(head)):]...)
	return append(rest, body[max(0, n-len(head)):]...), nil
}

// finish sends the rest of a message that tryWrite began.
func (p *conn) finish(rest []byte) error {
	allowed := time.Duration(len(rest)) * slowByte
	if err := p.arm(allowed); err != nil {
		return err
	}
	if _, err := p.c.Write(rest); err != nil {
		return p.ended(err)
	}
	p.settle(allowed)
	return nil
}

// ended notes that it was a write's deadline that ended the connection, if so.
func (p *conn) ended(err error) error {
	var network net.Error
	if errors.As(err, &network) && network.Timeout() {
		p.end.CompareAndSwap(nil, ptr("write"))
	}
	return err
}

// arm sets the deadline of a write that begins now. Most writes find one that
// does, set a second ago at most: setting it costs more than reading the clock.
func (p *conn) arm(allowed time.Duration) error {
	now := time.Now()
	p.lag = max(p.lag-now.Sub(p.wrote), 0)
	p.wrote = now
	due := now.Add(WriteTimeout - p.lag + allowed)
	if early := p.armed.Sub(due); early >= 0 && early <= time.Second {
		return nil
	}
	p.armed = due.Add(time.Second)
	return p.raw.SetWriteDeadline(p.armed)
}

// settle notes how long the write took that arm was called for.
func (p *conn) settle(allowed time.Duration) {
	now := time.Now()
	p.lag = min(max(p.lag+now.Sub(p.wrote)-allowed, 0), WriteTimeout)
	p.wrote = now
}

// writeRecords writes size and body so that they share their first record.
func (p *conn) writeRecords(head, body []byte) error {
	first := min(len(body), tlsRecord-len(head))
	p.buf = append(append(p.buf[:0], head...), body[:first]...)
	if _, err := p.c.Write(p.buf); err != nil {
		return err
	}
	if first == len(body) {
		return nil
	}
	_, err := p.c.Write(body[first:])
	return err
}

func (p *conn) Recv() (*mangos.Message, error) {
	n := 8
	if p.ipc {
		n = 9
	}
	head, err := p.r.Peek(n)
	if err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint64(head[n-8:])
	if size > MaxMessage || (p.ipc && head[0] != 1) {
		p.end.CompareAndSwap(nil, ptr("malformed"))
		p.config.Broken(p.remote(), fmt.Errorf("message header %x: want a size of at most %d", head, MaxMessage))
		return nil, mangos.ErrTooLong
	}
	if _, err := p.r.Discard(n); err != nil {
		return nil, err
	}
	if size > strangerMessage && !p.known.Load() {
		return p.gather(int(size))
	}
	m := mangos.NewMessage(int(size))
	m.Body = m.Body[:size]
	if _, err := io.ReadFull(p.r, m.Body); err != nil {
		m.Free()
		return nil, err
	}
	return m, nil
}

// gather reads a message for which memory is taken as its bytes come: never
// more than twice as much as the peer has sent, whatever size it has announced.
func (p *conn) gather(size int) (*mangos.Message, error) {
	m := mangos.NewMessage(strangerMessage)
	for have := 0; have < size; have = len(m.Body) {
		n := min(size-have, max(have, strangerMessage))
		m.Body = slices.Grow(m.Body, n)[:have+n]
		if _, err := io.ReadFull(p.r, m.Body[have:]); err != nil {
			m.Free()
			return nil, err
		}
	}
	return m, nil
}

func (p *conn) remote() string { return p.raw.RemoteAddr().String() }

// Close closes the connection without TLS's goodbye, which would wait for a
// peer that doesn't read. Messages have their own ends.
func (p *conn) Close() error {
	var err error
	p.once.Do(func() { err = p.raw.Close() })
	return err
}

func (p *conn) GetOption(name string) (any, error) {
	if name != optionPipe {
		return nil, mangos.ErrBadOption
	}
	return p, nil
}

func ptr[T any](v T) *T { return &v }
