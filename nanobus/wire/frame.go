package wire

import (
	"encoding/binary"
	"fmt"
)

// ProtocolVersion is the version of the frame protocol that this package
// speaks, as announced in hello. See docs/protocol.md.
const ProtocolVersion = 1

const (
	// HeaderSize is the length of a frame's fixed header in bytes.
	HeaderSize = 16

	// MaxMessage is the largest bus message in bytes, all its frames
	// together. libnanomsg closes the connection on anything larger than
	// 1,048,576 bytes.
	MaxMessage = 1 << 20

	// MaxFrame is the largest frame in bytes, header included. A frame is
	// never split over messages.
	MaxFrame = MaxMessage

	// BodyCredit is how many bytes of a body may be sent before the reader has
	// granted any.
	BodyCredit = 64 << 10

	// MaxBodyCredit is the most that may be granted at once for one body, in
	// bytes.
	MaxBodyCredit = 16 << 20

	// MaxPayload is the largest request or response payload in bytes: what
	// is left of a frame after the longest fixed parts.
	MaxPayload = MaxFrame - 64
)

// A frame on the wire, network byte order:
//
//	0               4       5       6               8                              16
//	+---------------+-------+-------+---------------+------------------------------+------
//	| length        | kind  | flags | reserved, 0   | correlation id               | body
//	+---------------+-------+-------+---------------+------------------------------+------
//
// length counts the whole frame, header included. Frames follow each other
// in a message without padding.

// Kind says what a frame is. The numbers are part of the protocol.
type Kind uint8

const (
	KindHello    Kind = 1
	KindRequest  Kind = 2
	KindResponse Kind = 3
	KindData     Kind = 4
	KindCancel   Kind = 5
	KindCredit   Kind = 6
	KindEvent    Kind = 7
	KindDraining Kind = 8
	KindPing     Kind = 9
	KindPong     Kind = 10
	KindProof    Kind = 11
	KindTap      Kind = 12
	KindHold     Kind = 13
)

// Flags. A flag means something only together with its kind.
const (
	FlagError    uint8 = 1 << 0 // response: the body is an error code and a text
	FlagMore     uint8 = 1 << 1 // request, response: data frames follow
	FlagHeld     uint8 = 1 << 2 // response: to a request that is held, and has given its credit back
	FlagEnd      uint8 = 1 << 0 // data: the last of its body
	FlagBroken   uint8 = 1 << 1 // data: the body ends here and is not complete; an error code and a text
	FlagResponse uint8 = 1 << 2 // data, credit: of the response's body, not the request's
	FlagAck      uint8 = 1 << 0 // draining: the peer has understood and sends no more requests
)

// Sizes of the fixed parts that follow the header.
const (
	RequestFixed  = 4  // budget
	ResponseFixed = 16 // received, queue, handler
	HoldFixed     = 20 // the same, and the timeout
)

// Frame is one decoded frame. Body aliases the message.
type Frame struct {
	Kind  Kind
	Flags uint8
	ID    uint64
	Body  []byte
}

// Next takes the first frame off msg and returns what follows it.
// The error says what is wrong; the message can't be read further then.
func Next(msg []byte) (f Frame, rest []byte, err error) {
	if len(msg) < HeaderSize {
		return f, nil, fmt.Errorf("%w: %d bytes left, a header needs %d", ErrMalformed, len(msg), HeaderSize)
	}
	n := binary.BigEndian.Uint32(msg)
	if n < HeaderSize || uint64(n) > uint64(len(msg)) {
		return f, nil, fmt.Errorf("%w: frame length %d, message has %d bytes left", ErrMalformed, n, len(msg))
	}
	f.Kind = Kind(msg[4])
	f.Flags = msg[5]
	f.ID = binary.BigEndian.Uint64(msg[8:])
	f.Body = msg[HeaderSize:n:n]
	return f, msg[n:], nil
}

// Begin appends a header whose length End fills in.
func Begin(dst []byte, k Kind, flags uint8, id uint64) []byte {
	return append(dst,
		0, 0, 0, 0, byte(k), flags, 0, 0,
		byte(id>>56), byte(id>>48), byte(id>>40), byte(id>>32),
		byte(id>>24), byte(id>>16), byte(id>>8), byte(id))
}

// End writes the length of the frame that began at offset start.
func End(dst []byte, start int) {
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start)) // bounded by MaxFrame
}

// AppendString8 appends a string of at most 255 bytes behind its length in one.
func AppendString8(dst []byte, s string) []byte {
	dst = append(dst, byte(len(s))) // callers validate: 255 at most
	return append(dst, s...)
}

// AppendString16 appends a string of at most 65,535 bytes behind its length in
// two.
func AppendString16(dst []byte, s string) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(s))) // callers cut: 65535 at most
	return append(dst, s...)
}

// TakeString8 takes what AppendString8 appends off b. ok is false if it isn't
// whole.
func TakeString8(b []byte) (s, rest []byte, ok bool) {
	if len(b) < 1 || len(b) < 1+int(b[0]) {
		return nil, nil, false
	}
	n := 1 + int(b[0])
	return b[1:n], b[n:], true
}

// TakeString16 takes what AppendString16 appends off b. ok is false if it isn't
// whole.
func TakeString16(b []byte) (s, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := 2 + int(binary.BigEndian.Uint16(b))
	if len(b) < n {
		return nil, nil, false
	}
	return b[2:n], b[n:], true
}
