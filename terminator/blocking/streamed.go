package blocking

import (
	"errors"
	"io"

	"nanofront/nanobus"
	"nanofront/terminator/http1"
)

// errShort: less of a body has come than was announced.
var errShort = errors.New("blocking: the body is shorter than was announced")

// streamed is the body of a response that streams, with its framing.
type streamed struct {
	d       *nanobus.BodyReader
	left    int64 // of an announced length; negative: none was
	chunked bool
	buf     *[piece]byte // held while there is always more
}

// framing is how many bytes of a piece are left free in front, for the size of a chunk, and behind it, for its end and
// that of the body.
const framing = 16

// next waits for a piece of the body and returns it as it is to be written, and how many bytes of the body that is.
// end is io.EOF when that is the last; another error when no more can come. out is valid until the next call.
func (s *streamed) next() (out []byte, n int, end error) {
	if s.buf != nil && s.d.Buffered() == 0 {
		s.release() // so that a quiet stream costs little
	}
	if err := s.d.Await(0); err != nil {
		if errors.Is(err, io.EOF) && s.left > 0 {
			err = errShort
		}
		if errors.Is(err, io.EOF) && s.chunked {
			out = append(out, http1.LastChunk...)
		}
		return out, 0, err
	}
	if s.buf == nil {
		s.buf = pieces.Get().(*[piece]byte) //nolint:forcetypeassert // the pool has nothing else
	}
	n, err := s.d.Read(s.buf[framing : piece-framing])
	if err != nil {
		return nil, 0, err // it was closed just now
	}
	if n = s.take(n); s.left == 0 {
		end = io.EOF
	}
	from := framing
	if s.chunked {
		var size [framing]byte
		line := http1.AppendChunk(size[:0], n)
		from -= len(line)
		copy(s.buf[from:], line)
		return append(s.buf[from:framing+n], "\r\n"...), n, end
	}
	return s.buf[from : from+n], n, end
}

// first is next for what came with the head, to which it is appended.
func (s *streamed) first(head, data []byte) (out []byte, n int, end error) {
	if n = s.take(len(data)); s.left == 0 {
		end = io.EOF
	}
	switch {
	case n == 0:
		return head, 0, end
	case s.chunked:
		return append(append(http1.AppendChunk(head, n), data...), "\r\n"...), n, end
	default:
		return append(head, data[:n]...), n, end
	}
}

// take takes n bytes off what was announced. What is more is a fault of the handler's, and dropped.
func (s *streamed) take(n int) int {
	if s.left >= 0 {
		n = int(min(int64(n), s.left))
		s.left -= int64(n)
	}
	return n
}

// release gives the buffer back.
func (s *streamed) release() {
	if s.buf != nil {
		pieces.Put(s.buf)
		s.buf = nil
	}
}
