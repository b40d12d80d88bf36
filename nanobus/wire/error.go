package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrMalformed: bytes that are not what docs/protocol.md says.
var ErrMalformed = errors.New("nanobus: malformed")

// maxErrorText is the most of an error's text in bytes that is sent.
const maxErrorText = 1024

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

// AppendTo implements Payload: it is the body of an error reply, its text cut at 1 KiB.
func (e *RemoteError) AppendTo(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(e.Code))
	return AppendString16(dst, e.Text[:min(len(e.Text), maxErrorText)])
}

// DecodeRemoteError reads the body of an error reply. Without a code in it, it is CodeInternal; a
// text that isn't whole is left out.
func DecodeRemoteError(body []byte) *RemoteError {
	if len(body) < 2 {
		return &RemoteError{Code: CodeInternal}
	}
	text, _, _ := TakeString16(body[2:])
	return &RemoteError{Code: Code(binary.BigEndian.Uint16(body)), Text: string(text)}
}
