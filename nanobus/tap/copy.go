package tap

import (
	"encoding/binary"
	"fmt"
	"time"

	"nanofront/nanobus/wire"
)

// Direction says which way a frame went, seen from the instance.
type Direction uint8

// The directions. The numbers are part of the protocol.
const (
	Received Direction = 0
	Sent     Direction = 1
)

// Copy is a copy of one frame.
type Copy struct {
	// Service and Instance name the process that was listened to.
	Service, Instance string
	// At is that process' clock when it had read the frame, or was about to
	// write it; in µs.
	At        time.Time
	Direction Direction
	// Peer is the instance at the other end of the link; empty before its
	// hello. Valid, as Body is, until Copy returns.
	Peer []byte

	Kind  wire.Kind
	Flags uint8
	ID    uint64
	// Length of the whole frame in bytes, its header of 16 bytes included.
	Length int
	// Body is what follows the header. Its end is missing where Cut says so.
	Body []byte
	Cut  bool
}

// DecodeState reads the state of a tap, but for whose it is.
func DecodeState(body []byte) (s State, err error) {
	if len(body) < wire.TapStateFixed {
		return s, fmt.Errorf("%w: state of a tap in %d bytes", wire.ErrMalformed, len(body))
	}
	s.Status = Status(body[1])
	s.Dropped = binary.BigEndian.Uint64(body[2:])
	return s, nil
}

// DecodeCopy reads a copy. Peer and Body alias body.
func DecodeCopy(body []byte) (c Copy, err error) {
	if len(body) < wire.TapCopyFixed {
		return c, fmt.Errorf("%w: copy of a tap in %d bytes", wire.ErrMalformed, len(body))
	}
	c.At = time.UnixMicro(int64(binary.BigEndian.Uint64(body[1:])))
	c.Direction = Direction(body[9])
	peer, raw, ok := wire.TakeString8(body[wire.TapCopyFixed:])
	if !ok {
		return c, fmt.Errorf("%w: copy of a tap ends inside the peer's name", wire.ErrMalformed)
	}
	if len(raw) < wire.HeaderSize {
		return c, fmt.Errorf("%w: copy of a tap with %d bytes of a frame, its header has %d", wire.ErrMalformed, len(raw), wire.HeaderSize)
	}
	length := binary.BigEndian.Uint32(raw)
	if length > wire.MaxFrame || int(length) < len(raw) {
		return c, fmt.Errorf("%w: copy of a tap with %d bytes of a frame of %d", wire.ErrMalformed, len(raw), length)
	}
	c.Peer = peer
	c.Kind, c.Flags, c.ID = wire.Kind(raw[4]), raw[5], binary.BigEndian.Uint64(raw[8:])
	c.Length, c.Body, c.Cut = int(length), raw[wire.HeaderSize:], len(raw) < int(length)
	return c, nil
}

// Request returns what a copied request says: what was left of its budget when
// it was sent, and the payload, as far as it was copied. ok is false for other
// kinds and for a request that is not whole.
func (c *Copy) Request() (budget time.Duration, payload []byte, ok bool) {
	if c.Kind != wire.KindRequest || len(c.Body) < wire.RequestFixed {
		return 0, nil, false
	}
	return time.Duration(binary.BigEndian.Uint32(c.Body)) * time.Microsecond, c.Body[wire.RequestFixed:], true
}

// Response returns what a copied response says: how long the request waited
// for work to begin, how long that took, and the payload as far as it was
// copied, or the error that stands in its place. ok is false for other kinds
// and for a response that is not whole.
func (c *Copy) Response() (queue, work time.Duration, payload []byte, failed *wire.RemoteError, ok bool) {
	if c.Kind != wire.KindResponse || len(c.Body) < wire.ResponseFixed {
		return 0, 0, nil, nil, false
	}
	queue = time.Duration(binary.BigEndian.Uint32(c.Body[8:])) * time.Microsecond
	work = time.Duration(binary.BigEndian.Uint32(c.Body[12:])) * time.Microsecond
	payload = c.Body[wire.ResponseFixed:]
	if c.Flags&wire.FlagError != 0 {
		return queue, work, nil, wire.DecodeRemoteError(payload), true
	}
	return queue, work, payload, nil, true
}

// Topic returns the topic of a copied event; empty for other kinds.
func (c *Copy) Topic() string {
	if c.Kind != wire.KindEvent {
		return ""
	}
	topic, _, _ := wire.TakeString8(c.Body)
	return string(topic)
}
