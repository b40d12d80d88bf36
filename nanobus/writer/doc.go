// Package writer sends what a link has to say: frames gather under its lock, and leave as one
// message when nothing is being written. It knows frames as bytes alone, and connections of package
// sp; what a frame means, and what else its lock guards, is up to package link.
package writer

import (
	"errors"
	"fmt"

	"nanofront/nanobus/wire"
)

var (
	// ErrLinkDown: the link broke.
	ErrLinkDown = errors.New("nanobus: link broke with the request in flight")
	// ErrTooLarge: what was to be sent doesn't fit a frame.
	ErrTooLarge = fmt.Errorf("nanobus: payload larger than %d bytes", wire.MaxPayload)
	// ErrPayload: what was to be sent can't be encoded; the log says why.
	ErrPayload = errors.New("nanobus: the payload's AppendTo failed")
)
