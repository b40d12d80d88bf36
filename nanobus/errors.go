package nanobus

import (
	"errors"
	"fmt"

	"nanofront/nanobus/balance"
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
	ErrTimeout = errors.New("nanobus: deadline passed")
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
	ErrTooManyBodies = errors.New("nanobus: too many bodies are arriving at once")
	// ErrAnswered: the request has been answered, and the rest of its body is not needed.
	ErrAnswered = errors.New("nanobus: answered before the body ended; the rest is not needed")
	// ErrClosed: the bus was closed.
	ErrClosed = errors.New("nanobus: closed")
	// ErrMalformed: bytes that violate docs/protocol.md.
	ErrMalformed = wire.ErrMalformed
)

// Code is the reason in an error reply. The numbers are part of the protocol.
type Code uint16

// The codes of error replies.
const (
	CodeInternal   Code = 1 // the handler failed or panicked
	CodeNoHandler  Code = 2 // the peer takes no requests
	CodeOverWindow Code = 3 // more requests than the window allows; not acted upon
	CodeExpired    Code = 4 // the budget ran out before work began; not acted upon
	CodeDraining   Code = 5 // the peer is about to end; not acted upon
	CodeTooLarge   Code = 6 // the reply would not fit a frame
	CodeMalformed  Code = 7 // the request payload could not be understood
	CodeCancelled  Code = 8 // cancelled by the caller before work ended
)

var codeNames = [...]string{
	CodeInternal: "internal", CodeNoHandler: "no_handler", CodeOverWindow: "over_window",
	CodeExpired: "expired", CodeDraining: "draining", CodeTooLarge: "too_large",
	CodeMalformed: "malformed", CodeCancelled: "cancelled",
}

// String returns the code's name as used in logs and docs.
func (c Code) String() string {
	if int(c) < len(codeNames) && codeNames[c] != "" {
		return codeNames[c]
	}
	return fmt.Sprintf("code_%d", uint16(c))
}

// NotActedUpon reports whether the peer is sure not to have begun the work,
// so that even an unsafe request may be sent again elsewhere.
func (c Code) NotActedUpon() bool {
	switch c {
	case CodeNoHandler, CodeOverWindow, CodeExpired, CodeDraining:
		return true
	default:
		return false
	}
}

// RemoteError is an error reply of the peer.
type RemoteError struct {
	Code Code
	Text string
}

// Error implements error.
func (e *RemoteError) Error() string {
	if e == nil {
		return "nanobus: a nil *RemoteError, which is no error: return nil as the error instead"
	}
	if e.Text == "" {
		return "nanobus: peer answered " + e.Code.String()
	}
	return "nanobus: peer answered " + e.Code.String() + ": " + e.Text
}

// decodeRemoteError reads the body of an error reply.
func decodeRemoteError(body []byte) *RemoteError {
	code, text, ok := wire.DecodeError(body)
	if !ok {
		return &RemoteError{Code: CodeInternal}
	}
	return &RemoteError{Code: Code(code), Text: string(text)}
}
