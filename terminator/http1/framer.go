package http1

// FramingRoom is how many bytes a piece of a body needs free in front of it and behind it, for its
// framing.
const FramingRoom = 16

// BodyFramer frames a body that is written piece by piece.
type BodyFramer struct {
	Left    int64 // of an announced length, in bytes; negative: none was
	Chunked bool
}

// Take takes n bytes off what was announced, and returns how many of them are to be sent. What is
// more is a fault of the handler's, and dropped.
func (f *BodyFramer) Take(n int) int {
	if f.Left >= 0 {
		n = int(min(int64(n), f.Left))
		f.Left -= int64(n)
	}
	return n
}

// Full reports that all that was announced was taken.
func (f *BodyFramer) Full() bool { return f.Left == 0 }

// Frame returns the piece of n bytes that begins FramingRoom into buf, framed. buf has as much room
// behind it.
func (f *BodyFramer) Frame(buf []byte, n int) []byte {
	if !f.Chunked {
		return buf[FramingRoom : FramingRoom+n]
	}
	var size [FramingRoom]byte
	line := AppendChunk(size[:0], n)
	from := FramingRoom - len(line)
	copy(buf[from:], line)
	return append(buf[from:FramingRoom+n], "\r\n"...)
}

// Append appends a piece, framed, to dst.
func (f *BodyFramer) Append(dst, piece []byte) []byte {
	switch {
	case len(piece) == 0:
		return dst
	case f.Chunked:
		return append(append(AppendChunk(dst, len(piece)), piece...), "\r\n"...)
	default:
		return append(dst, piece...)
	}
}

// End is what follows the last piece of a complete body.
func (f *BodyFramer) End() string {
	if f.Chunked {
		return LastChunk
	}
	return ""
}
