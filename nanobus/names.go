package nanobus

import (
	"nanofront/nanobus/body"
	"nanofront/nanobus/wire"
)

// Payload is what a request or a reply carries: whatever appends itself to the buffer that is
// written to the socket. See wire.Payload.
type Payload = wire.Payload

// Bytes is a Payload that is already encoded.
type Bytes = wire.Bytes

// BodyReader is the rest of a body that is received in chunks, an io.ReadCloser. See body.Reader.
type BodyReader = body.Reader

// BodyWriter is the rest of a body that is sent in chunks, an io.Writer that must be ended by Close
// or Break. See body.Writer.
type BodyWriter = body.Writer

// Code is the reason in an error reply.
type Code = wire.Code

// RemoteError is an error reply of the peer: its Code and a Text.
type RemoteError = wire.RemoteError

// The codes of error replies.
const (
	CodeInternal   = wire.CodeInternal   // the handler failed or panicked
	CodeNoHandler  = wire.CodeNoHandler  // the peer takes no requests
	CodeOverWindow = wire.CodeOverWindow // more requests than the window allows; not acted upon
	CodeExpired    = wire.CodeExpired    // the budget ran out before work began; not acted upon
	CodeDraining   = wire.CodeDraining   // the peer is about to end; not acted upon
	CodeTooLarge   = wire.CodeTooLarge   // the reply would not fit a frame
	CodeMalformed  = wire.CodeMalformed  // the request payload could not be understood
	CodeCancelled  = wire.CodeCancelled  // cancelled by the caller before work ended
)
