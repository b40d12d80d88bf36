package nanobus

import (
	"encoding/binary"
	"fmt"
)

// ProtocolVersion is the version of the frame protocol that this package
// speaks, as announced in hello. See docs/protocol.md.
const ProtocolVersion = 1

const (
	// headerSize is the length of a frame's fixed header in bytes.
	headerSize = 16

	// MaxMessage is the largest bus message in bytes, all its frames
	// together. libnanomsg closes the connection on anything larger than
	// 1,048,576 bytes.
	MaxMessage = 1 << 20

	// MaxFrame is the largest frame in bytes, header included. A frame is
	// never split over messages.
	MaxFrame = MaxMessage

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

// kind says what a frame is. The numbers are part of the protocol.
type kind uint8

const (
	kindHello    kind = 1
	kindRequest  kind = 2
	kindResponse kind = 3
	kindData     kind = 4
	kindCancel   kind = 5
	kindCredit   kind = 6
	kindEvent    kind = 7
	kindDraining kind = 8
	kindPing     kind = 9
	kindPong     kind = 10
	kindProof    kind = 11
	kindTap      kind = 12
)

// Flags. A flag means something only together with its kind.
const (
	flagError    uint8 = 1 << 0 // response: the body is an error code and a text
	flagMore     uint8 = 1 << 1 // request, response: data frames follow
	flagEnd      uint8 = 1 << 0 // data: the last of its body
	flagBroken   uint8 = 1 << 1 // data: the body ends here and is not complete; an error code and a text
	flagResponse uint8 = 1 << 2 // data, credit: of the response's body, not the request's
	flagAck      uint8 = 1 << 0 // draining: the peer has understood and sends no more requests
)

// Sizes of the fixed parts that follow the header.
const (
	requestFixed  = 4  // budget
	responseFixed = 16 // received, queue, handler
)

// frame is one decoded frame. body aliases the message.
type frame struct {
	kind  kind
	flags uint8
	id    uint64
	body  []byte
}

// nextFrame takes the first frame off msg and returns what follows it.
// The error says what is wrong; the message can't be read further then.
func nextFrame(msg []byte) (f frame, rest []byte, err error) {
	if len(msg) < headerSize {
		return f, nil, fmt.Errorf("%w: %d bytes left, a header needs %d", ErrMalformed, len(msg), headerSize)
	}
	n := binary.BigEndian.Uint32(msg)
	if n < headerSize || uint64(n) > uint64(len(msg)) {
		return f, nil, fmt.Errorf("%w: frame length %d, message has %d bytes left", ErrMalformed, n, len(msg))
	}
	f.kind = kind(msg[4])
	f.flags = msg[5]
	f.id = binary.BigEndian.Uint64(msg[8:])
	f.body = msg[headerSize:n:n]
	return f, msg[n:], nil
}

// beginFrame appends a header whose length endFrame fills in.
func beginFrame(dst []byte, k kind, flags uint8, id uint64) []byte {
	return append(dst,
		0, 0, 0, 0, byte(k), flags, 0, 0,
		byte(id>>56), byte(id>>48), byte(id>>40), byte(id>>32),
		byte(id>>24), byte(id>>16), byte(id>>8), byte(id))
}

// endFrame writes the length of the frame that began at offset start.
func endFrame(dst []byte, start int) {
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start)) // bounded by MaxFrame
}

func appendString8(dst []byte, s string) []byte {
	dst = append(dst, byte(len(s))) // callers validate: 255 at most
	return append(dst, s...)
}

func appendString16(dst []byte, s string) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(s))) // callers cut: 65535 at most
	return append(dst, s...)
}

func takeString8(b []byte) (s, rest []byte, ok bool) {
	if len(b) < 1 || len(b) < 1+int(b[0]) {
		return nil, nil, false
	}
	n := 1 + int(b[0])
	return b[1:n], b[n:], true
}

func takeString16(b []byte) (s, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := 2 + int(binary.BigEndian.Uint16(b))
	if len(b) < n {
		return nil, nil, false
	}
	return b[2:n], b[n:], true
}
