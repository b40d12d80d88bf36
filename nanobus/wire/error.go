package wire

import (
	"encoding/binary"
	"errors"
)

// ErrMalformed: bytes that are not what docs/protocol.md says.
var ErrMalformed = errors.New("nanobus: malformed")

// maxErrorText is the most of an error's text in bytes that is sent.
const maxErrorText = 1024

// AppendError appends the body of an error: its code, and its text cut at 1 KiB.
func AppendError(dst []byte, code uint16, text string) []byte {
	dst = binary.BigEndian.AppendUint16(dst, code)
	return AppendString16(dst, text[:min(len(text), maxErrorText)])
}

// DecodeError reads the body of an error. ok is false if there is no code in
// it; text is empty if it isn't whole.
func DecodeError(body []byte) (code uint16, text []byte, ok bool) {
	if len(body) < 2 {
		return 0, nil, false
	}
	text, _, _ = TakeString16(body[2:])
	return binary.BigEndian.Uint16(body), text, true
}
