package nanobus

import (
	"errors"
	"fmt"

	"nanofront/nanobus/balance"
	"nanofront/nanobus/body"
	"nanofront/nanobus/wire"
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
	ErrCancelled = errors.New("nanobus: cancelled")
	// ErrLinkDown: the link broke with the request in flight; whether the
	// peer has acted on it is unknown.
	ErrLinkDown = errors.New("nanobus: link broke with the request in flight")
	// ErrTooLarge: the payload doesn't fit a frame (MaxPayload).
	ErrTooLarge = fmt.Errorf("nanobus: payload larger than %d bytes", MaxPayload)
	// ErrPayload: the payload can't be encoded; the log says why. Nothing was
	// sent.
	ErrPayload = errors.New("nanobus: the payload's AppendTo failed")
	// ErrNoBodies: the peer takes no bodies in chunks, only whole ones.
	ErrNoBodies = errors.New("nanobus: the peer doesn't accept bodies in chunks")
	// ErrTooManyBodies: the reply's body comes in chunks, and as many bodies as Options.MaxBodies
	// allows are already arriving. The peer was told to stop.
	ErrTooManyBodies = body.ErrTooMany
	// ErrAnswered: the request has been answered, and the rest of its body is not needed.
	ErrAnswered = body.ErrAnswered
	// ErrClosed: the bus was closed.
	ErrClosed = body.ErrClosed
	// ErrMalformed: bytes that violate docs/protocol.md.
	ErrMalformed = wire.ErrMalformed
)
