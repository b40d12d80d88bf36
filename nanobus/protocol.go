package nanobus

import (
	"nanofront/nanobus/sp"
	"nanofront/nanobus/wire"
)

// What frames fill is what connections carry, or this doesn't compile.
const _ uint = -(wire.MaxMessage ^ sp.MaxMessage)

// What package wire says of the protocol, for users of the bus.
const (
	// ProtocolVersion is the version of the frame protocol that this package
	// speaks, as announced in hello. See docs/protocol.md.
	ProtocolVersion = wire.ProtocolVersion

	// MaxMessage is the largest bus message in bytes, all its frames
	// together.
	MaxMessage = wire.MaxMessage

	// MaxFrame is the largest frame in bytes, header included.
	MaxFrame = wire.MaxFrame

	// BodyCredit is how many bytes of a body may be sent before the reader has
	// granted any.
	BodyCredit = wire.BodyCredit

	// MaxBodyCredit is the most that may be granted at once for one body, in
	// bytes.
	MaxBodyCredit = wire.MaxBodyCredit

	// MaxPayload is the largest request or response payload in bytes.
	MaxPayload = wire.MaxPayload
)
