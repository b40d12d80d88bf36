package httpmsg

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Limits of a payload.
const (
	// MaxFields is the most header fields in one message.
	MaxFields = 256
	// MaxName and MaxValue are the longest field name and value in bytes.
	MaxName  = 255
	MaxValue = 1<<16 - 1
	// MaxWhole is the largest body in bytes that goes in one piece with its
	// head; a larger one goes on in chunks. It leaves room in a frame for the
	// head.
	MaxWhole = 900_000
)

// ErrMalformed: bytes that are not what docs/protocol.md says.
var ErrMalformed = errors.New("httpmsg: malformed")

// Field is one header field. Names are in lower case.
type Field struct{ Name, Value []byte }

// Fields is a header: fields in their order, names possibly more than once.
type Fields []Field

// Get returns the value of the first field of that name, nil if there is
// none. name must be in lower case.
func (fs Fields) Get(name string) []byte {
	for i := range fs {
		if string(fs[i].Name) == name {
			return fs[i].Value
		}
	}
	return nil
}

// check reports what in the fields can't be encoded.
func (fs Fields) check() error {
	if len(fs) > MaxFields {
		return fmt.Errorf("httpmsg: %d header fields: want at most %d", len(fs), MaxFields)
	}
	for _, f := range fs {
		if len(f.Name) == 0 || len(f.Name) > MaxName {
			return fmt.Errorf("httpmsg: header field name of %d bytes (%.40q): want 1 to %d", len(f.Name), f.Name, MaxName)
		}
		if len(f.Value) > MaxValue {
			return fmt.Errorf("httpmsg: the value of header field %s has %d bytes: want at most %d", f.Name, len(f.Value), MaxValue)
		}
	}
	return nil
}

func (fs Fields) appendTo(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(fs))) // checked
	for i := range fs {
		dst = appendLower8(dst, fs[i].Name)
		dst = append16(dst, fs[i].Value)
	}
	return dst
}

func (fs Fields) decode(b []byte) (Fields, []byte, error) {
	if len(b) < 2 {
		return fs[:0], nil, fmt.Errorf("%w: ends before the header's count", ErrMalformed)
	}
	n := int(binary.BigEndian.Uint16(b))
	b = b[2:]
	if n > MaxFields {
		return fs[:0], nil, fmt.Errorf("%w: %d header fields: want at most %d", ErrMalformed, n, MaxFields)
	}
	fs = fs[:0]
	for range n {
		var f Field
		var ok bool
		if f.Name, b, ok = take8(b); !ok {
			return fs, nil, fmt.Errorf("%w: ends inside a field name", ErrMalformed)
		}
		if f.Value, b, ok = take16(b); !ok {
			return fs, nil, fmt.Errorf("%w: ends inside the value of %.40q", ErrMalformed, f.Name)
		}
		fs = append(fs, f)
	}
	return fs, b, nil
}

func append8(dst, s []byte) []byte {
	s = s[:min(len(s), math.MaxUint8)] // whatever follows must stay what it is
	dst = append(dst, byte(len(s)))    // cut to that
	return append(dst, s...)
}

// appendLower8 is append8 with ASCII letters in lower case.
func appendLower8(dst, s []byte) []byte {
	s = s[:min(len(s), math.MaxUint8)]
	dst = append(dst, byte(len(s))) // cut to that
	n := len(dst)
	dst = append(dst, s...)
	for i := n; i < len(dst); i++ {
		if c := dst[i]; 'A' <= c && c <= 'Z' {
			dst[i] = c + 'a' - 'A'
		}
	}
	return dst
}

func append16(dst, s []byte) []byte {
	s = s[:min(len(s), math.MaxUint16)]
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(s))) // checked
	return append(dst, s...)
}

func take8(b []byte) (s, rest []byte, ok bool) {
	if len(b) < 1 {
		return nil, nil, false
	}
	n := 1 + int(b[0])
	if len(b) < n {
		return nil, nil, false
	}
	return b[1:n:n], b[n:], true
}

func take16(b []byte) (s, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := 2 + int(binary.BigEndian.Uint16(b))
	if len(b) < n {
		return nil, nil, false
	}
	return b[2:n:n], b[n:], true
}

// takeBody takes the body, and its whole length if that is said.
func takeBody(b []byte) (body []byte, length int64, err error) {
	if len(b) < 4 {
		return nil, 0, fmt.Errorf("%w: ends before the body's length", ErrMalformed)
	}
	n := uint64(binary.BigEndian.Uint32(b))
	if uint64(len(b)-4) < n {
		return nil, 0, fmt.Errorf("%w: body of %d bytes announced, but only %d present", ErrMalformed, n, len(b)-4)
	}
	body, b = b[4:4+n:4+n], b[4+n:]
	if len(b) >= 8 {
		length = max(int64(binary.BigEndian.Uint64(b)), -1) // -1 is on the wire as 2^64-1
	}
	return body, length, nil
}

func appendBody(dst, body []byte, length int64) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(body))) // bounded by the frame
	dst = append(dst, body...)
	if length != 0 {
		dst = binary.BigEndian.AppendUint64(dst, uint64(length))
	}
	return dst
}
