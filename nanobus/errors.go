package nanobus

import (
	"nanofront/nanobus/balance"
	"nanofront/nanobus/body"
	"nanofront/nanobus/link"
	"nanofront/nanobus/wire"
	"nanofront/nanobus/writer"
)

// The errors that a call can end with.
var (
	// ErrNoInstance: no live instance of the service is linked. Nothing
	// was sent.
	ErrNoInstance = balance.ErrNoInstance
	// ErrNoCredit: every live instance has its whole window in flight, or
	// the bus has no free correlation slot. Nothing was sent.
	ErrNoCredit = balance.ErrNoCredit
	// ErrTimeout: the budget ran out before a reply came. A cancel was sent.
	ErrTimeout = body.ErrTimeout
	// ErrCancelled: the caller gave up. A cancel was sent.
	ErrCancelled = link.ErrCancelled
	// ErrLinkDown: the link broke with the request in flight; whether the
	// peer has acted on it is unknown.
	ErrLinkDown = writer.ErrLinkDown
	// ErrTooLarge: the payload doesn't fit a frame (MaxPayload).
	ErrTooLarge = writer.ErrTooLarge
	// ErrPayload: the payload can't be encoded; the log says why. Nothing was
	// sent.
	ErrPayload = writer.ErrPayload
	// ErrNoBodies: the peer takes no bodies in chunks, only whole ones.
	ErrNoBodies = link.ErrNoBodies
	// ErrTooManyBodies: the reply's body comes in chunks, and as many bodies as Options.MaxBodies
	// allows are already arriving. The peer was told to stop.
	ErrTooManyBodies = body.ErrTooMany
	// ErrAnswered: the request has been answered, and the rest of its body is not needed.
	ErrAnswered = body.ErrAnswered
	// ErrClosed: the bus was closed.
	ErrClosed = body.ErrClosed
	// ErrMalformed: bytes that violate docs/protocol.md.
	ErrMalformed = wire.ErrMalformed
	// ErrNoHolds: the caller doesn't take holds, or the request is one whose body comes in chunks.
	// It is still to be answered.
	ErrNoHolds = link.ErrNoHolds
	// ErrTooManyHeld: as many requests are held as Options.MaxHeld allows, or the caller doesn't
	// read what it was sent. The request is still to be answered.
	ErrTooManyHeld = link.ErrTooManyHeld
	// ErrNotHeld: the request isn't held any more: it was answered, its time has run out, or the
	// client or the link has gone.
	ErrNotHeld = link.ErrNotHeld
)
