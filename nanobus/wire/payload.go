package wire

// Payload is what a request or a reply carries. AppendTo appends its bytes to
// dst and returns the extended slice; it is called once, while the link's
// buffer is locked, and must not block. If it panics, what was to be sent fails
// with ErrPayload. It exists so that a payload is encoded straight into the
// buffer that is written to the socket.
type Payload interface {
	AppendTo(dst []byte) []byte
}

// Bytes is a Payload that is already encoded.
type Bytes []byte

// AppendTo implements Payload.
func (b Bytes) AppendTo(dst []byte) []byte { return append(dst, b...) }
