package nanobus

import (
	"nanofront/nanobus/body"
	"nanofront/nanobus/link"
	"nanofront/nanobus/wire"
)

// Call is one request and, later, its reply: Wait for it, or have Done called; then Release. The
// zero Call is ready for use. See link.Call for its fields and methods.
type Call = link.Call

// NewCall returns a Call that is ready for use.
func NewCall() *Call { return link.NewCall() }

// Timing is where a call's time went, stage by stage. See link.Timing.
type Timing = link.Timing

// Repeat says when a call's request may be sent to a second instance. See link.Repeat.
type Repeat = link.Repeat

// What Call.Repeat may be.
const (
	RepeatNever      = link.RepeatNever
	RepeatStalled    = link.RepeatStalled    // when the first instance is found to be silent
	RepeatSlow       = link.RepeatSlow       // and when it takes longer than nearly all of the service's requests have lately
	RepeatRemembered = link.RepeatRemembered // as RepeatStalled, for what must not be acted upon twice
)

// Request is one request of a peer: its Payload and Context, and what of its budget is Remaining.
// It must be answered exactly once, with Reply, TryReply, ReplyError, ReplyBody or Hold, from any
// goroutine. See link.Request.
type Request = link.Request

// Held is a peer's request that is answered later, by Answer or Fail. See link.Held.
type Held = link.Held

// Holder keeps the calls that their responders hold. See link.Holder.
type Holder = link.Holder

// HeldAnswer is the answer to a held call. See link.HeldAnswer.
type HeldAnswer = link.HeldAnswer

// Link is the connection to one peer: who that is (Peer), how many of our requests it has
// (InFlight), and whether it has gone (Down). See link.Link.
type Link = link.Link

const (
	// MaxHold is the longest that a request may be held.
	MaxHold = link.MaxHold
	// DefaultHeld is Options.MaxHeld's default.
	DefaultHeld = link.DefaultHeld
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
